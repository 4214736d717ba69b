import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type HttpOptions, openHttp } from '../../src/connectors/http.ts'
import { retryAfterMs } from '../../src/connectors/http-failure.ts'
import { TminusError } from '../../src/errors.ts'
import { type Handler, type HttpServer, sendJson, startHttpServer } from '../support/http-server.ts'
import { WITHIN } from '../support/within.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function serve(handler: Handler): Promise<HttpServer> {
  const server = await startHttpServer(handler)
  closing.push(() => server.close())
  return server
}

function open(signal?: AbortSignal) {
  const http = openHttp({ userAgent: 'tminus-test/1', ...(signal ? { signal } : {}) })
  closing.unshift(() => http.close())
  return http
}

async function errorOf(promise: Promise<unknown>): Promise<TminusError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof TminusError)) throw new Error(`a TminusError was expected, not ${error}`)
  return error
}

async function failing(handler: Handler, options: HttpOptions = {}): Promise<TminusError> {
  const server = await serve(handler)
  return await errorOf(open().getJson(`${server.origin}/launches/?limit=1&key=s3cret`, options))
}

describe('an answer', () => {
  test('arrives parsed; the request has user agent and accepted encodings', async () => {
    const server = await serve((_, response) => sendJson(response, { count: 1 }))
    expect(await open().getJson(`${server.origin}/a`, { headers: { authorization: 'Token x' } })).toEqual({ count: 1 })
    expect(server.requests[0]?.headers).toMatchObject({
      'user-agent': 'tminus-test/1',
      'accept-encoding': 'br, gzip',
      authorization: 'Token x',
    })
  })

  test.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ])('in %s is decompressed', async (coding, compress) => {
    const body = JSON.stringify({ text: 'Pléiades Neo 4'.repeat(1_000) })
    const server = await serve((_, response) =>
      response.writeHead(200, { 'content-encoding': coding }).end(compress(body)),
    )
    expect(await open().getJson(server.origin)).toEqual(JSON.parse(body))
  })

  test('may start with a byte order mark', async () => {
    const server = await serve((_, response) => response.end('\uFEFF{"count":2}'))
    expect(await open().getJson(server.origin)).toEqual({ count: 2 })
  })

  test('of any status is returned by get', async () => {
    const server = await serve((_, response) => sendJson(response, { detail: 'no' }, 404))
    expect(await open().get(server.origin)).toMatchObject({ status: 404 })
  })
})

describe('an error answer', () => {
  test.each([
    [500, true],
    [502, true],
    [503, true],
    [504, true],
    [408, true],
    [429, true],
    [400, false],
    [401, false],
    [403, false],
    [404, false],
    [410, false],
  ])('with %i is retryable: %s', async (status, retryable) => {
    const error = await failing((_, response) => sendJson(response, {}, status), { hint: 'check SETTING' })
    expect(error).toMatchObject({ code: 'http_status', retryable, fields: { status } })
    expect(error.message).toMatch(retryable ? /; try again later$/ : /; check SETTING$/)
    expect(error.message).toMatch(/^127\.0\.0\.1:\d+\/launches\/ answered /)
    expect(error.message).not.toContain('s3cret')
  })

  test('with 429 reports the wait and the given reason', async () => {
    const error = await failing((_, response) =>
      response.writeHead(429, { 'retry-after': '625' }).end('{"detail":"Request was throttled."}'),
    )
    expect(error.fields).toMatchObject({ status: 429, retryAfterMs: 625_000, detail: 'Request was throttled.' })
    expect(error.message).toContain('("Request was throttled."); try again in 625 s')
  })

  test('that contains our key is not repeated', async () => {
    const error = await failing(
      (request, response) => sendJson(response, { detail: `bad ${request.headers.authorization}` }, 401),
      { headers: { authorization: 'Token k3y-of-ours' } },
    )
    expect(error.fields.detail).toBeUndefined()
    expect(JSON.stringify(error) + error.message).not.toContain('k3y-of-ours')
  })

  test('with a corrupt compression keeps its status', async () => {
    const error = await failing((_, response) => response.writeHead(502, { 'content-encoding': 'gzip' }).end('<html>'))
    expect(error).toMatchObject({ code: 'http_status', retryable: true, fields: { status: 502 } })
  })

  test('that redirects is not followed; the target is named only on the same host', async () => {
    const same = await failing((request, response) =>
      response.writeHead(301, { location: `http://${request.headers.host}/elsewhere/?key=s3cret` }).end(),
    )
    expect(same).toMatchObject({ code: 'http_redirect', retryable: false, fields: { status: 301 } })
    expect(same.message).toContain('/elsewhere/, which is not followed')
    expect(same.message).not.toContain('s3cret')
    const other = await failing((_, response) => response.writeHead(302, { location: 'https://evil.example/x' }).end())
    expect(other.message).toContain('another host')
    expect(other.message).not.toContain('evil.example')
  })
})

