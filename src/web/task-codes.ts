import { createHash } from 'node:crypto'

/** Short codes of the tasks of a dag, because a grid links each task once per run. A code depends only on the task id. */
export interface TaskCodes {
  /** Undefined for a task that is not in the dag, or whose code is another task's. */
  codeOf(taskId: string): string | undefined
  taskOf(code: string): string | undefined
}

const known = new WeakMap<readonly string[], TaskCodes>()

/** Hashes the ids once for each array. The graph of a loaded dag always has the same array. */
export function codesOf(taskIds: readonly string[]): TaskCodes {
  const codes = known.get(taskIds) ?? hashed(taskIds)
  known.set(taskIds, codes)
  return codes
}

function hashed(taskIds: readonly string[]): TaskCodes {
  const tasks = new Map(taskIds.map((id) => [hashOf(id), id]))
  const codes = new Map([...tasks].map(([code, id]) => [id, code]))
  return { codeOf: (id) => codes.get(id), taskOf: (code) => tasks.get(code) }
}

function hashOf(taskId: string): string {
  return createHash('sha256').update(taskId).digest('base64url').slice(0, 4)
}
