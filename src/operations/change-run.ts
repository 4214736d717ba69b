import type { GraphNode } from '../dag/graph.ts'
import { partsOf, withElements } from '../dag/map.ts'
import type { Skip } from '../dag/skips.ts'
import { type DagRunState, isOver, isTerminal, type TaskInstanceState } from '../dag/state.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { UNCLAIMED } from '../metadata/pools.ts'
import { HANDED_OVER } from '../metadata/task-instances.ts'
import { CHILD_ENDED } from '../metadata/transitions.ts'

/** Statements by which a process other than the owner changes a run. Run these statements in one transaction. */

export interface LockedRun {
  dagRunId: number
  runId: string
  state: DagRunState
  /** Why the run was stopped while its teardowns still run; null if it was not. */
  stopReason: string | null
  /** With the elements of mapped tasks. */
  graph: readonly GraphNode[]
  /** States of the task instances, by task id. */
  states: Record<string, TaskInstanceState>
  /** Ids of tasks whose state was decided by other tasks or a cancel, not by a try or a mark. */
  unrun: readonly string[]
}

/** Locks a run until the transaction ends: not even its owner can change it. The id `latest` is the newest run. */
export async function lockRun(tx: Metadata, dagId: string, runId: string): Promise<LockedRun | undefined> {
  const { rows } = await tx.query<LockedRun>(
    `select r.dag_run_id as "dagRunId", r.run_id as "runId", r.state, r.stop_reason as "stopReason", v.graph
     from metadata.dag_run r join metadata.dag_version v using (dag_version_id)
     where r.dag_id = $1 and ($2 = 'latest' or r.run_id = $2)
     order by r.dag_run_id desc limit 1 for no key update of r`,
    [dagId, runId],
  )
  const [run] = rows
  // This must be a separate statement. A statement that waited for the lock would read states from before the wait.
  if (run === undefined) return undefined
  const found = await readStates(tx, run.dagRunId)
  return { ...run, graph: withElements(run.graph, Object.keys(found.states)), ...found }
}

/** The states of a run's task instances. */
export async function readStates(db: Metadata, dagRunId: number): Promise<Pick<LockedRun, 'states' | 'unrun'>> {
  const { rows } = await db.query<Pick<LockedRun, 'states' | 'unrun'>>(
    `select coalesce(jsonb_object_agg(task_id, state), '{}') as states,
       coalesce(jsonb_agg(task_id) filter (where ${UNRUN}), '[]') as unrun
     from metadata.task_instance t where dag_run_id = $1`,
    [dagRunId],
  )
  return rows[0] ?? { states: {}, unrun: [] }
}

/** Gives an ended run another graph. Its new tasks get rows; the rows of tasks that the graph does not have are kept. */
export async function replaceGraph(
  tx: Metadata,
  dagRunId: number,
  dagVersionId: number,
  taskIds: readonly string[],
): Promise<void> {
  await tx.query(
    `with moved as (update metadata.dag_run set dag_version_id = $2 where dag_run_id = $1)
     insert into metadata.task_instance (dag_run_id, task_id, state, try_number)
     select $1, task_id, 'none', 0 from unnest($3::text[]) task_id on conflict do nothing`,
    [dagRunId, dagVersionId, taskIds],
  )
}

/** Adds the rows of elements whose array is stored, for all mapped tasks of the run. */
export async function storeElements(tx: Metadata, dagRunId: number, graph: readonly GraphNode[]): Promise<void> {
  const mapped = graph.filter(({ id, over }) => over !== undefined && partsOf(id).mapIndex === undefined)
  await tx.query(
    `insert into metadata.task_instance (dag_run_id, task_id, state, try_number)
     select x.dag_run_id, m.id || '[' || i || ']', 'none', 0
     from jsonb_to_recordset($2::jsonb) as m (id text, over text)
     join metadata.xcom x on x.dag_run_id = $1 and x.task_id = m.over
     cross join generate_series(0, jsonb_array_length(x.value) - 1) i
     on conflict do nothing`,
    [dagRunId, JSON.stringify(mapped.map(({ id, over }) => ({ id, over })))],
  )
}

export const MARKED = 'marked'

