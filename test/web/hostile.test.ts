import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { dag } from '../../src/dag/dag.ts'
import { buildApp } from '../../src/web/app.ts'
import type { LoadedBoard } from '../../src/web/boards.ts'
import { Hono } from '../../src/web/index.ts'
import type { Site } from '../../src/web/site.ts'
import { useDatabase } from '../support/database.ts'
import { openTestRunner } from '../support/runner.ts'
import { WITHIN } from '../support/within.ts'
import { type OpenSite, openSite } from './site.ts'
import { form, json } from './support.ts'

const database = useDatabase()
let site: OpenSite

const params = z.object({
  text: z.string().optional(),
  list: z.array(z.unknown()).optional(),
  any: z.unknown().default(null),
})
const given = dag('given', { params, schedule: '@daily' }, ({ task }) => {
  const first = task('first', { output: z.unknown(), run: () => 'value' })
  task('second', { upstream: { first }, run: (_, { log }) => log.info('here') })
})

beforeAll(async () => {
  const { run } = await openTestRunner(database, [given])
  await run(given)
  site = await openSite(database, { dags: [given] })
})
afterAll(() => site.close())

/** The failed requests in the log. There must be none, and no answer may be a 5xx. */
const failed = () => site.logged().filter((line) => line.includes('a request failed'))

/** Sends these bytes and returns the whole answer. */
async function send(bytes: string): Promise<string> {
  const { hostname, port } = new URL(site.url)
  const socket = connect(Number(port), hostname).setEncoding('utf8')
  let text = ''
  socket
    .on('error', () => {})
    .on('data', (chunk) => {
      text += chunk
    })
  socket.write(bytes, 'latin1')
  await once(socket, 'close')
  return text
}

const statusIn = (answer: string) => Number(/^HTTP\/1.1 (\d{3})/.exec(answer)?.[1] ?? 0)

const DEEP = `${'['.repeat(3_000)}${']'.repeat(3_000)}`
const DEEPEST = `${'{"a":'.repeat(90_000)}1${'}'.repeat(90_000)}`

