import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ApiVersion } from '../../../pipelines/launches/api-version.ts'
import { fetchAndStoreData, StoreSummary } from '../../../pipelines/rocket-launches/fetch-and-store-data.ts'
import {
  type LaunchLibraryServer,
  startLaunchLibrary,
} from '../../../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import { openHttp } from '../../../src/connectors/http.ts'
import { createLaunchDatabase, useDatabase } from '../../support/database.ts'
import { sendJson } from '../../support/http-server.ts'
import { launches230 } from '../../support/launches.ts'
import { quietLog } from '../../support/quiet-log.ts'
import { RECORDED, recorded, WITHOUT_RECORDED } from '../../support/recorded.ts'

const database = useDatabase(createLaunchDatabase)

const http = openHttp({ userAgent: 'tminus-test/1' })
afterAll(() => http.close())

/** The launches of the loopback Launch Library, and its quota. */
let launches: unknown[] = []
let archive: unknown[] = []
let quota = { limit: 1_000, windowSeconds: 3600 }
/** Calls (the free ones not counted) from this one on are answered with a 502. */
let brokenFrom = Number.POSITIVE_INFINITY
let minutes = 0
let server: LaunchLibraryServer
beforeEach(async () => {
  brokenFrom = Number.POSITIVE_INFINITY
  minutes = 0
  archive = []
  quota = { limit: 1_000, windowSeconds: 3600 }
  await database.pool.query(
    'truncate rocket_launches, rocket_launch_changes, rocket_launch_rejects, rocket_launch_sync, launch_library_quota restart identity',
  )
  server = await startServer()
})
afterEach(() => server.close())

const startServer = (version: ApiVersion = '2.3.0') =>
  startLaunchLibrary({
    ...{ version, launches: () => launches, archive: () => archive, now: clock, quota },
    intercept: (_request, response) => {
      const broken = calls().length > brokenFrom
      if (broken) sendJson(response, {}, 502)
      return broken
    },
  })
/** What costs quota. */
const calls = () => server.requests.filter(({ path }) => !path.includes('api-throttle'))
const queries = () => calls().map(({ query }) => query)

const T0 = new Date('2026-01-15T00:00:00Z')

const clock = () => new Date(T0.getTime() + minutes * 60_000)

/** At `minutes` after T0; the time stays there for what comes after. */
async function run(
  options: {
    runType?: 'manual' | 'scheduled'
    sync?: 'auto' | 'full' | 'incremental'
    minutes?: number
    baseUrl?: string
    log?: ReturnType<typeof quietLog>
  } = {},
) {
  minutes = options.minutes ?? minutes
  return await fetchAndStoreData(
    {},
    {
      db: database.pool,
      http,
      log: options.log ?? quietLog(),
      now: clock,
      runType: options.runType ?? 'manual',
      params: { sync: options.sync ?? 'auto' },
      signal: new AbortController().signal,
      settings: {
        LAUNCH_LIBRARY_URL: options.baseUrl ?? server.url,
        LAUNCH_LIBRARY_INTERVALS: [5 * 60_000, 15 * 60_000, 60 * 60_000],
      },
    },
  )
}

const byTick = (at: number) => run({ runType: 'scheduled', minutes: at })
const rows = async (text: string) => (await database.pool.query(text)).rows
const stored = async () => (await rows('select count(*) from rocket_launches'))[0].count
const DAY = 24 * 60
const NOTHING = { fetched: 0, inserted: 0, updated: 0, unchanged: 0, rejected: 0, vanished: 0, checked: 0 }

