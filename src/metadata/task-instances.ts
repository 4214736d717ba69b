import type { TaskInstanceState } from '../dag/state.ts'
import type { Metadata } from './metadata.ts'

export interface TaskInstanceRow {
  task_id: string
  state: TaskInstanceState
  try_number: number
  failures: number
  lost: number
  reason: string | null
  due_at: Date | null
  job_id: number | null
}

/** All instances of a run, as its owner reads them when it takes the run over. */
export async function readInstances(db: Metadata, dagRunId: number): Promise<TaskInstanceRow[]> {
  const { rows } = await db.query<TaskInstanceRow>(
    `select task_id, state, try_number, failures, lost, reason, due_at, job_id
     from metadata.task_instance where dag_run_id = $1`,
    [dagRunId],
  )
  return rows
}

/** What a task returned, as stored; undefined when it returned nothing. */
export async function readOutput(db: Metadata, dagRunId: number, taskId: string): Promise<unknown> {
  const { rows } = await db.query<{ value: unknown }>(
    'select value from metadata.xcom where dag_run_id = $1 and task_id = $2',
    [dagRunId, taskId],
  )
  return rows[0]?.value
}
