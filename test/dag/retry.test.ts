import { expect, test } from 'vitest'
import { afterFailure } from '../../src/dag/retry.ts'

test('the wait doubles up to its maximum, however often the task has failed', () => {
  const limits = { retries: 5_000, retryDelayMs: 1_000, maxRetryDelayMs: 3_000 }
  const waits = [1, 2, 3, 4_000].map((failures) => afterFailure(limits, failures, true, 0)?.delayMs)
  expect(waits).toEqual([1_000, 2_000, 3_000, 3_000])
  expect(afterFailure({ ...limits, retryDelayMs: 0 }, 4_000, true, 1)).toEqual({
    delayMs: 0,
    nominalMs: 0,
    tries: 5_001,
  })
})
