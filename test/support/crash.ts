import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Dag } from '../../src/dag/dag.ts'
import { loadDags } from '../../src/load-dags.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { type Running, startCli } from './cli.ts'

export const CRASH_PIPELINES = fileURLToPath(new URL('../fixtures/crash-pipelines', import.meta.url))

export const EFFECT_TABLE = `create table effect (id bigint generated always as identity, dag_id text, run_id text,
  task_id text, try_number int, what text, pid int, at timestamptz default clock_timestamp())`

export async function crashDags(): Promise<Dag[]> {
  return [...(await loadDags(CRASH_PIPELINES)).dags.values()]
}

/** A `scheduler` process that executes queued runs. */
export function startWorker(databaseUrl: string, settings: Record<string, string> = {}): Running {
  const env = { DATABASE_URL: databaseUrl, PIPELINES_DIR: CRASH_PIPELINES, LOG_LEVEL: 'warn', CONCURRENCY: '4' }
  return startCli(['scheduler'], { env: { ...env, ...settings } })
}

/** Keeps `atLeast` runs unfinished by queueing more; returns how many it queued. */
export async function feed(metadata: Metadata, dags: readonly Dag[], atLeast: number): Promise<number> {
  const { rows } = await metadata.query<{ open: number }>(
    `select count(*)::int as open from metadata.dag_run where state in ('queued', 'running')`,
  )
  const missing = Math.max(0, atLeast - (rows[0]?.open ?? 0))
  for (let index = 0; index < missing; index++) {
    const dag = dags[index % dags.length] as Dag
    const runType = dag.schedule === null ? 'manual' : 'scheduled'
    await enqueue(metadata, dag, { runType, logicalDate: new Date() })
  }
  return missing
}

export async function allEnded(metadata: Metadata, withinMs: number): Promise<void> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const { rows } = await metadata.query<{ open: number; states: string }>(
      `select count(*)::int as open, string_agg(distinct state, ' ') as states
       from metadata.dag_run where state in ('queued', 'running')`,
    )
    if (rows[0]?.open === 0) return
    if (Date.now() > deadline) throw new Error(`${rows[0]?.open} runs never ended (${rows[0]?.states})`)
    await delay(50)
  }
}

export interface Verdict {
  runs: number
  /** Failed runs: a run may fail only if a task was lost three times. */
  failed: number
  lostTries: number
  running: number
  /** Tries started more than once, finished twice, or started after a successful one: all must be 0. */
  startedTwice: number
  afterSuccess: number
  successTwice: number
  /** Tasks that are recorded as successful, but left no mark of their own. A task that starts a run leaves none. */
  unproven: number
  /** Tries with dependsOnPast that began before the end of the task in an earlier run. */
  tooEarly: number
  /** Ended tasks that should have started one run, and started none or more. */
  notOneChild: number
}

/** Compares the records of the runner with the marks that the tasks wrote. */
export async function judgeCrashes(metadata: Metadata): Promise<Verdict> {
  const { rows } = await metadata.query<Verdict>(`select
    (select count(*)::int from metadata.dag_run) as runs,
    (select count(*)::int from metadata.dag_run where state = 'failed') as failed,
    (select count(*)::int from metadata.task_try where reason like 'lost:%') as "lostTries",
    (select count(*)::int from metadata.task_instance where state in ('running', 'queued', 'scheduled', 'up_for_retry', 'up_for_reschedule')) as running,
    (select count(*)::int from (select from effect where what = 'begun'
      group by dag_id, run_id, task_id, try_number having count(*) > 1) x) as "startedTwice",
    (select count(*)::int from metadata.task_try s join metadata.task_try l using (dag_run_id, task_id)
      where s.state = 'success' and l.try_number > s.try_number) as "afterSuccess",
    (select count(*)::int from (select from metadata.task_try where state = 'success'
      group by dag_run_id, task_id having count(*) > 1) x) as "successTwice",
    (select count(*)::int from metadata.task_try t join metadata.dag_run r using (dag_run_id)
      where t.state = 'success' and not exists (select from effect e where e.run_id = r.run_id and e.dag_id = r.dag_id
        and e.task_id = t.task_id and e.try_number = t.try_number and e.what = 'done')
        and (r.dag_id, t.task_id) <> ('starting', 'started')) as unproven,
    (select count(*)::int from effect e join metadata.dag_run p on p.dag_id = e.dag_id and p.run_id < e.run_id
      where e.dag_id = 'past' and e.task_id = 'added' and e.what = 'begun' and not exists (select from effect d
        where d.run_id = p.run_id and d.task_id = e.task_id and d.what = 'done' and d.id < e.id)) as "tooEarly",
    (select count(*)::int from metadata.task_instance t join metadata.dag_run r using (dag_run_id)
      where r.dag_id = 'starting' and t.task_id = 'started' and t.state = 'success' and 1 <> (
        select count(*) from metadata.dag_run c where c.parent_dag_run_id = r.dag_run_id)) as "notOneChild"`)
  return rows[0] as Verdict
}
