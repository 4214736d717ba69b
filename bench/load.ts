import { openHttp } from '#src/connectors/http.ts'
import type { Database } from '#src/db/index.ts'
import { initializeSchema } from '../pipelines/launches/initialize-schema.ts'
import { parseLaunch } from '../pipelines/launches/parse-launch.ts'
import { SCHEMAS } from '../pipelines/launches/schemas.ts'
import { storePage } from '../pipelines/launches/store-page.ts'
import { fetchAndStoreData } from '../pipelines/rocket-launches/fetch-and-store-data.ts'
import { openLoopback } from '../pipelines/rocket-launches/stand-ins/loopback.ts'
import { bareUpsert, copied, copyUpsert, requested, rowOf } from './load-floor.ts'
import { launchesFrom, pagesOf, pagesToServe } from './load-launches.ts'
import { least, report, timed, withServer } from './measure.ts'

const LAUNCHES = 7_500
const NOW = new Date('2026-01-01T00:00:00Z')
const noop = () => {}
const log = { debug: noop, info: noop, warn: noop, error: noop }

/**
 * Loads launches into Postgres, and compares parsing, storing and fetching with the minimum. Both sides use the fastest
 * of several rounds, because other work on the machine only adds time.
 */
export async function bench(): Promise<void> {
  await withServer(async (_, pool) => {
    await initializeSchema({}, { db: pool, log })
    // First, while the process uses little memory.
    await memory(pool)
    validating()
    await storing(pool)
    await fetching(pool)
  })
}

/** Zod, compared with JSON.parse of the same pages. */
function validating(): void {
  const pages = pagesOf(launchesFrom(0, LAUNCHES)).map((page) => JSON.stringify(page))
  const rounds: { parse: number; validate: number }[] = []
  for (let round = 0; round < 6; round++) {
    const total = { parse: 0, validate: 0 }
    for (const page of pages) {
      const start = performance.now()
      const launches: unknown[] = JSON.parse(page)
      const parsed = performance.now()
      for (const launch of launches)
        if (!SCHEMAS['2.3.0'].safeParse(launch).success) throw new Error('a launch is wrong')
      total.parse += parsed - start
      total.validate += performance.now() - parsed
    }
    // The first round warms up.
    if (round > 0) rounds.push(total)
  }
  const [a, b] = [least(rounds.map(({ validate }) => validate)), least(rounds.map(({ parse }) => parse))]
  const size = pages.reduce((sum, { length }) => sum + length, 0) / LAUNCHES / 1_024
  console.log(`      ${LAUNCHES} launches of ${size.toFixed(1)} KB in pages of 100`)
  report('zod, to JSON.parse', `${a.toFixed(0)} ms / ${b.toFixed(0)} ms`, a / b, 1.07, 'at most')
}

/** `storePage` for each page, compared with one COPY into a temporary table and one INSERT … SELECT … ON CONFLICT. */
async function storing(pool: Database): Promise<void> {
  const launches = launchesFrom(0, LAUNCHES).map((launch) => parseLaunch('2.3.0', launch))
  const pages = pagesOf(launches)
  const text = copied(launches.map((parsed) => rowOf(parsed, NOW)))
  const store = async () => {
    for (const page of pages) await storePage(pool, page, NOW)
  }
  const times = { ours: [] as number[], again: [] as number[], floor: [] as number[] }
  for (let round = 0; round < 4; round++) {
    await empty(pool)
    const floor = await timed(() => copyUpsert(pool, text))
    await empty(pool)
    const ours = await timed(store)
    await pool.query('checkpoint')
    const again: number[] = []
    for (let reload = 0; reload < 5; reload++) again.push(await timed(store))
    // The first round warms up.
    if (round === 0) continue
    times.floor.push(floor)
    times.ours.push(ours)
    times.again.push(...again)
  }
  const [ours, again, floor] = [least(times.ours), least(times.again), least(times.floor)]
  const ms = (of: number) => `${of.toFixed(0)} ms / COPY ${floor.toFixed(0)} ms`
  const lz4 = await hasLz4(pool)
  if (!lz4) console.log('      this server has no lz4: what it makes of the first load is not measured')
  report(`first load of ${LAUNCHES}`, ms(ours), ours / floor, lz4 ? 0.7 : 1.25, 'at most')
  report('the same again, unchanged', ms(again), again / floor, 0.05, 'at most')
  report('  to the first load', `${again.toFixed(0)} ms / ${ours.toFixed(0)} ms`, again / ours, 0.05, 'at most')
}

