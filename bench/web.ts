import { type ClientRequest, get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { type Dag, dag } from '../src/dag/dag.ts'
import type { Database } from '../src/db/pool.ts'
import { openLog } from '../src/log.ts'
import { migrateMetadata } from '../src/maintenance/schema.ts'
import { registerDag } from '../src/metadata/dags.ts'
import { openMetadata } from '../src/metadata/metadata.ts'
import { openWeb } from '../src/web/server.ts'
import { report, timed, withServer } from './measure.ts'

const DAGS = 1_000
const RUNS = 100
const TASKS = 10
const ASKS = 60
/** Asks before those that count: the compiler has seen the code by then. */
const WARM = 20
const FOLLOWERS = 500

/** Every page among 1,000 dags, 100,000 runs and a million task instances, and 500 who follow one. */
export async function bench(): Promise<void> {
  await withServer(async (_, pool) => {
    await migrateMetadata(pool, 'metadata')
    const dags = new Map(
      Array.from({ length: DAGS }, (_, n) => tenTasks(`dag-${String(n).padStart(4, '0')}`)).map((one) => [one.id, one]),
    )
    await fill(pool, [...dags.values()])
    const log = openLog({ level: 'silent', format: 'json', scrub: (text) => text })
    const loaded = { dags, files: new Map<string, string>(), importErrors: [] }
    const own = {
      metadata: openMetadata(pool, 'metadata'),
      db: pool,
      log,
      now: () => new Date(),
      settingsOf: () => ({}),
    }
    const options = {
      ...own,
      scrub: (text: string) => text,
      loaded,
      web: { host: '127.0.0.1', port: 0, trustProxy: false },
    }
    await listening(() => openWeb(options))
    const page = await openWeb(options)
    await pages(page.url)
    await followers(page.url)
    await page.close()
  })
}

function tenTasks(id: string): Dag {
  return dag(id, { schedule: '@hourly' }, ({ task }) => {
    const first = task('task_1', { run: () => {} })
    for (let n = 2; n <= TASKS; n++) task(`task_${n}`, { upstream: { first }, run: () => {} })
  })
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

/** From nothing to listening, against a bare hono. */
async function listening(open: () => Promise<{ close(): Promise<void> }>): Promise<void> {
  const opened = await open()
  await opened.close()
  const ours = await timed(async () => (await open()).close())
  const bare = await timed(async () => {
    const server = createAdaptorServer({ fetch: new Hono().get('/', (c) => c.text('x')).fetch })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    await new Promise((resolve) => server.close(resolve))
  })
  console.log(`opened and closed in ${ours.toFixed(1)} ms, bare hono in ${bare.toFixed(1)} ms`)
}

const PAGES = [
  '/dags',
  '/dags?after=dag-0900',
  '/dags?search=99',
  '/dags/dag-0500',
  '/dags/dag-0500?state=failed',
  '/dags/dag-0500/graph',
  '/dags/dag-0500/durations',
  '/dags/dag-0500/details',
  '/dags/dag-0500/runs/latest',
  '/dags/dag-0500/runs/latest/graph',
  '/dags/dag-0500/runs/latest/gantt',
  '/dags/dag-0500/runs/latest/tasks/task_1',
  '/dags/dag-0500/runs/latest/tasks/task_1?search=nothing',
  '/dags/dag-0500/runs/latest/clear',
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
    let bytes = 0
    for (let ask = 0; ask < WARM + ASKS; ask++) {
      times.push(
        await timed(async () => {
          const answer = await fetch(url + path)
          if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
          bytes = (await answer.arrayBuffer()).byteLength
        }),
      )
    }
    const p95 = times.slice(WARM).sort((a, b) => a - b)[Math.floor(ASKS * 0.95)] ?? 0
    report(
      path,
      `p95 ${p95.toFixed(1)} ms, ${(bytes / 1_000).toFixed(0)} kB`,
      Math.max(p95 / 50, bytes / 150_000),
      1,
      'at most',
    )
  }
}

async function followers(url: string): Promise<void> {
  const before = process.memoryUsage.rss()
  const open: ClientRequest[] = []
  let heard = 0
  for (let n = 0; n < FOLLOWERS; n++) {
    const asked = get(`${url}/live/run/${n + 1}`, (answer) =>
      answer.on('data', (chunk) => {
        if (String(chunk).includes('changed')) heard++
      }),
    )
    open.push(asked.on('error', () => {}))
  }
  for (let wait = 0; heard < FOLLOWERS && wait < 100; wait++) await delay(100)
  const during = process.memoryUsage.rss()
  for (const asked of open) asked.destroy()
  await delay(1_500)
  const mb = (bytes: number) => `${(bytes / 1_000_000).toFixed(0)} MB`
  report(
    `${heard} of ${FOLLOWERS} followers told`,
    `${mb(before)}, ${mb(during)}, ${mb(process.memoryUsage.rss())}`,
    during / 250_000_000,
    1,
    'at most',
  )
}
