import { randomUUID } from 'node:crypto'
import { dueAfter } from '../clock.ts'
import type { GraphNode } from '../dag/graph.ts'
import type { DagRunState, RunType } from '../dag/state.ts'
import { storableJson } from '../db/text.ts'
import type { Metadata } from './metadata.ts'
import { HANDED_OVER, startedFor, type TaskInstance, TRYING_MS } from './task-instances.ts'

export interface NewDagRun {
  dagId: string
  dagVersionId: number
  runId: string
  runType: RunType
  logicalDate: Date
  /** The data interval ends at the logical date. */
  dataIntervalStart: Date
  conf: Record<string, unknown>
  /** The task that started the run. `cancels`: with its run, this run is cancelled too. */
  parent?: { dagRunId: number; taskId: string; cancels: boolean }
}

/** `manual__2026-11-21T05:00:00.000Z_k3j9x2`. Scheduled and backfill runs have no suffix, so a tick has only one run id. */
export function newRunId(runType: RunType, logicalDate: Date): string {
  const id = `${runType}__${logicalDate.toISOString()}`
  return runType === 'manual' ? `${id}_${randomUUID().slice(0, 8)}` : id
}

/** By default a run is manual, has no parameters, and its data interval is empty. */
export type Trigger = Pick<NewDagRun, 'logicalDate'> &
  Partial<Pick<NewDagRun, 'conf' | 'runType' | 'dataIntervalStart' | 'runId' | 'parent'>>

export function newDagRun(dagId: string, dagVersionId: number, trigger: Trigger): NewDagRun {
  const { runType = 'manual', logicalDate, runId = newRunId(runType, logicalDate) } = trigger
  return { dagId, dagVersionId, runType, dataIntervalStart: logicalDate, conf: {}, ...trigger, runId }
}

export interface DagRun extends NewDagRun {
  dagRunId: number
  state: DagRunState
  /** The process that owns the run, or null. */
  jobId: number | null
  version: number
  reason: string | null
  /** Why the run was stopped: it fails when its teardowns have ended. Null: it was not stopped. */
  stopReason: string | null
  /** Time since the run's first start, ms; 0 if the run has not started. */
  ranForMs: number
  /**
   * The logical date of the newest successful run of this dag before this run, as known when this run last started a
   * task.
   */
  previous: Date | null
}

/**
 * `started`: the tasks whose first try starts together with the run. `isNext`: the run is inserted only if no run of the
 * dag is unfinished, and the newest one started at least a second ago.
 */
export type Insertion = NewDagRun & { started?: readonly string[]; isNext?: boolean }

export type Inserted = Pick<DagRun, 'dagId' | 'dagRunId' | 'runId' | 'state' | 'previous'>

/**
 * Inserts runs with all their task instances, in one statement and in this order. Runs whose id or tick already exists
 * are not returned, nor are refused ones (`isNext`).
 *
 * @param jobId the process that owns the runs, which are of one dag. A run is `running` if `max_active_runs` allows it.
 * Otherwise it is `queued` and no task starts. Null: the runs may be of several dags. They are `queued`, and any process
 * may execute them.
 */
export async function insertRuns(db: Metadata, jobId: number | null, runs: readonly Insertion[]): Promise<Inserted[]> {
  if (runs.length === 0) return []
  const values = [storableJson(runs), jobId, jobId === null ? null : runs[0]?.dagId, db.channel]
  return (await db.query<Inserted>({ name: 'insert_runs', text: INSERT_RUNS, values })).rows
}

/** The logical date of the newest successful run of the same dag before `r`. */
export const PREVIOUS = `(select p.logical_date from metadata.dag_run p
  where p.dag_id = r.dag_id and p.state = 'success' and p.logical_date < r.logical_date
  order by p.logical_date desc limit 1)`

