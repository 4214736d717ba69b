import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from '../support/cli.ts'
import { form, PASSWORD, type StartedSite, startSite } from './support.ts'

let site: StartedSite
/** Every token that these tests created or tried. */
const tokens: string[] = []

beforeAll(async () => {
  site = await startSite('web')
  const open = await site.get('/launches.ics')
  expect([open.status, (await site.get('/?show=past')).text]).toEqual([
    200,
    expect.not.stringContaining('/account#calendar'),
  ])
  for (const role of ['viewer', 'operator', 'admin'] as const) await site.addUser(role, role)
})
afterAll(async () => {
  await site.close()
})

const of = (what: string, cookie: string, headers = {}) => site.get('/account', form({ what }, { cookie, ...headers }))
const fetchCalendar = (token: string, init?: RequestInit) => site.get(`/launches.ics?token=${token}`, init)

/** The token in the address that the page shows. */
async function make(cookie: string): Promise<string> {
  const { text } = await of('make-calendar', cookie)
  const [, token = ''] = /http:\/\/127\.0\.0\.1:\d+\/launches\.ics\?token=([\w-]{43})</.exec(text) ?? []
  expect(token).not.toBe('')
  tokens.push(token)
  return token
}

describe('a calendar address', () => {
  test('is shown once, stored as a hash, and returns a calendar without a session', async () => {
    const cookie = await site.login('viewer')
    expect((await site.get('/?show=past', { headers: { cookie } })).text).toContain('href="/account#calendar"')
    const token = await make(cookie)
    const later = await site.get('/account', { headers: { cookie } })
    expect([later.text.includes(token), later.text.includes('not used yet')]).toEqual([false, true])
    const { rows } = await site.database.pool.query(`select json_agg(t)::text as all from metadata.calendar_token t`)
    expect(rows[0].all).not.toContain(token)
    for (const path of ['/launches.ics', '/rocket-launches/launches.ics', '/launches%2Eics']) {
      const answer = await site.get(`${path}?q=falcon&token=${token}`)
      expect([path, answer.status, answer.text]).toEqual([path, 200, expect.stringMatching(/^BEGIN:VCALENDAR/)])
      expect(answer.headers.get('cache-control')).toBe('private, no-cache')
      expect(answer.headers.get('set-cookie')).toBe(null)
    }
    expect((await site.get('/launches.atom')).status).toBe(401)
    expect((await site.get(`/launches.atom?token=${token}`)).text).toMatch(/^<\?xml .*\n<feed/)
    expect((await fetchCalendar(token, { method: 'HEAD' })).status).toBe(200)
    expect((await site.get('/account', { headers: { cookie } })).text).toContain('last used')
  })

  test("grants nothing else, even an admin's", async () => {
    const token = await make(await site.login('admin'))
    const pages = ['/', '/launches.json', '/launches/x', '/rocket-launches', '/dags', '/account', '/users', '/outbox']
    for (const path of [...pages, '/launches.ics/', '/dags/launches.ics', '//launches.ics', '/Launches.ics']) {
      const { status, headers } = await site.get(`${path}?token=${token}`)
      expect([path, status, headers.get('location')]).toEqual([path, 302, expect.stringMatching(/^\/login/)])
    }
    for (const path of ['/api/v1/dags', '/live/dag/rocket-launches'])
      expect([path, (await site.get(`${path}?token=${token}`)).status]).toEqual([path, 401])
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
      expect([method, (await fetchCalendar(token, { method })).status]).toEqual([method, 401])
    expect((await site.get('/dags', { headers: { cookie: `tminus_session=${token}` } })).status).toBe(302)
    expect((await site.get('/launches.ics', { headers: { authorization: `Bearer ${token}` } })).status).toBe(401)
  })

  test('is refused with a problem for a missing token, a wrong one, a session token and a hash', async () => {
    const cookie = await site.login('viewer')
    const { rows } = await site.database.pool.query(
      `select translate(encode(token_hash, 'base64'), '+/=', '-_') as hash from metadata.calendar_token`,
    )
    for (const wrong of ['', 'x'.repeat(43), cookie.split('=')[1] ?? '', rows[0].hash, "' or true --", '%00']) {
      const answer = await fetchCalendar(wrong)
      expect([wrong, answer.status, answer.headers.get('content-type')]).toEqual([
        wrong,
        401,
        'application/problem+json',
      ])
      expect(JSON.parse(answer.text)).toMatchObject({ status: 401, title: 'Sign in first' })
      tokens.push(...(wrong.length > 20 ? [wrong] : []))
    }
    expect((await site.get('/launches.ics')).status).toBe(401)
  })

  test('that is revoked is refused even to a client with a current ETag', async () => {
    const cookie = await site.login('viewer')
    const token = await make(cookie)
    const known = { headers: { 'if-none-match': (await fetchCalendar(token)).headers.get('etag') ?? '' } }
    expect([known.headers['if-none-match'], (await fetchCalendar(token, known)).status]).toEqual([
      expect.anything(),
      304,
    ])
    await of('withdraw-calendar', cookie)
    expect((await fetchCalendar(token, known)).status).toBe(401)
  })

  test('ends when replaced, revoked, by a new password, by an admin, and with its user', async () => {
    const answers = async (token: string) => (await fetchCalendar(token)).status === 200
    await site.addUser('brief', 'viewer')
    const [cookie, admin] = [await site.login('brief'), await site.login('admin')]
    const [first, second] = [await make(cookie), await make(cookie)]
    expect([await answers(first), await answers(second)]).toEqual([false, true])
    for (const elsewhere of [{ origin: 'http://evil.example' }, { 'sec-fetch-site': 'cross-site' }])
      for (const what of ['withdraw-calendar', 'make-calendar'])
        expect((await of(what, cookie, elsewhere)).status).toBe(403)
    expect(await answers(second)).toBe(true)
    expect((await of('withdraw-calendar', cookie)).text).toContain('Revoked')
    expect(await answers(second)).toBe(false)

    const third = await make(cookie)
    const next = 'another one, longer'
    const changed = form({ before: PASSWORD, after: next, again: next }, { cookie })
    expect((await site.get('/account', changed)).status).toBe(200)
    expect(await answers(third)).toBe(false)

    const fourth = await make(cookie)
    await site.get('/users', form({ what: 'sign-out', name: 'brief' }, { cookie: admin }))
    expect(await answers(fourth)).toBe(false)

    const login = await site.get('/login', form({ name: 'brief', password: next }))
    const fifth = await make(login.headers.get('set-cookie')?.split(';')[0] ?? '')
    expect(await answers(fifth)).toBe(true)
    const env = { DATABASE_URL: site.database.connectionString }
    expect((await runCli(['users', 'delete', 'brief'], { env })).code).toBe(0)
    expect(await answers(fifth)).toBe(false)
  })

  test('with a wrong token too often: its client must wait, but not for a right token or a login', async () => {
    const token = await make(await site.login('operator'))
    const wrong = await Promise.all(Array.from({ length: 30 }, (_, index) => fetchCalendar(`${index}`.padEnd(43, 'w'))))
    const late = wrong.filter(({ status }) => status === 429)
    expect(late.length).toBeGreaterThanOrEqual(10)
    expect(Number(late[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(late[0]?.headers.get('content-type')).toBe('application/problem+json')
    expect((await fetchCalendar(token)).status).toBe(200)
    expect(await site.login('viewer')).not.toBe('')
  })

  test('appears in no log, whether right or wrong', async () => {
    const log = site.running.stdout()
    expect(log).toContain('a calendar request was refused')
    for (const token of [...tokens, 'wwwww', 'token=']) expect(log).not.toContain(token)
    expect(tokens.length).toBeGreaterThan(5)
  })
})
