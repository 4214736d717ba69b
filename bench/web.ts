import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { type ClientRequest, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import type { Dag } from '#src/dag/dag.ts'
import type { Database } from '#src/db/pool.ts'
import { loadDags } from '#src/load-dags.ts'
import { migrateMetadata } from '#src/maintenance/schema.ts'
import { registerDag } from '#src/metadata/dags.ts'
import { openMetadata } from '#src/metadata/metadata.ts'
import { initializeSchema } from '../pipelines/launches/initialize-schema.ts'
import { parseLaunch } from '../pipelines/launches/parse-launch.ts'
import { storePage } from '../pipelines/launches/store-page.ts'
import { launchesFrom } from './load-launches.ts'
import { median, report, timed, withServer } from './measure.ts'
import { build, type Started, startBare, startWeb } from './web-process.ts'

const DAGS = 1_000
const RUNS = 100
const TASKS = 10
const ASKS = 100
/** Requests before the measured ones, so that the code is compiled. */
const WARM = 20
const FOLLOWERS = 500
/** An address may have 200 streams at once. */
const ADDRESSES = 5
const MANY_CROWDS = 20
const STARTS = 15
/** About as many launches as in seventy years, and as many as are announced. */
const LAUNCHES = 7_500
const TO_COME = 350
const BETWEEN_MS = 82 * 3_600_000

/**
 * The built `web` as a separate process: its start, every page with 1,000 dags, 100,000 runs and a million task
 * instances, and 500 browsers that follow a run.
 */
export async function bench(): Promise<void> {
  build()
  const folder = await mkdtemp(join(tmpdir(), 'tminus-bench-dags-'))
  await withServer(async (connectionString, pool) => {
    await migrateMetadata(pool, 'metadata')
    await starts(connectionString)
    await writeDags(folder)
    await fill(pool, [...(await loadDags(folder)).dags.values()])
    await fillBoard(pool, folder)
    const web = await startWeb(connectionString, { pipelinesDir: folder, measured: true })
    await pages(web.url)
    for (const path of ['/', '/map', '/figures', LAUNCH, '/dags', '/dags/dag-0500', '/dags/dag-0500/runs/latest/graph'])
      await firstPaint(web.url, path)
    await followers(web)
    await web.stop()
  }).finally(() => rm(folder, { recursive: true, force: true }))
}

/** The start of the process with the real pipelines, compared with a bare hono server. */
async function starts(connectionString: string): Promise<void> {
  const [ours, bare]: [Started[], Started[]] = [[], []]
  // The first start of each reads the files from disk.
  for (let round = -1; round < STARTS; round++) {
    for (const [all, start] of [
      [bare, startBare],
      [ours, () => startWeb(connectionString)],
    ] as const) {
      const one = await start()
      await one.stop()
      if (round >= 0) all.push(one)
    }
  }
  const of = (all: Started[], what: 'listening' | 'answered') => median(all.map((one) => one[what]))
  const said = (what: 'listening' | 'answered') =>
    `${of(ours, what).toFixed(0)} ms / bare hono ${of(bare, what).toFixed(0)} ms`
  report('web listens', said('listening'), of(ours, 'listening') / of(bare, 'listening'), 2, 'at most')
  console.log(
    `      and has answered /dags: ${said('answered')}, ${(of(ours, 'answered') / of(bare, 'answered')).toFixed(2)}x`,
  )
}

async function writeDags(folder: string): Promise<void> {
  const tminus = new URL('../dist/src/index.js', import.meta.url).href
  await writeFile(
    join(folder, 'ten-tasks.js'),
    `import { dag } from '${tminus}'
     export const tenTasks = (id) => dag(id, { schedule: '@hourly' }, ({ task }) => {
       const first = task('task_1', { run: () => {} })
       for (let n = 2; n <= ${TASKS}; n++) task('task_' + n, { upstream: { first }, run: () => {} })
     })`,
  )
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  for (let n = 0; n < DAGS; n++) {
    const id = `dag-${String(n).padStart(4, '0')}`
    await mkdir(join(folder, id))
    await writeFile(
      join(folder, id, 'dag.js'),
      `import { tenTasks } from '../ten-tasks.js'\nexport default tenTasks('${id}')\n`,
    )
  }
}

async function fill(pool: Database, dags: readonly Dag[]): Promise<void> {
  for (const one of dags) await registerDag(openMetadata(pool, 'metadata'), one)
  await pool.query(
    `insert into metadata.dag_run (dag_id, run_id, run_type, state, logical_date, data_interval_start, data_interval_end,
       dag_version_id, started_at, ended_at, conf, queued_at)
     select dag_id, format('scheduled__%s', at), 'scheduled', case when n % 9 = 0 then 'failed' else 'success' end, at, at, at,
       dag_version_id, at, at + interval '40 s', '{}', at
     from generate_series(1, ${RUNS}) n, metadata.dag_version, lateral (select now() - interval '1 h' * n as at) t`,
  )
  await pool.query(
    `insert into metadata.task_instance (dag_run_id, task_id, state, try_number, started_at, ended_at, job_id)
     select dag_run_id, 'task_' || n, 'success', 1, started_at + n * interval '1 s', started_at + n * interval '3 s', 1
     from metadata.dag_run, generate_series(1, ${TASKS}) n`,
  )
  await pool.query(
    `insert into metadata.task_log (dag_run_id, task_id, try_number, logged_at, level, message)
     select max(dag_run_id), 'task_1', 1, now(), 'info', 'line ' || n from metadata.dag_run, generate_series(1, 20000) n
     where dag_id = 'dag-0500' group by n`,
  )
  await pool.query('vacuum analyze')
}

/** The board with production-like data. */
async function fillBoard(pool: Database, folder: string): Promise<void> {
  const built = fileURLToPath(new URL('../dist/pipelines/rocket-launches', import.meta.url))
  await symlink(built, join(folder, 'rocket-launches'))
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  await initializeSchema({}, { db: pool, log })
  const beginning = Date.now() - (LAUNCHES - TO_COME) * BETWEEN_MS
  for (let start = 0; start < LAUNCHES; start += 100) {
    const page = launchesFrom(start, 100).map((launch, index) => {
      const net = new Date(beginning + (start + index) * BETWEEN_MS).toISOString().replace(/\.\d+Z/, 'Z')
      return parseLaunch('2.3.0', { ...(launch as object), net })
    })
    await storePage(pool, page, new Date())
  }
  await pool.query('vacuum analyze')
}

const LAUNCH = '/launches/00000000-0000-4000-8000-000000007200'
const PAGES = [
  '/',
  '/?show=past',
  '/?show=past&status=failure',
  '/?q=launch+72',
  '/?month',
  '/map',
  '/map?show=past',
  '/?location=Vandenberg+SFB,+CA,+USA',
  '/figures',
  '/figures?years=5',
  LAUNCH,
  '/launches.json',
  '/launches.ics',
  '/outbox',
  '/rejects',
  '/dags',
  '/dags?after=dag-0900',
  '/dags?search=99',
  '/runs',
  '/runs?state=failed&within=1d',
  '/runs?dag=99',
  '/dags/dag-0500',
  '/dags/dag-0500?state=failed',
  '/dags/dag-0500/graph',
  '/dags/dag-0500/durations',
  '/dags/dag-0500/code',
  '/dags/dag-0500/trigger',
  '/dags/dag-0500/details',
  '/dags/dag-0500/runs/latest',
  '/dags/dag-0500/runs/latest/graph',
  '/dags/dag-0500/runs/latest/gantt',
  '/dags/dag-0500/runs/latest/tasks/task_1',
  '/dags/dag-0500/runs/latest/tasks/task_1?search=nothing',
  '/dags/dag-0500/runs/latest/clear',
  '/dags/dag-0500/runs/latest/mark?task=task_1',
  '/dags/dag-0500/runs/latest/cancel',
  '/jobs',
  '/pools',
  '/status',
  '/api/v1/dags?limit=200',
  '/api/v1/dagRuns?limit=200',
  '/api/v1/dags/dag-0500/dagRuns?state=failed',
]

async function pages(url: string): Promise<void> {
  for (const path of PAGES) {
    const times: number[] = []
    let [bytes, limit] = [0, 150_000]
    for (let ask = 0; ask < WARM + ASKS; ask++) {
      times.push(
        await timed(async () => {
          const answer = await fetch(url + path)
          if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
          bytes = (await answer.arrayBuffer()).byteLength
          if (!answer.headers.get('content-type')?.startsWith('text/html')) limit = Number.POSITIVE_INFINITY
        }),
      )
    }
    const p95 = times.slice(WARM).sort((a, b) => a - b)[Math.floor(ASKS * 0.95)] ?? 0
    report(
      path,
      `p95 ${p95.toFixed(1)} ms, ${(bytes / 1_000).toFixed(0)} kB`,
      Math.max(p95 / 50, bytes / limit),
      1,
      'at most',
    )
  }
}

/** The bytes that a new browser loads before it can show a page: the page, styles, scripts and icon. */
async function firstPaint(url: string, path: string): Promise<void> {
  const html = await sent(url + path)
  const linked = [
    ...gunzipSync(html)
      .toString()
      .matchAll(/<(?:link|script)\b[^>]*\b(?:href|src)="([^"]+)"/g),
  ]
  const rest = await Promise.all([...new Set(linked.map(([, to = '']) => new URL(to, url + path).href))].map(sent))
  const bytes = [html, ...rest].reduce((sum, body) => sum + body.length, 0)
  const said = `${(bytes / 1_000).toFixed(0)} kB in ${1 + rest.length} answers`
  report(`first paint of ${path}`, said, bytes / 100_000, 1, 'at most')
}

