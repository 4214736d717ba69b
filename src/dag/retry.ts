import type { Task } from './task.ts'

export type RetryLimits = Pick<Task, 'retries' | 'retryDelayMs' | 'maxRetryDelayMs'>

/**
 * The wait before the next try; undefined where the task is not tried again. Waits double with each failure. Up to a
 * tenth is added, so that tasks that failed together do not retry together. No wait exceeds `maxRetryDelayMs`.
 *
 * @param limits undefined: the task is never retried
 * @param failures the number of failed tries, including this one
 * @param random from 0 up to 1
 */
export function afterFailure(limits: RetryLimits | undefined, failures: number, retryable: boolean, random: number) {
  if (limits === undefined || !retryable || failures > limits.retries) return undefined
  const nominalMs = Math.min(limits.retryDelayMs * 2 ** Math.min(failures - 1, 50), limits.maxRetryDelayMs)
  const delayMs = Math.min(Math.round(nominalMs * (1 + random / 10)), limits.maxRetryDelayMs)
  return { delayMs, nominalMs, tries: limits.retries + 1 }
}