/**
 * Matches task instances that are ready, upstream_failed, or skipped by their trigger rule or by a cancel. A cancel may
 * also skip a task that waits for a retry. The history then has the latest try of such a task instance.
 */
const UNRUN = `(state in ('scheduled', 'queued', 'upstream_failed') or state = 'skipped'
  and reason is distinct from '${MARKED} skipped' and (started_at is null or exists (
    select from metadata.task_instance_history h
    where h.dag_run_id = t.dag_run_id and h.task_id = t.task_id and h.try_number = t.try_number)))`

/**
 * Sets task instances to a state: `none` to run them again, or an end state, even if they are running. Deletes their
 * outputs and moves their latest try to the history. A running try ends, and its late result will be rejected. It keeps
 * its pool slots until its process has stopped the code. Slots of a try that has not started are released.
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
         and (s.try_number > t.try_number or s.try_number = t.try_number and ${HANDED_OVER}) and ${UNCLAIMED}
     ), forgotten as (
       delete from metadata.xcom where dag_run_id = $1 and task_id = any($2::text[])
     ), unskipped as (
       delete from metadata.task_skip where dag_run_id = $1 and by_task_id = any($2::text[])
     )
     update metadata.task_instance set state = $3::text, reason = $4, error = null, failures = 0, lost = 0, lost_try = 0, job_id = null,
       cleared_try = case when $3::text = 'none' then try_number else cleared_try end,
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

export async function storeSkips(tx: Metadata, dagRunId: number, skips: readonly Skip[]): Promise<void> {
  await tx.query(
    `insert into metadata.task_skip (dag_run_id, task_id, by_task_id, reason)
     select $1, e."taskId", e.by, e.reason from jsonb_to_recordset($2::jsonb) as e ("taskId" text, by text, reason text)`,
    [dagRunId, JSON.stringify(skips)],
  )
}

/**
 * Fails an unfinished run: its running tasks fail, the others are skipped. Returns the ids of both. Teardowns whose setup
 * succeeded still run before the run ends, unless this is the second cancel.
 */
export async function cancelRun(tx: Metadata, run: LockedRun, reason = 'cancelled'): Promise<string[]> {
  const { dagRunId, states, graph, stopReason } = run
  const unended = graph.filter(({ id }) => !isTerminal(states[id] ?? 'none'))
  const left = unended.filter(({ teardown }) => stopReason === null && states[teardown ?? ''] === 'success')
  const open = unended.filter((node) => !left.includes(node)).map(({ id }) => id)
  const running = open.filter((id) => states[id] === 'running')
  const waiting = open.filter((id) => states[id] !== 'running')
  await setInstances(tx, dagRunId, running, 'failed', reason)
  await setInstances(tx, dagRunId, waiting, 'skipped', reason)
  const end = left.length > 0 ? '' : `, state = 'failed', reason = $2, ended_at = now()`
  const fail = `update metadata.dag_run set version = version + 1, stop_reason = $2 ${end} where dag_run_id = $1`
  await tx.query(fail, [dagRunId, reason])
  await notifyChanged(tx, dagRunId)
  return open
}

/** Continues a run with the current states of its task instances; an ended run is queued again. */
export async function continueRun(tx: Metadata, { dagRunId, state }: LockedRun): Promise<void> {
  const reopened = `, state = 'queued', job_id = null, reason = null, started_at = null, ended_at = null,
    reopened_at = now(), late_at = null`
  const moved = isOver(state) ? reopened : ''
  await tx.query(
    `update metadata.dag_run set version = version + 1, stop_reason = null ${moved} where dag_run_id = $1`,
    [dagRunId],
  )
  await notifyChanged(tx, dagRunId)
}

/** Notifies the owner to reload the run, the parent of a run that has ended, and all processes that a run or pool slots may be available. */
async function notifyChanged(tx: Metadata, dagRunId: number): Promise<void> {
  const messages = [`changed:${dagRunId}`, 'run', 'slot']
  await tx.query('select pg_notify($1, message) from unnest($2::text[]) as message', [tx.channel, messages])
  await tx.query(`select ${CHILD_ENDED('$2')} from metadata.dag_run r where dag_run_id = $1`, [dagRunId, tx.channel])
}