test('reads every page and logs the result of each', async () => {
  launches = launches230(230)
  const log = quietLog()
  const summary = await run({ log })
  expect(summary).toEqual({ ...NOTHING, fetched: 230, inserted: 230 })
  expect(StoreSummary.parse(summary)).toEqual(summary)
  expect(queries().map(({ limit, mode, offset }) => [limit, mode, offset])).toEqual([
    ['100', 'detailed', undefined],
    ['100', 'detailed', '100'],
    ['100', 'detailed', '200'],
  ])
  expect(log.lines).toEqual([
    'info reading the whole list: when it last changed is unknown',
    'info page 1: 100 of 230 launches: 100 new',
    'info page 2: 100 of 230 launches: 100 new',
    'info page 3: 30 of 230 launches: 30 new',
  ])
  expect(await rows('select * from rocket_launch_sync')).toEqual([
    {
      source: `${server.url}/launches/upcoming/`,
      last_attempt_at: T0,
      last_success_at: T0,
      last_full_at: T0,
      high_water: new Date('2026-01-10T12:00:00Z'),
      launches: 230,
    },
  ])
  expect(await run()).toEqual({ ...NOTHING, fetched: 230, unchanged: 230 })
})

test('stores the sample launches', async () => {
  const sample = await startLaunchLibrary({ now: () => T0 })
  try {
    const summary = await run({ baseUrl: sample.url })
    expect(summary).toMatchObject({ rejected: 0, unchanged: 0 })
    expect(summary.inserted).toBeGreaterThanOrEqual(30)
  } finally {
    await sample.close()
  }
})

describe('the time of a request', () => {
  test('is sooner when a launch is near; a manual run always makes a request', async () => {
    launches = launches230(1, { net: '2026-01-16T12:00:00Z' })
    await byTick(0)
    expect(await byTick(55)).toEqual({
      ...NOTHING,
      skipped: 'Launch Library was read 55 min ago; the next request is due at 2026-01-15 01:00Z',
      waitingUntil: '2026-01-15T01:00:00.000Z',
    })
    expect(calls()).toHaveLength(1)
    expect(await run({ minutes: 56 })).toMatchObject({ fetched: 1 })
    const lookedAt: number[] = []
    for (let at = 60; at <= 38 * 60; at += 5) {
      if ((await byTick(at)).skipped === undefined) lookedAt.push(at)
    }
    const gaps = lookedAt.map((at, index) => [36 * 60 - at, at - (lookedAt[index - 1] ?? 56)] as const)
    const gapsAt = (from: number, to: number) =>
      new Set(gaps.filter(([left]) => left < from && left > to).map(([, gap]) => gap))
    expect(gapsAt(34 * 60, 24 * 60)).toEqual(new Set([60]))
    expect(gapsAt(24 * 60 - 15, 60)).toEqual(new Set([15]))
    expect(gapsAt(55, -60)).toEqual(new Set([5]))
    expect(gapsAt(-75, -120)).toEqual(new Set([15]))
  })

  test('is the next scheduled run after a failure, because retries would delay the notices', async () => {
    brokenFrom = 0
    await expect(byTick(0)).rejects.toMatchObject({
      retryable: false,
      message: expect.stringMatching(/; the next scheduled run tries again$/),
    })
    await expect(run()).rejects.toMatchObject({ retryable: true })
    brokenFrom = Number.POSITIVE_INFINITY
    expect(await byTick(1)).not.toHaveProperty('skipped')
  })
})

