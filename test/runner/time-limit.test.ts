import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { shareStall, startPulse } from '../../src/pulse.ts'
import { useDatabase } from '../support/database.ts'
import { openTestRunner, statesOf, uniqueId } from '../support/runner.ts'

const database = useDatabase()

function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

test('a try that returns after its execution timeout has failed, even if it blocked the event loop meanwhile', async () => {
  onTestFinished(startPulse().stop)
  const busy = dag(uniqueId('busy'), {}, ({ task }) => {
    task('a', { executionTimeout: '300ms', run: () => block(400) })
    task('b', { executionTimeout: '1s', run: () => block(1_300) })
  })
  const { run } = await openTestRunner(database, [busy])
  const { task_instances } = await run(busy)
  expect(task_instances.map(({ state, reason }) => [state, reason])).toEqual([
    ['failed', 'took longer than its execution timeout of 0.3 s'],
    ['failed', 'took longer than its execution timeout of 1 s'],
  ])
})

test('time in which another try blocked the event loop does not count against the execution timeout', async () => {
  onTestFinished(startPulse().stop)
  const beside = dag(uniqueId('beside'), {}, ({ task }) => {
    task('innocent', { executionTimeout: '2s', run: (_, { signal }) => delay(1_000, undefined, { signal }) })
    const first = task('first', { run: () => delay(50) })
    task('busy', { upstream: { first }, run: () => block(4_000) })
  })
  const { run } = await openTestRunner(database, [beside])
  expect(statesOf(await run(beside))).toEqual({ innocent: 'success', first: 'success', busy: 'success' })
})

test('a stall never counts against the tries that did not cause it, and always against the one that did', () => {
  const tries = fc.array(fc.nat(100_000), { minLength: 1, maxLength: 6 })
  const stalls = fc.array(fc.record({ by: fc.integer({ min: -1, max: 5 }), ms: fc.nat(60_000), turn: fc.nat(5_000) }))
  fc.assert(
    fc.property(tries, stalls, (starts, happened) => {
      const running = starts.map((before) => ({ startedAt: -before, stalledMs: 0 }))
      const caused = running.map(() => 0)
      let now = 0
      for (const { by, ms, turn } of happened) {
        now += turn + ms
        shareStall(running, running[by], ms, now)
        if (by in caused) caused[by] = (caused[by] ?? 0) + ms
      }
      const total = happened.reduce((sum, { ms }) => sum + ms, 0)
      running.forEach(({ startedAt, stalledMs }, index) => {
        const elapsed = now - startedAt
        expect(stalledMs).toBe(total - (caused[index] ?? 0))
        expect(elapsed - stalledMs).toBeGreaterThanOrEqual(caused[index] ?? 0)
      })
    }),
  )
})

test('a stall that began before a try counts only from its start', () => {
  const one = { startedAt: 900, stalledMs: 0 }
  shareStall([one], undefined, 1_000, 1_000)
  expect(one.stalledMs).toBe(100)
})
