import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hashPassword, isPassword } from '../../src/web/auth/password.ts'
import { runCli, startCli } from '../support/cli.ts'
import { form, json, PASSWORD, type StartedSite, startSite } from './support.ts'

let site: StartedSite

beforeAll(async () => {
  site = await startSite()
  expect((await site.get('/dags')).text).toContain('Open to anyone on this machine')
  for (const role of ['viewer', 'operator', 'admin'] as const) await site.addUser(role, role)
})
afterAll(async () => {
  await site.close()
})

const login = (name: string, password: string, more: Record<string, string> = {}, headers = {}) =>
  site.get('/login', form({ name, password, ...more }, headers))

describe('signing in', () => {
  test('is required for everything except assets and health', async () => {
    const page = await site.get('/dags/etl?state=failed')
    expect([page.status, page.headers.get('location')]).toEqual([302, '/login?next=%2Fdags%2Fetl%3Fstate%3Dfailed'])
    for (const path of ['/api/v1/dags', '/live/dag/etl']) expect((await site.get(path)).status).toBe(401)
    expect((await site.get('/dags/etl/pause', form({ paused: 'yes' }))).status).toBe(401)
    expect((await site.get('/assets/site.css')).status).toBe(200)
    expect((await site.get('/health')).status).toBe(200)
  })

  test('redirects to the requested page, never to another site', async () => {
    const right = await login('viewer', PASSWORD, { next: '/dags/etl?state=failed' })
    expect([right.status, right.headers.get('location')]).toEqual([303, '/dags/etl?state=failed'])
    expect(right.headers.get('set-cookie')).toMatch(/^tminus_session=[\w-]{43}; .*HttpOnly; SameSite=Lax/)
    expect((await login('viewer', PASSWORD, { next: '//evil.example' })).headers.get('location')).toBe('/')
  })

  test('replaces the token of the browser, which is invalid from then on', async () => {
    const planted = `tminus_session=${'a'.repeat(43)}`
    const answer = await login('viewer', PASSWORD, {}, { cookie: planted })
    expect(answer.headers.get('set-cookie')).not.toContain(planted)
    expect((await site.get('/dags', { headers: { cookie: planted } })).status).toBe(302)
    const first = await site.login('viewer')
    await login('viewer', PASSWORD, {}, { cookie: first })
    expect((await site.get('/dags', { headers: { cookie: first } })).status).toBe(302)
  })

  test('ends at once with a sign-out, a new password, and the deletion of the user', async () => {
    const works = async (cookie: string) => (await site.get('/dags', { headers: { cookie } })).status === 200
    await site.addUser('brief', 'viewer')
    const [one, two, three] = [await site.login('brief'), await site.login('brief'), await site.login('brief')]
    expect(await Promise.all([one, two, three].map(works))).toEqual([true, true, true])
    await site.get('/logout', { method: 'POST', headers: { cookie: one } })
    expect(await Promise.all([one, two].map(works))).toEqual([false, true])
    const change = form(
      { before: PASSWORD, after: 'another one, longer', again: 'another one, longer' },
      { cookie: two },
    )
    expect((await site.get('/account', change)).text).toContain('Password changed')
    expect(await Promise.all([two, three].map(works))).toEqual([true, false])
    const env = { DATABASE_URL: site.database.connectionString }
    expect((await runCli(['users', 'delete', 'brief'], { env })).code).toBe(0)
    expect(await works(two)).toBe(false)
  })

  test('stores no usable token or password', async () => {
    const cookie = await site.login('viewer')
    const { rows } = await site.database.pool.query<{ all: string }>(
      `select (select json_agg(s)::text from metadata.web_session s) || (select json_agg(u)::text from metadata.web_user u) as all`,
    )
    expect(rows[0]?.all).not.toContain(cookie.split('=')[1])
    expect(rows[0]?.all).not.toContain(PASSWORD)
    expect(site.running.stdout()).not.toContain(PASSWORD)
  })

  test('must wait after five wrong passwords, parallel ones too, for this account only', async () => {
    await site.addUser('target', 'viewer')
    const begin = performance.now()
    const many = await Promise.all(Array.from({ length: 12 }, (_, index) => login('target', `wrong-${index}`)))
    // The waits are 1, 2 and 4 s long. On a busy machine, one may end before the last login.
    const waitsOver = Math.floor(Math.log2((performance.now() - begin) / 1_000 + 1))
    const refused = many.filter(({ status }) => status === 401).length
    expect(refused).toBeGreaterThanOrEqual(5)
    expect(refused).toBeLessThanOrEqual(5 + waitsOver)
    expect(many.filter(({ status }) => status === 429)).toHaveLength(12 - refused)
    const late = many.find(({ status }) => status === 429)
    expect(Number(late?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(late?.text).toContain('Too many tries')
    expect((await login('viewer', PASSWORD)).status).toBe(303)
  })

  test('checks one of twelve parallel wrong passwords once a long wait is over', async () => {
    await site.addUser('waited', 'viewer')
    // The wait after 12 failures is 128 s and is over. The one after 13 failures is 256 s and does not end in this test.
    await site.database.pool.query(
      `insert into metadata.login_attempt (key, failures, failed_at)
       values ('account:waited', 12, now() - interval '10 minutes')`,
    )
    const many = await Promise.all(Array.from({ length: 12 }, (_, index) => login('waited', `wrong-${index}`)))
    expect(many.map(({ status }) => status).sort()).toEqual([401, ...Array(11).fill(429)])
    const { rows } = await site.database.pool.query(
      `select failures from metadata.login_attempt where key = 'account:waited'`,
    )
    expect(rows).toEqual([{ failures: 13 }])
  })

  test('does not reveal whether a name exists', async () => {
    const texts = [await login('nobody-here', 'x'), await login('operator', 'x')].map(({ status, text }) => [
      status,
      text.replaceAll(/nobody-here|operator/g, 'NAME'),
    ])
    expect(texts[0]).toEqual(texts[1])
  })
})

describe('rights', () => {
  const asks: [string, RequestInit, Record<string, number>][] = [
    ['/dags', {}, { viewer: 200, operator: 200, admin: 200 }],
    ['/api/v1/dags', {}, { viewer: 200, operator: 200, admin: 200 }],
    ['/dags/etl/trigger', {}, { viewer: 403, operator: 200, admin: 200 }],
    ['/dags/wide/pause', form({ paused: 'no' }), { viewer: 403, operator: 303, admin: 303 }],
    ['/dags/wide/trigger', form({}), { viewer: 403, operator: 303, admin: 303 }],
    ['/api/v1/dags/wide/dagRuns', json({}), { viewer: 403, operator: 201, admin: 201 }],
    ['/dags/wide/runs/latest/clear', form({}), { viewer: 403, operator: 303, admin: 303 }],
    ['/api/v1/dags/wide/dagRuns/latest/clear', json({}), { viewer: 403, operator: 200, admin: 200 }],
    ['/pools', form({ pool: 'api', slots: '2' }), { viewer: 403, operator: 403, admin: 303 }],
    ['/users', {}, { viewer: 403, operator: 403, admin: 200 }],
    ['/users', form({ name: 'x', role: 'admin', password: 'short' }), { viewer: 403, operator: 403, admin: 400 }],
  ]
  test.each(['viewer', 'operator', 'admin'])('of a %s', async (role) => {
    const cookie = await site.login(role)
    for (const [path, init, wanted] of asks) {
      const { status } = await site.get(path, { ...init, headers: { ...init.headers, cookie } })
      expect([path, init.method ?? 'GET', status]).toEqual([path, init.method ?? 'GET', wanted[role]])
    }
    const page = await site.get('/dags/etl', { headers: { cookie } })
    expect(page.text.includes('href="/dags/etl/trigger"')).toBe(role !== 'viewer')
  })

  test('the last admin cannot be deleted or demoted', async () => {
    const cookie = await site.login('admin')
    const answer = await site.get('/users', form({ what: 'role', name: 'admin', role: 'viewer' }, { cookie }))
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('the last admin')])
  })
})

