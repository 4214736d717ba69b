import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import {
  editMessage,
  linkButton,
  type Outcome,
  parseWebhookUrl,
  postMessage,
  type Webhook,
} from '../../src/connectors/discord.ts'

const TOKEN = 'very-secret_TOKEN-0123456789'
const ID = '1234567890123456789'

describe('requests', () => {
  it('posts to the thread with wait and without mentions, and returns the message id', async () => {
    const server = await listen((_request, response) => answer(response, 200, { id: '77' }))
    const webhook = parseWebhookUrl(`${server.address}?thread_id=42`)
    await expect(postMessage(webhook, { content: 'hello' })).resolves.toEqual({ kind: 'sent', messageId: '77' })
    const [request] = server.requests
    expect(request).toMatchObject({ method: 'POST', path: `/api/v10/webhooks/${ID}/${TOKEN}` })
    expect(request?.query).toEqual({ wait: 'true', thread_id: '42' })
    expect(request?.body).toEqual({ content: 'hello', allowed_mentions: { parse: [] } })
    expect(request?.headers).not.toHaveProperty('authorization')
  })

  it('requests components if the message has some, and the caller sets the allowed mentions', async () => {
    const server = await listen((_request, response) => answer(response, 200, { id: '77' }))
    const components = [{ type: 1 as const, components: [linkButton('Watch', 'https://example.com/')] }]
    await postMessage(server.webhook, { content: 'hello', components, allowed_mentions: { roles: ['9'] } })
    expect(server.requests[0]?.query).toEqual({ wait: 'true', with_components: 'true' })
    expect(server.requests[0]?.body).toMatchObject({ components, allowed_mentions: { roles: ['9'] } })
  })

  it('edits with PATCH, without mentions, and removes the parts that the new message lacks', async () => {
    const server = await listen((_request, response) => answer(response, 200, { id: '77' }))
    const outcome = await editMessage(server.webhook, '77', { content: 'new', username: 'T-minus' })
    expect(outcome).toEqual({ kind: 'sent', messageId: '77' })
    const [request] = server.requests
    expect(request).toMatchObject({ method: 'PATCH', path: `/api/v10/webhooks/${ID}/${TOKEN}/messages/77` })
    expect(request?.query).toEqual({ with_components: 'true' })
    expect(request?.body).toEqual({ content: 'new', embeds: [], components: [], allowed_mentions: { parse: [] } })
  })

  const refusal = { code: 50035, message: 'Invalid Form Body' }
  const imageRefusal = {
    ...refusal,
    errors: { embeds: { 0: { image: { url: { _errors: [{ code: 'URL', message: 'Not a URL' }] } } } } },
  }
  const titleRefusal = { ...refusal, errors: { embeds: { 0: { title: { _errors: [{ message: 'Long' }] } } } } }
  it.each<[string, number, unknown, Record<string, string>, Outcome]>([
    ['500', 500, { message: 'oops' }, {}, { kind: 'unknown', reason: 'HTTP 500' }],
    ['502 in HTML', 502, '<html>', {}, { kind: 'unknown', reason: 'HTTP 502' }],
    ['200 cut short', 200, '{"id": "7', {}, { kind: 'unknown', reason: "HTTP 200 without the message's id" }],
    ['204', 204, '', {}, { kind: 'unknown', reason: "HTTP 204 without the message's id" }],
    ['429', 429, { retry_after: 1.5 }, { 'retry-after': '2' }, { kind: 'rate_limited', retryAfterMs: 2_000 }],
    ['429 with a finer body', 429, { retry_after: 2.25 }, { 'retry-after': '2' }, limited(2_250)],
    ['429 of now', 429, { retry_after: 0 }, { 'retry-after': '0' }, limited(1_000)],
    ['429 without Retry-After', 429, '<html>banned</html>', {}, limited(60_000)],
    ['429 without Retry-After, JSON', 429, { retry_after: 0.3 }, {}, limited(60_000)],
    ['429 with a date', 429, '', { 'retry-after': 'Fri, 01 Jan 2027 00:00:00 GMT' }, limited(60_000)],
    ['429 for ever', 429, '{"retry_after": 1e999}', { 'retry-after': '1' }, limited(DAY)],
    ['429 for ever, in the header', 429, '', { 'retry-after': '1e999' }, limited(DAY)],
    ['429 for 30,000 years', 429, { retry_after: 1e12 }, { 'retry-after': '1000000000000' }, limited(DAY)],
    ['429 of the past', 429, { retry_after: -5 }, { 'retry-after': '-5' }, limited(1_000)],
    ['429 with NaN', 429, '{"retry_after": NaN}', { 'retry-after': 'NaN' }, limited(60_000)],
    ['429 with a text', 429, { retry_after: '7.5' }, { 'retry-after': '1' }, limited(7_500)],
    ['429 with words', 429, { retry_after: 'soon' }, { 'retry-after': 'soon' }, limited(60_000)],
    ['429 with other types', 429, { retry_after: { a: 1 } }, { 'retry-after': '3' }, limited(3_000)],
    ['429 of a shared limit', 429, { code: 20028, retry_after: 4 }, { 'retry-after': '4' }, limited(4_000)],
    ['429 of all webhooks', 429, { code: 0, global: true, retry_after: 2 }, { 'retry-after': '2' }, limited(2_000)],
    ['429 of Cloudflare', 429, 'error code: 1015', {}, limited(60_000)],
    ['slow mode as 400', 400, { code: 20016, retry_after: 9 }, {}, limited(60_000)],
    ['overloaded', 503, { code: 130000, message: 'Overloaded' }, { 'retry-after': '5' }, limited(5_000)],
    ['blocked at the gate', 403, { code: 40333, message: 'internal network error' }, {}, limited(60_000)],
    ['429/30046', 429, { code: 30046, retry_after: 30 }, { 'retry-after': '30' }, { kind: 'edit_limited' }],
    ['400/30046', 400, { code: 30046, message: 'Maximum number of edits' }, {}, { kind: 'edit_limited' }],
    ['429/20022', 429, { code: 20022, retry_after: 30 }, {}, { kind: 'edit_limited' }],
    ['429/10008', 429, { code: 10008 }, {}, { kind: 'message_gone' }],
    ['400/50083', 400, { code: 50083, message: 'Thread is archived' }, {}, { kind: 'archived' }],
    ['404/10003', 404, { code: 10003, message: 'Unknown Channel' }, {}, { kind: 'gone', code: 10003 }],
    ['400/220001', 400, { code: 220001, message: 'must have a thread' }, {}, { kind: 'gone', code: 220001 }],
    ['400/10015', 400, { code: 10015, message: 'Unknown Webhook' }, {}, { kind: 'gone', code: 10015 }],
    ['413/40005', 413, { code: 40005, message: 'Too large' }, {}, refused(413, 40005, 'Too large', 'message')],
    ['413 of a proxy', 413, '<html>', {}, refused(413, 0, 'HTTP 413', 'message', true)],
    ['403/50013', 403, { code: 50013, message: 'Missing' }, {}, refused(403, 50013, 'Missing', 'webhook')],
    ['400/50001', 400, { code: 50001, message: 'Missing' }, {}, refused(400, 50001, 'Missing', 'webhook')],
    ['403 of Cloudflare', 403, '<title>Just a moment</title>', {}, refused(403, 0, 'Just a moment', 'webhook')],
    ['1020 of Cloudflare', 403, 'error code: 1020', {}, refused(403, 0, 'error code: 1020', 'webhook')],
    ['400 of an old form', 400, { embeds: ['0'] }, {}, refused(400, 0, 'embeds: 0', 'message', true)],
    ['400 with a message', 400, { message: 'No way' }, {}, refused(400, 0, 'No way', 'message', true)],
    ['400 without words', 400, {}, {}, refused(400, 0, 'HTTP 400', 'message', true)],
    ['400 as a list', 400, ['Cannot', 'resize'], {}, refused(400, 0, '0: Cannot; 1: resize', 'message')],
    [
      '400 of a title',
      400,
      { embeds: { 0: { title: ['Long'] } } },
      {},
      refused(400, 0, 'embeds.0.title: Long', 'message'),
    ],
    ['400 of a thread', 400, { thread_id: ['no'] }, {}, refused(400, 0, 'thread_id: no', 'webhook')],
    [
      '400 that steers',
      400,
      { message: 'a\u001b[2J\u202eb\n\nc' },
      {},
      refused(400, 0, 'a\uFFFD[2Jb c', 'message', true),
    ],
    ['automod', 400, { code: 200000, message: 'Blocked' }, {}, refused(400, 200000, 'Blocked', 'message')],
    ['a code that is a text', 400, { code: '50035', message: 'x' }, {}, refused(400, 0, 'x', 'message', true)],
    ['404/10015', 404, { code: 10015, message: 'Unknown Webhook' }, {}, { kind: 'gone', code: 10015 }],
    ['401/50027', 401, { code: 50027, message: 'Invalid' }, {}, { kind: 'gone', code: 50027 }],
    ['404/10008', 404, { code: 10008, message: 'Unknown Message' }, {}, { kind: 'message_gone' }],
    ['404 of a proxy', 404, '<html>', {}, refused(404, 0, 'HTTP 404', 'webhook')],
    ['403 with null', 403, null, {}, refused(403, 0, 'HTTP 403', 'webhook')],
    ['302', 302, '', { location: 'http://127.0.0.1:1/' }, refused(302, 0, 'HTTP 302', 'webhook')],
    ['50035 title', 400, titleRefusal, {}, refused(400, 50035, 'Invalid Form Body; embeds.0.title: Long', 'message')],
    [
      '50035 image',
      400,
      imageRefusal,
      {},
      refused(400, 50035, 'Invalid Form Body; embeds.0.image.url: Not a URL', 'message', true),
    ],
    ['token repeated', 400, { message: `no ${TOKEN}` }, {}, refused(400, 0, 'no ***', 'message', true)],
  ])('%s: one request, one outcome', async (_name, status, body, headers, expected) => {
    const server = await listen((_request, response) => answer(response, status, body, headers))
    expect(await postMessage(server.webhook, { content: 'x' })).toEqual(expected)
    expect(await editMessage(server.webhook, '1', { content: 'x' })).toEqual(expected)
    expect(server.requests.map(({ method }) => method)).toEqual(['POST', 'PATCH'])
  })

  it('aborts a slow answer in time, after one request', async () => {
    const server = await listen(() => undefined)
    const started = performance.now()
    const outcome = await postMessage(server.webhook, { content: 'x' }, { timeoutMs: 150 })
    expect(outcome).toEqual({ kind: 'unknown', reason: 'no answer within 0.15 s' })
    expect(performance.now() - started).toBeLessThan(5_000)
    expect(server.requests).toHaveLength(1)
  })

  it('aborts a body that stalls', async () => {
    const server = await listen((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).write('{"id":')
    })
    const outcome = await postMessage(server.webhook, { content: 'x' }, { timeoutMs: 150 })
    expect(outcome).toEqual({ kind: 'unknown', reason: 'no answer within 0.15 s' })
    expect(server.requests).toHaveLength(1)
  })

  it.each([
    [200, { kind: 'unknown', reason: 'the answer is larger than 1 MB' }],
    [429, limited(3_000)],
    [400, refused(400, 0, 'HTTP 400', 'message', true)],
  ])('reads at most 1 MB of an endless answer: %i', async (status, expected) => {
    let sent = 0
    const server = await listen((_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json', 'retry-after': '3' })
      const more = () => {
        while (!response.destroyed) {
          sent += 65_536
          if (!response.write(' '.repeat(65_536))) return void response.once('drain', more)
        }
      }
      more()
    })
    expect(await postMessage(server.webhook, { content: 'x' })).toEqual(expected)
    expect(sent).toBeLessThan(32 * 1024 * 1024) // what the sockets hold is added
  })

  it('judges a rejection by its status if the body never ends', async () => {
    const server = await listen((_request, response) => {
      response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '3' }).write('{"retry_after":')
    })
    expect(await postMessage(server.webhook, { content: 'x' }, { timeoutMs: 150 })).toEqual(limited(3_000))
  })

  it.each([
    ['nested deep', '['.repeat(200_000) + ']'.repeat(200_000)],
    ['nested deep under errors', `{"errors":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`],
    [
      'of 50,000 complaints',
      JSON.stringify({ errors: { content: { _errors: Array(50_000).fill({ message: 'no' }) } } }),
    ],
    ['of null complaints', '{"errors":{"content":{"_errors":[null,{}]}}}'],
    ['with a long word', JSON.stringify({ message: 'x'.repeat(500_000) })],
  ])('a rejection %s is capped', async (_name, body) => {
    const server = await listen((_request, response) => answer(response, 400, body))
    const outcome = await postMessage(server.webhook, { content: 'x' })
    expect(outcome).toMatchObject({ kind: 'rejected', status: 400 })
    expect(JSON.stringify(outcome).length).toBeLessThan(1_300)
  })

  it('the outcome of a request is unknown if its connection broke', async () => {
    const server = await listen((request) => request.socket.destroy())
    expect(await postMessage(server.webhook, { content: 'x' })).toMatchObject({ kind: 'unknown' })
    expect(server.requests).toHaveLength(1)
  })

  it('sends nothing if already aborted, and reports an abort during the request', async () => {
    const stop = new AbortController()
    const server = await listen(() => stop.abort())
    const halfway = await postMessage(server.webhook, { content: 'x' }, { signal: stop.signal })
    expect(halfway).toEqual({ kind: 'unknown', reason: 'stopped while waiting for the answer' })
    const after = await postMessage(server.webhook, { content: 'x' }, { signal: stop.signal })
    expect(after).toEqual({ kind: 'unreachable', reason: 'stopped before anything was sent' })
    expect(server.requests).toHaveLength(1)
  })

  it.each(['127.0.0.1', 'localhost', '[::1]'])('a refused connection to %s sent nothing', async (host) => {
    const server = await listen(() => undefined)
    await server.close()
    const webhook = parseWebhookUrl(server.address.replace('127.0.0.1', host))
    const outcome = await postMessage(webhook, { content: 'x' })
    expect(outcome).toEqual({ kind: 'unreachable', reason: 'connection refused' })
  })

  it('keeps no connection open, and exposes no token', async () => {
    const server = await listen((_request, response) => answer(response, 500, { message: TOKEN }))
    const outcome = await postMessage(server.webhook, { content: 'x' })
    expect(inspect(outcome, { depth: 9, showHidden: true })).not.toContain(TOKEN)
    expect(server.requests[0]?.headers.connection).toBe('close')
  })
})