describe('an answer that is not JSON', () => {
  test.each<[string, string, RegExp]>([
    ['a web page', '<!doctype html><html>', /with a web page \(HTML\) instead of JSON; check SETTING$/],
    ['nothing', '', /with an empty body instead of JSON; check SETTING$/],
    ['words', 'hello', /with another format instead of JSON/],
    ['a complete answer of half a JSON', '{"results": [1, 2', /is invalid JSON; check SETTING$/],
  ])('%s fails at once', async (_, body, message) => {
    const error = await failing((_, response) => response.end(body), { hint: 'check SETTING' })
    expect(error).toMatchObject({ code: 'http_not_json', retryable: false })
    expect(error.message).toMatch(message)
  })
})

describe('limits', () => {
  const cut = (response: ServerResponse) => response.socket?.destroy()

  test('a body that is announced as too large, or grows too large', async () => {
    const announced = await failing((_, response) => response.writeHead(200, { 'content-length': 9_000 }).write('x'), {
      maxBytes: 1_000,
    })
    expect(announced).toMatchObject({ code: 'http_too_large', retryable: false })
    const grown = await failing(
      (_, response) => {
        const timer = setInterval(() => response.write('x'.repeat(400)), 1)
        response.on('close', () => clearInterval(timer))
      },
      { maxBytes: 1_000 },
    )
    expect(grown).toMatchObject({ code: 'http_too_large', retryable: false })
  })

  test.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ])('a %s bomb', async (coding, compress) => {
    const bomb = compress(Buffer.alloc(20_000_000))
    expect(bomb.length).toBeLessThan(30_000)
    const error = await failing((_, response) => response.writeHead(200, { 'content-encoding': coding }).end(bomb), {
      maxBytes: 1024 * 1024,
    })
    expect(error).toMatchObject({ code: 'http_too_large', retryable: false })
    expect(error.message).toContain('1 MiB')
  })

  test('a compression that is cut off, wrong, or not accepted', async () => {
    const whole = gzipSync(JSON.stringify({ text: 'x'.repeat(5_000) }))
    const send = (coding: string, body: Buffer) =>
      failing((_, response) => response.writeHead(200, { 'content-encoding': coding }).end(body))
    expect(await send('gzip', whole.subarray(0, 20))).toMatchObject({ code: 'http_cut_short', retryable: true })
    expect(await send('br', brotliCompressSync('{"a":1}').subarray(0, 4))).toMatchObject({ code: 'http_cut_short' })
    expect(await send('gzip', Buffer.from('{}'))).toMatchObject({ code: 'http_encoding', retryable: false })
    expect(await send('zstd', whole)).toMatchObject({ code: 'http_encoding', retryable: false })
  })

  test('a connection that closes before or during the answer', async () => {
    expect(await failing((_, response) => cut(response))).toMatchObject({ code: 'http_reset', retryable: true })
    const announced = await failing((_, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{"results":', () => cut(response))
    })
    expect(announced).toMatchObject({ code: 'http_cut_short', retryable: true })
    const chunked = await failing((_, response) => {
      response.write('{"results":', () => cut(response))
    })
    expect(chunked).toMatchObject({ code: 'http_cut_short', retryable: true })
  })

  test('silence before the headers and during the body', async () => {
    const silent = await failing(() => {}, { idleTimeoutMs: 100 })
    expect(silent).toMatchObject({ code: 'http_timeout', retryable: true })
    expect(silent.message).toContain('sent nothing for 0.1 s')
    expect(await failing((_, response) => response.write('{'), { idleTimeoutMs: 100 })).toMatchObject({
      code: 'http_timeout',
    })
  })

  test('a slow drip ends at the total time limit', async () => {
    const error = await failing(
      (_, response) => {
        const timer = setInterval(() => response.write(' '), 20)
        response.on('close', () => clearInterval(timer))
      },
      { timeoutMs: 200, idleTimeoutMs: 1_000 },
    )
    expect(error).toMatchObject({ code: 'http_timeout', retryable: true })
    expect(error.message).toContain('did not finish its answer within 0.2 s')
  })

  test('a host that accepts no connection', async () => {
    const port = await crowdedPort()
    const error = await errorOf(open().getJson(`http://127.0.0.1:${port}/`, { connectTimeoutMs: 200 }))
    expect(error).toMatchObject({ code: 'http_timeout', retryable: true })
    expect(error.message).toContain('accepted no connection within 0.2 s')
  })
})