describe('the request', () => {
  const touched = (index: number, changes: object) => {
    launches = launches.map((launch, at) => (at === index ? { ...(launch as object), ...changes } : launch))
  }

  test('of a scheduled run is for changes since the highest last_updated, which is enough', async () => {
    launches = launches230(150)
    touched(7, { last_updated: '2026-01-12T12:00:00Z' })
    await byTick(0)
    touched(140, { name: 'renamed', last_updated: '2026-01-15T00:30:00Z' })
    expect(await byTick(60)).toMatchObject({ fetched: 2, updated: 1, unchanged: 1 })
    expect(queries()[2]).toMatchObject({ last_updated__gte: '2026-01-12T11:50:00.000Z' })
    expect(await rows('select high_water, last_full_at from rocket_launch_sync')).toEqual([
      { high_water: new Date('2026-01-15T00:30:00Z'), last_full_at: T0 },
    ])
  })

  test('is for the whole list once a day, so that a new image is not missed', async () => {
    launches = launches230(3)
    await byTick(0)
    touched(2, { image: { image_url: 'https://images.example/new.jpg' }, last_updated: '2025-01-01T00:00:00Z' })
    touched(2, { last_updated: '2026-01-10T12:00:00Z' })
    launches.push(...launches230(4, { last_updated: '2026-01-10T13:00:00Z' }).slice(3))
    await byTick(60)
    await byTick(DAY)
    expect(await rows(`select image_url from rocket_launches where name = 'Launch 3'`)).toEqual([
      { image_url: 'https://images.example/new.jpg' },
    ])
    expect(queries().map((query) => query.last_updated__gte === undefined)).toEqual([true, false, true])
  })

  test('follows the params', async () => {
    launches = launches230(1)
    await run({ sync: 'incremental' })
    await run({ sync: 'incremental' })
    await run({ sync: 'full' })
    expect(queries().map((query) => query.last_updated__gte === undefined)).toEqual([true, false, true])
  })
})

describe('a quota that is used up', () => {
  const limited = async (limit: number) => {
    await server.close()
    quota = { limit, windowSeconds: 3600 }
    server = await startServer()
  }

  test('before the first call: no request, no failure, and the result says until when', async () => {
    await limited(15)
    launches = launches230(1)
    for (let call = 0; call < 12; call++) await fetch(`${server.url}/launches/upcoming/`)
    minutes = 10
    const log = quietLog()
    const summary = await run({ log })
    expect(summary).toMatchObject(NOTHING)
    expect(summary.skipped).toMatch(
      /^The quota of Launch Library is used up; the next request is due at 2026-01-15 00:15Z$/,
    )
    expect(summary.waitingUntil).toBe('2026-01-15T00:15:00.000Z')
    expect(log.lines).toEqual([`info ${summary.skipped}`])
    expect(calls()).toHaveLength(12)
    expect(await run({ minutes: 62 })).toMatchObject({ inserted: 1 })
  })

  test('in the middle of the list keeps the stored pages, and the next run reads the list again', async () => {
    await limited(5)
    launches = launches230(600)
    const summary = await run()
    expect(summary).toMatchObject({ fetched: 400, inserted: 400, waitingUntil: expect.any(String) })
    expect(calls()).toHaveLength(4)
    expect(await rows('select last_success_at, high_water from rocket_launch_sync')).toEqual([
      { last_success_at: null, high_water: null },
    ])
    expect(await run()).toMatchObject({ ...NOTHING, waitingUntil: expect.any(String) })
    expect(calls()).toHaveLength(4)
  })

  test('known only from a 429', async () => {
    await server.close()
    server = await startLaunchLibrary({
      intercept: (_request, response) => {
        sendJson(response, { detail: 'Request was throttled. Expected available in 625 seconds.' }, 429)
        return true
      },
    })
    const summary = await run()
    const wait = new Date(summary.waitingUntil ?? 0).getTime() - T0.getTime()
    expect(wait).toBeGreaterThanOrEqual(625_000)
    expect(wait).toBeLessThan(630_000)
    await run({ minutes: 9 })
    expect(calls()).toHaveLength(1)
    await run({ minutes: 11 })
    expect(calls()).toHaveLength(2)
  })
})

