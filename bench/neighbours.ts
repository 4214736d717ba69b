import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Dag } from '#src/dag/dag.ts'
import type { Database } from '#src/db/pool.ts'
import { loadDags } from '#src/load-dags.ts'
import { migrateMetadata } from '#src/maintenance/schema.ts'
import { type Metadata, openMetadata } from '#src/metadata/metadata.ts'
import { setPool } from '#src/operations/pools.ts'
import { enqueue } from '#src/operations/trigger.ts'
import { median, withServer } from './measure.ts'
import { build, freePort } from './web-process.ts'

const PIPELINES = fileURLToPath(new URL('careless-pipelines', import.meta.url))
const ROOT = fileURLToPath(new URL('..', import.meta.url))

const WAYS = ['rejectLate', 'throwInTimer', 'exit', 'log', 'block', 'leak']
/** How long each careless task has, before the next one is queued. */
const EACH_MS = Number(process.env.EACH_MS ?? 15_000)
const BLOCK_MS = Number(process.env.BLOCK_MS ?? 60_000)

/**
 * A dag of one 1 ms task is triggered from another process, while careless tasks run beside it: they reject late, throw in
 * a timer, exit, log 200,000 lines, block for 60 s, and leak up to the heap limit.
 */
export async function bench(): Promise<void> {
  build()
  await neighbours('in process, a trigger every 10 ms', { ISOLATION: 'asked' }, 10)
  await neighbours('ISOLATION=all, a trigger every 100 ms by the API', { ISOLATION: 'all' }, 100)
}

async function neighbours(what: string, settings: Record<string, string>, everyMs: number): Promise<void> {
  await withServer(async (connectionString, pool) => {
    await migrateMetadata(pool, 'metadata')
    const metadata = openMetadata(pool, 'metadata')
    await setPool(metadata, 'careless', 1, null)
    const { dags } = await loadDags(PIPELINES)
    const supervised = await supervise(connectionString, settings)
    const viaApi = settings.ISOLATION === 'all'
    const page = viaApi ? watchPage(supervised.url) : undefined
    const innocent = dags.get('innocent') as Dag
    const trigger = viaApi
      ? () => triggerByApi(supervised.url)
      : () => enqueue(metadata, innocent, { logicalDate: new Date() })
    const triggering = triggerEvery(everyMs, trigger)
    for (const way of WAYS) {
      await enqueue(metadata, dags.get('careless') as Dag, { logicalDate: new Date(), conf: { way, forMs: BLOCK_MS } })
      await delay(way === 'block' ? BLOCK_MS + EACH_MS : EACH_MS)
    }
    await delay(EACH_MS)
    const triggered = await triggering.stop()
    await ended(metadata)
    const pageMs = await page?.stop()
    console.log(`\n${what}: ${triggered} triggered, ${supervised.starts()} starts of the process`)
    await reportRuns(pool)
    if (pageMs) console.log(`      page: ${distribution(pageMs)}`)
    await supervised.stop()
  })
}

/** The built `start`, started again whenever it ends, as a service manager does. */
async function supervise(databaseUrl: string, settings: Record<string, string>) {
  const port = await freePort()
  const env = { DATABASE_URL: databaseUrl, PIPELINES_DIR: PIPELINES, LOG_LEVEL: 'error', CONCURRENCY: '8', ...settings }
  let starts = 0
  let isStopping = false
  let child: ReturnType<typeof spawn>
  const run = () => {
    starts++
    const memory = settings.ISOLATION === 'all' ? [] : ['--max-old-space-size=512']
    child = spawn(process.execPath, [...memory, `${ROOT}dist/src/cli/main.js`, 'start'], {
      cwd: ROOT,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, WEB_PORT: String(port), ...env },
      stdio: ['ignore', 'ignore', 'ignore'],
    })
    child.once('exit', () => isStopping || setTimeout(run, 500))
  }
  run()
  const url = `http://127.0.0.1:${port}`
  while (
    !(await fetch(`${url}/health`).then(
      (answer) => answer.ok,
      () => false,
    ))
  )
    await delay(50)
  const stop = async () => {
    isStopping = true
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
  }
  return { url, starts: () => starts, stop }
}

async function triggerByApi(url: string): Promise<void> {
  const answer = await fetch(`${url}/api/v1/dags/innocent/dagRuns`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"conf":{}}',
  })
  if (!answer.ok) throw new Error(`trigger: ${answer.status} ${await answer.text()}`)
  await answer.arrayBuffer()
}

function triggerEvery(ms: number, trigger: () => Promise<unknown>) {
  let isStopped = false
  let count = 0
  const open = new Set<Promise<unknown>>()
  const loop = (async () => {
    for (let next = performance.now(); !isStopped; next += ms) {
      await delay(Math.max(0, next - performance.now()))
      const one = trigger().then(() => count++)
      open.add(one)
      void one.finally(() => open.delete(one)).catch((error) => console.log(`      ${error}`))
    }
  })()
  const stop = async () => {
    isStopped = true
    await loop
    await Promise.allSettled(open)
    return count
  }
  return { stop }
}

function watchPage(url: string) {
  const times: number[] = []
  let isStopped = false
  const loop = (async () => {
    while (!isStopped) {
      const begun = performance.now()
      await fetch(`${url}/dags`).then((answer) => answer.text())
      times.push(performance.now() - begun)
      await delay(200)
    }
  })()
  const stop = async () => {
    isStopped = true
    await loop
    return times
  }
  return { stop }
}

async function ended(metadata: Metadata): Promise<void> {
  for (const deadline = performance.now() + 180_000; performance.now() < deadline; await delay(200)) {
    const { rows } = await metadata.query<{ open: number }>(
      `select count(*)::int as open from metadata.dag_run where dag_id = 'innocent' and state in ('queued', 'running')`,
    )
    if (rows[0]?.open === 0) return
  }
  console.log('      some runs never ended')
}

async function reportRuns(pool: Database): Promise<void> {
  const { rows: states } = await pool.query(
    `select dag_id, state, count(*)::int, max(reason) as reason from metadata.dag_run group by 1, 2 order by 1, 2`,
  )
  for (const { dag_id, state, count, reason } of states)
    console.log(`      ${dag_id}: ${count} ${state}${reason ? `, for example: ${reason}` : ''}`)
  const { rows: careless } = await pool.query(
    `select r.conf ->> 'way' as way, t.state, t.try_number, t.lost, t.reason from metadata.task_instance t
     join metadata.dag_run r using (dag_run_id) where r.dag_id = 'careless' order by r.dag_run_id`,
  )
  for (const { way, state, try_number, lost, reason } of careless)
    console.log(`        ${way}: ${state}, try ${try_number}, lost ${lost}${reason ? `: ${reason}` : ''}`)
  for (const [what, column] of [
    ['starts', 'started_at'],
    ['ends', 'ended_at'],
  ]) {
    const { rows } = await pool.query<{ ms: number }>(
      `select (extract(epoch from t.${column} - r.queued_at) * 1000)::float8 as ms from metadata.task_instance t
       join metadata.dag_run r using (dag_run_id) where r.dag_id = 'innocent' and t.${column} is not null`,
    )
    console.log(`      the innocent task ${what} after: ${distribution(rows.map(({ ms }) => ms))}`)
  }
}

function distribution(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (part: number) => (sorted[Math.floor(sorted.length * part)] ?? Number.NaN).toFixed(0)
  return `median ${median(sorted).toFixed(0)}, p95 ${at(0.95)}, p99 ${at(0.99)}, most ${(sorted.at(-1) ?? 0).toFixed(0)} ms (${sorted.length})`
}
