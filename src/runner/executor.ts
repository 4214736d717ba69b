import type { Abort } from '../abort.ts'
import type { Dag } from '../dag/dag.ts'
import type { Task } from '../dag/task.ts'
import type { DagRun } from '../metadata/dag-runs.ts'
import type { TryKey } from '../metadata/task-instances.ts'
import type { Ending, HandedOver } from '../metadata/transitions.ts'
import type { TryLog } from './try-log.ts'

/** One try of one task instance that is claimed and stored as running. */
export interface Attempt {
  run: DagRun
  dag: Dag
  task: Task
  tryNumber: number
  /** How many tries of the task instance failed since it was last cleared. */
  failures: number
  /** When the first try since then began, by this process's clock. */
  firstStartedAt: Date
  /** True: execute it in a child process. */
  isolated: boolean
  /**
   * Aborts if the try must end early. The message of the abort's reason says why. The execution timeout also aborts the
   * try.
   */
  abort: Abort
  /** Reads the stored output of an upstream task, as JSON; see `readOutput` of `metadata`. */
  readOutput(address: string): Promise<unknown>
  /**
   * Call it directly before the task's code starts: if this process was silent, others may have taken over the run.
   * Undefined if it was not. Otherwise resolves once this process is known to be alive, or once the try is aborted.
   */
  confirm(): Promise<void> | undefined
  log: Pick<TryLog, 'add'>
}

/** How a try ended in another process. It has the wait in ms instead of `dueAt`, because the clocks may differ. */
export type Report = TryKey & { ending: Omit<Ending, 'dueAt'> & { waitMs?: number } }

export interface HandOver {
  /** The CTE `handed` of `writeChanges`: adds a job to the queue of the workers for each row of `handed` in `$5`. */
  readonly sql: string
  jobOf(dag: Dag, taskId: string): HandedOver
}

/** Executes claimed task instances. The runner decides which attempts start. */
export interface Executor {
  /** Limit of concurrent attempts. */
  readonly slots: number
  /**
   * True if a try of this task runs in a child process, where it cannot harm this process. `isSuspect`: an earlier try
   * of the task instance was lost when its process died.
   */
  isolates(task: Task, isSuspect: boolean): boolean
  /** Set if other processes execute the attempts: a start is stored as `queued`, together with a job for them. */
  readonly handOver?: HandOver
  /** Other processes may have reported the ends of attempts. */
  reported?(): void
  /** Executes one attempt. Never rejects: an error becomes a failed ending. */
  execute(attempt: Attempt): Promise<Ending>
  /** Ends the processes that the executor has started. Call this after the last attempt has ended. */
  close(): Promise<void>
}