/** A body as it is sent, compressed. */
async function sent(url: string): Promise<Buffer> {
  const [answer] = await once(get(url, { headers: { 'accept-encoding': 'gzip' } }), 'response')
  if (answer.statusCode !== 200) throw new Error(`${url}: ${answer.statusCode}`)
  return Buffer.concat(await answer.toArray())
}

/** The server's memory while crowds of followers connect and leave, with and without garbage. */
async function followers({ url, memory, kept }: Started): Promise<void> {
  const sizes = [memory()]
  const crowds = async (count: number) => {
    for (let n = 0; n < count; n++) {
      const leave = await follow(url)
      sizes.push(memory())
      await leave()
      sizes.push(memory())
    }
    return await kept()
  }
  const before = await crowds(2)
  const said = sizes.map((size) => size.toFixed(0)).join(' ')
  report(`${FOLLOWERS} followers: before, with, after, again`, `${said} MB`, Math.max(...sizes) / 250, 1, 'at most')
  const after = await crowds(MANY_CROWDS)
  const left = `${after.toFixed(1)} MB live / ${before.toFixed(1)} MB`
  report(`  after ${MANY_CROWDS} more crowds, without garbage`, left, after / before, 1.05, 'at most')
  console.log(`      garbage and all: ${Math.max(...sizes).toFixed(0)} MB at the most`)
}

/** Resolves once all followers have received their run; calling the result disconnects them. */
async function follow(url: string): Promise<() => Promise<void>> {
  const open: ClientRequest[] = []
  let heard = 0
  for (let n = 0; n < FOLLOWERS; n++) {
    const from = { agent: false, localAddress: `127.0.0.${1 + (n % ADDRESSES)}` }
    const asked = get(`${url}/live/run/${n + 1}`, from, (answer) =>
      answer
        .on('error', () => {})
        .on('data', (chunk) => {
          if (String(chunk).includes('changed')) heard++
        }),
    )
    open.push(asked.on('error', () => {}))
  }
  for (let wait = 0; heard < FOLLOWERS; wait++) {
    if (wait > 300) throw new Error(`${heard} of ${FOLLOWERS} followers were notified`)
    await delay(100)
  }
  return async () => {
    for (const asked of open) asked.destroy()
    await delay(1_000)
  }
}
