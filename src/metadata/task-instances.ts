import type { TaskInstanceState } from '../dag/state.ts'
import type { Metadata } from './metadata.ts'

/** Where a task instance stands. */
export interface TaskInstance {
  taskId: string
  state: TaskInstanceState
  tryNumber: number
  failures: number
  lost: number
  reason: string | null
  dueAt: Date | null
}

export function newInstance(taskId: string): TaskInstance {
  return { taskId, state: 'none', tryNumber: 0, failures: 0, lost: 0, reason: null, dueAt: null }
}

/** All instances of a run, as its owner reads them when it takes the run over. */
export async function readInstances(db: Metadata, dagRunId: number): Promise<TaskInstance[]> {
  const { rows } = await db.query<TaskInstance>(
    `select task_id as "taskId", state, try_number as "tryNumber", failures, lost, reason, due_at as "dueAt"
     from metadata.task_instance where dag_run_id = $1`,
    [dagRunId],
  )
  return rows
}

/** What a task returned, as stored; undefined when it returned nothing. */
export async function readOutput(db: Metadata, dagRunId: number, taskId: string): Promise<unknown> {
  const text = 'select value from metadata.xcom where dag_run_id = $1 and task_id = $2'
  const { rows } = await db.query<{ value: unknown }>(text, [dagRunId, taskId])
  return rows[0]?.value
}
