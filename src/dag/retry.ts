import type { Task } from './task.ts'

export type RetryLimits = Pick<Task, 'retries' | 'retryDelayMs' | 'maxRetryDelayMs'>

export type AfterFailure =
  | { state: 'up_for_retry'; delayMs: number; nominalMs: number }
  | { state: 'failed'; reason: 'no_retry' | 'retries_used' }

/**
 * What follows a failed try. Waits double with each failure and get up to a tenth on top (so that tasks that failed
 * together do not come back together), never more than `maxRetryDelayMs`.
 *
 * @param failures failed tries, this one among them
 * @param random from 0 up to 1
 */
export function afterFailure(limits: RetryLimits, failures: number, retryable: boolean, random: number): AfterFailure {
  if (!retryable) return { state: 'failed', reason: 'no_retry' }
  if (failures > limits.retries) return { state: 'failed', reason: 'retries_used' }
  const nominalMs = Math.min(limits.retryDelayMs * 2 ** (failures - 1), limits.maxRetryDelayMs)
  const delayMs = Math.min(Math.round(nominalMs * (1 + random / 10)), limits.maxRetryDelayMs)
  return { state: 'up_for_retry', delayMs, nominalMs }
}
