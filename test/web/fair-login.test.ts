import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { useDatabase } from '../support/database.ts'
import { type OpenSite, openSite } from './site.ts'
import { form, PASSWORD } from './support.ts'

const database = useDatabase()
let site: OpenSite
beforeAll(async () => {
  site = await openSite(database, { trustProxy: true })
  for (const name of ['vera', 'ada']) await site.addUser(name)
})
afterAll(() => site.close())
beforeEach(async () => {
  await database.pool.query('delete from metadata.login_attempt')
})

const from = (address: string) => ({ 'x-forwarded-for': address })
const login = (name: string, password: string, address: string) =>
  site.get('/login', form({ name, password }, from(address)))
const attempts = async () => {
  const { rows } = await database.pool.query<{ key: string; failures: number }>(
    'select key, failures from metadata.login_attempt order by key',
  )
  return rows
}
const countOf = (statuses: readonly number[], status: number) => statuses.filter((one) => one === status).length

describe('changing the password', () => {
  const change = async (cookie: string, before: string, address: string, after = 'another one, longer') =>
    await site.get('/account', form({ before, after, again: after }, { cookie, ...from(address) }))

  test('must wait after five wrong guesses, from any number of addresses', async () => {
    const cookie = await site.login('vera', from('192.0.2.1'))
    const statuses: number[] = []
    // On a slow machine, the first waits are over before the next guess. They double, so a later guess is refused.
    for (let guess = 0; !statuses.includes(429) && guess < 20; guess++)
      statuses.push((await change(cookie, `wrong-${guess}`, `198.51.100.${guess}`)).status)
    expect(countOf(statuses, 400)).toBeGreaterThanOrEqual(5)
    expect(statuses.at(-1)).toBe(429)
    const late = await change(cookie, PASSWORD, '192.0.2.1')
    expect([late.status, late.text]).toEqual([429, expect.stringContaining('Too many tries')])
    expect(Number(late.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  test('with an invalid form is not counted as a try', async () => {
    const cookie = await site.login('vera', from('192.0.2.1'))
    await database.pool.query('delete from metadata.login_attempt')
    for (let n = 0; n < 8; n++) expect((await change(cookie, 'wrong', '192.0.2.1', 'short')).status).toBe(400)
    expect(await attempts()).toEqual([])
  })

  test('is not counted after the right current password', async () => {
    await site.addUser('brief')
    const cookie = await site.login('brief', from('192.0.2.1'))
    expect((await change(cookie, 'wrong', '192.0.2.1')).status).toBe(400)
    expect((await change(cookie, PASSWORD, '192.0.2.1')).text).toContain('Password changed')
    expect((await attempts()).filter(({ key }) => key.endsWith(':brief'))).toEqual([])
  })

  test('30 times at once by one viewer does not block other logins', async () => {
    const cookie = await site.login('vera', from('192.0.2.1'))
    const flood = Promise.all(Array.from({ length: 30 }, () => change(cookie, PASSWORD, '192.0.2.1')))
    const others = await Promise.all([
      login('ada', PASSWORD, '192.0.2.1'),
      login('root', PASSWORD, '192.0.2.2'),
      login('root', PASSWORD, '192.0.2.3'),
    ])
    expect(others.map(({ status }) => status)).toEqual([303, 303, 303])
    const statuses = (await flood).map(({ status }) => status)
    expect(statuses.filter((status) => status >= 500)).toEqual([])
    expect(countOf(statuses, 429)).toBeGreaterThan(20)
    await database.pool.query(
      `update metadata.web_user set password_hash = (select password_hash from metadata.web_user where user_name = 'ada')`,
    )
  })

  test('creating 40 users at once does not block other logins', async () => {
    const cookie = await site.login('root', from('192.0.2.1'))
    const make = (n: number) =>
      site.get(
        '/users',
        form({ name: `new-${n}`, role: 'viewer', password: PASSWORD }, { cookie, ...from('192.0.2.1') }),
      )
    const flood = Promise.all(Array.from({ length: 40 }, (_, n) => make(n)))
    expect((await login('ada', PASSWORD, '192.0.2.1')).status).toBe(303)
    expect((await flood).map(({ status }) => status).filter((status) => status >= 500)).toEqual([])
  })
})

describe('one address', () => {
  test('with 60 logins at once does not block logins from other addresses', async () => {
    const flood = Promise.all(Array.from({ length: 60 }, (_, n) => login(`nobody-${n}`, 'x', '192.0.2.1')))
    const others = await Promise.all(['192.0.2.2', '192.0.2.3'].map((one) => login('ada', PASSWORD, one)))
    expect(others.map(({ status }) => status)).toEqual([303, 303])
    const statuses = (await flood).map(({ status }) => status)
    expect(statuses.filter((status) => status >= 500)).toEqual([])
    const counted = (await attempts()).filter(({ key }) => key.startsWith('account:'))
    expect(counted).toHaveLength(countOf(statuses, 401))
  })

  test.each([
    ['IPv4 with ports', ['203.0.113.9', '203.0.113.9:1234', '203.0.113.9:4321', ' 203.0.113.9:1 ']],
    ['IPv4 written as IPv6', ['203.0.113.9', '::ffff:203.0.113.9', '::FFFF:cb00:7109', '[::ffff:203.0.113.9]:80']],
    ['a network of IPv6', ['2001:db8:1:2::1', '[2001:DB8:1:2::2]', '[2001:db8:1:2::3]:443', '2001:0db8:0001:0002:9::']],
    ['several hops', ['198.51.100.1, 203.0.113.9', 'unknown, 203.0.113.9:88', '1.1.1.1,2.2.2.2, 203.0.113.9']],
    ['what is no address', ['garbage', 'unknown', '_hidden:5', '999.1.1.1', '203.0.113.9, ', `${'x'.repeat(3_000)}`]],
  ])('is the same in every spelling: %s', async (_, spellings) => {
    for (const [index, spelling] of spellings.entries())
      expect((await login(`nobody-${index}`, 'x', spelling)).status).toBe(401)
    const addresses = (await attempts()).filter(({ key }) => key.startsWith('address:'))
    expect(addresses).toEqual([{ key: expect.any(String), failures: spellings.length }])
  })

  test('does not share limits with another one', async () => {
    for (const one of ['203.0.113.9', '203.0.113.10', '2001:db8:1:2::1', '2001:db8:1:3::1'])
      expect((await login('nobody', 'x', one)).status).toBe(401)
    expect((await attempts()).filter(({ key }) => key.startsWith('address:'))).toHaveLength(4)
  })
})

describe('a refused login', () => {
  test('stores no row, for any name', async () => {
    await database.pool.query(
      `insert into metadata.login_attempt (key, failures, failed_at) values ('address:192.0.2.1', 100, clock_timestamp())`,
    )
    const statuses: number[] = []
    for (let round = 0; round < 10; round++) {
      const some = Array.from({ length: 30 }, (_, n) => login(`name-${round}-${n}`, 'x', '192.0.2.1'))
      statuses.push(...(await Promise.all(some)).map(({ status }) => status))
    }
    expect(countOf(statuses, 429)).toBe(300)
    expect(await attempts()).toEqual([{ key: 'address:192.0.2.1', failures: 100 }])
  })

  test('a successful login stores no row either', async () => {
    expect((await login('ada', PASSWORD, '192.0.2.7')).status).toBe(303)
    expect(await attempts()).toEqual([])
  })
})
