import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { hashToken, newToken } from '../../src/web/auth/sessions.ts'
import { runCli, startCli } from '../support/cli.ts'
import { WITHIN } from '../support/within.ts'
import { BROWSER, openBrowser } from './browser.ts'
import { addressOf, form, PASSWORD, type StartedSite, startSite } from './support.ts'

/** Follows a live stream. Returns the text that it has sent so far, and whether it has ended. */
async function follow(url: string, cookie = ''): Promise<{ text(): string; ended(): boolean }> {
  const answer = await fetch(`${url}/live/dag/etl`, { headers: { cookie } })
  expect(answer.status).toBe(200)
  let [text, ended] = ['', false]
  const decoder = new TextDecoder()
  void (async () => {
    for await (const part of answer.body ?? []) text += decoder.decode(part)
    ended = true
  })().catch(() => {})
  await vi.waitFor(() => expect(text).toContain('changed'), WITHIN)
  return { text: () => text, ended: () => ended }
}

let site: StartedSite
/** Another process on the same database. */
let other: ReturnType<typeof startCli>
let otherUrl: string
let env: Record<string, string>

beforeAll(async () => {
  site = await startSite()
  env = { DATABASE_URL: site.database.connectionString, LOG_LEVEL: 'info' }
  const early = await follow(site.url)
  for (const role of ['viewer', 'admin'] as const) await site.addUser(role, role)
  // With users, following requires a session.
  await vi.waitFor(() => expect(early.ended()).toBe(true), WITHIN)
  other = startCli(['web'], { env: { ...env, PIPELINES_DIR: site.pipelinesDir } })
  otherUrl = await addressOf(other)
})
afterAll(async () => {
  other.process.kill('SIGTERM')
  await other.ended
  await site.close()
})

/** The cookie of a new session. It is stored directly, because hashing a password takes a second. */
async function begin(name: string): Promise<string> {
  const token = newToken()
  await site.database.pool.query('insert into metadata.web_session (token_hash, user_name) values ($1, $2)', [
    hashToken(token),
    name,
  ])
  return `tminus_session=${token}`
}

describe('a live stream ends with its session, in every process; other streams continue:', () => {
  const post = (path: string, fields: Record<string, string>, cookie: string) =>
    site.get(path, form(fields, { cookie, accept: 'text/html' }))
  const next = 'another one, longer'

  const ways: [string, (name: string, cookie: string, own: string, admin: string) => Promise<unknown>][] = [
    ['signed out in another tab', (_, cookie) => post('/logout', {}, cookie)],
    [
      'ended by its number on /account',
      async (_, __, own) => {
        const { text } = await site.get('/account', { headers: { cookie: own } })
        await post('/account', { what: 'end', session: /name="session" value="(\d+)"/.exec(text)?.[1] ?? '' }, own)
      },
    ],
    ['ended with all others on /account', (_, __, own) => post('/account', { what: 'end-others' }, own)],
    [
      'password changed elsewhere',
      (_, __, own) => post('/account', { before: PASSWORD, after: next, again: next }, own),
    ],
    ['signed out by an admin', (name, _, __, admin) => post('/users', { what: 'sign-out', name }, admin)],
    ['deleted by an admin', (name, _, __, admin) => post('/users', { what: 'delete', name }, admin)],
    ['deleted on the command line', (name) => runCli(['users', 'delete', name], { env })],
    [
      'not used for three days',
      (name) =>
        site.database.pool.query(
          `update metadata.web_session set seen_at = now() - interval '3 days'
           where session_id = (select min(session_id) from metadata.web_session where user_name = $1)`,
          [name],
        ),
    ],
  ]

  test.each(ways)('%s', async (_, end) => {
    const number = ways.findIndex(([, one]) => one === end)
    const name = `user-${number}`
    await site.database.pool.query(
      `insert into metadata.web_user (user_name, role, password_hash)
       select $1, role, password_hash from metadata.web_user where user_name = 'viewer'`,
      [name],
    )
    const [cookie, own, admin] = [await begin(name), await begin(name), await begin('admin')]
    const streams = [await follow(site.url, cookie), await follow(otherUrl, cookie)]
    const stays = await follow(otherUrl, admin)
    await end(name, cookie, own, admin)
    await vi.waitFor(() => expect(streams.map((stream) => stream.ended())).toEqual([true, true]), WITHIN)
    expect((await site.get('/live/dag/etl', { headers: { cookie } })).status).toBe(401)
    await post('/dags/etl/pause', { paused: number % 2 === 0 ? 'yes' : 'no' }, admin)
    await vi.waitFor(() => expect(stays.text().match(/event: changed/g)).toHaveLength(2), WITHIN)
    expect(stays.ended()).toBe(false)
    for (const stream of streams) expect(stream.text().match(/event: changed/g)).toHaveLength(1)
  })
})

test('reloading a part of a page redirects the whole page to the login', async () => {
  const answer = await site.get('/dags/etl', { headers: { 'hx-request': 'true' } })
  expect([answer.status, answer.headers.get('hx-refresh')]).toEqual([401, 'true'])
  expect((await site.get('/dags/etl')).headers.get('hx-refresh')).toBe(null)
})

test.skipIf(BROWSER === undefined)('an open page goes to the login once, and back after it', async () => {
  const browser = await openBrowser()
  const [name = '', value = ''] = (await begin('viewer')).split('=')
  const context = await browser.newContext({ baseURL: site.url })
  await context.addCookies([{ name, value, url: site.url }])
  const page = await context.newPage()
  const asked: string[] = []
  page.on('request', (request) => asked.push(new URL(request.url()).pathname))
  const following = page.waitForResponse(/\/live\/dag\/etl/)
  await page.goto('/dags/etl?state=failed')
  await following
  await site.get('/logout', { method: 'POST', headers: { cookie: `${name}=${value}` } })
  await page.waitForURL(/\/login\?next=%2Fdags%2Fetl%3Fstate%3Dfailed$/)
  // The page followed once, and tried once more when the stream ended.
  expect(asked.filter((path) => path === '/live/dag/etl')).toHaveLength(2)
  await page.getByLabel('Name').fill('viewer')
  await page.getByLabel('Password').fill(PASSWORD)
  const again = page.waitForResponse((response) => response.url().includes('/live/') && response.status() === 200)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL('**/dags/etl?state=failed')
  await again
  await browser.close()
})
