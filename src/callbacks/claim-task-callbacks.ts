import type { Metadata } from '../metadata/metadata.ts'
import type { TaskFailure } from './events.ts'

export type TaskEvent = Pick<TaskFailure, 'taskId' | 'tryNumber' | 'reason'> & {
  kind: 'failure' | 'retry'
  /** When the next try starts; null after a failure. */
  retryAt: Date | null
}

/** Claims the callbacks of these events; returns those that no caller has claimed before. */
export async function claimEvents(db: Metadata, dagRunId: number, events: readonly TaskEvent[]): Promise<TaskEvent[]> {
  const { rows } = await db.query<Pick<TaskEvent, 'kind' | 'taskId' | 'tryNumber'>>(
    `insert into metadata.task_callback (dag_run_id, task_id, try_number, kind)
     select $1, "taskId", "tryNumber", kind
     from json_to_recordset($2::json) as e ("taskId" text, "tryNumber" int, kind text) order by "taskId"
     on conflict do nothing
     returning task_id as "taskId", try_number as "tryNumber", kind`,
    [dagRunId, JSON.stringify(events)],
  )
  const keyOf = ({ kind, taskId, tryNumber }: (typeof rows)[number]) => `${kind} ${tryNumber} ${taskId}`
  const claimed = new Set(rows.map(keyOf))
  return events.filter((event) => claimed.has(keyOf(event)))
}

/**
 * The failed tasks of a run since its start whose callback is not claimed. These are failures whose write was confirmed
 * late, and failures that another process wrote: a cancel, or a task that was marked.
 */
export async function readUnclaimedFailures(db: Metadata, dagRunId: number): Promise<TaskEvent[]> {
  const { rows } = await db.query<TaskEvent>(
    `select 'failure' as kind, t.task_id as "taskId", t.try_number as "tryNumber", coalesce(t.reason, '') as reason,
       null as "retryAt"
     from metadata.task_instance t join metadata.dag_run r using (dag_run_id)
     where dag_run_id = $1 and t.state = 'failed' and t.ended_at >= coalesce(r.started_at, t.ended_at) and not exists (
       select from metadata.task_callback c where c.dag_run_id = t.dag_run_id and c.task_id = t.task_id
         and c.try_number = t.try_number and c.kind = 'failure')
     order by t.task_id`,
    [dagRunId],
  )
  return rows
}
