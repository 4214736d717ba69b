import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import type { DefineTask } from '../../src/dag/builder.ts'
import { type Dag, dag } from '../../src/dag/dag.ts'
import { fail, skip } from '../../src/dag/ending.ts'
import type { Group, Task, TaskContext } from '../../src/dag/task.ts'
import { TRIGGER_RULES } from '../../src/dag/trigger-rule.ts'
import { insertRuns, newDagRun } from '../../src/metadata/dag-runs.ts'
import { registerDag } from '../../src/metadata/dags.ts'
import { listRuns } from '../../src/operations/list-runs.ts'
import { clear } from '../../src/operations/operate.ts'
import { useDatabase } from '../support/database.ts'
import {
  after,
  interpret,
  type ModelResult,
  type ModelTask,
  outcomesOf,
  type Starts,
  type States,
} from '../support/reference.ts'
import { notify, openTestRunner, statesOf, stored, type TestRunner, uniqueId, until } from '../support/runner.ts'

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

type Define = DefineTask<TaskContext>

/** A task of a model: it counts its starts, and each start ends as drawn. */
type Run = (context: Pick<TaskContext, 'taskId' | 'logicalDate' | 'mapIndex'>) => Promise<boolean>

/** Adds the dags of the tasks that start runs to `children`. */
function dagOf(model: readonly ModelTask[], runOf: (one: ModelTask) => Run, children: Dag[] = [], options = {}): Dag {
  return dag(uniqueId('model'), { defaultArgs: { retryDelay: '1ms' }, ...options }, (outside) => {
    const defined: Record<string, Task> = {}
    const grouped = model.filter(({ id }) => id.startsWith('g.'))
    let group: Group | undefined
    const chooser = model.find(({ branch }) => branch)?.id
    const tasksOf = (ids: readonly string[] = []) => ids.map((id) => defined[id] as Task)
    const define = ({ task }: { task: Define }, one: ModelTask, id = one.id): void => {
      const { rule: triggerRule, retries, branch, teardown, map, child, dependsOnPast } = one
      const array = model.find((other) => other.map?.over === id)?.map
      const whole = one.viaGroup && group ? { g: group } : {}
      const parents = one.upstream.filter((parent) => parent !== chooser && !one.viaGroup?.includes(parent))
      const single = Object.fromEntries(parents.map((parent) => [parent, defined[parent] as Task]))
      const own = { upstream: { ...single, ...whole }, triggerRule, retries, ...(dependsOnPast && { dependsOnPast }) }
      const run = runOf(one)
      const drawn = async (_inputs: unknown, context: TaskContext) => await run(context)
      const { x, y } = branch?.options ?? {}
      const chosen = (branch?.chosen ?? []) as ('x' | 'y')[]
      if (branch)
        defined[one.id] = task.branch(id, {
          upstream: own.upstream,
          options: { x: tasksOf(x), y: tasksOf(y) },
          run: (_inputs, context) => run(context).then(() => chosen),
        })
      else if (map) {
        const { [map.over]: over, ...upstream } = single
        const each = (_index: number, _inputs: unknown, context: TaskContext) => run(context)
        defined[one.id] = task.map(id, { ...own, over: over as Task<number[]>, upstream, run: each })
      } else if (array) {
        const numbers = Array.from({ length: array.length }, (_, n) => n)
        const list = (_inputs: unknown, context: TaskContext) => run(context).then(() => numbers)
        defined[one.id] = task(id, { ...own, output: z.array(z.number()), run: list })
      } else if (child) {
        const started = dagOf(child.tasks, runOf, children)
        children.push(started)
        const conf = (_inputs: unknown, context: TaskContext) => run(context).then(() => ({}))
        defined[one.id] = task.triggerRun(id, { ...own, dag: started, wait: child.wait, conf })
      } else if (teardown) defined[one.id] = task(id, { teardown: defined[teardown] as Task, retries, run: drawn })
      else if (one.outcomes.includes('wait')) defined[one.id] = task.waitFor(id, { ...own, every: '1ms', check: drawn })
      else defined[one.id] = task(id, { ...own, run: drawn })
    }
    // The options of a branch are defined before it. In the model it comes before them.
    for (const one of [...model.filter(({ branch }) => !branch), ...model.filter(({ branch }) => branch)]) {
      if (one === grouped[0])
        group = outside.group('g', (inside) => {
          for (const member of grouped) define(inside, member, member.id.slice(2))
        })
      else if (!grouped.includes(one)) define(outside, one)
    }
  })
}

