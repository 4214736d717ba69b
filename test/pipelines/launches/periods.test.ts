import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { listLaunches } from '../../../pipelines/launches/read-launches.ts'
import { markVanished } from '../../../pipelines/launches/sync.ts'
import { periodEnd } from '../../../pipelines/launches/time.ts'
import { nearestLaunch } from '../../../pipelines/launches/upcoming.ts'
import { createLaunchDatabase, useDatabase } from '../../support/database.ts'
import { launch230 } from '../../support/launches.ts'
import { store, useBoard } from '../rocket-launches/board/board-site.ts'

const database = useDatabase(createLaunchDatabase)
let now = new Date('2026-10-15T12:00:00Z')
const site = useBoard(database, () => now)
beforeEach(() => database.pool.query('truncate rocket_launches, rocket_launch_changes'))

const launch = (name: string, net: string, precision: number, changes: Record<string, unknown> = {}) =>
  launch230({
    id: name,
    name,
    net,
    net_precision: { id: precision, name: '', abbrev: '', description: '' },
    ...changes,
  })

/** Precision, any instant of its period, when the period is over. */
const PERIODS: [what: string, precision: number, net: string, end: string][] = [
  ['an hour', 2, '2026-10-31T14:00:00Z', '2026-10-31T15:00:00Z'],
  ['a morning', 3, '2026-10-31T00:00:00Z', '2026-11-01T00:00:00Z'],
  ['an afternoon', 4, '2026-10-31T12:00:00Z', '2026-11-01T00:00:00Z'],
  ['a day', 5, '2026-10-31T00:00:00Z', '2026-11-01T00:00:00Z'],
  ['a day, its placeholder in the evening', 5, '2026-10-31T23:00:00Z', '2026-11-01T00:00:00Z'],
  ['a week', 6, '2026-10-26T00:00:00Z', '2026-11-02T00:00:00Z'],
  ['a month, its placeholder on the last day', 7, '2026-10-31T00:00:00Z', '2026-11-01T00:00:00Z'],
  ['a month, its placeholder on the first day', 7, '2026-10-01T00:00:00Z', '2026-11-01T00:00:00Z'],
  ['a first quarter', 8, '2026-03-31T00:00:00Z', '2026-04-01T00:00:00Z'],
  ['a second quarter', 9, '2026-06-30T00:00:00Z', '2026-07-01T00:00:00Z'],
  ['a third quarter', 10, '2026-07-15T00:00:00Z', '2026-10-01T00:00:00Z'],
  ['a fourth quarter', 11, '2026-12-31T00:00:00Z', '2027-01-01T00:00:00Z'],
  ['a first half', 12, '2026-01-01T00:00:00Z', '2026-07-01T00:00:00Z'],
  ['a second half', 13, '2026-12-31T00:00:00Z', '2027-01-01T00:00:00Z'],
  ['a year', 14, '2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z'],
  ['a fiscal year', 15, '2026-12-31T00:00:00Z', '2027-01-01T00:00:00Z'],
  ['a decade, its placeholder years back', 16, '2020-01-01T00:00:00Z', '2030-01-01T00:00:00Z'],
  ['a period of an unknown kind', 99, '2026-06-01T00:00:00Z', '2027-01-01T00:00:00Z'],
]

/** The next and the upcoming launches at this time, from each place that shows them. */
async function toldAt(at: Date) {
  now = at
  const list = async (past: boolean) =>
    (await listLaunches(database.pool, { now, past, search: '', provider: '', limit: 9 })).map(({ name }) => name)
  const page = async (query: string) =>
    ((await (await site.get(`/launches.json${query}`)).json()) as { launches: { name: string }[] }).launches.map(
      ({ name }) => name,
    )
  const expected = async () => {
    const missing = await markVanished(database.pool, [], now)
    await database.pool.query('update rocket_launches set vanished_at = null')
    return missing
  }
  return {
    nearest: (await nearestLaunch(database.pool, now))?.name,
    list: await list(false),
    past: await list(true),
    page: await page(''),
    pastPage: await page('?show=past'),
    featured: /id="hero-name"><a [^>]*>([^<]+)/.exec(await site.text('/'))?.[1],
    expected: await expected(),
  }
}

