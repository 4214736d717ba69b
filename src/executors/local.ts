import { execute, type Resources } from '../runner/execute.ts'
import type { Executor } from '../runner/executor.ts'

/** Executes at most `slots` task instances at a time in this process. */
export function localExecutor(slots: number, resources: Resources): Executor {
  return { slots, isolates: () => false, execute: (attempt) => execute(attempt, resources), close: async () => {} }
}