/** Counts in `starts`, by task instance. */
function drawnEnd({ outcomes }: Pick<ModelTask, 'outcomes'>, starts: Starts): Run {
  return async ({ taskId, mapIndex = 0 }) => {
    const start = starts[taskId] ?? 0
    starts[taskId] = start + 1
    const drawn = outcomesOf({ outcomes }, mapIndex)
    const outcome = drawn[Math.min(start, drawn.length - 1)]
    if (start % 2 === 1) await new Promise((resolve) => setImmediate(resolve))
    if (outcome === 'skip') throw skip('as drawn')
    if (outcome === 'skip_downstream') throw skip.downstream('as drawn')
    if (outcome === 'fail_for_good') throw fail('as drawn')
    if (outcome === 'fail') throw new Error('as drawn')
    return outcome !== 'wait'
  }
}

/** Runs the model's dag, and compares its end with that of the reference interpreter. */
async function expectAsReference(model: readonly ModelTask[], slots: number): Promise<void> {
  const starts: Starts = {}
  const defined = dagOf(model, (one) => drawnEnd(one, starts))
  const { run } = await openTestRunner(database, [defined], { slots })
  const result = await run(defined)
  const expected = interpret(model)
  expect(statesOf(result)).toEqual(expected.states)
  expect(starts).toEqual(expected.starts)
  expect(result.state).toBe(expected.run)
}

/** Draws this many dags, each executed with one, three or sixteen slots. */
async function expectAllAsReference(drawn: fc.Arbitrary<ModelTask[]>, numRuns: number): Promise<void> {
  await fc.assert(fc.asyncProperty(drawn, fc.constantFrom(1, 3, 16), expectAsReference), { numRuns })
}

test('random dags end as in the reference interpreter, with the same number of starts for each task', async () => {
  await expectAllAsReference(models, 150)
})

/** A random dag with a branch `b` after some of its tasks. The later tasks are in its options, at random. */
const branching = fc
  .record({
    model: models,
    at: fc.nat(),
    options: fc.array(fc.constantFrom('none', 'x', 'y', 'both'), { minLength: 12, maxLength: 12 }),
    chosen: fc.subarray(['x', 'y']),
    outcome: fc.constantFrom('success', 'success', 'success', 'fail_for_good', 'skip'),
  })
  .map(({ model, at, options, chosen, outcome }) => {
    const [before, later] = [model.slice(0, at % (model.length + 1)), model.slice(at % (model.length + 1))]
    const inOption = (key: string) =>
      later.filter((_task, index) => ['both', key].includes(options[index] ?? '')).map(({ id }) => id)
    const branch = { options: { x: inOption('x'), y: inOption('y') }, chosen }
    const all = new Set([...branch.options.x, ...branch.options.y])
    const waiting = later.map((task) => (all.has(task.id) ? { ...task, upstream: [...task.upstream, 'b'] } : task))
    const own = { id: 'b', upstream: before.slice(-2).map(({ id }) => id), rule: 'all_success', retries: 0 } as const
    return [...before, { ...own, upstream: [...own.upstream], outcomes: [outcome], branch }, ...waiting] as ModelTask[]
  })

test('random dags with a branch end as in the reference interpreter, whatever the order in which tasks end', async () => {
  await expectAllAsReference(branching, 150)
})

test('random dags with short circuits end as in the reference interpreter', async () => {
  const outcomes = fc.constantFrom('success' as const, 'success' as const, 'skip' as const, 'skip_downstream' as const)
  // Only rules that decide after all upstreams have ended, as no task fails: a task that has started cannot be skipped.
  const rules = fc.constantFrom(
    'all_success' as const,
    'all_done' as const,
    'none_failed' as const,
    'none_failed_min_one_success' as const,
  )
  const drawn = fc.tuple(models, fc.array(fc.tuple(outcomes, rules), { minLength: 12, maxLength: 12 }))
  await fc.assert(
    fc.asyncProperty(drawn, async ([tasks, ends]) => {
      const model = tasks.map((task, index) => {
        const [outcome, rule] = ends[index] ?? ['success', 'all_success']
        return { ...task, retries: 0, outcomes: [outcome], rule }
      })
      await expectAsReference(model, 3)
    }),
    { numRuns: 100 },
  )
})

/** A random dag whose task `t<of>` is a setup with the teardown `d`. */
const tearingDown = fc
  .record({
    model: models,
    of: fc.nat(),
    retries: fc.nat(1),
    outcome: fc.constantFrom('success' as const, 'fail' as const, 'fail_for_good' as const, 'skip' as const),
    short: fc.boolean(),
  })
  .map(({ model: drawn, of, retries, outcome, short }) => {
    const last = drawn.at(-1) as ModelTask
    const model = short ? [...drawn.slice(0, -1), { ...last, outcomes: ['skip_downstream' as const] }] : drawn
    const teardown = `t${of % model.length}`
    const upstream = [...new Set([teardown, ...after(teardown, model).map(({ id }) => id)])]
    return [...model, { id: 'd', upstream, rule: 'all_done' as const, retries, outcomes: [outcome], teardown }]
  })

