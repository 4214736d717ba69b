import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Door, openDoor } from '../../src/web/door.ts'
import { Hono } from '../../src/web/index.ts'
import { openProbes, probes } from '../../src/web/probes.ts'
import { useDatabase } from '../support/database.ts'
import { WITHIN } from '../support/within.ts'
import { type OpenSite, openSite } from './site.ts'

const sockets: (Socket | ClientRequest)[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
})

/** Opens sockets and sends this text on each. */
async function openSockets(url: string, count: number, { from = '127.0.0.1', sent = '' } = {}): Promise<Socket[]> {
  const { hostname: host, port } = new URL(url)
  const made = Array.from({ length: count }, () => connect({ host, port: Number(port), localAddress: from }))
  sockets.push(...made)
  await Promise.all(
    made.map(async (socket) => {
      socket.on('error', () => {})
      await once(socket, 'connect')
      socket.write(sent)
    }),
  )
  return made
}

interface Asking {
  from?: string
  headers?: Record<string, string>
}

/** Sends a request on a separate socket. The body of its answer may never end. */
async function ask(url: string, { from = '127.0.0.1', headers = {} }: Asking = {}): Promise<IncomingMessage> {
  const asked = request(url, { localAddress: from, headers, agent: false }).end()
  sockets.push(asked)
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  answer.resume()
  return answer
}

const statusOf = async (url: string, asking?: Asking) => (await ask(url, asking)).statusCode

describe('sockets', () => {
  let door: Door
  let url: string
  /** The number of requests that get no answer. */
  let hanging = 0
  const open = async (trustProxy = false) => {
    door = openDoor({ host: '127.0.0.1', port: 0, trustProxy })
    door.answerWith((asked, answer) => {
      if (asked.url !== '/hang') answer.end('answered')
      else hanging++
    })
    url = await door.url
  }
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await door.close()
    hanging = 0
  })

  test.each([
    ['nothing', ''],
    ['half a header', 'GET / HTTP/1.1\r\nHost: local'],
    ['half a body', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf'],
  ])('2,200 from one address that have sent %s block no address, not even their own', async (_, sent) => {
    await open()
    await openSockets(url, 2_200, { sent })
    expect(await statusOf(url, { from: '127.0.0.2' })).toBe(200)
    expect(await statusOf(url)).toBe(200)
  })

  test('2,200 idle ones from eleven addresses block no address', async () => {
    await open()
    for (let n = 10; n < 21; n++) await openSockets(url, 200, { from: `127.0.0.${n}` })
    expect(await statusOf(url)).toBe(200)
    expect(await statusOf(url, { from: '127.0.0.10' })).toBe(200)
  })

  test('of an address with 500 open requests get a 503; other addresses are answered', async () => {
    await open()
    await openSockets(url, 500, { sent: 'GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n' })
    await vi.waitFor(() => expect(hanging).toBe(500), WITHIN)
    const refused = await ask(url)
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '5'])
    expect(await statusOf(url, { from: '127.0.0.2' })).toBe(200)
    for (const socket of sockets.splice(0)) socket.destroy()
    await vi.waitFor(async () => expect(await statusOf(url)).toBe(200), WITHIN)
  })

  test('of a trusted proxy have no limit by address', async () => {
    await open(true)
    await openSockets(url, 600, { sent: 'GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n' })
    await vi.waitFor(() => expect(hanging).toBe(600), WITHIN)
    expect(await statusOf(url)).toBe(200)
  })

  test('that idle are closed', async () => {
    await open()
    const [idle] = await openSockets(url, 1)
    await once((idle as Socket).resume(), 'close')
  })
})

