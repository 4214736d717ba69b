import type { RunType, TaskInstanceState } from '../../src/dag/state.ts'
import { type DagRunState, isOver, isTerminal } from '../../src/dag/state.ts'
import type { Queryable } from '../../src/db/pool.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { insertJob, type JobKind } from '../../src/processes/jobs.ts'

export interface RunFacts {
  dagId: string
  runId?: string
  runType?: RunType
  state?: DagRunState
  /** Its task instances with their states. */
  tasks?: Readonly<Record<string, TaskInstanceState>>
  conf?: Record<string, unknown>
  reason?: string | null
  /** Default: a version without tasks, created for the run. */
  dagVersionId?: number
}

/** Stores a run and its task instances in any state, without running them. Returns its `dag_run_id`. */
export async function aRun(db: Metadata, facts: RunFacts): Promise<number> {
  const { dagId, runId = 'run', runType = 'manual', state = 'success', tasks = {}, conf = {}, reason = null } = facts
  const dagVersionId = facts.dagVersionId ?? (await aVersion(db, dagId))
  const isRunning = state === 'running' || Object.values(tasks).includes('running')
  const jobId = isRunning ? await insertJob(db, 'start') : null
  const [queued, over] = [state === 'queued', isOver(state)]
  const { rows } = await db.query<{ id: number }>(
    `insert into metadata.dag_run (dag_id, run_id, run_type, state, logical_date, data_interval_start, data_interval_end,
       dag_version_id, conf, reason, job_id, queued_at, started_at, ended_at)
     select $1, $2, $3, $4, at, at, at, $5, $6, $7, $8, at, case when not $9 then at end, case when $10 then now() end
     from (select now() - interval '1 hour' as at) t returning dag_run_id as id`,
    [dagId, runId, runType, state, dagVersionId, conf, reason, queued ? null : jobId, queued, over],
  )
  const id = rows[0]?.id ?? 0
  for (const [taskId, own] of Object.entries(tasks)) await aTaskInstance(db, id, taskId, own, jobId)
  return id
}

async function aVersion(db: Metadata, dagId: string): Promise<number> {
  await db.query('insert into metadata.dag (dag_id) values ($1) on conflict do nothing', [dagId])
  const { rows } = await db.query<{ id: number }>(
    `insert into metadata.dag_version (dag_id, hash, graph) values ($1, 'placed', '[]')
     on conflict (dag_id, hash) do update set graph = excluded.graph returning dag_version_id as id`,
    [dagId],
  )
  return rows[0]?.id ?? 0
}

async function aTaskInstance(db: Metadata, run: number, id: string, state: TaskInstanceState, jobId: number | null) {
  const [started, waits] = [state === 'running' || isTerminal(state), state.startsWith('up_for_')]
  await db.query(
    `insert into metadata.task_instance (dag_run_id, task_id, state, try_number, job_id, due_at, started_at, ended_at)
     values ($1, $2, $3, $4, $5, case when $6 then now() + interval '1 hour' end, case when $7 then now() end,
       case when $8 then now() end)`,
    [run, id, state, started || waits ? 1 : 0, state === 'running' ? jobId : null, waits, started, isTerminal(state)],
  )
}

export interface JobFacts {
  kind?: JobKind
  codeVersion?: string | null
  /** Of T-minus. Null: the process is older than that column. */
  version?: string | null
  /** Of a worker. */
  queues?: readonly string[] | null
  slots?: number | null
  /** The hash of each loaded dag's graph. Null: unknown; the process counts as having loaded every dag. */
  dags?: Readonly<Record<string, string>> | null
  /** For how many seconds its main thread has been blocked, and by which task. */
  blocked?: { s: number; by: string | null }
}

/** Stores a running process that sent a heartbeat just now. Returns its `job_id`. */
export async function aJob(db: Metadata, facts: JobFacts = {}): Promise<number> {
  const { kind = 'start', codeVersion = null, version = null, dags = null, blocked = { s: null, by: null } } = facts
  const { queues = null, slots = null } = facts
  const jobId = await insertJob(db, kind)
  await db.query(
    `update metadata.job set code_version = $2, dags = $3, blocked_since = now() - $4::int * interval '1 s', blocked_by = $5,
       tminus_version = $6, queues = $7, slots = $8
     where job_id = $1`,
    [jobId, codeVersion, dags && JSON.stringify(dags), blocked.s, blocked.by, version, queues, slots],
  )
  return jobId
}

/** Stores a launch with these columns. Default: a Falcon 9 that is Go for launch, with a net known to the minute. */
export async function aLaunch(db: Queryable, columns: Readonly<Record<string, unknown>>): Promise<void> {
  const launch = { ...LAUNCH, ...columns }
  const values = Object.values(launch)
  await db.query(
    `insert into rocket_launches (${Object.keys(launch)}) values (${values.map((_, index) => `$${index + 1}`)})`,
    values,
  )
}

const LAUNCH = {
  net_precision: 1,
  status_id: 1,
  status_name: 'Go for Launch',
  provider: 'SpaceX',
  image_url: 'https://images.example/rocket.png',
}