describe('launches that are no longer in the list', () => {
  const vanished = () =>
    rows('select name, vanished_at from rocket_launches where vanished_at is not null order by net')

  test('are marked and not deleted, requested by id, and unmarked when they return', async () => {
    launches = launches230(10)
    await run()
    launches = launches230(10).filter((_, index) => index !== 4)
    expect(await run({ minutes: 10 })).toMatchObject({ vanished: 1 })
    expect(calls().at(-1)?.query).toMatchObject({ id: launches230(5)[4]?.id })
    expect(await vanished()).toEqual([{ name: 'Launch 5', vanished_at: clock() }])
    const before = calls().length
    expect(await run({ minutes: 20 })).toMatchObject({ vanished: 0 })
    expect(calls()).toHaveLength(before + 1)
    launches = launches230(10)
    expect(await run({ minutes: 30 })).toMatchObject({ unchanged: 10 })
    expect(await vanished()).toEqual([])
    expect(await rows('select from rocket_launch_changes')).toEqual([])
  })

  test('are found by id if Launch Library still has them', async () => {
    launches = launches230(10)
    await run()
    archive = launches230(5, { status: { id: 3, name: 'Launch Successful' }, net: '2026-01-14T10:00:00Z' }).slice(4)
    launches = launches.filter((_, index) => index !== 4)
    expect(await run({ minutes: 10 })).toMatchObject({ vanished: 1, checked: 1 })
    expect(await vanished()).toEqual([])
    expect(await rows(`select status_id from rocket_launches where name = 'Launch 5'`)).toEqual([{ status_id: 3 }])
  })

  test('are requested when a day past, at growing intervals, until they have an outcome', async () => {
    launches = launches230(1, { net: '2026-01-15T00:00:00Z', status: { id: 6, name: 'In Flight' } })
    await run()
    archive = launches
    launches = []
    const asked = () => queries().filter(({ id }) => id !== undefined).length
    await run({ minutes: DAY - 1 })
    expect(asked()).toBe(0)
    await run({ minutes: DAY + 1 })
    expect(asked()).toBe(1)
    await run({ minutes: DAY + 121 })
    expect(asked()).toBe(1)
    await run({ minutes: DAY + 240 })
    expect(asked()).toBe(2)
    archive = archive.map((launch) => ({ ...(launch as object), status: { id: 4, name: 'Failure' } }))
    await run({ minutes: 2 * DAY })
    expect(asked()).toBe(3)
    await run({ minutes: 9 * DAY })
    expect(asked()).toBe(3)
    expect(await rows('select field, old, new from rocket_launch_changes')).toEqual([
      { field: 'status_id', old: '6', new: '4' },
    ])
  })

  test('are not marked if most launches are missing', async () => {
    launches = launches230(9)
    await run()
    launches = []
    const log = quietLog()
    expect(await run({ minutes: 10, log })).toMatchObject({ vanished: 0 })
    expect(log.lines).toContain(
      'warn 9 upcoming launches, most of the stored ones, are missing from the list; none is marked as vanished',
    )
    expect(await vanished()).toEqual([])
  })

  test('do not fail the task if requesting them fails', async () => {
    launches = launches230(3)
    await run()
    launches = launches230(2)
    brokenFrom = 2
    const log = quietLog()
    expect(await run({ minutes: 10, log })).toMatchObject({ fetched: 2, vanished: 1 })
    expect(log.lines.at(-1)).toMatch(/^warn requesting 1 launches that are no longer in the list failed: /)
    brokenFrom = Number.POSITIVE_INFINITY
    await run({ minutes: 11 })
    expect(calls().at(-1)?.query.id).toBeDefined()
  })
})

test.each([
  ['counts more than it holds', { count: 3, next: null }],
  ['names a next page', { count: null, next: '?offset=1' }],
])('launches requested by id are not marked as vanished if the answer %s', async (_, answer) => {
  const all = launches230(3, { net: '2026-01-13T00:00:00Z' })
  launches = all
  await run()
  const [first] = all
  launches = []
  await server.close()
  server = await startLaunchLibrary({
    ...{ launches: () => [], now: clock, quota },
    intercept: (_, response, { query }) => {
      if (query.id !== undefined) sendJson(response, { ...answer, results: [first] })
      return query.id !== undefined
    },
  })
  expect(await run({ minutes: DAY })).toMatchObject({ checked: 3 })
  expect(await rows('select vanished_at from rocket_launches where vanished_at is not null')).toEqual([])
  expect(await rows(`select launch_id from rocket_launches where checked_at > '2026-01-15T12:00Z'`)).toEqual([
    { launch_id: first?.id },
  ])
})

