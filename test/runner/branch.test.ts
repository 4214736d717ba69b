import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { dag } from '../../src/dag/dag.ts'
import { skip } from '../../src/dag/ending.ts'
import { clear, mark } from '../../src/operations/operate.ts'
import { useDatabase } from '../support/database.ts'
import { openTestRunner, statesOf, stored, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()
const run = () => {}

/** `choose` selects `eu` or `us`; `join` follows both. */
function branching(choose: () => 'eu' | 'us' | readonly ('eu' | 'us')[]) {
  return dag(uniqueId('branch'), {}, ({ task }) => {
    const first = task('first', { output: z.number(), run: () => 7 })
    const eu = task('load_eu', { run })
    const us = task('load_us', { upstream: { first }, run })
    task.branch('choose', { upstream: { first }, options: { eu: [eu], us: [us] }, run: choose })
    task('join', { upstream: { eu, us }, triggerRule: 'none_failed_min_one_success', run })
  })
}

describe('a branch', () => {
  test('runs the tasks of the option that it returns, and skips the others with the reason', async () => {
    const own = await openTestRunner(database, [])
    const ended = await own.run(branching(() => 'eu'))
    expect(ended).toMatchObject({ state: 'success' })
    expect(statesOf(ended)).toEqual({
      first: 'success',
      choose: 'success',
      load_eu: 'success',
      load_us: 'skipped',
      join: 'success',
    })
    expect(ended.task_instances.find(({ task_id }) => task_id === 'load_us')?.reason).toBe('choose chose eu')
  })

  test('may choose several options, or none', async () => {
    const own = await openTestRunner(database, [])
    expect(statesOf(await own.run(branching(() => ['eu', 'us'])))).toMatchObject({
      load_eu: 'success',
      load_us: 'success',
    })
    const none = await own.run(branching(() => []))
    expect(statesOf(none)).toMatchObject({ load_eu: 'skipped', load_us: 'skipped', join: 'skipped' })
  })

  test('fails for a word that is not one of its options; its options cannot run', async () => {
    const own = await openTestRunner(database, [])
    const ended = await own.run(branching(() => 'fr' as 'eu'))
    expect(ended).toMatchObject({
      state: 'failed',
      reason: "choose failed: it chose 'fr', which is not one of its options: eu, us",
    })
    expect(statesOf(ended)).toMatchObject({ load_eu: 'upstream_failed', load_us: 'upstream_failed' })
  })

  test('stays as it chose if only another upstream of the option is cleared', async () => {
    const defined = branching(() => 'eu')
    const own = await openTestRunner(database, [defined])
    const { run_id: runId } = await own.run(defined)
    const key = { dagId: defined.id, runId }
    await own.runner.claim({ dagIds: [defined.id], onlyBegun: false })
    const cleared = await clear(own.metadata, key, { taskIds: ['first'] })
    expect(cleared.taskIds).toContain('load_us')
    expect(cleared.taskIds).not.toContain('choose')
    own.runner.runsWaiting()
    await until(async () => (await stored(own.metadata, defined.id, runId)).state === 'success')
    expect(statesOf(await stored(own.metadata, defined.id, runId))).toMatchObject({
      load_eu: 'success',
      load_us: 'skipped',
    })
  })

  test('chooses anew after a clear of it, and as told after a mark', async () => {
    let option: 'eu' | 'us' = 'eu'
    const defined = branching(() => option)
    const own = await openTestRunner(database, [defined])
    const { run_id: runId } = await own.run(defined)
    const key = { dagId: defined.id, runId }
    await own.runner.claim({ dagIds: [defined.id], onlyBegun: false })
    const settled = async () => {
      own.runner.runsWaiting()
      await until(async () => (await stored(own.metadata, defined.id, runId)).state === 'success')
      return statesOf(await stored(own.metadata, defined.id, runId))
    }
    option = 'us'
    await clear(own.metadata, key, { taskIds: ['choose'], downstream: true })
    expect(await settled()).toMatchObject({ load_eu: 'skipped', load_us: 'success' })
    await mark(own.metadata, defined, runId, 'choose', 'success', ['eu'])
    expect(await settled()).toMatchObject({ load_eu: 'success' })
  })

  test('refuses at its definition an option that is no list, and a task that is not defined before it', () => {
    const define = (options: object) =>
      dag('d', {}, ({ task }) => task.branch('choose', { options: options as { a: [] }, run: () => 'a' }))
    expect(() => define({})).toThrow("branch 'choose' needs options")
    expect(() => define(undefined as never)).toThrow("branch 'choose' needs options")
    expect(() => define({ a: 7 })).toThrow("option 'a' of branch 'choose' must be a list of tasks")
    expect(() => define({ a: [{ id: 'x' }] })).toThrow("option 'a' of branch 'choose' has a task that is not defined")
  })
})

describe('skip.downstream', () => {
  test('skips all tasks downstream, whatever their trigger rule', async () => {
    const defined = dag(uniqueId('short'), {}, ({ task }) => {
      const check = task('check', {
        run: () => {
          throw skip.downstream('no new files')
        },
      })
      const next = task('next', { upstream: { check }, triggerRule: 'all_done', run })
      task('last', { upstream: { next }, triggerRule: 'all_done', run })
      task('beside', { run })
    })
    const own = await openTestRunner(database, [])
    const ended = await own.run(defined)
    expect(ended).toMatchObject({ state: 'success' })
    expect(statesOf(ended)).toEqual({ check: 'skipped', next: 'skipped', last: 'skipped', beside: 'success' })
    const last = ended.task_instances.find(({ task_id }) => task_id === 'last')
    expect(last?.reason).toBe('check skipped all downstream tasks: no new files')
  })
})

describe('a group', () => {
  test('refuses a second argument that is no function, or is async', () => {
    const define = (inner: unknown) => dag('d', {}, ({ group }) => group('g', inner as () => void))
    expect(() => define(undefined)).toThrow("group 'g' needs a function")
    expect(() => define(async () => {})).toThrow("the function of group 'g' must not be async")
  })

  test('prefixes ids, and is an upstream as a whole: its input has the outputs of its members', async () => {
    const seen: unknown[] = []
    const defined = dag(uniqueId('group'), {}, ({ task, group }) => {
      const clean = group('clean', ({ task, group }) => {
        const rows = task('rows', { output: z.number(), run: () => 3 })
        task('side', { upstream: { rows }, run })
        const inner = group('inner', ({ task }) => ({ names: task('names', { output: z.string(), run: () => 'a' }) }))
        return { rows, inner }
      })
      task('after', {
        upstream: { clean },
        run: ({ clean }) => {
          seen.push(clean.rows + 1, clean.inner.names.toUpperCase())
        },
      })
    })
    const own = await openTestRunner(database, [])
    const ended = await own.run(defined)
    expect(statesOf(ended)).toEqual({
      'clean.rows': 'success',
      'clean.side': 'success',
      'clean.inner.names': 'success',
      after: 'success',
    })
    expect(seen).toEqual([4, 'A'])
    const after = defined.graph.nodes.find(({ id }) => id === 'after')
    expect(Object.values(after?.upstream ?? {}).sort()).toEqual(['clean.inner.names', 'clean.rows', 'clean.side'])
    expect(defined.graph.nodes.map(({ group }) => group)).toEqual(['clean', 'clean', 'clean.inner', undefined])
  })
})