describe('users on the command line', () => {
  const env = () => ({ DATABASE_URL: site.database.connectionString })

  test('a page that other machines can reach needs a user first', async () => {
    const other = await startSite()
    const open = { DATABASE_URL: other.database.connectionString, WEB_HOST: '0.0.0.0' }
    const refused = await runCli(['web'], { env: open })
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('users create NAME --role admin')])
    const proxied = await runCli(['web'], { env: { ...open, WEB_HOST: '127.0.0.1', TRUST_PROXY: 'on' } })
    expect([proxied.code, proxied.stderr]).toEqual([2, expect.stringContaining('TRUST_PROXY')])
    await runCli(['db', 'migrate'], { env: { ...open, ADMIN_USER: 'root', ADMIN_PASSWORD: PASSWORD } })
    const served = startCli(['web'], { env: open })
    await once(served.process.stdout as NodeJS.ReadableStream, 'data')
    served.process.kill('SIGTERM')
    expect((await served.ended).code).toBe(0)
    await other.close()
  })

  test('are listed, and errors name them', async () => {
    const { stdout } = await runCli(['users', 'list', '-o', 'json'], { env: env() })
    expect(JSON.parse(stdout)).toContainEqual(expect.objectContaining({ user_name: 'operator', role: 'operator' }))
    const short = await runCli(['users', 'create', 'x'], { env: env() })
    expect([short.code, short.stderr]).toEqual([2, '✖ A password needs at least 8 characters\n'])
    const role = await runCli(['users', 'create', 'x', '--role', 'god'], { env: env() })
    expect([role.code, role.stderr]).toEqual([2, '✖ --role must be one of viewer, operator, admin\n'])
  })

  // Standard input is empty: if a password were read, the error would be that it is too short.
  test.each([
    ['users set-password nobody', "✖ Unknown user 'nobody'\n"],
    ['users create operator', "✖ User 'operator' exists already\n"],
    ['users create a/b', "✖ A user's name has 1 to 100 letters, digits, '-', '_', '.' and '@'\n"],
  ])('%s is refused before a password is asked for', async (line, stderr) => {
    expect(await runCli(line.split(' '), { env: env() })).toEqual({ code: 2, stdout: '', stderr })
  })
})

test('a password matches its hash in every Unicode composition', async () => {
  const hash = await hashPassword('pass\u00e9 compos\u00e9')
  expect(hash).toMatch(/^scrypt\$131072\$8\$1\$/)
  expect(await isPassword('passe\u0301 compose\u0301', hash)).toBe(true)
  expect(await isPassword('passe compose', hash)).toBe(false)
  expect(await isPassword('', undefined)).toBe(false)
})
