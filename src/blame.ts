import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'

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
  /** For how long other tries have blocked the event loop since, ms. This time does not count against its limit. */
  stalledMs: number
  /** Fails the try, unless it has ended. */
  fail(error: Error): void
}

const context = new AsyncLocalStorage<RunningTry | undefined>()
const running = new Set<RunningTry>()

/** Runs the code of a try, so that `currentTry` names this try in everything that the code starts. */
export async function asTry<T>(one: RunningTry, work: () => Promise<T>): Promise<T> {
  running.add(one)
  try {
    return await context.run(one, work)
  } finally {
    running.delete(one)
  }
}

/** The try that the calling code belongs to; undefined if it belongs to none. */
export function currentTry(): RunningTry | undefined {
  return context.getStore()
}

/** The tries whose code runs in this process now. */
export function runningTries(): ReadonlySet<RunningTry> {
  return running
}

/** Binds a function to the async context of the try that calls this; returns it as it is if no try does. */
export function boundToTry<F extends (...args: never[]) => unknown>(fn: F): F {
  return context.getStore() === undefined ? fn : (AsyncResource.bind(fn as () => unknown) as F)
}

/** Runs work that tries share, so that it belongs to none of them. */
export function outsideTries<T>(work: () => T): T {
  return context.getStore() === undefined ? work() : context.run(undefined, work)
}
