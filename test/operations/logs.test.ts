import { expect, test } from 'vitest'
import type { DagRunState, TaskInstanceState } from '../../src/dag/state.ts'
import { whyNoLog } from '../../src/operations/logs.ts'

test.each<[DagRunState, TaskInstanceState, number, string | null, number | null, string]>([
  ['queued', 'none', 0, null, null, 'it has not started yet (none: its run is queued)'],
  ['running', 'none', 0, null, 1, 'it has not started yet (none: its upstream tasks have not ended)'],
  ['running', 'scheduled', 0, 'pool api is full', null, 'it has not started yet (scheduled: pool api is full)'],
  ['running', 'running', 1, null, null, 'it has logged nothing yet (running)'],
  ['running', 'up_for_retry', 1, 'boom', 1, 'it has logged nothing yet (up_for_retry: boom)'],
  ['running', 'up_for_retry', 1, 'boom', 2, 'it has not started yet (up_for_retry: boom)'],
  ['failed', 'failed', 2, 'boom', 1, 'it logged nothing'],
  ['failed', 'failed', 2, 'boom', null, 'it logged nothing (failed: boom)'],
  ['failed', 'upstream_failed', 0, 'a failed', 1, 'it never started (upstream_failed: a failed)'],
  ['success', 'skipped', 0, null, null, 'it never started (skipped)'],
])('explains why a task has no log: in a %s run, %s at try %i', (state, at, try_number, reason, asked, says) => {
  expect(whyNoLog({ state }, { state: at, try_number, reason }, asked)).toBe(says)
})
