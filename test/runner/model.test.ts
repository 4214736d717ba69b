import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Dag, dag } from '../../src/dag/dag.ts'
import { fail, skip } from '../../src/dag/ending.ts'
import type { Task } from '../../src/dag/task.ts'
import { TRIGGER_RULES } from '../../src/dag/trigger-rule.ts'
import { useDatabase } from '../support/database.ts'
import { interpret, type ModelTask } from '../support/reference.ts'
import { openTestRunner, statesOf, uniqueId } from '../support/runner.ts'

const database = useDatabase()

/** Random dags: each task depends on any of the tasks before it. */
const models = fc
  .array(
    fc.record({
      parents: fc.array(fc.nat(), { maxLength: 4 }),
      rule: fc.oneof(
        { weight: 3, arbitrary: fc.constant('all_success' as const) },
        { weight: 4, arbitrary: fc.constantFrom(...TRIGGER_RULES) },
      ),
      retries: fc.nat(2),
      outcomes: fc.array(fc.constantFrom('success', 'success', 'success', 'fail', 'fail_for_good', 'skip'), {
        minLength: 1,
        maxLength: 3,
      }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((drawn) =>
    drawn.map(({ parents, ...rest }, index): ModelTask => {
      const upstream = index === 0 ? [] : [...new Set(parents.map((parent) => `t${parent % index}`))]
      return { id: `t${index}`, upstream, ...rest }
    }),
  )

function dagOf(model: readonly ModelTask[], starts: Record<string, number>): Dag {
  return dag(uniqueId('model'), { defaultArgs: { retryDelay: '1ms' } }, ({ task }) => {
    const defined: Record<string, Task> = {}
    for (const { id, upstream, rule, retries, outcomes } of model) {
      starts[id] = 0
      defined[id] = task(id, {
        upstream: Object.fromEntries(upstream.map((parent) => [parent, defined[parent] as Task])),
        triggerRule: rule,
        retries,
        run: async () => {
          const start = starts[id] ?? 0
          starts[id] = start + 1
          const outcome = outcomes[Math.min(start, outcomes.length - 1)]
          if (start % 2 === 1) await new Promise((resolve) => setImmediate(resolve))
          if (outcome === 'skip') throw skip('as drawn')
          if (outcome === 'fail_for_good') throw fail('as drawn')
          if (outcome === 'fail') throw new Error('as drawn')
        },
      })
    }
  })
}

test('random dags end as in the reference interpreter, with the same number of starts for each task', async () => {
  await fc.assert(
    fc.asyncProperty(models, fc.constantFrom(1, 3, 16), async (model, slots) => {
      const starts: Record<string, number> = {}
      const defined = dagOf(model, starts)
      const { run } = await openTestRunner(database, [defined], { slots })
      const result = await run(defined)
      const expected = interpret(model)
      expect(statesOf(result)).toEqual(expected.states)
      expect(starts).toEqual(expected.starts)
      expect(result.state).toBe(expected.run)
    }),
    { numRuns: 150 },
  )
})
