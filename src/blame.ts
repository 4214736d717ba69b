import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import type { TaskContext } from './dag/task.ts'

/** A try whose code runs in this process. */
export interface RunningTry {
  readonly dagRunId: number
  readonly dagId: string
  readonly taskId: string
  readonly tryNumber: number
  /** Its execution timeout, ms. */
  readonly limitMs: number | undefined
  /** When it started, ms of the monotonic clock. */
  readonly startedAt: number
  /**
   * How long other tries have blocked the event loop since the start of this try, ms. This time does not count against
   * the time limit of this try.
   */
  stalledMs: number
  /** What its code got as `context`, for code that does not: `$` and `console`. Undefined before the code starts. */
  context?: Pick<TaskContext, 'signal' | 'log'>
  /** Fails the try. Returns false if the try has ended or is being aborted. */
  fail(error: Error): boolean
}

/** Code of a dag that runs outside a try, for example a callback. */
export interface DagCode {
  readonly dagId: string
  /** The name of this code in the log, for example `callback`. */
  readonly part: string
}

const context = new AsyncLocalStorage<RunningTry | DagCode | undefined>()
const running = new Set<RunningTry>()

/**
 * Runs work as part of a try, or as other code of a dag. If the other code does not handle an error, the error is only
 * logged.
 */
export function runAs<T>(code: RunningTry | DagCode, work: () => T): T {
  return context.run(code, work)
}

/** The try of the calling code; undefined if the code belongs to no try. */
export function currentTry(): RunningTry | undefined {
  const code = context.getStore()
  return code && 'tryNumber' in code ? code : undefined
}

/** The try of the calling code, or the other code of a dag. */
export function currentCode(): RunningTry | DagCode | undefined {
  return context.getStore()
}

/** The tries whose code is running in this process. The pulse keeps them. */
export function runningTries(): Set<RunningTry> {
  return running
}

/** Binds a function to the async context of the calling try. Outside a try, returns the function unchanged. */
export function boundToTry<F extends (...args: never[]) => unknown>(fn: F): F {
  return context.getStore() === undefined ? fn : (AsyncResource.bind(fn as () => unknown) as F)
}

/** Runs work that tries share. The work belongs to none of these tries. */
export function outsideTries<T>(work: () => T): T {
  return context.getStore() === undefined ? work() : context.run(undefined, work)
}
