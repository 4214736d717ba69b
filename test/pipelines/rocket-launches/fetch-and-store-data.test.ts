import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { fetchAndStoreData, notBefore, StoreSummary } from '../../../pipelines/rocket-launches/fetch-and-store-data.ts'
import { initializeSchema } from '../../../pipelines/rocket-launches/initialize-schema.ts'
import { startLaunchLibrary } from '../../../pipelines/rocket-launches/sample/launch-library-server.ts'
import { openHttp } from '../../../src/connectors/http.ts'
import { createEmptyDatabase, type TestDatabase } from '../../support/database.ts'
import { type HttpServer, sendJson, startHttpServer } from '../../support/http-server.ts'
import { launches230 } from '../../support/launches.ts'
import { quietLog } from '../../support/quiet-log.ts'
import { RECORDED, recorded, WITHOUT_RECORDED } from '../../support/recorded.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createEmptyDatabase()
  await initializeSchema({}, { db: database.pool, log: quietLog() })
})
afterAll(() => database.drop())

const http = openHttp({ userAgent: 'tminus-test/1' })
afterAll(() => http.close())

let server: HttpServer
/** What the loopback Launch Library holds. */
let launches: unknown[] = []
/** Requests from this one on are answered with a 502. */
let brokenFrom = Number.POSITIVE_INFINITY
beforeEach(async () => {
  brokenFrom = Number.POSITIVE_INFINITY
  await database.pool.query(
    'truncate rocket_launches, rocket_launch_changes, rocket_launch_rejects, rocket_launch_sync restart identity',
  )
  server = await startHttpServer((request, response) => {
    const url = new URL(request.url ?? '', `http://${request.headers.host}`)
    if (server.requests.length >= brokenFrom) return sendJson(response, {}, 502)
    const limit = Number(url.searchParams.get('limit'))
    const offset = Number(url.searchParams.get('offset') ?? 0)
    const results = launches.slice(offset, offset + limit)
    url.searchParams.set('offset', String(offset + limit))
    sendJson(response, { count: launches.length, next: offset + limit < launches.length ? url.href : null, results })
  })
})
afterEach(() => server.close())

const T0 = new Date('2026-01-15T00:00:00Z')

function run(
  options: {
    runType?: 'manual' | 'scheduled'
    minutes?: number
    version?: string
    baseUrl?: string
    log?: ReturnType<typeof quietLog>
  } = {},
) {
  const now = new Date(T0.getTime() + (options.minutes ?? 0) * 60_000)
  return fetchAndStoreData(
    {},
    {
      db: database.pool,
      http,
      log: options.log ?? quietLog(),
      now: () => now,
      runType: options.runType ?? 'manual',
      signal: new AbortController().signal,
      settings: { LAUNCH_LIBRARY_URL: options.baseUrl ?? `${server.origin}/${options.version ?? '2.3.0'}` },
    },
  )
}

const stored = async () => (await database.pool.query('select count(*) from rocket_launches')).rows[0].count

