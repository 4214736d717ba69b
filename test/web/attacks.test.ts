import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { safeHref } from '../../src/web/parts.tsx'
import { ownPath } from '../../src/web/security.ts'
import { WITHIN } from '../support/within.ts'
import { form, json, type StartedSite, startSite } from './support.ts'

let site: StartedSite

beforeAll(async () => {
  site = await startSite()
})
afterAll(async () => {
  await site.close()
})

/** fetch sets Host by itself. */
async function statusFor(headers: Record<string, string>, path = '/dags'): Promise<number> {
  const asked = request(site.url + path, { headers }).end()
  const [answer] = await once(asked, 'response')
  answer.resume()
  return answer.statusCode
}

const alive = async () => expect((await site.get('/dags')).status).toBe(200)

describe('a request with another Host', () => {
  test.each(['evil.example', 'evil.example:8080', '127.0.0.1.evil.example', 'localhost.evil.example', '192.168.0.7'])(
    '%s is refused',
    async (host) => {
      expect(await statusFor({ host })).toBe(421)
      expect(await statusFor({ host }, '/api/v1/dags')).toBe(421)
    },
  )

  test.each(['localhost', 'localhost:9', '127.0.0.1', '[::1]:80'])('Host %s is accepted', async (host) => {
    expect(await statusFor({ host })).toBe(200)
  })
})

describe('a cross-site request', () => {
  const paused = { is_paused: true }
  test.each([
    ['a form', '/dags/wide/pause', form({ paused: 'yes' }, { origin: 'http://evil.example' })],
    ['a form of a sandboxed frame', '/dags/wide/pause', form({ paused: 'yes' }, { origin: 'null' })],
    [
      'a form, by what the browser says',
      '/dags/wide/pause',
      form({ paused: 'yes' }, { 'sec-fetch-site': 'cross-site' }),
    ],
    ['a page on another port', '/dags/wide/pause', form({ paused: 'yes' }, { origin: 'http://127.0.0.1:1' })],
    ['JSON', '/api/v1/dags/wide', { ...json(paused, { origin: 'http://evil.example' }), method: 'PATCH' }],
    [
      'JSON as text',
      '/api/v1/dags/wide/dagRuns',
      json({}, { origin: 'http://evil.example', 'content-type': 'text/plain' }),
    ],
  ])('%s changes nothing', async (_, path, init) => {
    expect((await site.get(path, init)).status).toBe(403)
    const { rows } = await site.database.pool.query(`select from metadata.dag where dag_id = 'wide' and is_paused`)
    expect(rows).toEqual([])
  })
})

describe('text from data', () => {
  const NASTY = `"><img src=x onerror=alert(1)><script>alert(2)</script>'`

  test('is escaped on every page', async () => {
    const made = await site.get('/api/v1/dags/etl/dagRuns', json({ conf: { source: NASTY, rows: 2, only: [NASTY] } }))
    const { run_id } = JSON.parse(made.text)
    const run = `/dags/etl/runs/${encodeURIComponent(run_id)}`
    await vi.waitFor(
      async () => expect((await site.get(`/api/v1/dags/etl/dagRuns/${run_id}`)).text).not.toContain('"end_date":null'),
      WITHIN,
    )
    await site.database.pool.query(
      `update metadata.task_instance set reason = $1, error = $1 where task_id = 'report'`,
      [NASTY],
    )
    await site.database.pool.query(`update metadata.dag_run set reason = $1`, [NASTY])
    const search = encodeURIComponent(NASTY)
    const pages = [
      ...[
        '/dags',
        `/dags?search=${search}`,
        '/dags/etl',
        '/dags/etl/durations',
        '/status',
        `/dags/etl/trigger`,
        `/dags/etl/clear?state=&from=${search}`,
        `/dags/${search}`,
      ],
      ...[run, `${run}/graph`, `${run}/gantt`, `${run}/clear`, `${run}/cancel`, `${run}/mark?task=report`],
      ...[
        `${run}/tasks/extract`,
        `${run}/tasks/report`,
        `${run}/tasks/extract?search=${search}`,
        `/login?next=${search}`,
      ],
    ]
    let shown = 0
    for (const page of pages) {
      const { text } = await site.get(page)
      expect([page, /<img src=x|<script>alert/.test(text)]).toEqual([page, false])
      if (text.includes('&lt;img src=x onerror')) shown++
    }
    expect(shown).toBeGreaterThan(6)
  })

  test('an invalid field is escaped in the form', async () => {
    const { status, text } = await site.get('/dags/etl/trigger', form({ source: 'ok-source', rows: NASTY }))
    expect([status, text.includes('<img src=x'), text.includes('&lt;img src=x')]).toEqual([400, false, true])
  })

  test('pages have no inline script or style, and the CSP would block one', async () => {
    for (const page of ['/dags', '/dags/etl', '/dags/etl/graph', '/nope']) {
      const { text, headers } = await site.get(page)
      expect(text).not.toMatch(/<script(?![^>]*\bsrc=)|<style|<[a-z][^<>]*\s(style|on[a-z]+)=/)
      const policy = headers.get('content-security-policy')
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).not.toMatch(/unsafe/)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
    }
  })

  test.each([
    'javascript:alert(1)',
    ' JavaScript:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    '//evil.example',
    'x',
    '',
    null,
  ])('%s is not accepted as a link address', (href) => {
    expect(safeHref(href)).toBe(undefined)
  })

  test.each(['//evil.example', '/\\evil.example', 'https://evil.example', 'javascript:alert(1)', '/ x', ''])(
    '%s is no way back after a form',
    (path) => {
      expect(ownPath(path, '/dags')).toBe('/dags')
    },
  )
})