describe('a launch is past when its period is over, and not before', () => {
  test.each(PERIODS)('%s', async (_, precision, net, end) => {
    await store(database.pool, [launch('It', net, precision), launch('Far', '2040-12-31T00:00:00Z', 14)], now)
    const over = new Date(end)
    const later = new Date(Math.max(Date.parse(net) + 300_000, over.getTime() - 1))
    const onTheDay = await toldAt(new Date(Math.min(Date.parse(net) + 300_000, over.getTime() - 1)))
    const coming = { nearest: 'It', list: ['It', 'Far'], past: [], page: ['It', 'Far'], pastPage: [], featured: 'It' }
    expect(onTheDay).toEqual({ ...coming, expected: 2 })
    expect(await toldAt(later)).toMatchObject(coming)
    const gone = { nearest: 'Far', list: ['Far'], past: ['It'], page: ['Far'], pastPage: ['It'] }
    // The board holds a launch for an hour after its time.
    const featured = precision === 2 ? /It|Far/ : /Far/
    expect(await toldAt(over)).toEqual({ ...gone, featured: expect.stringMatching(featured), expected: 1 })
  })

  test('a time to the second or minute is past after it', async () => {
    await store(
      database.pool,
      [launch('It', '2026-10-31T14:00:00Z', 1), launch('Far', '2040-12-31T00:00:00Z', 14)],
      now,
    )
    expect((await toldAt(new Date('2026-10-31T14:00:00Z'))).nearest).toBe('It')
    expect((await toldAt(new Date('2026-10-31T14:00:00.001Z'))).nearest).toBe('Far')
  })

  test('a launch that flew within its period is past', async () => {
    await store(database.pool, [launch('It', '2026-10-31T00:00:00Z', 5, { status: { id: 3, name: '' } })], now)
    expect(await toldAt(new Date('2026-10-31T12:00:00Z'))).toMatchObject({ list: [], past: ['It'], pastPage: ['It'] })
  })

  test('a vanished launch is neither upcoming nor past until its period is over', async () => {
    await store(database.pool, [launch('It', '2026-10-31T00:00:00Z', 5)], now)
    await database.pool.query('update rocket_launches set vanished_at = now()')
    now = new Date('2026-10-31T12:00:00Z')
    const past = async () => await (await site.get('/launches.json?show=past')).text()
    expect(await past()).not.toContain('"It"')
    now = new Date('2026-11-01T00:00:00Z')
    expect(await past()).toContain('"It"')
  })

  test('the view agrees', async () => {
    const { rows } = await database.pool.query<{ net: Date }>(`select date_trunc('day', now(), 'UTC') as net`)
    const today = rows[0]?.net as Date
    await store(database.pool, [launch('Today', today.toISOString(), 5), launch('Yesterday', before(today), 5)], now)
    const { rows: view } = await database.pool.query('select name from upcoming_launches')
    expect(view).toEqual([{ name: 'Today' }])
  })
})

function before(day: Date): string {
  return new Date(day.getTime() - 1).toISOString()
}

test('a placeholder too old for the list has not vanished', async () => {
  await store(database.pool, [launch('Back', '2026-10-01T00:00:00Z', 7)], now)
  expect(await markVanished(database.pool, [], new Date('2026-10-15T12:00:00Z'))).toBe(0)
})

test('SQL and TypeScript compute the same end, which is never before net', async () => {
  const net = fc.date({ min: new Date('1900-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  const precision = fc.oneof(fc.integer({ min: -1, max: 17 }), fc.constantFrom(null, 99, 2_147_483_647, -2_147_483_648))
  const cases = fc.sample(fc.tuple(net, precision), 5_000)
  const { rows } = await database.pool.query<{ end: Date }>(
    `select launch_period_end(net, net_precision) as end
     from unnest($1::timestamptz[], $2::int[]) with ordinality as given (net, net_precision, place) order by place`,
    [cases.map(([at]) => at.toISOString()), cases.map(([, id]) => id)],
  )
  for (const [index, [at, id]] of cases.entries()) {
    const end = rows[index]?.end
    expect([at, id, end]).toEqual([at, id, periodEnd(at, id)])
    expect(end?.getTime()).toBeGreaterThanOrEqual(at.getTime())
  }
})
