import type { GraphNode } from '../dag/graph.ts'
import type { DagRunState, TaskInstanceState, TerminalTaskState } from '../dag/state.ts'
import type { Metadata } from './metadata.ts'

/** Statements by which somebody other than its owner changes a run. All of them within one transaction. */

export interface LockedRun {
  dag_run_id: number
  run_id: string
  state: DagRunState
  graph: GraphNode[]
  instances: { task_id: string; state: TaskInstanceState }[]
}

/** A run held against its owner and everybody else until the transaction ends; `latest` is the newest. */
export async function lockRun(tx: Metadata, dagId: string, runId: string): Promise<LockedRun | undefined> {
  const { rows } = await tx.query<Omit<LockedRun, 'instances'>>(
    `select r.dag_run_id, r.run_id, r.state, v.graph
     from metadata.dag_run r join metadata.dag_version v using (dag_version_id)
     where r.dag_id = $1 and ($2 = 'latest' or r.run_id = $2)
     order by r.dag_run_id desc limit 1 for no key update of r`,
    [dagId, runId],
  )
  const [run] = rows
  if (run === undefined) return undefined
  const { rows: instances } = await tx.query<LockedRun['instances'][number]>(
    'select task_id, state from metadata.task_instance where dag_run_id = $1',
    [run.dag_run_id],
  )
  return { ...run, instances }
}

/** Puts task instances back to the start; what they returned is forgotten, earlier tries and their logs are kept. */
export async function resetInstances(tx: Metadata, dagRunId: number, taskIds: readonly string[]): Promise<void> {
  await endTries(tx, dagRunId, taskIds, 'failed', 'cleared while it was running')
  await tx.query(
    `update metadata.task_instance set state = 'none', failures = 0, lost = 0, reason = null, job_id = null,
       due_at = null, started_at = null, ended_at = null
     where dag_run_id = $1 and task_id = any($2::text[])`,
    [dagRunId, taskIds],
  )
  await tx.query('delete from metadata.xcom where dag_run_id = $1 and task_id = any($2::text[])', [dagRunId, taskIds])
}

/** Ends task instances from outside, running or not. */
export async function endInstances(
  tx: Metadata,
  dagRunId: number,
  taskIds: readonly string[],
  state: TerminalTaskState,
  reason: string,
): Promise<void> {
  await endTries(tx, dagRunId, taskIds, state === 'upstream_failed' ? 'failed' : state, reason)
  await tx.query(
    `update metadata.task_instance set state = $3, reason = $4, job_id = null, due_at = null, ended_at = now()
     where dag_run_id = $1 and task_id = any($2::text[])`,
    [dagRunId, taskIds, state, reason],
  )
}

/** A running try ends with its task instance; its late result will be refused. */
async function endTries(
  tx: Metadata,
  dagRunId: number,
  taskIds: readonly string[],
  state: 'success' | 'failed' | 'skipped',
  reason: string,
): Promise<void> {
  await tx.query(
    `insert into metadata.task_try (dag_run_id, task_id, try_number, state, reason, job_id, started_at, ended_at)
     select dag_run_id, task_id, try_number, $3, $4, job_id, started_at, greatest(now(), started_at)
     from metadata.task_instance where dag_run_id = $1 and task_id = any($2::text[]) and state = 'running'`,
    [dagRunId, taskIds, state, reason],
  )
  await tx.query('delete from metadata.pool_slot where dag_run_id = $1 and task_id = any($2::text[])', [
    dagRunId,
    taskIds,
  ])
}

export async function storeOutput(tx: Metadata, dagRunId: number, taskId: string, json: string): Promise<void> {
  await tx.query(
    `insert into metadata.xcom (dag_run_id, task_id, value) values ($1, $2, $3)
     on conflict (dag_run_id, task_id) do update set value = excluded.value`,
    [dagRunId, taskId, json],
  )
}

/**
 * Lets a run go on from where its task instances now stand: an ended one is queued for whoever has room, the owner of
 * a running one is told to read it again.
 */
export async function continueRun(tx: Metadata, run: Pick<LockedRun, 'dag_run_id' | 'state'>): Promise<void> {
  const ended = run.state === 'success' || run.state === 'failed'
  await tx.query(
    ended
      ? `update metadata.dag_run set state = 'queued', job_id = null, reason = null, started_at = null, ended_at = null,
           version = version + 1 where dag_run_id = $1`
      : 'update metadata.dag_run set version = version + 1 where dag_run_id = $1',
    [run.dag_run_id],
  )
  await tx.query('delete from metadata.callback where dag_run_id = $1', [run.dag_run_id])
  await tx.query('select pg_notify($1, $2)', [
    tx.channel,
    run.state === 'running' ? `changed:${run.dag_run_id}` : 'run',
  ])
}

/** Ends a run from outside; its owner is told. */
export async function endRun(tx: Metadata, dagRunId: number, reason: string): Promise<void> {
  await tx.query(
    `update metadata.dag_run set state = 'failed', reason = $2, ended_at = now(), version = version + 1
     where dag_run_id = $1`,
    [dagRunId, reason],
  )
  await tx.query('select pg_notify($1, $2)', [tx.channel, `changed:${dagRunId}`])
  await tx.query('select pg_notify($1, $2)', [tx.channel, 'run'])
}

/** True when some process alive takes up queued runs. */
export async function isAnybodyExecuting(db: Metadata): Promise<boolean> {
  const { rows } = await db.query(
    `select from metadata.job where state = 'running' and kind in ('start', 'scheduler')
     and heartbeat_at > now() - interval '30 s' limit 1`,
  )
  return rows.length > 0
}