/** `wanted`: with the graph of each run's version · `room`: null if no process owns the runs. */
const INSERT_RUNS = `
with wanted as materialized (
  select w.*, dag_version_id, graph from rows from (json_to_recordset($1::json) as ("dagId" text, "dagVersionId" bigint,
    "runId" text, "runType" metadata.run_type, "logicalDate" timestamptz, "dataIntervalStart" timestamptz, conf jsonb,
    started text[], "isNext" boolean, parent jsonb)) with ordinality as w
  join metadata.dag_version on dag_version_id = "dagVersionId"
  where case when "isNext" then metadata.may_continue("dagId") else true end
), room as materialized (
  select metadata.room_for_runs($3) as free
), run as (
  insert into metadata.dag_run (dag_id, dag_version_id, run_id, run_type, state, logical_date, data_interval_start,
    data_interval_end, conf, job_id, started_at, parent_dag_run_id, parent_task_id, cancelled_with_parent)
  select "dagId", dag_version_id, "runId", "runType",
    (case when ordinality <= free then 'running' else 'queued' end)::metadata.dag_run_state,
    "logicalDate", "dataIntervalStart", "logicalDate", conf, $2::bigint, case when ordinality <= free then now() end,
    (parent ->> 'dagRunId')::bigint, parent ->> 'taskId', coalesce((parent ->> 'cancels')::boolean, false)
  from wanted cross join room
  order by ordinality
  on conflict do nothing
  returning dag_run_id, dag_id, run_id, state, logical_date
), instances as (
  insert into metadata.task_instance (dag_run_id, task_id, state, try_number, job_id, started_at)
  select dag_run_id, id, (case when starts then 'running' else 'none' end)::metadata.task_instance_state, starts::int,
    case when starts then $2::bigint end, case when starts then now() end
  from run join wanted on "dagId" = dag_id and "runId" = run_id cross join jsonb_to_recordset(graph) as node (id text)
    cross join lateral (select run.state = 'running' and id = any(started) as starts) t
)
select r.dag_id as "dagId", r.dag_run_id as "dagRunId", r.run_id as "runId", r.state,
  case when r.state = 'running' then ${PREVIOUS} end as previous
from run r where $2::bigint is not null or pg_notify($4, 'run') is not null`

/**
 * The queued runs that a process claims: runs of these dags. `onlyBegun`: only those that another process started and
 * released, and those that were started by runs of this process. `inOrder`: the dags whose ticks start in order of logical
 * date, because a task depends on the past.
 */
export interface ClaimFilter {
  dagIds: readonly string[]
  onlyBegun: boolean
  inOrder: readonly string[]
}

export const HAS_TICK = `run_type in ('scheduled', 'backfill')`

/**
 * Claims the oldest queued run that has no owner (or belongs to this process) and whose dag is below
 * `max_active_runs`. Runs of backfills come last. Several processes may claim at the same time. Returns the run's id,
 * or undefined if there is none.
 *
 * A process that was declared dead gets no run, because no other process would reclaim it.
 *
 * @param known the running runs that this process knows, or null. A running run of this process that is not in the list
 * is returned too: the answer to its claim was lost.
 */
export async function claimRun(db: Metadata, jobId: number, filter: ClaimFilter, known: readonly number[] | null) {
  const values = [jobId, filter.dagIds, filter.onlyBegun, known, filter.inOrder, db.channel]
  for (;;) {
    const { rows } = await db.query<{ dag_run_id: number | null }>({ name: 'claim_run', text: CLAIM_RUN, values })
    // Null: in the meantime another process has used up the dag's `max_active_runs`. The next run may be of another
    // dag.
    if (rows[0]?.dag_run_id !== null) return rows[0]?.dag_run_id
  }
}

