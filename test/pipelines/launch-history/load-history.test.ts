import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Context, HistorySummary, loadHistory } from '../../../pipelines/launch-history/load-history.ts'
import { Span } from '../../../pipelines/launch-history/span.ts'
import {
  type LaunchLibraryOptions,
  type LaunchLibraryServer,
  startLaunchLibrary,
} from '../../../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import { openHttp } from '../../../src/connectors/http.ts'
import { createLaunchDatabase, useDatabase } from '../../support/database.ts'
import { sendJson } from '../../support/http-server.ts'
import { launch230 } from '../../support/launches.ts'
import { type QuietLog, quietLog } from '../../support/quiet-log.ts'

const database = useDatabase(createLaunchDatabase)

const http = openHttp({ userAgent: 'tminus-test/1' })
afterAll(() => http.close())

const NOW = new Date('2026-01-15T12:00:00Z')
let now: Date
let log: QuietLog
let library: LaunchLibraryServer
/** What is served as previous. */
let archive: unknown[]
beforeEach(async () => {
  now = NOW
  log = quietLog()
  archive = []
  await database.pool.query(
    'truncate rocket_launches, rocket_launch_rejects, rocket_launch_history, launch_library_quota',
  )
})
afterEach(() => library.close())

async function serve(options: LaunchLibraryOptions = {}): Promise<void> {
  library = await startLaunchLibrary({ launches: () => [], archive: () => archive, now: () => now, ...options })
}

/** `count` launches, a day apart, from 2020 on; `changes` of each by its number. */
function past(count: number, changes: (index: number) => Record<string, unknown> = () => ({})): unknown[] {
  return Array.from({ length: count }, (_, index) => launch230({ ...dated(index), ...changes(index) }))
}

function dated(index: number) {
  const net = `${new Date(Date.UTC(2020, 0, 1 + index)).toISOString().slice(0, 19)}Z`
  return { id: `launch-${String(index).padStart(5, '0')}`, name: `Launch ${index}`, net, last_updated: net }
}

function run(given: { from?: string; to?: string; askedAt?: Date; signal?: AbortSignal } = {}) {
  const { askedAt = now, signal = new AbortController().signal, ...span } = given
  const context: Context = {
    db: database.pool,
    http,
    log,
    logicalDate: askedAt,
    now: () => now,
    params: Span.parse(span),
    settings: { LAUNCH_LIBRARY_URL: library.url },
    signal,
  }
  return loadHistory({}, context)
}

async function rows(sql: string): Promise<Record<string, unknown>[]> {
  return (await database.pool.query(sql)).rows
}

/** Ids as stored, in their order. */
async function stored(): Promise<unknown[]> {
  return (await rows('select launch_id from rocket_launches order by net, launch_id')).map((row) => row.launch_id)
}

const ids = (launches: readonly unknown[]) => launches.map((launch) => (launch as { id: string }).id)
/** Calls that cost quota, as `net__gte/offset`. */
const asked = () =>
  library.requests
    .filter(({ path }) => !path.endsWith('/api-throttle/'))
    .map(({ query }) => `${query.net__gte?.slice(0, 10) ?? ''}/${query.offset ?? ''}`)
const later = (ms: number) => new Date(now.getTime() + ms)
const waiting = async (given?: Parameters<typeof run>[0]): Promise<Date> =>
  ((await failing(run(given))) as Error & { at: Date }).at
const failing = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: Error) => error,
  )

