import { Client } from 'pg'
import { z } from 'zod'
import { openHttp } from '#src/connectors/http.ts'
import { type Dag, dag } from '#src/dag/dag.ts'
import type { Task } from '#src/dag/task.ts'
import { BY_INDEX } from '#src/db/client.ts'
import { type Database, openPool } from '#src/db/pool.ts'
import { localExecutor } from '#src/executors/local.ts'
import { openLog } from '#src/log.ts'
import { migrateMetadata } from '#src/maintenance/schema.ts'
import { openMetadata } from '#src/metadata/metadata.ts'
import { Job } from '#src/processes/job.ts'
import { Runner } from '#src/runner/runner.ts'
import { median, report, timed, withServer } from './measure.ts'

/**
 * The runner compared with the floor: the same transitions as bare prepared statements on one connection, with one
 * commit each, so N + 1 commits for a chain of N.
 */
export async function bench(): Promise<void> {
  await withServer(async (connectionString, pool) => {
    await migrateMetadata(pool, 'metadata')
    const floor = await openFloor(connectionString)
    await chain(connectionString, pool, floor)
    await manyRuns(connectionString, pool, floor)
    await fanOut(connectionString, pool, floor)
    await mapped(connectionString, pool)
    await large(connectionString, pool)
    await finished(connectionString, pool)
    await floor.close()
  })
}

const noop = () => {}

async function chain(connectionString: string, pool: Database, floor: Floor): Promise<void> {
  const three = chainOf('chain', 3)
  const own = await open(connectionString, pool, [three], 10)
  const ours: number[] = []
  const floors: number[] = []
  const rows: number[] = []
  for (let round = 0; round < 1_500; round++) {
    ours.push(await timed(async () => (await own.runner.run(three, { logicalDate: new Date() })).finished))
    floors.push(await timed(() => floor.run(0, 3)))
    rows.push(await timed(() => floor.rows(`bare-${round}`)))
  }
  await own.close()
  const [a, b, c] = [ours, floors, rows].map((times) => median(times.slice(1_000))) as [number, number, number]
  report(
    '3-task chain, trigger to done, median',
    `${a.toFixed(2)} ms / floor ${b.toFixed(2)} ms`,
    a / b,
    1.5,
    'at most',
  )
  console.log(
    `      its rows by bare statements: ${c.toFixed(2)} ms, ${(c / b).toFixed(2)}x the floor; ours ${(a / c).toFixed(2)}x that`,
  )
}

async function manyRuns(connectionString: string, pool: Database, floor: Floor): Promise<void> {
  const three = chainOf('many', 3)
  const own = await open(connectionString, pool, [three], 10)
  const runAll = async () => {
    const runs = await Promise.all(
      Array.from({ length: 1_000 }, () => own.runner.run(three, { logicalDate: new Date() })),
    )
    await Promise.all(runs.map(({ finished }) => finished))
  }
  const ourMs: number[] = []
  const floorMs: number[] = []
  for (let round = 0; round < 7; round++) {
    floorMs.push(await timed(() => floor.spread(1_000, (connection) => floor.run(connection, 3))))
    ourMs.push(await timed(runAll))
  }
  await own.close()
  const [ours, bare] = [1_000_000 / median(ourMs), 1_000_000 / median(floorMs)]
  report(
    '1,000 3-task runs, concurrency 10, runs a second',
    `${ours.toFixed(0)} / floor ${bare.toFixed(0)}`,
    ours / bare,
    2.5,
    'at least',
  )
}

async function fanOut(connectionString: string, pool: Database, floor: Floor): Promise<void> {
  const wide = dag('wide', { maxActiveRuns: 10_000 }, ({ task }) => {
    const first = task('first', { run: noop })
    const middle = Array.from({ length: 1_000 }, (_, n) => task(`m${n}`, { upstream: { first }, run: noop }))
    task('last', { upstream: Object.fromEntries(middle.map((one) => [one.id, one])), run: noop })
  })
  const own = await open(connectionString, pool, [wide], 10)
  const ours: number[] = []
  const floors: number[] = []
  for (let round = 0; round < 7; round++) {
    floors.push(await timed(() => floor.spread(1_002, (connection) => floor.transition(connection))))
    ours.push(await timed(async () => (await own.runner.run(wide, { logicalDate: new Date() })).finished))
  }
  await own.close()
  const [a, b] = [median(ours), median(floors)]
  report('fan-out 1 → 1,000 → 1', `${a.toFixed(0)} ms / floor ${b.toFixed(0)} ms`, a / b, 0.6, 'at most')
}

