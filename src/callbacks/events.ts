import type { TaskContext } from '../dag/task.ts'
import type { Duration } from '../duration.ts'

/** The argument of `onFailure` and `onSuccess`. */
export interface RunEnd {
  dagId: string
  runId: string
  state: 'success' | 'failed'
  /** The failed tasks and their reasons, without the tasks that could not run. */
  failed: readonly { taskId: string; tryNumber: number; reason: string }[]
  /** True for a success after a failed run of the same dag. */
  recovered: boolean
}

/** The argument of `onTaskFailure`: a task that is not tried again. */
export interface TaskFailure {
  dagId: string
  runId: string
  taskId: string
  tryNumber: number
  reason: string
}

/** The argument of `onRetry`: a try failed, and the task is tried again. */
export interface TaskRetry extends TaskFailure {
  retryAt: Date
}

/** The argument of `onLate`. */
export interface RunLate {
  dagId: string
  runId: string
  state: 'queued' | 'running'
  logicalDate: Date
  /** When the run was queued. */
  queuedAt: Date
  /** The tasks that are running or wait for a slot or a retry, at most 100. */
  unfinished: readonly { taskId: string; state: string; reason: string }[]
}

/** May take 30 s. An error is logged, and changes nothing else. */
export type Callback<Event = RunEnd, Settings = Record<string, unknown>> = (
  event: Event,
  context: Pick<TaskContext<Settings>, 'settings' | 'signal' | 'log' | 'http' | 'now'>,
) => unknown

export interface OnLate<Settings = Record<string, unknown>> {
  /** The time from the start of the wait in the queue, or from a clear of the ended run. */
  after: Duration
  call: Callback<RunLate, Settings>
}

/** What a dag calls. Each callback is called at most once for each event. */
export interface DagCallbacks<Settings = Record<string, unknown>> {
  /** A run has failed. */
  onFailure?: Callback<RunEnd, Settings>
  /** A run has succeeded. */
  onSuccess?: Callback<RunEnd, Settings>
  /** A task has failed and is not tried again. */
  onTaskFailure?: Callback<TaskFailure, Settings>
  /** A try has failed, and the task is tried again. */
  onRetry?: Callback<TaskRetry, Settings>
  /** A run has not ended in time. It continues. Not for runs of backfills. */
  onLate?: OnLate<Settings> | undefined
}