describe('paths and statements', () => {
  test.each([
    '/assets/..%2f..%2f..%2fpackage.json',
    '/assets/..%2fapp.ts',
    '/assets/%2e%2e%2fapp.ts',
    '/assets/constructor',
    '/dags/etl/code?file=../nightly/dag.ts',
    '/dags/etl/code?file=/etc/passwd',
    '/dags/etl/runs/latest/tasks/..%2f..%2fetc/log.txt',
    '/runs/99999999999999999999',
    '/%',
  ])('%s finds nothing', async (path) => {
    expect((await site.get(path)).status).toBe(404)
  })

  const SQL = encodeURIComponent(`' or true; drop table metadata.dag_run; --`)
  test.each([
    `/dags?search=${SQL}&after=${SQL}`,
    `/dags/etl?state=${SQL}&before=${SQL}`,
    `/dags/etl/runs/${SQL}`,
    `/dags/etl/runs/latest/tasks/extract?try=${SQL}&level=${SQL}&search=${SQL}`,
    `/api/v1/dags?search=${SQL}&cursor=${SQL}`,
    `/api/v1/dagRuns?cursor=${SQL}`,
    '/dags?search=%00',
    '/dags/a%00b',
  ])('%s is a value like any other', async (path) => {
    expect([200, 400, 404]).toContain((await site.get(path)).status)
    await alive()
  })

  test('live streams accept only valid keys', async () => {
    const following = new AbortController()
    const answer = await fetch(`${site.url}/live/run/${SQL}`, { signal: following.signal })
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
    const wrong = await fetch(`${site.url}/live/log/${SQL}`, { signal: following.signal })
    expect(wrong.status).toBe(200)
    const unknown = await fetch(`${site.url}/live/constructor/x`)
    expect(unknown.status).toBe(404)
    following.abort()
    await alive()
  })

  test('a key that Postgres refuses gets a 404, so it cannot stop the streams of others', async () => {
    for (const kind of ['dag', 'run', 'log']) {
      const answer = await fetch(`${site.url}/live/${kind}/a%00b`)
      await answer.body?.cancel()
      expect([kind, answer.status]).toEqual([kind, 404])
    }
  })
})

describe('too large or too slow:', () => {
  test('a body of 10 MB or of unknown length is refused unread', async () => {
    const body = 'x'.repeat(10_000_000)
    expect((await site.get('/dags/etl/trigger', { method: 'POST', body })).status).toBe(413)
    const stream = new Blob([body]).stream()
    const chunked = site.get('/dags/etl/trigger', { method: 'POST', body: stream, duplex: 'half' } as RequestInit)
    expect((await chunked).status).toBe(411)
    await alive()
  })

  test('a client that sends nothing, or one letter now and then, is disconnected', async () => {
    const { hostname, port } = new URL(site.url)
    const sockets = Array.from({ length: 100 }, () => connect(Number(port), hostname))
    const closed = sockets.map((socket) => new Promise((done) => socket.on('error', () => {}).on('close', done)))
    for (const socket of sockets) socket.write('GET /dags HTTP/1.1\r\nHost: localhost\r\nX-')
    const dripping = setInterval(() => {
      for (const socket of sockets) socket.write('a')
    }, 500)
    await alive()
    await Promise.all(closed)
    clearInterval(dripping)
    await alive()
  })

  test('a header of 100 kB is refused', async () => {
    expect((await site.get('/dags', { headers: { 'x-long': 'x'.repeat(100_000) } })).status).toBe(431)
  })
})