/** A port whose queue of waiting connections is full: Linux then drops further attempts without an answer. */
async function crowdedPort(): Promise<number> {
  const child = spawn(process.execPath, [
    '-e',
    `const server = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       require('fs').writeSync(1, String(server.address().port))
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
     })`,
  ])
  closing.push(() => child.kill('SIGKILL'))
  const [port] = (await once(child.stdout, 'data')) as [Buffer]
  for (let waiting = 0; waiting < 4; waiting++) {
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {})
    closing.push(() => socket.destroy())
  }
  await new Promise((resolve) => setTimeout(resolve, 100))
  return Number(port)
}

describe('no answer', () => {
  test('no server listens', async () => {
    const server = await startHttpServer(() => {})
    await server.close()
    const error = await errorOf(open().getJson(server.origin, { hint: 'check SETTING' }))
    expect(error).toMatchObject({ code: 'http_refused', retryable: true })
    expect(error.message).toMatch(/^Nothing listens at 127\.0\.0\.1:\d+ \(connection refused\); check SETTING$/)
  })

  test('an unknown host', async () => {
    const error = await errorOf(open().getJson('http://no-such-host.invalid/'))
    expect(error.code).toBe('http_dns')
    expect(error.retryable).toBe(error.fields.reported === 'EAI_AGAIN')
    expect(error.message).toMatch(/no-such-host\.invalid; check .*the network$/)
  })

  test('a server that is not a web server', async () => {
    const server = createServer((socket) => socket.end('220 mail.example ESMTP\r\n')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    closing.push(() => server.close())
    const { port } = server.address() as AddressInfo
    expect(await errorOf(open().getJson(`http://127.0.0.1:${port}/`))).toMatchObject({
      code: 'http_protocol',
      retryable: false,
    })
  })

  test('https to a server that speaks http', async () => {
    const server = await serve((_, response) => sendJson(response, {}))
    const error = await errorOf(open().getJson(server.origin.replace('http:', 'https:')))
    expect(error).toMatchObject({ code: 'http_tls', retryable: false })
  })

  test.each(['ftp://127.0.0.1/', 'nonsense', 'http://user:s3cret@127.0.0.1/', 'file:///etc/passwd'])(
    'an address that is none: %s',
    async (address) => {
      const http = open()
      expect(await errorOf(http.get(address))).toMatchObject({ code: 'http_address' })
      const error = await errorOf(http.getJson(address, { hint: 'check SETTING' }))
      expect(error).toMatchObject({ code: 'http_address', retryable: false })
      expect(error.message).toMatch(/; check SETTING$/)
      expect(error.message).not.toContain('s3cret')
    },
  )
})

describe('aborting and closing', () => {
  const silent: Handler = () => {}

  test.each(['of the call', 'of the instance'])('the signal %s ends a request at once', async (whose) => {
    const server = await serve(silent)
    const controller = new AbortController()
    const http = open(whose === 'of the instance' ? controller.signal : undefined)
    const pending = errorOf(http.get(server.origin, { signal: controller.signal }))
    await vi.waitFor(() => expect(server.requests).toHaveLength(1), WITHIN)
    const reason = new Error('interrupted')
    controller.abort(reason)
    expect(await pending).toMatchObject({ code: 'http_aborted', cause: reason })
    expect(await errorOf(http.get(server.origin, { signal: controller.signal }))).toMatchObject({
      code: 'http_aborted',
    })
    expect(server.requests).toHaveLength(1)
  })

  test('close aborts requests in progress, may be called twice, and prevents later requests', async () => {
    const server = await serve(silent)
    const http = open()
    const pending = errorOf(http.get(server.origin))
    await vi.waitFor(() => expect(server.requests).toHaveLength(1), WITHIN)
    const started = performance.now()
    await http.close()
    await http.close()
    expect(await pending).toMatchObject({ code: 'http_aborted' })
    expect(performance.now() - started).toBeLessThan(5_000)
    expect(await errorOf(http.get(server.origin))).toMatchObject({ code: 'http_aborted' })
    await vi.waitFor(() => expect(server.sockets.size).toBe(0), WITHIN)
  })

  test('close does not wait for a connection that is never accepted', async () => {
    const port = await crowdedPort()
    const attempts = () => process.getActiveResourcesInfo().filter((name) => name.endsWith('ConnectWrap')).length
    const before = attempts()
    const http = open()
    const pending = errorOf(http.get(`http://127.0.0.1:${port}/`, { connectTimeoutMs: 20_000 }))
    await vi.waitFor(() => expect(attempts()).toBe(before + 1), WITHIN)
    const started = performance.now()
    await http.close()
    expect(await pending).toMatchObject({ code: 'http_aborted' })
    await vi.waitFor(() => expect(attempts()).toBe(before), WITHIN)
    expect(performance.now() - started).toBeLessThan(5_000)
  })

  test('failed requests leave no socket, and no listener on a long-lived signal', async () => {
    const server = await serve((request, response) => {
      if (request.url === '/large') response.end('x'.repeat(100_000))
      else if (request.url === '/cut')
        response.writeHead(200, { 'content-length': 50 }).write('x', () => response.destroy())
      else if (request.url === '/drip') response.write('x')
      else sendJson(response, {})
    })
    const controller = new AbortController()
    const add = vi.spyOn(controller.signal, 'addEventListener')
    const remove = vi.spyOn(controller.signal, 'removeEventListener')
    const http = open(controller.signal)
    for (let round = 0; round < 5; round++)
      for (const path of ['/large', '/cut', '/drip', '/'])
        await http.get(server.origin + path, { maxBytes: 1_000, timeoutMs: 150 }).catch(() => {})
    expect(server.requests).toHaveLength(20)
    expect(remove.mock.calls.length).toBe(add.mock.calls.length)
    // One is kept alive; after an abort undici may have reconnected in advance.
    await vi.waitFor(() => expect(server.sockets.size).toBeLessThanOrEqual(2), WITHIN)
    await http.close()
    await vi.waitFor(() => expect(server.sockets.size).toBe(0), WITHIN)
  })
})

describe('a body', () => {
  /** Answers with what it received. */
  const echo: Handler = async (request, response) => {
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece)
    const { method, headers } = request
    sendJson(response, { method, type: headers['content-type'], body: Buffer.concat(pieces).toString() })
  }

  test.each([
    ['an object', { a: 1 }, 'application/json', '{"a":1}'],
    ['a list', [1, 'é'], 'application/json', '[1,"é"]'],
    ['a form', new URLSearchParams({ a: '1 2' }), 'application/x-www-form-urlencoded', 'a=1+2'],
    ['a text', 'plain', undefined, 'plain'],
    ['bytes', Buffer.from('raw'), undefined, 'raw'],
  ])('of %s is sent with its type', async (_what, body, type, sent) => {
    const { origin } = await serve(echo)
    expect(await open().postJson(origin, body)).toEqual({ method: 'POST', type, body: sent })
  })

  test('may have another type and another method', async () => {
    const { origin } = await serve(echo)
    const options = { body: { a: 1 }, headers: { 'content-type': 'application/merge-patch+json' } }
    const { body } = await open().request('PATCH', origin, options)
    expect(JSON.parse(body.toString())).toEqual({
      method: 'PATCH',
      type: 'application/merge-patch+json',
      body: '{"a":1}',
    })
  })

  test('that is missing in the answer is undefined', async () => {
    const { origin } = await serve((_request, response) => void response.writeHead(204).end())
    expect(await open().postJson(origin, {})).toBeUndefined()
    expect((await open().request('DELETE', origin)).status).toBe(204)
  })

  test('is not expected after HEAD', async () => {
    const { origin } = await serve(
      (_request, response) => void response.writeHead(200, { 'content-length': 1e9 }).end(),
    )
    expect((await open().request('HEAD', origin)).body).toHaveLength(0)
  })

  test('is sent once, and an error status is an error of postJson only', async () => {
    const server = await serve((_request, response) => sendJson(response, { detail: 'no such channel' }, 404))
    expect((await open().post(server.origin, {})).status).toBe(404)
    expect((await errorOf(open().postJson(server.origin, {}))).message).toContain('404 Not Found ("no such channel")')
    expect(server.requests).toHaveLength(2)
  })
})

describe('Retry-After', () => {
  test('in seconds or as a date', () => {
    const now = Date.UTC(2026, 0, 1)
    expect(retryAfterMs('0', now)).toBe(0)
    expect(retryAfterMs('625', now)).toBe(625_000)
    expect(retryAfterMs('Thu, 01 Jan 2026 00:10:00 GMT', now)).toBe(600_000)
    expect(retryAfterMs('Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(0)
    expect(retryAfterMs(undefined, now)).toBeUndefined()
  })

  test('is never negative nor NaN, whatever the header', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const ms = retryAfterMs(text)
        expect(ms === undefined || ms >= 0).toBe(true)
      }),
    )
  })
})