function limited(retryAfterMs: number): Outcome {
  return { kind: 'rate_limited', retryAfterMs }
}

function refused(
  status: number,
  code: number,
  message: string,
  about: 'message' | 'webhook',
  imageSuspected = false,
): Outcome {
  return { kind: 'rejected', status, code, message, about, imageSuspected }
}

const DAY = 86_400_000

interface Seen {
  method: string | undefined
  path: string
  query: Record<string, string>
  headers: IncomingMessage['headers']
  body: unknown
}

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()))
})

interface Listening {
  address: string
  webhook: Webhook
  requests: Seen[]
  close(): Promise<void>
}

async function listen(reply: (request: IncomingMessage, response: ServerResponse) => void): Promise<Listening> {
  const requests: Seen[] = []
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece)
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://loopback')
    requests.push({
      method: request.method,
      path: pathname,
      query: Object.fromEntries(searchParams),
      headers: request.headers,
      body: JSON.parse(Buffer.concat(pieces).toString()),
    })
    reply(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/webhooks/${ID}/${TOKEN}`
  const close = async () => {
    server.close()
    server.closeAllConnections()
  }
  closers.push(close)
  return { address, webhook: parseWebhookUrl(address), requests, close }
}

function answer(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  const json = typeof body === 'string' ? body : JSON.stringify(body)
  const type = json.startsWith('<') ? 'text/html' : 'application/json'
  response.writeHead(status, { 'content-type': type, ...headers }).end(json)
}
