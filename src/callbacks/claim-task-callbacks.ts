import type { Metadata } from '../metadata/metadata.ts'
import type { TaskFailure, TaskRetry } from './events.ts'

export type TaskEvent = { kind: 'failure' | 'retry' } & Pick<TaskRetry, 'taskId' | 'tryNumber' | 'reason' | 'retryAt'>

/**
 * Claims the callbacks of failed tries: of these retries, and of every failed task of the run since its start. So a
 * failure whose write was confirmed late is found at the next event of the run. Returns those that no caller has claimed.
 */
export async function claimTaskCallbacks(
  db: Metadata,
  dagRunId: number,
  retries: readonly Omit<TaskEvent, 'kind'>[],
): Promise<TaskEvent[]> {
  const { rows } = await db.query<Omit<TaskEvent, 'retryAt'> & Pick<TaskFailure, 'reason'>>(
    `with event as (
       select 'retry' as kind, "taskId" as task_id, "tryNumber" as try_number, reason
       from json_to_recordset($2::json) as e ("taskId" text, "tryNumber" int, reason text)
       union all
       select 'failure', task_id, try_number, coalesce(t.reason, '')
       from metadata.task_instance t join metadata.dag_run r using (dag_run_id)
       where dag_run_id = $1 and t.state = 'failed' and t.ended_at >= coalesce(r.started_at, t.ended_at)
     ), called as (
       insert into metadata.task_callback (dag_run_id, task_id, try_number, kind)
       select $1, task_id, try_number, kind from event order by task_id
       on conflict do nothing
       returning task_id, try_number, kind
     )
     select kind, task_id as "taskId", try_number as "tryNumber", reason
     from called join event using (task_id, try_number, kind)`,
    [dagRunId, JSON.stringify(retries)],
  )
  const retryAt = new Map(retries.map((one) => [one.taskId, one.retryAt]))
  return rows.map((row) => ({ ...row, retryAt: retryAt.get(row.taskId) ?? new Date() }))
}