describe('a load', () => {
  test('stores every launch once and reports the progress', async () => {
    archive = past(250)
    await serve()
    const summary = await run()
    expect(summary).toEqual({ launches: 250, pages: 3, inserted: 250, updated: 0, unchanged: 0, rejected: 0 })
    expect(HistorySummary.parse(summary)).toEqual(summary)
    expect(await stored()).toEqual(ids(archive))
    expect(asked()).toEqual(['/', '2020-04-09/', '2020-07-17/'])
    expect(log.lines).toEqual([
      'info page 1: 100 new; 100 of 250 launches (1 of 3 pages), done about 12:00Z',
      'info page 2: 99 new; 199 of 250 launches (2 of 3 pages), done about 12:00Z',
      'info page 3: 51 new; 250 of 250 launches (3 of 3 pages)',
    ])
  })

  test('of no launches ends at once', async () => {
    await serve()
    expect(await run()).toMatchObject({ launches: 0, pages: 1 })
    expect(log.lines).toEqual(['info page 1: no launches; 0 of 0 launches (1 of 1 pages)'])
  })

  test('loses no launch if one net spans two pages or fills pages', async () => {
    const shared = { net: '2020-04-08T00:00:00Z' }
    archive = past(420, (index) =>
      index >= 98 && index < 103 ? shared : index >= 150 && index < 380 ? dated(150) : {},
    )
    archive = archive.map((launch, index) => ({ ...(launch as object), id: dated(index).id }))
    await serve()
    expect(await run()).toMatchObject({ launches: 420, inserted: 420 })
    expect(await stored()).toEqual(ids(archive))
    expect(asked()).toEqual(['/', '2020-04-08/', '2020-05-30/', '2020-05-30/100', '2020-05-30/200'])
  })

  test('loses no launch if others are added or removed meanwhile', async () => {
    const all = past(300)
    archive = all
    await serve({
      intercept: () => {
        const early = launch230({ ...dated(0), id: 'early' })
        const late = launch230({ ...dated(300), id: 'late' })
        if (asked().length === 2) archive = [early, ...all]
        // The one at the cursor is gone, too.
        if (asked().length === 3) archive = [...all.slice(0, 198), ...all.slice(199), late]
        return false
      },
    })
    await run()
    expect(asked()).toEqual(['/', '2020-04-09/', '2020-07-17/', '2020-10-25/'])
    expect(await stored()).toEqual([...ids(all), 'late'])
  })

  test.each([
    ['2.0.0', '/2.0.0/launch/previous/'],
    ['2.2.0', '/2.2.0/launch/previous/'],
    ['2.3.0', '/2.3.0/launches/previous/'],
    ['2.4.0', '/2.4.0/launches/detailed/'],
  ] as const)('asks %s at its own path', async (version, path) => {
    archive = past(3, () => ({ image: 'https://images.example/one.jpg' })).map((launch) =>
      version >= '2.3.0' ? { ...(launch as object), image: null } : launch,
    )
    await serve({ version })
    expect(await run()).toMatchObject({ launches: 3, rejected: 0 })
    expect(new Set(library.requests.map((request) => request.path))).toEqual(
      new Set([path, `/${version}/api-throttle/${version === '2.4.0' ? 'status/' : ''}`]),
    )
  })
})

describe('the parameters of a run', () => {
  test('from and to are inclusive', async () => {
    archive = past(30)
    await serve()
    expect(await run({ from: '2020-01-05', to: '2020-01-20T00:00:00Z' })).toMatchObject({ launches: 16 })
    expect(await stored()).toEqual(ids(archive).slice(4, 20))
    expect(library.requests.at(-1)?.query).toMatchObject({ net__lte: '2020-01-20T00:00:00.000Z' })
  })

  test('to defaults to now, is never in the future, and is fixed at the first page', async () => {
    archive = past(250)
    await serve({ quota: { limit: 2, windowSeconds: 60, now: () => now } })
    const until = await waiting({ to: '2030-01-01' })
    archive = [...archive, launch230({ ...dated(0), id: 'new', net: '2026-01-15T12:00:30Z' })]
    now = until
    await run({ to: '2030-01-01' })
    expect(await stored()).not.toContain('new')
    expect(library.requests.at(-1)?.query).toMatchObject({ net__lte: NOW.toISOString() })
  })

  test('a load without any page updates to until its first page', async () => {
    archive = past(1)
    let broken = true
    await serve({ intercept: (_, response) => broken && Boolean(response.writeHead(502).end()) })
    await failing(run())
    now = later(86_400_000)
    broken = false
    await run()
    expect(library.requests.at(-1)?.query).toMatchObject({ net__lte: now.toISOString() })
  })

  test('from in the future is rejected', async () => {
    await serve()
    expect(await failing(run({ from: '2026-01-16' }))).toMatchObject({ code: 'failed', retryable: false })
    expect(library.requests).toEqual([])
  })

  test.each([
    [{ from: '2020-01-02', to: '2020-01-01' }, 'from', 'must be before to'],
    [{ from: '2020-01-01', to: '2020-01-01T00:00:00Z' }, 'from', 'must be before to'],
    [{ to: '2020-02-30' }, 'to', 'must be a date or an instant'],
    [{ from: '2020-01-01T00:00:00' }, 'from', 'must be a date or an instant'],
    [{ from: 2020 }, 'from', 'must be a date or an instant'],
  ])('%j is rejected', (span, name, message) => {
    expect(Span.safeParse(span).error?.issues).toEqual([
      expect.objectContaining({ path: [name], message: expect.stringContaining(message) }),
    ])
  })
})

