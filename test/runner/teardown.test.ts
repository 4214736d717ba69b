import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { dag } from '../../src/dag/dag.ts'
import { fail, skip } from '../../src/dag/ending.ts'
import { cancel, clear } from '../../src/operations/operate.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, openTestRunner, statesOf, stored, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()
const nothing = () => {}

interface Parts {
  setup?: () => unknown
  work?: (signal: AbortSignal) => unknown
  teardown?: (cluster: string | undefined) => unknown
  failsRun?: boolean
  dagrunTimeout?: number
}

/** `create` and `drop` are setup and teardown; `load` and `report` use the cluster; `other` does not. */
function clustered({ setup = nothing, work = nothing, teardown = nothing, failsRun = false, dagrunTimeout }: Parts) {
  const id = uniqueId('teardown')
  const order: string[] = []
  const defined = dag(id, { ...(dagrunTimeout && { dagrunTimeout }) }, ({ task }) => {
    const create = task('create', {
      output: z.string(),
      run: () => {
        order.push('create')
        setup()
        return 'c7'
      },
    })
    const load = task('load', {
      upstream: { create },
      run: async (_, { signal }) => {
        order.push('load')
        await work(signal)
      },
    })
    task('drop', {
      teardown: create,
      upstream: { create },
      failsRun,
      run: async (inputs) => {
        order.push('drop')
        await teardown(inputs.create)
      },
    })
    task('report', { upstream: { load }, run: () => void order.push('report') })
    task('other', { run: nothing })
  })
  return { defined, order }
}

const untilAborted = (signal: AbortSignal) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

async function ran(parts: Parts) {
  const { defined, order } = clustered(parts)
  const own = await openTestRunner(database, [defined])
  return { own, defined, order, ended: await own.run(defined) }
}

/** A run whose task `load` works until it is aborted. */
async function atWork(parts: Omit<Parts, 'work'>) {
  const working = deferred()
  const work = (signal: AbortSignal) => {
    working.resolve()
    return untilAborted(signal)
  }
  const { defined, order } = clustered({ ...parts, work })
  const own = await openTestRunner(database, [defined])
  const { run, finished } = await own.runner.run(defined, { logicalDate: new Date() })
  await working.promise
  const key = { dagId: defined.id, runId: run.runId }
  const cancelled = async () => {
    const { taskIds } = await cancel(own.metadata, key)
    own.runner.runChanged(run.dagRunId)
    return taskIds
  }
  return { own, defined, order, finished, key, cancelled, now: () => stored(own.metadata, key.dagId, key.runId) }
}

describe('a teardown', () => {
  test('runs after everything that depends on its setup has ended, and gets its output', async () => {
    let seen: unknown
    const { ended, order } = await ran({ teardown: (cluster) => (seen = cluster) })
    expect(ended).toMatchObject({ state: 'success' })
    expect(order).toEqual(['create', 'load', 'report', 'drop'])
    expect(seen).toBe('c7')
  })

  test('runs if a task in between failed; the run fails because of that task', async () => {
    const { ended } = await ran({ work: () => Promise.reject(fail('disk full')) })
    expect(ended).toMatchObject({ state: 'failed', reason: 'load failed: disk full' })
    expect(statesOf(ended)).toEqual({
      create: 'success',
      load: 'failed',
      report: 'upstream_failed',
      drop: 'success',
      other: 'success',
    })
  })

  test('is skipped if its setup failed', async () => {
    const { ended } = await ran({
      setup: () => {
        throw fail('no quota')
      },
    })
    expect(ended).toMatchObject({ state: 'failed', reason: 'create failed: no quota' })
    expect(ended.task_instances.find(({ task_id }) => task_id === 'drop')).toMatchObject({
      state: 'skipped',
      reason: 'its setup create did not succeed',
    })
  })

  test('is not skipped by a short circuit of a task in between', async () => {
    const { ended } = await ran({ work: () => Promise.reject(skip.downstream('no files')) })
    expect(ended.state).toBe('success')
    expect(statesOf(ended)).toMatchObject({ load: 'skipped', report: 'skipped', drop: 'success' })
  })

  test('may fail without failing the run, unless it asks for that', async () => {
    const broken = () => Promise.reject(fail('stuck'))
    const { ended: kept } = await ran({ teardown: broken })
    expect(kept).toMatchObject({ state: 'success', reason: null })
    expect(statesOf(kept)).toMatchObject({ drop: 'failed' })
    const { ended: failed } = await ran({ teardown: broken, failsRun: true })
    expect(failed).toMatchObject({ state: 'failed', reason: 'drop failed: stuck' })
  })

  test('of an inner setup runs before the teardown of the outer one', async () => {
    const own = await openTestRunner(database, [])
    const order: string[] = []
    const step = (id: string) => () => void order.push(id)
    const nested = dag(uniqueId('teardown'), {}, ({ task }) => {
      const outer = task('outer', { run: step('outer') })
      task('drop_outer', { teardown: outer, run: step('drop_outer') })
      const inner = task('inner', { upstream: { outer }, run: step('inner') })
      task('drop_inner', { teardown: inner, run: step('drop_inner') })
      task('work', { upstream: { inner }, run: step('work') })
    })
    expect(await own.run(nested)).toMatchObject({ state: 'success' })
    expect(order).toEqual(['outer', 'inner', 'work', 'drop_inner', 'drop_outer'])
  })
})