describe('invalid input gets a 400:', () => {
  const BROKEN = {
    method: 'POST',
    body: 'no part at all',
    headers: { 'content-type': 'multipart/form-data; boundary=x' },
  }
  test('a broken multipart form, for every form', async () => {
    const run = '/dags/given/runs/latest'
    for (const path of [
      '/login',
      '/users',
      '/pools',
      '/dags/given/trigger',
      '/dags/given/pause',
      `${run}/clear`,
      `${run}/mark`,
    ])
      expect([path, (await site.get(path, BROKEN)).status]).toEqual([path, 400])
    const noBoundary = { ...BROKEN, headers: { 'content-type': 'multipart/form-data' } }
    expect((await site.get('/login', noBoundary)).status).toBe(400)
    const file = new FormData()
    file.set('name', new Blob(['x']), 'x.txt')
    expect((await site.get('/pools', { method: 'POST', body: file })).status).toBe(400)
    expect(
      (await site.get('/pools', { method: 'POST', body: '{}', headers: { 'content-type': 'text/plain' } })).status,
    ).toBe(415)
  })

  test.each([
    '127.999.1.1',
    '127.0.0.256',
    '127.0.0.1:99999',
    'localhost:99999',
    '',
    '[::1',
    'a b',
    'x@localhost',
    '999.1',
  ])('the host "%s"', async (host) => {
    for (const path of ['/dags', '/login', '/api/v1/dags', '/assets/site.css', '/live/dags/all']) {
      const status = statusIn(await send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`))
      expect([path, status]).toEqual([
        path,
        host === 'x@localhost' || host === '999.1' ? expect.toBeOneOf([400, 421]) : 400,
      ])
    }
  })

  test.each([
    ['a NUL in a key', { conf: { any: { 'k\0': 1 } } }],
    ['a NUL in a value', { conf: { text: 'a\0b' } }],
    ['half a surrogate pair in a key', { conf: { any: { 'k\ud800': 1 } } }],
    ['half a surrogate pair', { conf: { any: ['\udc00'] } }],
    ['a date before 1900', { logical_date: '1899-12-31T23:59:59Z' }],
    ['the year 0', { logical_date: '0000-01-01T00:00:00Z' }],
    ['a date after 9999', { logical_date: '9999-12-31T23:59:59-12:00' }],
    ['a day that is none', { logical_date: '2026-02-30T00:00:00Z' }],
    ['a date that is a number', { logical_date: 5 }],
    ['conf that is a list', { conf: [] }],
    ['conf that is null', { conf: null }],
    ['a list', []],
  ])('a run with %s', async (_, body) => {
    const { status, headers } = await site.get('/api/v1/dags/given/dagRuns', json(body))
    expect([status, headers.get('content-type')]).toEqual([400, 'application/problem+json'])
  })

  test.each([
    ['3,000 levels', `{"conf":{"any":${DEEP}}}`],
    ['90,000 levels', `{"conf":{"any":${DEEPEST}}}`],
    ['a broken one', '{"conf":'],
    ['an empty one', ''],
  ])('conf of %s', async (_, body) => {
    const init = { method: 'POST', body, headers: { 'content-type': 'application/json' } }
    expect((await site.get('/api/v1/dags/given/dagRuns', init)).status).toBe(400)
  })

  test.each([
    ['list', DEEP],
    ['list', '[{"k\\u0000":1}]'],
    ['list', '["\\ud800"]'],
    ['text', 'a\0b'],
  ])('the param %s of a form', async (name, value) => {
    expect((await site.get('/dags/given/trigger', form({ [name]: value }))).status).toBe(400)
  })

  test.each([DEEP, '{"k\\u0000":1}', '"\\ud800"'])('a marked output', async (value) => {
    const fields = { task: 'first', state: 'success', value }
    expect((await site.get('/dags/given/runs/latest/mark', form(fields))).status).toBe(400)
    const init = { ...json({}), method: 'PATCH', body: `{"new_state":"success","value":${value}}` }
    expect((await site.get('/api/v1/dags/given/dagRuns/latest/taskInstances/first', init)).status).toBe(400)
  })

  test('the first and the last date are accepted', async () => {
    for (const logical_date of ['1900-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z'])
      expect((await site.get('/api/v1/dags/given/dagRuns', json({ logical_date }))).status).toBe(201)
    for (const page of ['/dags/given', '/dags/given/runs/latest', '/dags', '/api/v1/dagRuns'])
      expect((await site.get(page)).status).toBe(200)
  })
})

test('after signing in, no redirect goes to a path that a header cannot hold', async () => {
  await site.addUser('vera')
  for (const next of [
    '/%00',
    '/\0',
    '/a\r\nSet-Cookie: x=y',
    '/ü',
    '/\ud800',
    `/${'x'.repeat(10_000)}`,
    '/\\evil',
    '//evil',
  ]) {
    const answer = await site.get('/login', form({ name: 'vera', password: 'correct horse battery', next }))
    const isPlain = next === '/%00'
    expect([next, answer.status, answer.headers.get('location')]).toEqual(
      next.includes('\0') ? [next, 400, null] : [next, 303, isPlain ? '/%00' : '/'],
    )
    await database.pool.query('delete from metadata.login_attempt')
  }
  await database.pool.query('delete from metadata.web_user')
})

describe('a crash', () => {
  const SECRET = 'refused: password s3cr3t-value\n  at the second line'
  let crashing: OpenSite
  beforeAll(async () => {
    const routes = new Hono()
      .get('/crash', () => {
        throw new Error(SECRET)
      })
      .get('/thrown', () => {
        throw SECRET
      })
    crashing = await openSite(database, { dags: [given], mount: (app) => void app.route('/', routes) })
  })
  afterAll(() => crashing.close())

  test.each(['/crash', '/thrown'])(
    'at %s is one log line without a secret, and a 500 without details',
    async (path) => {
      const before = crashing.logged().length
      const printed = [vi.spyOn(console, 'error'), vi.spyOn(console, 'log'), vi.spyOn(console, 'info')]
      const { status, text } = await crashing.get(path)
      expect([status, text.includes('second line')]).toEqual([500, false])
      const lines = crashing.logged().slice(before)
      expect(lines).toEqual([expect.stringMatching(/^[^\n]*a request failed[^\n]*\n$/)])
      expect(lines[0]).toContain('at the second line')
      expect(lines[0]).not.toContain('s3cr3t-value')
      for (const spy of printed) expect(spy).not.toHaveBeenCalled()
      vi.restoreAllMocks()
    },
  )

  test('in the middle of a download closes the connection and is also one log line', async () => {
    await database.pool.query(
      `insert into metadata.task_log (dag_run_id, task_id, try_number, logged_at, level, message)
       select dag_run_id, task_id, 1, now(), 'info', repeat('x', 5000) from metadata.task_instance, generate_series(1, 10000)
       where task_id = 'second' and dag_run_id = (select max(dag_run_id) from metadata.dag_run where dag_id = 'given')`,
    )
    const printed = vi.spyOn(console, 'error')
    const answer = await fetch(`${crashing.url}/dags/given/runs/latest/tasks/second/log.txt`)
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    await database.pool.query('alter table metadata.task_log rename to task_log_away')
    const readAll = async () => {
      while (!(await reader.read()).done);
    }
    await expect(readAll()).rejects.toThrow()
    await database.pool.query('alter table metadata.task_log_away rename to task_log')
    await vi.waitFor(() => expect(crashing.logged().at(-1)).toMatch(/^[^\n]*an answer was cut off[^\n]*\n$/), WITHIN)
    expect(printed).not.toHaveBeenCalled()
    vi.restoreAllMocks()
  })
})

describe('every route', () => {
  const board: LoadedBoard = { dagId: 'none', base: '', app: new Hono(), calendars: [] }
  const routes = buildApp({ settingsOf: () => ({}) } as unknown as Site, [board])
    .routes.filter(({ method, path }) => method !== 'ALL' && !path.includes('*'))
    .map(({ method, path }) => [method, path] as const)

  const FITTING: Readonly<Record<string, string>> = {
    ':dag': 'given',
    ':run': 'latest',
    ':task': 'first',
    ':try': '1',
    ':id': '1',
    ':name': 'site.css',
    ':kind': 'run',
    ':key': '1',
  }
  const HOSTILE = [
    ...['', '%00', 'a%00b', '%', '%zz', '%ff', '%ed%a0%80', '%C0%80', '..%2f..', '.', '..', "'; drop table x; --"],
    ...['0', '-1', '1e9', '1e308', 'NaN', '99999999999999999999', '9007199254740991', '2147483648', '1.5', 'null'],
    ...['%F0%9F%9A%80', '%E2%80%AE', '__proto__', 'constructor', '[object Object]', '{}', '%5B%5D', 'x'.repeat(5_000)],
    ...['{"a":1}', '\\', '%0d%0aset-cookie:a=b', '2026-13-45', '1/2/3', 'a/b/99999999'],
  ]
  const NAMES = [
    'search',
    'after',
    'cursor',
    'limit',
    'state',
    'before',
    'try',
    'level',
    'next',
    'file',
    'token',
    'task',
    'page',
    'seen',
    'q',
  ]

  const fill = (path: string, one?: string, value?: string) =>
    path.replaceAll(/(:\w+)(\{[^/]+\})?\??/g, (whole, name) => (whole === one ? (value ?? '') : (FITTING[name] ?? 'x')))
  const partsOf = (path: string) => [...path.matchAll(/:\w+(\{[^/]+\})?\??/g)].map(([part]) => part)

  /** Node's `fetch` corrects addresses before it sends them. */
  const raw = async (method: string, target: string, headers = '', body = '') => {
    const text = target.replaceAll(/[ \r\n]/g, (space) => encodeURIComponent(space))
    const length = method === 'GET' ? '' : `Content-Length: ${Buffer.byteLength(body)}\r\n`
    const head = `${method} ${text} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${length}${headers}\r\n`
    return await send(head + Buffer.from(body).toString('latin1'))
  }
  const isFine = async (method: string, target: string, headers = '', body = '') => {
    if (target.startsWith('/live/') && method === 'GET') return
    const answer = await raw(method, target, headers, body)
    const status = statusIn(answer)
    const known = [method, target.slice(0, 200), headers.slice(0, 100), body.slice(0, 100)]
    expect([...known, status < 500 && status >= 200 ? 'fine' : answer.slice(0, 300)]).toEqual([...known, 'fine'])
  }

  test('is listed in this test', () => {
    expect(routes.length).toBeGreaterThan(40)
  })

  test.each(routes)('%s %s survives any path', async (method, path) => {
    for (const part of partsOf(path)) for (const value of HOSTILE) await isFine(method, fill(path, part, value))
    expect(failed()).toEqual([])
  })

  test.each(routes.filter(([method]) => method === 'GET'))('%s %s survives any query', async (method, path) => {
    for (const value of HOSTILE) {
      await isFine(method, `${fill(path)}?${NAMES.map((name) => `${name}=${value}`).join('&')}`)
      await isFine(
        method,
        `${fill(path)}?${NAMES.map((name) => `${name}=1&${name}=${value}&${name}[]=${value}`).join('&')}`,
      )
    }
    for (const name of NAMES)
      for (const value of HOSTILE.slice(12, 22)) await isFine(method, `${fill(path)}?${name}=${value}`)
    expect(failed()).toEqual([])
  })

  const FIELDS = [
    'name',
    'password',
    'role',
    'what',
    'session',
    'before',
    'after',
    'again',
    'pool',
    'slots',
    'paused',
    'back',
    'task',
    'state',
    'value',
    'downstream',
    'text',
    'list',
    'any',
    'next',
  ]
  const KEYS = ['conf', 'logical_date', 'is_paused', 'task_ids', 'dry_run', 'new_state', 'value', 'only_failed']
  const JSONS = [
    'null',
    '[]',
    '{}',
    '"x"',
    '1e999',
    '-0',
    'true',
    '[[[]]]',
    '{"__proto__":{"a":1}}',
    '{"a\\u0000":1}',
    '"\\ud800"',
    DEEP,
    '["\\u0000"]',
  ]
  const TYPES = [
    '',
    'application/json',
    'application/json; charset=utf-16',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'multipart/form-data',
    'text/plain',
    'application/xml',
    ';;;',
    'application/json\tx',
  ]

  test.each(routes.filter(([method]) => method !== 'GET'))('%s %s survives any body', async (method, path) => {
    const type = (one: string) => (one === '' ? '' : `Content-Type: ${one}\r\n`)
    const bodies = [
      '',
      '{',
      '{}',
      'a=b',
      '--x\r\n',
      '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
      '\0',
      '%',
      '=&=&&',
      '\ufeff{}',
    ]
    for (const one of TYPES) for (const body of bodies) await isFine(method, fill(path), type(one), body)
    for (const value of HOSTILE)
      await isFine(
        method,
        fill(path),
        type('application/x-www-form-urlencoded'),
        FIELDS.map((name) => `${name}=${value}`).join('&'),
      )
    for (const value of JSONS) {
      for (const key of KEYS) await isFine(method, fill(path), type('application/json'), `{"${key}":${value}}`)
      await isFine(method, fill(path), type('application/json'), value)
    }
    expect(failed()).toEqual([])
  })

  test('survives any header, method and target', async () => {
    const headers = [
      'Cookie: tminus_session=%',
      'Cookie: =;;;=%00',
      `Cookie: ${'a=b; '.repeat(2_000)}`,
      'Origin: null',
      'Origin: http://[',
      'Last-Event-ID: \xff',
      'If-None-Match: "',
      'Accept-Encoding: gzip;q=x',
      'Range: bytes=9-1',
      'Expect: x',
      'Upgrade: websocket',
      'X-Forwarded-For: ,,,',
      'X-Forwarded-Proto: \xe9',
      'Content-Length: 5',
      'Content-Length: -1',
      'Content-Length: 1e9',
      'Transfer-Encoding: chunked',
      'Transfer-Encoding: x',
      'HX-Request: \x01',
      `User-Agent: ${'x'.repeat(10_000)}`,
      `X: ${'x'.repeat(20_000)}`,
      'Content-Type: multipart/form-data; boundary=',
    ]
    for (const header of headers)
      for (const path of ['/dags', '/login', '/api/v1/dags', '/assets/site.css'])
        await isFine('GET', path, `${header}\r\n`)
    for (const method of [
      'TRACE',
      'OPTIONS',
      'PUT',
      'DELETE',
      'PATCH',
      'PROPFIND',
      'QUERY',
      'POST',
      'HEAD',
      'SEARCH',
      'M-SEARCH',
    ])
      for (const [, path] of routes) await isFine(method, fill(path))
    for (const target of [
      '*',
      '//',
      '///evil',
      'http://evil.example/dags',
      'http://localhost/dags',
      'http://[',
      '/dags#x',
      '/dags?',
      '/%2e%2e/dags',
      '/dags/../../x',
      '/\\x',
      '?x',
      '/;',
      '/dags;x=1',
    ])
      await isFine('GET', target)
    expect(failed()).toEqual([])
  })
})