describe('a quota that is used up', () => {
  test('reschedules the task with a reason; each try continues where the last one stopped', async () => {
    archive = past(1_000)
    await serve({ quota: { limit: 5, windowSeconds: 3_600, now: () => now } })
    const error = await failing(run())
    expect(error).toMatchObject({ code: 'rescheduled', at: expect.any(Date) })
    expect(error.message).toBe('298 of 1,000 launches (3 of 11 pages), continues at 13:00Z, done about 15:00Z')
    expect(asked()).toHaveLength(3)
    now = later(10 * 60_000)
    expect(await waiting()).toEqual(new Date('2026-01-15T13:00:01.000Z'))
    expect(asked()).toHaveLength(3)
    expect(log.lines.slice(-2)).toEqual([
      'info continues after 298 of 1,000 launches (3 of 11 pages)',
      'info waiting until 13:00Z',
    ])
    for (const pages of [6, 9]) {
      now = later(3_601_000)
      await waiting()
      expect(asked()).toHaveLength(pages)
    }
    now = later(3_601_000)
    expect(await run()).toEqual({ launches: 1000, pages: 11, inserted: 1000, updated: 0, unchanged: 0, rejected: 0 })
    expect(await stored()).toEqual(ids(archive))
    expect(new Set(asked()).size).toBe(11)
    expect(asked()).toHaveLength(11)
  })

  test('names the day if it is another one', async () => {
    now = new Date('2026-01-15T23:30:00Z')
    archive = past(1_000)
    await serve({ quota: { limit: 5, windowSeconds: 3_600, now: () => now } })
    expect((await failing(run())).message).toMatch(/, continues at 2026-01-16 00:30Z, done about 02:30Z$/)
  })
})

describe('a run after another one', () => {
  test('starts again if that one had finished before', async () => {
    archive = past(120)
    await serve()
    await run()
    now = later(60_000)
    archive[110] = launch230({ ...dated(110), name: 'Renamed' })
    expect(await run()).toEqual({ launches: 120, pages: 2, inserted: 0, updated: 1, unchanged: 119, rejected: 0 })
  })

  test('does nothing if that one finished after this run was triggered', async () => {
    archive = past(120)
    await serve()
    const first = await run()
    const before = asked()
    expect(await run({ askedAt: later(-60_000) })).toEqual(first)
    expect(asked()).toEqual(before)
    expect(log.lines.at(-1)).toBe('info already finished at 12:00Z')
  })

  test('of another span has its own load', async () => {
    archive = past(250)
    await serve({ quota: { limit: 2, windowSeconds: 60, now: () => now } })
    now = await waiting({ to: '2030-01-01' }).then(() => later(120_000))
    expect(await run({ to: '2020-02-01' })).toMatchObject({ launches: 32, pages: 1 })
    expect(await rows('select span, launches, finished_at from rocket_launch_history order by 1')).toEqual([
      { span: '../2020-02-01T00:00:00.000Z', launches: 32, finished_at: now },
      { span: '../2030-01-01T00:00:00.000Z', launches: 199, finished_at: null },
    ])
  })

  test('that stores the same page at the same time lets the other run continue the load', async () => {
    archive = past(250)
    await serve({
      intercept: (_, response) => {
        if (asked().length !== 2) return false
        const moved = database.pool.query('update rocket_launch_history set pages = pages + 1')
        void moved.then(() => sendJson(response, { count: 250, next: null, results: archive.slice(99, 199) }))
        return true
      },
    })
    expect((await failing(run())).message).toMatch(/^another process stored this page and continues the load/)
    expect(await rows('select pages, launches from rocket_launch_history')).toEqual([{ pages: 2, launches: 100 }])
    expect(await stored()).toEqual(ids(archive.slice(0, 100)))
  })
})

