import type { Database } from '#src/db/pool.ts'
import { clean } from '#src/maintenance/clean.ts'
import { migrateMetadata } from '#src/maintenance/schema.ts'
import { readStatus } from '#src/maintenance/status.ts'
import { openMetadata } from '#src/metadata/metadata.ts'
import { listRuns, showRun } from '#src/operations/list-runs.ts'
import { withServer } from './measure.ts'

const RUNS = 250_000
const SECONDS_APART = 35

/** The time to read a history of 1,000,000 task instances, and to delete a tenth of it. */
export async function bench(): Promise<void> {
  await withServer(async (_, pool) => {
    await migrateMetadata(pool, 'metadata')
    await fill(pool)
    await measure(pool)
  })
}

async function measure(pool: Database): Promise<void> {
  const db = openMetadata(pool, 'metadata')
  await time('dags runs', () => listRuns(db, 'dag3', 25))
  await time('runs show latest', () => showRun(db, 'dag3', 'latest'))
  await time('runs show, an old one', () => showRun(db, 'dag3', 'run_102'))
  await time('db status', () => readStatus(db))
  const tenth = (RUNS * 0.9 * SECONDS_APART + 1) * 1_000
  const options = { olderThanMs: tenth, signal: new AbortController().signal }
  await time('db clean of a tenth, --dry-run', () => clean(db, { ...options, dryRun: true }), 1)
  await time('db clean of a tenth', () => clean(db, { ...options, dryRun: false }), 1)
}

async function time(what: string, work: () => Promise<unknown>, times = 15): Promise<void> {
  const took: number[] = []
  for (let round = 0; round < times; round++) {
    const begun = performance.now()
    await work()
    took.push(performance.now() - begun)
  }
  took.sort((a, b) => a - b)
  const [median, most] = [took[Math.floor(times / 2)] ?? 0, took.at(-1) ?? 0]
  console.log(`${what.padEnd(32)} ${median.toFixed(1).padStart(9)} ms, at most ${most.toFixed(1)} ms`)
}

async function fill(pool: Database): Promise<void> {
  const statements = [
    `insert into metadata.dag (dag_id) select 'dag' || n from generate_series(1, 10) n`,
    `insert into metadata.dag_version (dag_id, hash, graph)
     select dag_id, 'h', (select jsonb_agg(jsonb_build_object('id', 't' || i, 'upstream', '{}'::jsonb,
       'triggerRule', 'all_success')) from generate_series(1, 4) i) from metadata.dag`,
    `insert into metadata.job (kind, state, hostname, pid, started_at, ended_at)
     select 'pipeline', 'success', 'h', 1, at, at
     from generate_series(2400, 1, -1) n, lateral (select now() - n * interval '1 hour' as at) t`,
    `insert into metadata.dag_run (dag_id, run_id, run_type, state, logical_date, data_interval_start, data_interval_end,
       dag_version_id, job_id, queued_at, started_at, ended_at)
     select 'dag' || (n % 10 + 1), 'run_' || n, 'scheduled', 'success', at, at, at, n % 10 + 1, n / 105 + 1, at, at, at
     from generate_series(1, ${RUNS}) n,
       lateral (select now() - (${RUNS} + 1 - n) * interval '${SECONDS_APART} s' as at) t`,
    `insert into metadata.task_instance (dag_run_id, task_id, state, try_number, started_at, ended_at)
     select dag_run_id, 't' || i, 'success', 1, ended_at, ended_at from metadata.dag_run, generate_series(1, 4) i`,
    `insert into metadata.task_log (dag_run_id, task_id, try_number, logged_at, level, message)
     select dag_run_id, task_id, 1, ended_at, 'info', 'hello world' from metadata.task_instance`,
    'vacuum analyze',
  ]
  for (const statement of statements) await pool.query(statement)
}