test('random dags with a teardown end as in the reference interpreter', async () => {
  await expectAllAsReference(tearingDown, 150)
})

/** A random dag with a task `m` that is mapped over one of the tasks before it; later tasks follow it at random. */
const mapping = fc
  .record({
    model: models,
    at: fc.nat(),
    over: fc.nat(),
    length: fc.nat(4),
    map: models,
    follows: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
  })
  .map(({ model, at, over, length, map, follows }) => {
    const place = 1 + (at % model.length)
    const [before, later] = [model.slice(0, place), model.slice(place)]
    const array = `t${over % place}`
    const own = map.at(-1) as ModelTask
    const upstream = [...new Set([array, ...own.upstream.filter((id) => before.some((task) => task.id === id))])]
    const after = later.map((task, index) => (follows[index] ? { ...task, upstream: [...task.upstream, 'm'] } : task))
    return [...before, { ...own, id: 'm', upstream, map: { over: array, length } }, ...after]
  })

test('random dags with a mapped task end as in the reference interpreter', async () => {
  await expectAllAsReference(mapping, 150)
})

/** Random dags some of whose tasks wait, for up to three checks. */
const waiting = fc.tuple(models, fc.array(fc.nat(3), { minLength: 12, maxLength: 12 })).map(([model, checks]) =>
  model.map((task, index): ModelTask => {
    const waits = Array.from({ length: checks[index] ?? 0 }, () => 'wait' as const)
    return { ...task, outcomes: [...waits, ...task.outcomes] }
  }),
)

test('random dags with tasks that wait end as in the reference interpreter, each wait with its number of checks', async () => {
  await expectAllAsReference(waiting, 100)
})

/** A random dag some of whose tasks are a group, which later tasks follow as a whole, at random. */
const grouping = fc
  .record({
    model: models,
    from: fc.nat(),
    size: fc.nat(5),
    follows: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
  })
  .map(({ model, from, size, follows }) => {
    const first = from % model.length
    const members = model.slice(first, first + size + 1).map(({ id }) => id)
    const nameOf = (id: string) => (members.includes(id) ? `g.${id}` : id)
    const renamed = model.map((task) => ({ ...task, id: nameOf(task.id), upstream: task.upstream.map(nameOf) }))
    const group = renamed.slice(first, first + size + 1)
    const last = group.map(({ id }) => id).filter((id) => !group.some(({ upstream }) => upstream.includes(id)))
    return renamed.map((task, index): ModelTask => {
      const isFollowing = index > first + size && follows[index] === true
      if (!isFollowing) return task
      return { ...task, viaGroup: last, upstream: [...new Set([...task.upstream, ...last])] }
    })
  })

test('random dags with a group end as in the reference interpreter', async () => {
  await expectAllAsReference(grouping, 100)
})

/** Random dags some of whose tasks start a run of a dag of their own, and wait for its end or not. */
const starting = fc
  .tuple(
    models,
    fc.array(fc.record({ tasks: fc.option(models), wait: fc.boolean() }), { minLength: 12, maxLength: 12 }),
  )
  .map(([model, children]) =>
    model.map((task, index): ModelTask => {
      const { tasks, wait = true } = children[index] ?? {}
      if (!tasks) return task
      const nameOf = (id: string) => `${task.id}.${id}`
      const renamed = tasks.map((one) => ({ ...one, id: nameOf(one.id), upstream: one.upstream.map(nameOf) }))
      return { ...task, outcomes: ['success'], child: { tasks: renamed, wait } }
    }),
  )

test('random dags that start runs end as in the reference interpreter; a clear starts new runs', async () => {
  const runners: TestRunner[] = []
  await notify(database, runners)
  const execution = async (model: readonly ModelTask[], cleared: number, slots: number) => {
    const starts: Starts = {}
    const children: Dag[] = []
    const defined = dagOf(model, (one) => drawnEnd(one, starts), children)
    const all = [defined, ...children]
    const own = await openTestRunner(database, all, { slots })
    runners.splice(0, 1, own)
    await own.runner.claim({ dagIds: all.map(({ id }) => id), onlyBegun: false })
    const { run } = await own.runner.run(defined, { logicalDate: new Date() })
    /** The state of the run, and those of its tasks and of the tasks in the newest run of each child. */
    const ended = async () => {
      await own.runner.idle()
      await own.runner.drained()
      const newest = (await Promise.all(children.map(({ id }) => listRuns(own.metadata, id, 1)))).flat()
      const parent = await stored(own.metadata, defined.id, run.runId)
      const runs = await Promise.all(newest.map((one) => stored(own.metadata, one.dag_id, one.run_id)))
      return { states: Object.assign({}, ...[parent, ...runs].map(statesOf)), starts, run: parent.state }
    }
    const expected = interpret(model)
    expect(await ended()).toEqual(expected)
    const id = `t${cleared % model.length}`
    await clear(own.metadata, { dagId: defined.id, runId: run.runId }, { taskIds: [id], downstream: true })
    own.runner.runsWaiting()
    const again = new Set([id, ...after(id, model).map((one) => one.id)])
    const kept = Object.fromEntries(Object.entries(expected.states).filter(([one]) => !again.has(one)))
    expect(await ended()).toEqual(interpret(model, { ...expected.starts }, kept))
  }
  await fc.assert(fc.asyncProperty(starting, fc.nat(), fc.constantFrom(1, 3, 16), execution), { numRuns: 60 })
})