test('reads every page, and says what it did page by page', async () => {
  launches = launches230(230)
  const log = quietLog()
  const summary = await run({ log })
  expect(summary).toEqual({ fetched: 230, inserted: 230, updated: 0, unchanged: 0, rejected: 0 })
  expect(StoreSummary.parse(summary)).toEqual(summary)
  expect(server.requests).toHaveLength(3)
  expect(log.lines).toEqual([
    'info page 1: 100 of 230 launches: 100 new',
    'info page 2: 100 of 230 launches: 100 new',
    'info page 3: 30 of 230 launches: 30 new',
  ])
  const { rows } = await database.pool.query('select source, last_attempt_at, last_success_at, high_water from rocket_launch_sync')
  expect(rows).toEqual([
    {
      source: `${server.origin}/2.3.0/launches/upcoming/`,
      last_attempt_at: T0,
      last_success_at: T0,
      high_water: new Date('2026-01-10T12:00:00Z'),
    },
  ])
  expect(await run()).toEqual({ fetched: 230, inserted: 0, updated: 0, unchanged: 230, rejected: 0 })
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

describe('when it asks', () => {
  test('by schedule once in 15 minutes, by hand always', async () => {
    launches = launches230(1)
    await run({ runType: 'scheduled' })
    const soon = await run({ runType: 'scheduled', minutes: 14 })
    expect(soon).toMatchObject({ fetched: 0, waitingUntil: '2026-01-15T00:15:00.000Z' })
    expect(soon.skipped).toContain('2026-01-15T00:15:00.000Z')
    expect(server.requests).toHaveLength(1)
    expect(await run({ runType: 'manual', minutes: 1 })).toMatchObject({ fetched: 1 })
    expect(await run({ runType: 'scheduled', minutes: 15 })).toMatchObject({ fetched: 0 })
    expect(await run({ runType: 'scheduled', minutes: 16 })).toMatchObject({ fetched: 1 })
  })

  test('by schedule again at once after a failure', async () => {
    brokenFrom = 1
    await expect(run({ runType: 'scheduled' })).rejects.toMatchObject({ retryable: true })
    brokenFrom = Number.POSITIVE_INFINITY
    expect(await run({ runType: 'scheduled', minutes: 1 })).not.toHaveProperty('skipped')
  })

  test('never waits longer than 15 minutes, nor for a clock that was set back', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), (elapsed) => {
        const until = notBefore('scheduled', T0, { lastSuccessAt: new Date(T0.getTime() - elapsed) })
        const wait = until ? until.getTime() - T0.getTime() : 0
        expect(wait).toBe(elapsed >= 0 && elapsed < 895_000 ? 900_000 - elapsed : 0)
        expect(notBefore('manual', T0, { lastSuccessAt: new Date(T0.getTime() - elapsed) })).toBeUndefined()
      }),
    )
  })
})

describe('what goes wrong', () => {
  test('on a later page keeps the pages before', async () => {
    launches = launches230(230)
    brokenFrom = 2
    await expect(run()).rejects.toMatchObject({ code: 'http_status', retryable: true })
    expect(await stored()).toBe(100)
    brokenFrom = Number.POSITIVE_INFINITY
    expect(await run()).toMatchObject({ inserted: 130, unchanged: 100 })
  })

  test('with a few launches sets them aside', async () => {
    launches = [...launches230(20), ...Array.from({ length: 5 }, (_, index) => ({ id: `bad-${index}` }))]
    expect(await run()).toEqual({ fetched: 25, inserted: 20, updated: 0, unchanged: 0, rejected: 5 })
    launches = [...launches230(1), ...Array.from({ length: 4 }, (_, index) => ({ id: `bad-${index}` }))]
    expect(await run()).toMatchObject({ rejected: 4 })
  })

  test('with more than a fifth fails at once, naming the commonest issue; what fits is stored', async () => {
    launches = [
      ...launches230(19),
      ...Array.from({ length: 4 }, (_, index) => ({ ...launches230(1)[0], id: `bad-${index}`, vid_urls: [0, 1] })),
      { id: 'other' },
    ]
    const error = await run().catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'failed', retryable: false })
    expect(error.message).toMatch(
      /^5 of 24 launches could not be read, most often because of "vid_urls\.\*: Invalid input: expected object, received number" \(8 times\): the API changed, or LAUNCH_LIBRARY_URL/,
    )
    expect(await stored()).toBe(19)
    const { rows } = await database.pool.query('select last_success_at from rocket_launch_sync')
    expect(rows).toEqual([{ last_success_at: null }])
  })
})

describe.skipIf(!RECORDED)(`recorded answers${RECORDED ? '' : ` (${WITHOUT_RECORDED})`}`, () => {
  test.each(['2.0.0', '2.2.0', '2.3.0'] as const)('of %s arrive whole', async (version) => {
    const files = recorded(`v${version}-`).filter(({ file }) => !file.includes('-list-'))
    launches = files.flatMap((file) => file.launches)
    const summary = await run({ version })
    expect(summary).toMatchObject({ fetched: launches.length, rejected: 0 })
    expect(await stored()).toBe(new Set(launches.map((launch) => (launch as { id: string }).id)).size)
  })
})
