import type { GraphNode } from '../dag/graph.ts'
import { type DagRunState, isOver, type TaskInstanceState } from '../dag/state.ts'
import type { Metadata } from '../metadata/metadata.ts'

/** Statements by which somebody other than its owner changes a run. All of them within one transaction. */

export interface LockedRun {
  dagRunId: number
  runId: string
  state: DagRunState
  graph: GraphNode[]
  /** Of its task instances, by their task's id. */
  states: Record<string, TaskInstanceState>
  /** Ids of tasks that did not come to their state by a try of their own or by a mark, but by how other tasks ended. */
  unrun: readonly string[]
}

/** A run held against its owner and everybody else until the transaction ends; `latest` is the newest. */
export async function lockRun(tx: Metadata, dagId: string, runId: string): Promise<LockedRun | undefined> {
  const { rows } = await tx.query<LockedRun>(
    `select r.dag_run_id as "dagRunId", r.run_id as "runId", r.state, v.graph
     from metadata.dag_run r join metadata.dag_version v using (dag_version_id)
     where r.dag_id = $1 and ($2 = 'latest' or r.run_id = $2)
     order by r.dag_run_id desc limit 1 for no key update of r`,
    [dagId, runId],
  )
  const [run] = rows
  // A statement of its own: one that waited for the lock would see the states from before.
  return run && { ...run, ...(await readStates(tx, run.dagRunId)) }
}

/** Where the task instances of a run stand. */
export async function readStates(db: Metadata, dagRunId: number): Promise<Pick<LockedRun, 'states' | 'unrun'>> {
  const { rows } = await db.query<Pick<LockedRun, 'states' | 'unrun'>>(
    `select coalesce(jsonb_object_agg(task_id, state), '{}') as states,
       coalesce(jsonb_agg(task_id) filter (where ${UNRUN}), '[]') as unrun
     from metadata.task_instance t where dag_run_id = $1`,
    [dagRunId],
  )
  return rows[0] ?? { states: {}, unrun: [] }
}

export const MARKED = 'marked'

/**
 * Ready and waiting, kept from running by its upstreams, or skipped without having said so itself: by its trigger rule,
 * or with the run, also while it waited for its next try (the history then has the latest one).
 */
const UNRUN = `(state in ('scheduled', 'queued', 'upstream_failed') or state = 'skipped'
  and reason is distinct from '${MARKED} skipped' and (started_at is null or exists (
    select from metadata.task_instance_history h
    where h.dag_run_id = t.dag_run_id and h.task_id = t.task_id and h.try_number = t.try_number)))`

/**
 * Puts task instances where a person wants them: back to the start (`none`), or ended, running or not. What they
 * returned is forgotten. Their latest try is kept; a running one ends here, and its late result will be refused. It keeps
 * its slots until its process has seen it end; those that were taken for a next try are given back.
 */
export async function setInstances(
  tx: Metadata,
  dagRunId: number,
  taskIds: readonly string[],
  state: 'none' | 'success' | 'failed' | 'skipped',
  reason: string | null,
): Promise<void> {
  const cleared = state === 'none'
  await tx.query(
    `with kept as (
       insert into metadata.task_instance_history
         (dag_run_id, task_id, try_number, state, reason, error, job_id, started_at, ended_at)
       select dag_run_id, task_id, try_number, state, reason, error, job_id, started_at, ended_at
       from metadata.task_try where dag_run_id = $1 and task_id = any($2::text[])
       union all
       select dag_run_id, task_id, try_number, $5::text, $6::text, null, job_id, started_at, greatest(now(), started_at)
       from metadata.task_instance where dag_run_id = $1 and task_id = any($2::text[]) and state = 'running'
       on conflict do nothing
     ), freed as (
       delete from metadata.pool_slot s using metadata.task_instance t
       where t.dag_run_id = $1 and t.task_id = any($2::text[]) and s.dag_run_id = t.dag_run_id and s.task_id = t.task_id
         and s.try_number > t.try_number
     ), forgotten as (
       delete from metadata.xcom where dag_run_id = $1 and task_id = any($2::text[])
     )
     update metadata.task_instance set state = $3::text, reason = $4, error = null, failures = 0, lost = 0, job_id = null,
       due_at = null, started_at = case when $3::text <> 'none' then started_at end,
       ended_at = case when $3::text <> 'none' then now() end
     where dag_run_id = $1 and task_id = any($2::text[])`,
    [dagRunId, taskIds, state, reason, cleared ? 'failed' : state, cleared ? 'cleared while it was running' : reason],
  )
}

export async function storeOutput(tx: Metadata, dagRunId: number, taskId: string, json: string): Promise<void> {
  await tx.query(
    `insert into metadata.xcom (dag_run_id, task_id, value) values ($1, $2, $3)
     on conflict (dag_run_id, task_id) do update set value = excluded.value`,
    [dagRunId, taskId, json],
  )
}

/**
 * Ends a run, or lets it go on from where its task instances now stand: an ended one is queued for whoever has room.
 * The owner of a running one is told to read it again, and everybody that room and slots may have come free.
 */
export async function changeRun(tx: Metadata, { dagRunId, state }: LockedRun, to: 'cancelled' | 'unfinished') {
  const cancelled = `, state = 'failed', reason = 'cancelled', ended_at = now()`
  const reopened = `, state = 'queued', job_id = null, reason = null, started_at = null, ended_at = null`
  const moved = to === 'cancelled' ? cancelled : isOver(state) ? reopened : ''
  await tx.query(`update metadata.dag_run set version = version + 1 ${moved} where dag_run_id = $1`, [dagRunId])
  const told = [`changed:${dagRunId}`, 'run', 'slot']
  await tx.query('select pg_notify($1, word) from unnest($2::text[]) as word', [tx.channel, told])
}
