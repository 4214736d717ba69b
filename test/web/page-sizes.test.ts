import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Dag } from '../../src/dag/dag.ts'
import { useDatabase } from '../support/database.ts'
import { BROWSER, expectFit, openBrowser, SCREENS } from './browser.ts'
import { LONG, largeDag, placeLists, placeRuns, SHORT } from './large-site.ts'
import { type OpenSite, openSite } from './site.ts'

/** A phone cannot open a page of unlimited size. */
const MOST = 500_000

const dags: Readonly<Record<string, Dag>> = {
  large: largeDag('large', 5_000, SHORT),
  'long-names': largeDag('long-names', 5_000, LONG),
}
const database = useDatabase()
let site: OpenSite
beforeAll(async () => {
  for (const one of Object.values(dags)) await placeRuns(database, one)
  await placeLists(database)
  const importErrors = Array.from({ length: 60 }, (_, n) => ({ folder: `f${n}`, message: '"<&>" '.repeat(40_000) }))
  const loaded = { dags: new Map(Object.entries(dags)), files: new Map(), importErrors }
  site = await openSite(database, { loaded })
})
afterAll(() => site.close())

const sizeOf = async (path: string) => {
  const { status, text } = await site.get(path)
  return { path, status, bytes: Buffer.byteLength(text), half: text.includes('s3cr3') }
}

describe.each(Object.keys(dags))('with 5,000 tasks in dag %s', (id) => {
  const failed = dags[id]?.graph.taskIds[6] as string
  const run = `/dags/${id}/runs/latest`
  const pages = [
    ...['', '/graph', '/durations', '/details', '/code', '/trigger', '/clear?state='].map((tab) => `/dags/${id}${tab}`),
    ...['', '?state=failed', '?search=00', '?page=3', '/graph', '/graph?search=0', '/graph?state=failed'].map(
      (tab) => run + tab,
    ),
    ...['/gantt', '/gantt?state=failed', '/clear', '/clear?only_failed=yes', '/cancel'].map((tab) => run + tab),
    ...[`/mark?task=${failed}`, '/mark?task=extract', '/clear?task=extract&downstream=yes'].map((tab) => run + tab),
    ...[failed, `${failed}?try=1`, `${failed}?try=200`, dags[id]?.graph.taskIds[1], 'report'].map(
      (one) => `${run}/tasks/${one}`,
    ),
  ]
  test.each(pages)('page %s is under 500 kB and shows no part of a secret', async (path) => {
    const size = await sizeOf(path)
    expect(size).toEqual({ path, status: 200, bytes: expect.any(Number), half: false })
    expect(size.bytes).toBeLessThan(MOST)
  })
})

test.each(['/dags', '/pools', '/jobs', '/status'])('page %s is under 500 kB with long texts', async (path) => {
  const size = await sizeOf(path)
  expect(size).toEqual({ path, status: 200, bytes: expect.any(Number), half: false })
  expect(size.bytes).toBeLessThan(MOST)
})

describe.skipIf(BROWSER === undefined)('in a browser', () => {
  test.each(['phone-dark', 'desktop-light'] as const)(
    'pages of 5,000 tasks with long names fit: %s',
    async (screen) => {
      const browser = await openBrowser()
      const context = await browser.newContext({ ...SCREENS[screen], baseURL: site.url, bypassCSP: true })
      const page = await context.newPage()
      for (const tab of [
        '',
        '/durations',
        '/clear?state=',
        '/runs/latest',
        '/runs/latest/graph',
        '/runs/latest/gantt',
        '/runs/latest/clear',
      ]) {
        await page.goto(`/dags/long-names${tab}`)
        await expectFit(page, `large${tab.replaceAll('/', '-')}-${screen}`)
      }
      await browser.close()
    },
  )
})

test('the pages of users and sessions are under 500 kB with any number of them', async () => {
  const { pool } = database
  await pool.query(`insert into metadata.web_user (user_name, role, password_hash)
    select repeat('u', 90) || n, 'viewer', '' from generate_series(1, 2000) n`)
  await site.addUser('ada', 'admin')
  await pool.query(`insert into metadata.web_session (token_hash, user_name, network, browser)
    select sha256(n::text::bytea), 'ada', repeat('n', 100), 'b' from generate_series(1, 2000) n`)
  const headers = { cookie: await site.login('ada') }
  for (const path of ['/users', '/account']) {
    const { status, text } = await site.get(path, { headers })
    expect([path, status]).toEqual([path, 200])
    expect(Buffer.byteLength(text)).toBeLessThan(MOST)
  }
  await pool.query('delete from metadata.web_user')
})

test('a truncated error says how much is missing', async () => {
  const { text } = await site.get(`/dags/large/runs/latest/tasks/${SHORT(5)}`)
  expect(text).toMatch(/… 11\d kB more/)
})
