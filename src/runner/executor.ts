import type { Dag } from '../dag/dag.ts'
import type { Task } from '../dag/task.ts'
import type { DagRun } from '../metadata/dag-runs.ts'
import type { Ending, LogLine } from '../metadata/transitions.ts'
import type { Abort } from './abort.ts'

/** One try of one task instance, claimed and written as running. */
export interface Attempt {
  run: DagRun
  dag: Dag
  task: Task
  tryNumber: number
  /** Aborts when the try should end early, with the reason as its message; a time limit aborts it too. */
  abort: Abort
  /** What an upstream task returned, as JSON; undefined when it returned nothing. */
  readOutput(taskId: string): Promise<unknown>
  log(line: LogLine): void
}

/** Where claimed task instances run. The runner decides what starts; an executor only runs it. */
export interface Executor {
  /** How many attempts may be under way at once. */
  readonly slots: number
  /** Runs one attempt to its end. Never rejects: whatever happens is an ending. */
  execute(attempt: Attempt): Promise<Ending>
}