/** Random dags some of whose tasks depend on the past, and the order in which the runs of three days are queued. */
const ordered = fc.record({
  model: fc
    .tuple(models, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }))
    .map(([model, past]) => model.map((task, index): ModelTask => ({ ...task, dependsOnPast: past[index] === true }))),
  days: fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
  maxActiveRuns: fc.constantFrom(1, 2, 3),
  slots: fc.constantFrom(1, 3, 16),
  cleared: fc.nat(2),
})

const ofDay = (one: ModelTask, day: number): ModelTask => ({ ...one, outcomes: outcomesOf(one, day) })

/** The runs of some days, the oldest first: at most `most` of them are active. `kept`: the states before a clear. */
function interpretDays(model: readonly ModelTask[], most: number, before: readonly Starts[], kept: readonly States[]) {
  const results: ModelResult[] = []
  for (const [day, starts] of before.entries()) {
    const tasks = model.map((one) => ofDay(one, day))
    const isFull = results.filter(({ run }) => run === 'running').length === most
    const result = interpret(tasks, { ...starts }, kept[day], results.at(-1)?.states)
    const waiting = { states: Object.fromEntries(model.map(({ id }) => [id, 'none' as const])), starts: {} }
    results.push(isFull && result.states !== kept[day] ? { ...waiting, run: 'queued' } : result)
  }
  return results
}

test('runs with tasks that depend on the past end or wait as in the reference interpreter, also after a clear', async () => {
  const runners: TestRunner[] = []
  await notify(database, runners)
  await fc.assert(
    fc.asyncProperty(ordered, async ({ model, days, maxActiveRuns, slots, cleared }) => {
      const starts: Starts[] = [{}, {}, {}]
      const runOf = (one: ModelTask) => (context: Parameters<Run>[0]) => {
        const day = context.logicalDate.getUTCDate() - 1
        return drawnEnd(ofDay(one, day), starts[day] ?? {})(context)
      }
      const defined = dagOf(model, runOf, [], { schedule: '@daily', maxActiveRuns })
      const own = await openTestRunner(database, [defined], { slots })
      runners.splice(0, 1, own)
      const version = await registerDag(own.metadata, defined)
      const runs = [1, 2, 3].map((day) =>
        newDagRun(defined.id, version, { runType: 'scheduled', logicalDate: new Date(Date.UTC(2026, 0, day)) }),
      )
      const found = async () =>
        await Promise.all(
          runs.map(async ({ runId }, day) => {
            const run = await stored(own.metadata, defined.id, runId)
            return { states: statesOf(run), starts: starts[day], run: run.state }
          }),
        )
      const expectEnd = async (expected: readonly ModelResult[]) => {
        const isReached = async () => {
          own.runner.slotsFreed()
          return isDeepStrictEqual(await found(), expected)
        }
        await until(isReached).catch(() => {})
        expect(await found()).toEqual(expected)
      }
      await insertRuns(
        own.metadata,
        null,
        days.flatMap((day) => runs[day] ?? []),
      )
      await own.runner.claim({ dagIds: [defined.id], onlyBegun: false })
      const first = interpretDays(
        model,
        maxActiveRuns,
        starts.map(() => ({})),
        [],
      )
      await expectEnd(first)
      await clear(own.metadata, { dagId: defined.id, runId: runs[cleared]?.runId ?? '' }, {})
      const kept = first.map(({ states }, day) => (day === cleared ? {} : states))
      const again = interpretDays(
        model,
        maxActiveRuns,
        first.map((one) => one.starts),
        kept,
      )
      await expectEnd(again)
      await own.runner.release(0, 'the test has ended', 0)
      expect(starts).toEqual(again.map((one) => one.starts))
    }),
    { numRuns: 60, endOnFailure: true },
  )
})
