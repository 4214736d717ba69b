import { execute, type Resources } from '../runner/execute.ts'
import type { Executor } from '../runner/executor.ts'

/** Runs task instances in this process, `slots` at a time; 1 runs them one after the other. */
export function localExecutor(slots: number, resources: Resources): Executor {
  return { slots, execute: (attempt) => execute(attempt, resources) }
}
