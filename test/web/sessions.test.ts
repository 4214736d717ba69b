import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { browserOf, networkOf } from '../../src/web/auth/seen-from.ts'
import { startSession } from '../../src/web/auth/sessions.ts'
import { loginGuess } from '../../src/web/auth/throttle.ts'
import { createDatabase } from '../support/database.ts'
import { form, PASSWORD, type StartedSite, startSite } from './support.ts'

let site: StartedSite

beforeAll(async () => {
  site = await startSite()
  for (const role of ['viewer', 'admin'] as const) await site.addUser(role, role)
})
afterAll(async () => {
  await site.close()
})

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'

async function signIn(name: string, agent = FIREFOX): Promise<string> {
  const { headers } = await site.get('/login', form({ name, password: PASSWORD }, { 'user-agent': agent }))
  return headers.get('set-cookie')?.split(';')[0] ?? ''
}

const works = async (cookie: string) => (await site.get('/dags', { headers: { cookie } })).status === 200
const account = async (cookie: string) => (await site.get('/account', { headers: { cookie } })).text
/** The numbers of the sessions that can be ended from this page. */
const others = async (cookie: string) =>
  [...(await account(cookie)).matchAll(/name="session" value="(\d+)"/g)].map(([, id]) => id ?? '')
const end = (session: string, cookie: string, headers = {}) =>
  site.get('/account', form({ what: 'end', session }, { cookie, ...headers }))

describe('own sessions', () => {
  test('are listed with this browser marked, and end one by one or all but this one', async () => {
    const own = await signIn('viewer')
    const [phone, second, third] = [
      await signIn('viewer', 'iPhone Safari/1'),
      await signIn('viewer'),
      await signIn('viewer'),
    ]
    const page = await account(own)
    expect(page.match(/this browser/g)).toHaveLength(1)
    for (const text of ['Firefox on Linux', 'Safari on iPhone', 'this machine']) expect(page).toContain(text)
    const ids = await others(own)
    expect(ids).toHaveLength(3)
    // The one used longest ago is last.
    expect((await end(ids[2] ?? '', own)).text).toContain('must sign in again')
    expect(await Promise.all([own, phone, second, third].map(works))).toEqual([true, false, true, true])
    const all = await site.get('/account', form({ what: 'end-others' }, { cookie: own }))
    expect(all.text).toContain('Ended 2 other sessions')
    expect(await Promise.all([own, second, third].map(works))).toEqual([true, false, false])
  })

  test('show no token, and only network and browser name', async () => {
    const cookie = await signIn('viewer')
    const { rows } = await site.database.pool.query<{ hash: string; all: string }>(
      `select string_agg(encode(token_hash, 'hex'), ' ') as hash, json_agg(s)::text as all from metadata.web_session s`,
    )
    const page = await account(cookie)
    for (const hash of rows[0]?.hash.split(' ') ?? ['']) expect(page).not.toContain(hash)
    expect(page).not.toContain(cookie.split('=')[1])
    for (const kept of ['127.0.0.1', 'Mozilla', '140.0']) expect(rows[0]?.all).not.toContain(kept)
  })

  test('cannot be ended by another user, by id, or by a cross-site request', async () => {
    const [viewer, admin] = [await signIn('viewer'), await signIn('admin')]
    const { rows } = await site.database.pool.query<{ id: string }>(
      `select max(session_id) as id from metadata.web_session where user_name = 'admin'`,
    )
    const refused = await end(String(rows[0]?.id), viewer)
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('This session does not exist')])
    for (const wrong of ['', '-1', 'x', '1 or true', '9'.repeat(30)])
      expect((await end(wrong, viewer)).status).toBe(400)
    await signIn('viewer')
    const [mine = ''] = await others(viewer)
    for (const elsewhere of [{ origin: 'http://evil.example' }, { 'sec-fetch-site': 'cross-site' }])
      expect((await end(mine, viewer, elsewhere)).status).toBe(403)
    expect((await end(mine, '')).status).toBe(401)
    expect(await others(viewer)).toContain(mine)
    expect(await works(admin)).toBe(true)
  })

  test('of a user can be ended all at once by an admin only', async () => {
    const [viewer, second, admin] = [await signIn('viewer'), await signIn('viewer'), await signIn('admin')]
    const out = (name: string, cookie: string) => site.get('/users', form({ what: 'sign-out', name }, { cookie }))
    expect((await out('admin', viewer)).status).toBe(403)
    expect(await works(admin)).toBe(true)
    expect((await site.get('/users', { headers: { cookie: admin } })).text).toMatch(/viewer[\s\S]*\d sessions/)
    expect((await out('viewer', admin)).status).toBe(303)
    expect(await Promise.all([viewer, second, admin].map(works))).toEqual([false, false, true])
    expect((await site.get('/users', form({ what: 'nonsense', name: 'viewer' }, { cookie: admin }))).status).toBe(400)
  })
})

test('no session starts with a password that was changed while it was checked', async () => {
  const database = await createDatabase()
  const metadata = openMetadata(database.pool, 'metadata')
  const session = { name: 'jane', token: 't', replaces: undefined, network: 'n', browser: 'b' }
  await database.pool.query(`insert into metadata.web_user values ('jane', 'viewer', 'old')`)
  const changing = await database.pool.connect()
  await changing.query(`begin; update metadata.web_user set password_hash = 'new'`)
  const started = startSession(metadata, { ...session, passwordHash: 'old' })
  await expect
    .poll(async () => (await database.pool.query(`select from pg_locks where not granted`)).rowCount, {
      timeout: 10_000,
    })
    .toBe(1)
  await changing.query('commit')
  changing.release()
  expect(await started).toBe(false)
  expect(await startSession(metadata, { ...session, passwordHash: 'new' })).toBe(true)
  await database.drop()
})

test.each([
  ['127.0.0.1', 'this machine'],
  ['::1', 'this machine'],
  ['::ffff:127.0.0.1', 'this machine'],
  ['203.0.113.42', '203.0.113.x'],
  ['::ffff:203.0.113.42', '203.0.113.x'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:x'],
  ['2001:db8::1', '2001:db8:0:0:x'],
  ['2001:db8::', '2001:db8:0:0:x'],
  ['unknown', 'unknown'],
])('of %s only %s is stored', (address, network) => {
  expect(networkOf(address)).toBe(network)
})

test('logins are counted by IPv4 address and by IPv6 network', () => {
  const keyOf = (address: string) => loginGuess('jane', address)[1].key
  expect(keyOf('2001:db8::1')).toBe(keyOf('2001:db8:0:0:ffff::2'))
  expect(keyOf('2001:db8:0:1::1')).not.toBe(keyOf('2001:db8::1'))
  expect(keyOf('203.0.113.1')).not.toBe(keyOf('203.0.113.2'))
})

test.each([
  [FIREFOX, 'Firefox on Linux'],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0',
    'Edge on Windows',
  ],
  [
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36',
    'Chrome on Android',
  ],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15',
    'Safari on macOS',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0 Mobile/15E148 Safari/604.1',
    'Chrome on iPhone',
  ],
  ['curl/8.14.1', 'curl'],
  ['<script>alert(1)</script>', 'Another program'],
  [undefined, 'Another program'],
])('%s is %s', (agent, name) => {
  expect(browserOf(agent)).toBe(name)
})