async function empty(pool: Database): Promise<void> {
  await pool.query('truncate rocket_launches, rocket_launch_changes, rocket_launch_rejects, rocket_launch_sync')
  await pool.query('checkpoint')
}

async function hasLz4(pool: Database): Promise<boolean> {
  const { rows } = await pool.query(
    `select from pg_attribute where attrelid = 'rocket_launches'::regclass and attname = 'details' and attcompression = 'l'`,
  )
  return rows.length > 0
}

/** The task with a loopback server, compared with its bare parts in sequence: requests, JSON.parse, upserts. */
async function fetching(pool: Database): Promise<void> {
  const server = await openLoopback(async (request, response) => {
    const page = Number(new URL(request.url ?? '', 'http://loopback').searchParams.get('page') ?? 0)
    const body = request.url?.includes('throttle') ? undefined : served[page]
    response.writeHead(body ? 200 : 404, { 'content-type': 'application/json' }).end(body)
  })
  const served = pagesToServe(LAUNCHES, `${server.origin}/2.3.0/launches/upcoming/`)
  const pages = pagesOf(launchesFrom(0, LAUNCHES).map((launch) => rowOf(parseLaunch('2.3.0', launch), NOW)))
  const http = openHttp({ userAgent: 'bench' })
  const settings = { LAUNCH_LIBRARY_URL: `${server.origin}/2.3.0`, LAUNCH_LIBRARY_INTERVALS: [0, 0, 0] as const }
  const params = { sync: 'full' as const }
  const { signal } = new AbortController()
  const context = { db: pool, http, log, now: () => NOW, runType: 'manual' as const, params, settings, signal }
  const rounds: Record<'ours' | 'request' | 'parse' | 'upsert', number>[] = []
  for (let round = 0; round < 4; round++) {
    await empty(pool)
    const ours = await timed(() => fetchAndStoreData({}, context))
    const bodies: string[] = []
    const asking = await timed(async () => {
      for (let page = 0; page < served.length; page++) bodies.push(await requested(`${server.origin}/?page=${page}`))
    })
    const parse = await timed(async () => bodies.map((body) => JSON.parse(body)))
    await empty(pool)
    const upsert = await timed(async () => {
      for (const page of pages) await bareUpsert(pool, page)
    })
    if (round > 0) rounds.push({ ours, request: asking, parse, upsert })
  }
  await http.close()
  await server.close()
  const [ours, ...parts] = (['ours', 'request', 'parse', 'upsert'] as const).map((part) =>
    least(rounds.map((round) => round[part])),
  ) as [number, number, number, number]
  const floor = parts.reduce((sum, part) => sum + part, 0)
  const named = parts.map((part) => part.toFixed(0)).join(' + ')
  report(
    `fetch, validate, store ${served.length} pages`,
    `${ours.toFixed(0)} ms / ${named} ms`,
    ours / floor,
    1.5,
    'at most',
  )
}

const MANY = Number(process.env.BENCH_LAUNCHES ?? 200_000)

/**
 * Memory while many rows are parsed and stored: the maximum in the second half, compared with the maximum before it
 * (without the first tenth). Memory varies with each garbage collection; a leak would raise the maximum.
 */
async function memory(pool: Database): Promise<void> {
  const sizes: number[] = []
  for (let start = 0; start < MANY; start += 100) {
    const page: unknown[] = JSON.parse(JSON.stringify(launchesFrom(start, 100)))
    const parsed = page.map((launch) => parseLaunch('2.3.0', launch))
    await storePage(pool, parsed, NOW)
    sizes.push(process.memoryUsage.rss() / 1024 ** 2)
  }
  const top = (from: number, to: number) => Math.max(...sizes.slice(sizes.length * from, sizes.length * to))
  const [before, after] = [top(0.1, 0.5), top(0.5, 1)]
  console.log(`      memory while storing ${MANY}: at most ${before.toFixed(0)} MB, later ${after.toFixed(0)} MB`)
  report('memory, MB more in the second half', '', after - before, 50, 'at most')
}