/** `first`: the oldest queued tick. While another process claims it, later ones cannot be claimed: hence the `run`. */
const CLAIM_RUN = `
with roomy as materialized (
  select dag_id, case when dag_id = any($5::text[]) then (select min(logical_date) filter (where ${HAS_TICK})
    from metadata.dag_run a where a.dag_id = d.dag_id and a.state = 'queued') end as first
  from metadata.dag d where dag_id = any($2::text[]) and max_active_runs > (
    select count(*) from metadata.dag_run a where a.dag_id = d.dag_id and a.state = 'running')
), found as materialized (
  select q.dag_run_id from metadata.dag_run q join metadata.job j on j.job_id = $1
  where j.state = 'running' and q.dag_id = any($2::text[]) and (
    q.state = 'running' and q.job_id = $1 and q.dag_run_id <> all($4::bigint[])
    or q.state = 'queued' and (q.job_id = $1 or (q.job_id is null and (q.started_at is not null or not $3
      or exists (select from metadata.dag_run p where p.dag_run_id = q.parent_dag_run_id and p.job_id = $1))))
    and exists (select from roomy where roomy.dag_id = q.dag_id and (q.logical_date > first and ${HAS_TICK}) is not true))
  order by q.run_type = 'backfill', q.dag_run_id limit 1
  for no key update of q skip locked for share of j
), claimed as (
  update metadata.dag_run r set state = 'running', job_id = $1, started_at = coalesce(r.started_at, now()), reason = null
  from found where r.dag_run_id = found.dag_run_id and (r.state = 'running' or metadata.room_for_runs(r.dag_id) > 0)
  returning r.dag_run_id, case when r.dag_id = any($5) then pg_notify($6, 'run') end
)
select claimed.dag_run_id from found left join claimed using (dag_run_id)`

type Stored = DagRun & { nodes: GraphNode[]; instances: StoredInstance[] }

type StoredInstance = Omit<TaskInstance, 'dueAt'> & { dueInMs: number | null; tryingMs: number | null }

/**
 * The wait is at most the wait that was decided at the end of the last try, because the clock may have been set back.
 */
const DUE_IN_MS = `case when due_at is not null then 1000 * extract(epoch from due_at - greatest(now(), (
  select ended_at from metadata.task_instance_history h
  where h.dag_run_id = t.dag_run_id and h.task_id = t.task_id and h.try_number = t.try_number))) end`

/**
 * Reads a run with any owner, and the graph (`nodes`) that its dag had when the run was created. One statement, so that
 * the run cannot change in between.
 */
export async function readRun(db: Metadata, dagRunId: number) {
  const { rows } = await db.query<Stored>(
    `select r.dag_run_id as "dagRunId", r.dag_id as "dagId", r.dag_version_id as "dagVersionId", r.run_id as "runId",
       r.run_type as "runType", r.state, r.job_id as "jobId", r.version, r.reason, r.stop_reason as "stopReason",
       r.logical_date as "logicalDate",
       r.data_interval_start as "dataIntervalStart", r.conf,
       greatest(0, extract(epoch from now() - r.started_at) * 1000)::float8 as "ranForMs", ${PREVIOUS} as previous,
       (select graph from metadata.dag_version v where v.dag_version_id = r.dag_version_id) as nodes,
       (select coalesce(json_agg(json_build_object('taskId', task_id, 'tryNumber', try_number, 'failures', failures,
         'state', case when ${HANDED_OVER} then 'running' else t.state end, 'heldBy', case when ${HANDED_OVER} then 'queue'
           when t.state = 'running' and t.job_id is distinct from r.job_id then 'worker' end,
         'lost', lost, 'lostTry', lost_try, 'isolated', isolated, 'skip', (
           select min(k.reason) from metadata.task_skip k where k.dag_run_id = t.dag_run_id and k.task_id = t.task_id),
         'reason', reason, 'dueInMs', ${DUE_IN_MS}, 'tryingMs', ${TRYING_MS})), '[]')
        from metadata.task_instance t where t.dag_run_id = r.dag_run_id) as instances
     from metadata.dag_run r where r.dag_run_id = $1`,
    [dagRunId],
  )
  if (rows[0] === undefined) return undefined
  const { nodes, instances, ...run } = rows[0]
  return { run, nodes, instances: instances.map(instanceOf) }
}

/** Instants in the database are durations here, because the clocks of the database and of this process may differ. */
function instanceOf({ dueInMs, tryingMs, ...one }: StoredInstance): TaskInstance {
  return { ...one, dueAt: dueInMs === null ? null : dueAfter(dueInMs), firstStartedAt: startedFor(tryingMs) }
}