describe('a broken list', () => {
  /** Answers with this instead of what the stand-in would: `call` counts from 1. */
  const serveInstead = (answer: (call: number) => object) =>
    serve({
      intercept: (_, response, { path }) => {
        if (!path.includes('/launches/')) return false
        sendJson(response, answer(asked().length))
        return true
      },
    })
  const page = (from: number, to: number, next: string | null, count = 250) => ({
    ...{ count, next, results: past(to).slice(from) },
  })

  test('continues at the configured host if the next link names another one', async () => {
    const next = 'https://cache.example/2.3.0/launches/previous/?offset=100'
    await serveInstead((call) =>
      call === 1 ? page(0, 100, next) : call === 2 ? page(99, 199, next, 151) : page(198, 250, null, 52),
    )
    expect(await run()).toMatchObject({ launches: 250, pages: 3 })
  })

  test.each([
    ['names another path', () => page(0, 100, 'https://cache.example/other/?offset=100'), 'launch_library_next', 100],
    ['ends before what it counts', () => page(0, 100, null), 'failed', 100],
    ['gives a page twice', () => page(0, 100, '?offset=100'), 'failed', 100],
    [
      'gives a page of one net twice',
      () => ({ ...page(0, 0, '?offset=100'), results: past(100, () => ({ net: '2020-01-01T00:00:00Z' })) }),
      'failed',
      100,
    ],
  ])('fails if it %s, and keeps the stored pages', async (_, answer, code, kept) => {
    await serveInstead(answer)
    expect(await failing(run())).toMatchObject({ code, retryable: false })
    expect(await stored()).toHaveLength(kept)
    expect(await rows('select finished_at, launches from rocket_launch_history')).toEqual([
      { finished_at: null, launches: kept },
    ])
  })
})

describe('an error', () => {
  /** Launches that cannot be read, among others. */
  const odd = (index: number, every: number) => (index % every === 0 ? { status: 'unknown' } : {})

  test('in a few launches rejects only these', async () => {
    archive = past(150, (index) => odd(index, 10))
    await serve()
    expect(await run()).toEqual({ launches: 150, pages: 2, inserted: 135, updated: 0, unchanged: 0, rejected: 15 })
    expect(await rows('select count(*) from rocket_launch_rejects')).toEqual([{ count: 15 }])
  })

  test('in more than a fifth of all launches fails at once; the page is requested again', async () => {
    archive = past(300, (index) => (index < 100 ? {} : odd(index, 2)))
    await serve()
    const error = await failing(run())
    expect(error).toMatchObject({ code: 'failed', retryable: false })
    expect(error.message).toMatch(/^50 of 199 launches could not be parsed, most often because of "status: /)
    expect(await stored()).toHaveLength(149)
    archive = past(300)
    expect(await run()).toMatchObject({ launches: 300, pages: 4, inserted: 251, unchanged: 49, rejected: 0 })
    expect(asked()).toEqual(['/', '2020-04-09/', '2020-04-09/', '2020-07-17/', '2020-10-24/'])
    expect(await rows('select from rocket_launch_rejects')).toEqual([])
  })

  test('by the database about one launch counts too', async () => {
    archive = past(3, (index) => (index === 1 ? { slug: 'x'.repeat(101) } : {}))
    await serve()
    await database.pool.query('alter table rocket_launches alter slug type varchar(100)')
    try {
      expect(await run()).toEqual({ launches: 3, pages: 1, inserted: 2, updated: 0, unchanged: 0, rejected: 1 })
    } finally {
      await database.pool.query('alter table rocket_launches alter slug type text')
    }
  })

  test('before the first page fails the try; later it reschedules, because only a try without progress uses up a retry', async () => {
    archive = past(150)
    let broken = [1, 3]
    await serve({
      intercept: (_, response) => {
        if (!broken.includes(asked().length)) return false
        response.writeHead(502).end()
        return true
      },
    })
    expect(await failing(run())).toMatchObject({ code: 'http_status', retryable: true })
    const error = await failing(run())
    expect(error).toMatchObject({ code: 'rescheduled', at: later(30_000) })
    expect(error.message).toMatch(
      /502.*; 100 of 150 launches \(1 of 2 pages\), continues at 12:00Z, done about 12:00Z$/,
    )
    broken = []
    expect(await run()).toMatchObject({ launches: 150, inserted: 150 })
  })

  test('that is permanent fails at once, on any page', async () => {
    archive = past(150)
    await serve({
      intercept: (_, response) => {
        if (asked().length === 2) response.writeHead(403).end()
        return asked().length === 2
      },
    })
    expect(await failing(run())).toMatchObject({ retryable: false })
  })

  test('an abort ends at once, and the next run continues there', async () => {
    archive = past(250)
    const stop = new AbortController()
    await serve({
      intercept: () => {
        if (asked().length === 2 && !stop.signal.aborted) stop.abort(new Error('stop'))
        return stop.signal.aborted && asked().length === 2
      },
    })
    expect(await failing(run({ signal: stop.signal }))).toMatchObject({ code: 'http_aborted' })
    expect(await rows('select pages from rocket_launch_history')).toEqual([{ pages: 1 }])
    expect(await run()).toMatchObject({ launches: 250, pages: 3, inserted: 250 })
    expect(asked()).toEqual(['/', '2020-04-09/', '2020-04-09/', '2020-07-17/'])
  })
})
