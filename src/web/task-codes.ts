import { createHash } from 'node:crypto'

/** Short codes of the tasks of a dag, because a grid links each task once per run. A code depends only on the task id. */
export interface TaskCodes {
  /** Undefined for a task that is not in the dag, or whose code is another task's. */
  codeOf(taskId: string): string | undefined
  taskOf(code: string): string | undefined
}

export function codesOf(taskIds: readonly string[]): TaskCodes {
  const tasks = new Map(taskIds.map((id) => [hashOf(id), id]))
  const taskOf = (code: string) => tasks.get(code)
  return { taskOf, codeOf: (id) => (taskOf(hashOf(id)) === id ? hashOf(id) : undefined) }
}

function hashOf(taskId: string): string {
  return createHash('sha256').update(taskId).digest('base64url').slice(0, 4)
}