describe('requests and streams', () => {
  const database = useDatabase()
  let site: OpenSite
  let hanging = 0
  beforeAll(async () => {
    const slow = new Hono().get('/hang', async () => {
      hanging++
      return await new Promise<Response>(() => {})
    })
    site = await openSite(database, { trustProxy: true, mount: (app) => void app.route('/', slow) })
    for (const name of ['vera', 'ada']) await site.addUser(name)
  })
  afterAll(() => site.close())

  test('one viewer with 1,000 live streams blocks no other user, and can still open pages', async () => {
    const vera = await site.login('vera', { 'x-forwarded-for': '192.0.2.1' })
    const ada = await site.login('ada', { 'x-forwarded-for': '192.0.2.1' })
    const of = (cookie: string, address: string) => ({ headers: { cookie, 'x-forwarded-for': address } })
    const streams: (number | undefined)[] = []
    for (let n = 0; n < 1_000; n += 100) {
      const some = Array.from({ length: 100 }, () => statusOf(`${site.url}/live/dags/all`, of(vera, '192.0.2.1')))
      streams.push(...(await Promise.all(some)))
    }
    const count = (status: number) => streams.filter((one) => one === status).length
    expect([count(200), count(429)]).toEqual([50, 950])
    expect(await statusOf(`${site.url}/dags`, of(vera, '192.0.2.1'))).toBe(200)
    expect(await statusOf(`${site.url}/live/dags/all`, of(ada, '192.0.2.1'))).toBe(200)
    expect(await statusOf(`${site.url}/dags`, of(ada, '192.0.2.2'))).toBe(200)
  })

  test('an ended stream releases its share; a HEAD takes none', async () => {
    const cookie = await site.login('ada', { 'x-forwarded-for': '192.0.2.3' })
    const following = () => ask(`${site.url}/live/dags/all`, { headers: { cookie, 'x-forwarded-for': '192.0.2.3' } })
    for (let n = 0; n < 60; n++) await site.get('/live/dags/all', { method: 'HEAD', headers: { cookie } })
    const all = await Promise.all(Array.from({ length: 50 }, following))
    expect(all.map(({ statusCode }) => statusCode)).toEqual(Array(50).fill(200))
    expect((await following()).statusCode).toBe(429)
    all[0]?.destroy()
    await vi.waitFor(async () => expect((await following()).statusCode).toBe(200), WITHIN)
  })

  test('behind a proxy a client with 300 open requests is refused; another client is answered', async () => {
    for (let n = 0; n < 300; n++) {
      const asked = request(`${site.url}/hang`, { headers: { 'x-forwarded-for': '192.0.2.9' }, agent: false })
      sockets.push(asked.on('error', () => {}).end())
    }
    await vi.waitFor(() => expect(hanging).toBe(300), WITHIN)
    const refused = await ask(`${site.url}/login`, { headers: { 'x-forwarded-for': '192.0.2.9:4711' } })
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '5'])
    expect(await statusOf(`${site.url}/login`, { headers: { 'x-forwarded-for': '192.0.2.10' } })).toBe(200)
  })
})

describe('health and metrics', () => {
  const health = async () => {
    throw new Error('not asked for')
  }

  test('parallel requests for metrics share one computation; the next request computes again', async () => {
    let computed = 0
    let finish = () => {}
    const text = async () => {
      computed++
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      return `computed ${computed}\n`
    }
    const routes = probes({ health, metrics: { contentType: 'text/plain', text } })
    const many = Array.from({ length: 50 }, async () => await (await routes.request('/metrics')).text())
    await vi.waitFor(() => expect(computed).toBe(1), WITHIN)
    finish()
    expect(new Set(await Promise.all(many))).toEqual(new Set(['computed 1\n']))
    const next = routes.request('/metrics')
    await vi.waitFor(() => expect(computed).toBe(2), WITHIN)
    finish()
    expect(await (await next).text()).toBe('computed 2\n')
  })

  test('are answered despite 300 idle sockets', async () => {
    const served = await openProbes(
      new Hono().get('/health', (c) => c.text('healthy')),
      { host: '127.0.0.1', port: 0 },
    )
    await openSockets(served.url, 300)
    expect(await statusOf(`${served.url}/health`)).toBe(200)
    expect(await statusOf(`${served.url}/health`, { headers: { host: '127.999.1.1' } })).toBe(421)
    expect(await statusOf(`${served.url}/health`, { headers: { host: 'a b' } })).toBe(400)
    await served.close()
  })
})