describe('an incomplete list', () => {
  /** Answers the call for a page, by its offset, with this instead of what the stand-in would. */
  let instead: ((offset: number) => object) | undefined
  beforeEach(async () => {
    instead = undefined
    launches = launches230(350)
    await server.close()
    server = await startLaunchLibrary({
      ...{ launches: () => launches, now: clock, quota },
      intercept: (_, response, { path, query }) => {
        if (instead === undefined || !path.endsWith('/upcoming/')) return false
        sendJson(response, instead(Number(query.offset ?? 0)))
        return true
      },
    })
    await run()
  })
  const page = (from: number, to: number, next: string | null, count: number | null = 350) => ({
    ...{ count, next, results: launches230(to).slice(from) },
  })
  const sync = async () => (await rows('select last_success_at, last_full_at, launches from rocket_launch_sync'))[0]
  const vanished = async () =>
    (await rows('select count(*)::int from rocket_launches where vanished_at is not null'))[0]

  test('that was cut short marks no launch, and is read again completely', async () => {
    instead = (offset) => (offset === 0 ? page(0, 100, '?offset=100') : page(100, 200, null))
    const log = quietLog()
    expect(await run({ sync: 'full', minutes: 10, log })).toMatchObject({ fetched: 200, vanished: 0, checked: 0 })
    expect(log.lines).toContain(
      'warn the list ended after 200 of 350 launches; no launch is marked as vanished, and the next run reads the list again',
    )
    expect(await vanished()).toEqual({ count: 0 })
    expect(await sync()).toEqual({ last_success_at: clock(), last_full_at: T0, launches: 350 })
  })

  test.each([
    ['on the first page only', (offset: number) => (offset === 0 ? 350 : 200)],
    ['on the last page only', (offset: number) => (offset === 0 ? 200 : 350)],
  ])('by its count (%s) marks no launch', async (_, count) => {
    instead = (offset) => (offset === 0 ? page(0, 100, '?offset=100', count(0)) : page(100, 200, null, count(offset)))
    expect(await run({ sync: 'full', minutes: 10 })).toMatchObject({ fetched: 200, vanished: 0 })
  })

  test.each([350, null])('with duplicates marks none (count %s)', async (count) => {
    instead = (offset) => (offset === 0 ? page(0, 200, '?offset=200', count) : page(150, 300, null, count))
    const log = quietLog()
    expect(await run({ sync: 'full', minutes: 10, log })).toMatchObject({ fetched: 350, vanished: 0 })
    expect(log.lines).toContain(
      'warn the list has duplicates: only 300 of 350 launches are distinct; no launch is marked as vanished',
    )
  })

  test('of changes keeps the high-water mark, and is requested again', async () => {
    const mark = async () => (await rows('select high_water from rocket_launch_sync'))[0].high_water
    const before = await mark()
    const changed = launches230(20, { last_updated: '2026-01-14T00:00:00Z' })
    instead = () => ({ count: 35, next: null, results: changed })
    expect(await run({ sync: 'incremental', minutes: 10 })).toMatchObject({ updated: 20 })
    expect(await mark()).toEqual(before)
    instead = () => ({ count: 20, next: null, results: changed })
    await run({ sync: 'incremental', minutes: 20 })
    expect(await mark()).toEqual(new Date('2026-01-14T00:00:00Z'))
  })

  test.each([
    ['repeats a page', () => page(0, 100, '?offset=100'), 'launch_library_endless'],
    ['goes on elsewhere', () => page(0, 100, 'https://elsewhere.example/other/?offset=100'), 'launch_library_next'],
    [
      'repeats a page under another address',
      (offset: number) => page(0, 100, `?offset=${offset + 100}`),
      'launch_library_endless',
    ],
    [
      'repeats its last page',
      (offset: number) => page(0, 100, offset === 0 ? '?offset=100' : null),
      'launch_library_endless',
    ],
  ])('that %s fails, keeps the stored pages, and marks none', async (_, answer, code) => {
    await database.pool.query('truncate rocket_launches')
    instead = answer
    await expect(run({ sync: 'full', minutes: 10 })).rejects.toMatchObject({ code, retryable: false })
    expect(await stored()).toBe(100)
    expect(await vanished()).toEqual({ count: 0 })
    expect(await sync()).toEqual({ last_success_at: T0, last_full_at: T0, launches: 350 })
  })

  test('is not assumed if a cache puts another host into the next link', async () => {
    instead = (offset) =>
      offset === 300
        ? page(300, 350, null)
        : page(offset, offset + 100, `https://ll.example/2.3.0/launches/upcoming/?offset=${offset + 100}`)
    expect(await run({ sync: 'full', minutes: 10 })).toMatchObject({ fetched: 350, unchanged: 350, vanished: 0 })
  })
})

