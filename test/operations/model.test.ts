import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { fail, skip } from '../../src/dag/ending.ts'
import { buildGraph } from '../../src/dag/graph.ts'
import { isOver, isTerminal, type TerminalTaskState } from '../../src/dag/state.ts'
import type { Task } from '../../src/dag/task.ts'
import { count, emptyTally, judge, TRIGGER_RULES } from '../../src/dag/trigger-rule.ts'
import { UsageError } from '../../src/errors.ts'
import type { DagRunDetails } from '../../src/operations/list-runs.ts'
import { cancel, clear, mark } from '../../src/operations/operate.ts'
import { listPools } from '../../src/operations/pools.ts'
import { useDatabase } from '../support/database.ts'
import { FULL } from '../support/random.ts'
import { openTestRunner, stored, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()

const TASKS = 6
const OUTCOMES = ['success', 'success', 'fail', 'skip'] as const

/** A random dag, the outcome of each try of its tasks, and the operations of a user on its run. */
const stories = fc.record({
  tasks: fc.array(
    fc.record({
      parents: fc.array(fc.nat(), { maxLength: 3 }),
      rule: fc.oneof(
        { weight: 2, arbitrary: fc.constant('all_success' as const) },
        { weight: 1, arbitrary: fc.constantFrom(...TRIGGER_RULES) },
      ),
      outcomes: fc.array(fc.constantFrom(...OUTCOMES), { minLength: 1, maxLength: 3 }),
      turns: fc.oneof(fc.nat(3), fc.nat(300)),
    }),
    { minLength: 2, maxLength: TASKS },
  ),
  slots: fc.constantFrom(1, 2, 8),
  maxActiveTasks: fc.constantFrom(undefined, 1, 2),
  acts: fc.array(
    fc.record({
      what: fc.oneof(
        fc.record({ clear: fc.option(fc.nat()), downstream: fc.boolean(), onlyFailed: fc.boolean() }),
        fc.record({
          mark: fc.nat(),
          state: fc.constantFrom('success' as const, 'failed' as const, 'skipped' as const),
        }),
        fc.constant({ cancel: true as const }),
      ),
      /** True: operate after the run has ended; else after this many turns of the event loop. */
      after: fc.oneof(fc.constant('the end' as const), fc.nat(300)),
    }),
    { minLength: 1, maxLength: 5 },
  ),
})
type Story = typeof stories extends fc.Arbitrary<infer S> ? S : never

function dagOf({ tasks, maxActiveTasks }: Story, running: { now: number; most: number }) {
  return dag(uniqueId('story'), { ...(maxActiveTasks && { maxActiveTasks }) }, ({ task }) => {
    const defined: Task[] = []
    tasks.forEach(({ parents, rule, outcomes, turns }, index) => {
      const upstream = index === 0 ? [] : [...new Set(parents.map((parent) => parent % index))]
      const run = async (_inputs: unknown, { tryNumber }: { tryNumber: number }) => {
        running.most = Math.max(running.most, ++running.now)
        // Ignores its signal.
        for (let turn = 0; turn < turns; turn++) await nextTurn()
        running.now--
        const outcome = outcomes[(tryNumber - 1) % outcomes.length]
        if (outcome === 'skip') throw skip('as drawn')
        if (outcome === 'fail') throw fail('as drawn')
      }
      const ups = Object.fromEntries(upstream.map((parent) => [`t${parent}`, defined[parent] as Task]))
      defined.push(task(`t${index}`, { upstream: ups, triggerRule: rule, run }))
    })
  })
}

/** The run's state follows from its task instances or a cancel, and each instance's state from its upstreams. */
function expectConsistent(run: DagRunDetails, nodes: Parameters<typeof buildGraph>[1]): void {
  const graph = buildGraph('story', nodes)
  const instances = graph.taskIds.map((id) => run.task_instances.find(({ task_id }) => task_id === id))
  for (const instance of instances) expect(instance).toSatisfy((one) => isTerminal(one.state))
  const failed = instances.find((one) => one?.state === 'failed')
  const red = failed ?? instances.find((one) => one?.state === 'upstream_failed')
  if (run.reason === 'cancelled') expect(run.state).toBe('failed')
  else
    expect([run.state, run.reason]).toEqual(
      red === undefined
        ? ['success', null]
        : ['failed', failed ? `${failed.task_id} failed: ${failed.reason}` : expect.any(String)],
    )
  instances.forEach((instance, index) => {
    if (instance === undefined || !['skipped', 'upstream_failed'].includes(instance.state)) return
    if (/^(as drawn|cancelled|marked skipped)$/.test(instance.reason ?? '')) return
    const parents = graph.upstream[index] ?? []
    const tally = emptyTally(parents.length)
    for (const parent of parents)
      count(tally, graph.taskIds[parent] as string, instances[parent]?.state as TerminalTaskState)
    expect([instance.task_id, { state: instance.state, reason: expect.any(String) }]).toEqual([
      instance.task_id,
      judge(graph.nodes[index]?.triggerRule ?? 'all_success', tally),
    ])
  })
}

test("after any clear, mark or cancel at any time, a run's end follows from its task instances, within its limits", async () => {
  await fc.assert(
    fc.asyncProperty(stories, async (story) => {
      const running = { now: 0, most: 0 }
      const defined = dagOf(story, running)
      const ids = defined.graph.taskIds
      const own = await openTestRunner(database, [defined], { slots: story.slots })
      // Replaces NOTIFY.
      const nudge = setInterval(() => own.runner.slotsFreed(), 5)
      await own.runner.claim({ dagIds: [defined.id], onlyBegun: false })
      const { run } = await own.runner.run(defined, { logicalDate: new Date() })
      const key = { dagId: defined.id, runId: run.runId }
      const atRest = async () => {
        await until(async () => isOver((await stored(own.metadata, key.dagId, key.runId)).state))
        await own.runner.idle()
        await own.runner.drained()
        expectConsistent(await stored(own.metadata, key.dagId, key.runId), defined.graph.nodes)
      }
      const idOf = (drawn: number) => ids[drawn % ids.length] as string
      for (const { what, after } of story.acts) {
        if (after === 'the end') await atRest()
        else for (let turn = 0; turn < after; turn++) await nextTurn()
        if ('mark' in what) await mark(own.metadata, defined, key.runId, idOf(what.mark), what.state)
        else if ('cancel' in what) await cancel(own.metadata, key).catch(unlessEnded)
        else {
          const { clear: drawn, ...selection } = what
          await clear(own.metadata, key, { ...selection, ...(drawn !== null && { taskIds: [idOf(drawn)] }) })
        }
        own.runner.runChanged(run.dagRunId)
        own.runner.runsWaiting()
      }
      await atRest()
      await until(async () => (await listPools(own.metadata)).every(({ used }) => used === 0))
      clearInterval(nudge)
      expect(running.most).toBeLessThanOrEqual(story.maxActiveTasks ?? TASKS)
    }),
    { numRuns: FULL ? 1_000 : 150, timeout: 60_000, endOnFailure: true },
  )
})

function unlessEnded(error: unknown): void {
  if (!(error instanceof UsageError)) throw error
}