describe('a run with a teardown that is stopped', () => {
  test('by a cancel tears down first, then fails', async () => {
    const dropping = deferred()
    const { order, finished, cancelled, now } = await atWork({ teardown: () => dropping.promise })
    expect(await cancelled()).toEqual(['load', 'report'])
    await until(async () => order.includes('drop'))
    expect(await now()).toMatchObject({ state: 'running' })
    dropping.resolve()
    expect(await finished).toEqual({ state: 'failed', reason: 'load failed: cancelled' })
    expect(statesOf(await now())).toMatchObject({ load: 'failed', report: 'skipped', drop: 'success' })
  })

  test('by a second cancel does not wait for the teardown', async () => {
    const { order, finished, cancelled } = await atWork({ teardown: () => new Promise(() => {}) })
    await cancelled()
    await until(async () => order.includes('drop'))
    expect(await cancelled()).toEqual(['drop'])
    expect(await finished).toMatchObject({ state: 'failed' })
  })

  test('by its timeout tears down first, then fails; its other tasks are aborted', async () => {
    const { ended } = await ran({ work: untilAborted, dagrunTimeout: 300 })
    expect(ended.state).toBe('failed')
    expect(ended.reason).toMatch(/^load failed: the run took longer than its dagrun timeout/)
    expect(statesOf(ended)).toMatchObject({ load: 'failed', report: 'upstream_failed', drop: 'success' })
  })

  test('goes on with its teardown in the next process, if its owner ends in between', async () => {
    const { own, defined, order, finished, key, now } = await atWork({})
    own.runner.release(0, 'shutdown', 0).catch(() => {})
    await finished
    await cancel(own.metadata, key)
    expect(await now()).toMatchObject({ state: 'queued' })
    const next = await openTestRunner(database, [defined])
    await next.runner.claim({ dagIds: [defined.id], onlyBegun: false })
    await until(async () => (await now()).state === 'failed')
    expect(await now()).toMatchObject({ reason: 'cancelled' })
    expect(order.at(-1)).toBe('drop')
  })
})

describe('a clear', () => {
  test('of a task whose setup was torn down also runs the setup and the teardown again', async () => {
    const { own, defined, order, ended } = await ran({})
    const runId = ended.run_id
    await own.runner.claim({ dagIds: [defined.id], onlyBegun: false })
    const key = { dagId: defined.id, runId }
    expect((await clear(own.metadata, key, { taskIds: ['report'] })).taskIds).toEqual(['create', 'report', 'drop'])
    own.runner.runsWaiting()
    await until(async () => (await stored(own.metadata, defined.id, runId)).state === 'success')
    expect(order).toEqual(['create', 'load', 'report', 'drop', 'create', 'report', 'drop'])
    expect((await clear(own.metadata, key, { taskIds: ['other'] })).taskIds).toEqual(['other'])
  })
})

test('a teardown is refused with a trigger rule, or if its setup is not a task of the dag', () => {
  const other = dag('other', {}, ({ task }) => void task('a', { run: nothing }))
  const define = (options: object) => () =>
    dag('d', {}, ({ task }) => {
      const setup = task('setup', { run: nothing })
      task('drop', { teardown: setup, run: nothing, ...options } as never)
    })
  expect(define({ triggerRule: 'all_success' })).toThrow("teardown 'drop' cannot have a triggerRule")
  expect(define({ teardown: other.tasks.get('a') })).toThrow("teardown 'drop' needs a setup that is a task of this dag")
  expect(define({ teardown: 'setup' })).toThrow("teardown of 'drop' must be a task that is defined before it")
})

test('types: the inputs of a teardown may be missing, and it takes no trigger rule', () => {
  dag('d', {}, ({ task }) => {
    const setup = task('setup', { output: z.string(), run: () => 'c7' })
    // @ts-expect-error the input may be undefined
    task('drop', { teardown: setup, upstream: { setup }, run: ({ setup }) => setup.length })
    // @ts-expect-error only a teardown can fail without failing its run
    const wrong = () => task('late', { failsRun: true, run: nothing })
    // @ts-expect-error a trigger rule
    const ruled = () => task('ruled', { teardown: setup, triggerRule: 'all_done', run: nothing })
    return [wrong, ruled]
  })
})