describe('an error', () => {
  test('on a later page keeps the stored pages and the high-water mark', async () => {
    launches = launches230(230)
    brokenFrom = 1
    await expect(run()).rejects.toMatchObject({ code: 'http_status', retryable: true })
    expect(await stored()).toBe(100)
    expect(await rows('select high_water from rocket_launch_sync')).toEqual([{ high_water: null }])
    brokenFrom = Number.POSITIVE_INFINITY
    expect(await run()).toMatchObject({ inserted: 130, unchanged: 100 })
  })

  test('in a few launches rejects only these', async () => {
    launches = [...launches230(20), ...Array.from({ length: 5 }, (_, index) => ({ id: `bad-${index}` }))]
    expect(await run()).toEqual({ ...NOTHING, fetched: 25, inserted: 20, rejected: 5 })
    launches = [...launches230(1), ...Array.from({ length: 4 }, (_, index) => ({ id: `bad-${index}` }))]
    expect(await run()).toMatchObject({ rejected: 4 })
  })

  test('in a launch without an id is deleted when the whole list no longer has it', async () => {
    launches = [...launches230(2), 'no launch', { id: 'bad' }]
    await run()
    launches = launches230(2)
    await run({ minutes: 10 })
    expect(await rows('select key from rocket_launch_rejects')).toEqual([{ key: 'bad' }])
  })

  test('in more than a fifth fails at once with the most frequent issue; the other launches are stored', async () => {
    launches = [
      ...launches230(19),
      ...Array.from({ length: 4 }, (_, index) => ({ ...launches230(1)[0], id: `bad-${index}`, vid_urls: [0, 1] })),
      { id: 'other' },
    ]
    const error = await run().catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'failed', retryable: false })
    expect(error.message).toMatch(
      /^5 of 24 launches could not be parsed, most often because of "vid_urls\.\*: Invalid input: expected object, received number" \(8 times\)\. Check LAUNCH_LIBRARY_URL/,
    )
    expect(await stored()).toBe(19)
    expect(await rows('select last_success_at from rocket_launch_sync')).toEqual([{ last_success_at: null }])
  })
})

describe.skipIf(!RECORDED)(`recorded answers${RECORDED ? '' : ` (${WITHOUT_RECORDED})`}`, () => {
  test.each(['2.0.0', '2.2.0', '2.3.0'] as const)('of %s are stored completely', async (version) => {
    const files = recorded(`v${version}-`).filter(({ file }) => !file.includes('-list-'))
    launches = files.flatMap((file) => file.launches)
    await server.close()
    server = await startServer(version)
    const summary = await run()
    expect(summary).toMatchObject({ fetched: launches.length, rejected: 0 })
    expect(await stored()).toBe(new Set(launches.map((launch) => (launch as { id: string }).id)).size)
  })
})
