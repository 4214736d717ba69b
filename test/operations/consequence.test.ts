import { expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { fail } from '../../src/dag/ending.ts'
import { TRIGGER_RULES } from '../../src/dag/trigger-rule.ts'
import { type LockedRun, lockRun } from '../../src/operations/change-run.ts'
import { consequenceOf } from '../../src/operations/consequence.ts'
import { mark } from '../../src/operations/operate.ts'
import { useDatabase } from '../support/database.ts'
import { openTestRunner, statesOf, stored, type TestRunner, uniqueId } from '../support/runner.ts'

const database = useDatabase()

const MARKS = ['success', 'failed', 'skipped'] as const

/** `a` fails. It has a downstream task for every trigger rule, and each of these has another one. */
const every = () =>
  dag(uniqueId('previewed'), {}, ({ task }) => {
    const ran = () => {}
    const a = task('a', { run: () => Promise.reject(fail('no')) })
    const beside = task('beside', { run: ran })
    for (const triggerRule of TRIGGER_RULES) {
      const one = task(`b_${triggerRule}`, { upstream: { a, beside }, triggerRule, run: ran })
      task(`c_${triggerRule}`, { upstream: { one }, run: ran })
    }
  })

async function ended(own: TestRunner, dagId: string, runId: string) {
  await own.runner.claim({ dagIds: [dagId], onlyBegun: false })
  await own.runner.idle()
  await own.runner.drained()
  return await stored(own.metadata, dagId, runId)
}

test.each(MARKS)('the predicted effect of marking a task %s is the real one', async (state) => {
  const defined = every()
  const own = await openTestRunner(database, [defined])
  const { run_id } = await own.run(defined)
  const standing = (await lockRun(own.metadata, defined.id, run_id)) as LockedRun
  const told = consequenceOf(standing, 'a', state)
  const { taskIds } = await mark(own.metadata, defined, run_id, 'a', state)
  const named = [...told.starts, ...told.waits, ...told.ends.map(({ taskId }) => taskId)]
  expect(named.sort()).toEqual(taskIds.filter((id) => id !== 'a').sort())
  const after = await ended(own, defined.id, run_id)
  const states = statesOf(after)
  for (const id of told.starts) expect([id, states[id]]).toEqual([id, 'success'])
  for (const { taskId, state: end } of told.ends) expect([taskId, states[taskId]]).toEqual([taskId, end])
  if (told.run) expect(after.state).toBe(told.run)
  expect(told.run === undefined).toBe(told.starts.length > 0)
})