/** A mapped task of 1,000 elements, compared with 1,000 tasks. In both, each one reads its input. */
async function mapped(connectionString: string, pool: Database): Promise<void> {
  const ids = Array.from({ length: 1_000 }, (_, n) => n)
  const wide = dag('static', { maxActiveRuns: 10_000 }, ({ task }) => {
    const first = task('first', { output: z.number(), run: () => 1 })
    const middle = ids.map((n) => task(`m${n}`, { upstream: { first }, run: noop }))
    task('last', { upstream: Object.fromEntries(middle.map((one) => [one.id, one])), run: noop })
  })
  const map = dag('mapped', { maxActiveRuns: 10_000 }, ({ task }) => {
    const first = task('first', { output: z.array(z.number()), run: () => ids })
    const middle = task.map('m', { over: first, run: noop })
    task('last', { upstream: { middle }, run: noop })
  })
  const own = await open(connectionString, pool, [wide, map], 10)
  const times = new Map<Dag, number[]>([wide, map].map((one) => [one, []]))
  for (let round = 0; round < 7; round++)
    for (const [one, taken] of times)
      taken.push(await timed(async () => (await own.runner.run(one, { logicalDate: new Date() })).finished))
  await own.close()
  const [a, b] = [median(times.get(map) ?? []), median(times.get(wide) ?? [])]
  report('map of 1,000 elements, to 1,000 tasks', `${a.toFixed(0)} ms / ${b.toFixed(0)} ms`, a / b, 1.3, 'at most')
}

/** Layers of ten tasks; each task has two upstream tasks in the layer before. */
async function large(connectionString: string, pool: Database): Promise<void> {
  const perTask: number[] = []
  for (const size of [1_000, 10_000]) {
    const layered = dag(`layers-${size}`, {}, ({ task }) => {
      const tasks: Task[] = []
      for (let n = 0; n < size; n++) {
        const [a, b] = [tasks[n - 10], tasks[n - (n % 10) - 10]]
        tasks.push(task(`t${n}`, { upstream: { ...(a && { a }), ...(b && { b }) }, run: noop }))
      }
    })
    const own = await open(connectionString, pool, [layered], 10)
    const times: number[] = []
    for (let round = 0; round < (size === 1_000 ? 5 : 2); round++) {
      times.push(await timed(async () => (await own.runner.run(layered, { logicalDate: new Date() })).finished))
    }
    perTask.push(Math.min(...times) / size)
    await own.close()
  }
  const [small = 0, big = 0] = perTask
  report(
    '10,000-task dag per task, to a 1,000-task one',
    `${(big * 1000).toFixed(0)} µs / ${(small * 1000).toFixed(0)} µs`,
    big / small,
    1.3,
    'at most',
  )
}

/** 100,000 finished task instances must not change a run's time or the memory. */
async function finished(connectionString: string, pool: Database): Promise<void> {
  const three = chainOf('history', 3)
  const own = await open(connectionString, pool, [three], 10)
  const measure = async () => {
    const times: number[] = []
    for (let round = 0; round < 200; round++) {
      times.push(await timed(async () => (await own.runner.run(three, { logicalDate: new Date() })).finished))
    }
    return { ms: median(times.slice(20)), rss: process.memoryUsage().rss / 2 ** 20 }
  }
  const before = await measure()
  await pool.query(`with r as (
      insert into metadata.dag_run (dag_id, run_id, run_type, state, logical_date, data_interval_start, data_interval_end,
        dag_version_id, job_id, started_at, ended_at)
      select 'history', 'old-' || n, 'manual', 'success', now(), now(), now(),
        (select min(dag_version_id) from metadata.dag_version where dag_id = 'history'), (select min(job_id) from metadata.job), now(), now()
      from generate_series(1, 33334) n returning dag_run_id)
    insert into metadata.task_instance (dag_run_id, task_id, state, try_number, started_at, ended_at)
    select dag_run_id, 't' || n, 'success', 1, now(), now() from r, generate_series(0, 2) n`)
  // As after autovacuum, and after all data is written to disk.
  await pool.query('vacuum analyze')
  await pool.query('checkpoint')
  const after = await measure()
  await own.close()
  report(
    'a run with 100,000 finished task instances',
    `${after.ms.toFixed(2)} ms / before ${before.ms.toFixed(2)} ms`,
    after.ms / before.ms,
    1.2,
    'at most',
  )
  console.log(`      memory: ${before.rss.toFixed(0)} MB before, ${after.rss.toFixed(0)} MB after`)
}

function chainOf(id: string, length: number): Dag {
  return dag(id, { maxActiveRuns: 100_000 }, ({ task }) => {
    let last: Task | undefined
    for (let n = 0; n < length; n++) last = task(`t${n}`, { ...(last && { upstream: { last } }), run: noop })
  })
}

