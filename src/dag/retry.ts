import type { Task } from './task.ts'

export type RetryLimits = Pick<Task, 'retries' | 'retryDelayMs' | 'maxRetryDelayMs'>

/**
 * The wait before the try that follows a failed one; undefined where none does. Waits double with each failure and get up to a tenth on top (so that tasks that failed
 * together do not come back together), never more than `maxRetryDelayMs`.
 *
 * @param failures failed tries, this one among them
 * @param random from 0 up to 1
 */
export function afterFailure(limits: RetryLimits, failures: number, retryable: boolean, random: number) {
  if (!retryable || failures > limits.retries) return undefined
  const nominalMs = Math.min(limits.retryDelayMs * 2 ** Math.min(failures - 1, 50), limits.maxRetryDelayMs)
  const delayMs = Math.min(Math.round(nominalMs * (1 + random / 10)), limits.maxRetryDelayMs)
  return { delayMs, nominalMs }
}