async function open(connectionString: string, pool: Database, dags: readonly Dag[], slots: number) {
  const log = openLog({ level: 'warn', format: 'json', scrub: (text) => text })
  const db = openMetadata(pool, 'metadata')
  const runnerPool = openPool(connectionString, { max: 4, settings: BY_INDEX })
  const job = new Job({ db, connectionString, pools: [], kind: 'pipeline', dags: [], codeVersion: null, log })
  await job.open()
  const silent = { debug: noop, info: noop, warn: noop, error: noop }
  const executor = localExecutor(slots, {
    db: pool,
    openHttp: (signal) => openHttp({ userAgent: 'bench', signal }),
    settingsOf: () => ({}),
    childRun: async () => {},
    now: () => new Date(),
    log: () => silent,
    scrub: (text) => text,
  })
  const runner = new Runner({
    db: openMetadata(runnerPool, 'metadata'),
    job,
    dags: new Map(dags.map((one) => [one.id, one])),
    executor,
    log,
  })
  await job.listen(runner)
  // Warm up connections and plans, as in a process that has run for a while.
  for (const one of dags) if (one.tasks.size < 100) await (await runner.run(one, { logicalDate: new Date() })).finished
  const close = async () => {
    await runner.drained()
    await job.close('success', null)
    await runnerPool.end()
  }
  return { runner, close }
}

export interface Floor {
  /** One transition: one statement, one commit. */
  transition(connection: number): Promise<void>
  /** A chain of `n` tasks: n + 1 transitions. */
  run(connection: number, n: number): Promise<void>
  /** A run of the dag `chain` in the runner's tables: the same rows and commits, without guards and decisions. */
  rows(runId: string): Promise<void>
  /** Runs the work `count` times, over all connections. */
  spread(count: number, work: (connection: number) => Promise<void>): Promise<void>
  close(): Promise<void>
}

const CONNECTIONS = 1

const ENDED = `update metadata.task_instance set state = 'success', ended_at = now() where dag_run_id = $1 and task_id = $2`
const BARE = {
  run: `with version as (
      select dag_id, dag_version_id, (select max(job_id) from metadata.job) as job_id from metadata.dag_version where dag_id = 'chain'
    ), run as (
      insert into metadata.dag_run (dag_id, dag_version_id, run_id, run_type, state, logical_date, data_interval_start,
        data_interval_end, job_id, started_at)
      select dag_id, dag_version_id, $1, 'manual', 'running', $2, $2, $2, job_id, now() from version
      returning dag_run_id, job_id
    )
    insert into metadata.task_instance (dag_run_id, task_id, state, try_number, job_id, started_at)
    select dag_run_id, t.* from run cross join lateral (
      values ('t0', 'running', 1, job_id, now()), ('t1', 'none', 0, null, null), ('t2', 'none', 0, null, null)) t
    returning dag_run_id`,
  step: `with ended as (${ENDED})
    update metadata.task_instance set state = 'running', try_number = 1, job_id = 1, started_at = now()
    where dag_run_id = $1 and task_id = $3`,
  last: `with ended as (${ENDED}) update metadata.dag_run set state = 'success', ended_at = now() where dag_run_id = $1`,
}

export async function openFloor(connectionString: string): Promise<Floor> {
  const clients = Array.from({ length: CONNECTIONS }, () => new Client({ connectionString }))
  for (const client of clients) await client.connect()
  await clients[0]?.query('create table floor (id bigint primary key, state text not null, at timestamptz)')
  await clients[0]?.query(`insert into floor select n, 'none', now() from generate_series(0, 9999) n`)
  let next = 0
  const transition = async (connection: number) => {
    next = (next + 1) % 10_000
    const values = [next, next % 2 === 0 ? 'success' : 'running']
    await clients[connection]?.query({
      name: 'move',
      text: 'update floor set state = $2, at = now() where id = $1',
      values,
    })
  }
  const run = async (connection: number, n: number) => {
    for (let commit = 0; commit <= n; commit++) await transition(connection)
  }
  const rows = async (runId: string) => {
    const query = async (name: string, text: string, values: unknown[]) =>
      (await clients[0]?.query({ name, text, values }))?.rows[0]?.dag_run_id
    const id = await query('rows_run', BARE.run, [runId, new Date()])
    await query('rows_step', BARE.step, [id, 't0', 't1'])
    await query('rows_step', BARE.step, [id, 't1', 't2'])
    await query('rows_last', BARE.last, [id, 't2'])
  }
  const spread = async (count: number, work: (connection: number) => Promise<void>) => {
    let left = count
    const drain = async (connection: number) => {
      while (left-- > 0) await work(connection)
    }
    await Promise.all(clients.map((_, connection) => drain(connection)))
  }
  const close = async () => void (await Promise.all(clients.map((client) => client.end())))
  return { transition, run, rows, spread, close }
}
