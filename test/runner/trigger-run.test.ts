import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { dag } from '../../src/dag/dag.ts'
import { skip } from '../../src/dag/ending.ts'
import { readOutput } from '../../src/metadata/task-instances.ts'
import { MOST_LEVELS } from '../../src/operations/child-runs.ts'
import { cancel, clear, mark } from '../../src/operations/operate.ts'
import { Orphans } from '../../src/operations/orphans.ts'
import { useDatabase } from '../support/database.ts'
import {
  deferred,
  notify,
  openTestRunner,
  silent,
  stored,
  type TestRunner,
  testResources,
  uniqueId,
  until,
} from '../support/runner.ts'

const database = useDatabase()

/** A dag with one task, and a gate at which it waits. */
function aChild(run: () => unknown = () => {}) {
  return dag(uniqueId('child'), { params: z.object({ day: z.string().default('') }) }, ({ task }) => {
    task('work', {
      output: z.object({ rows: z.number() }).nullable(),
      run: async () => ((await run()) ?? null) as never,
    })
  })
}

async function open(dags: Parameters<typeof openTestRunner>[1], options = {}): Promise<TestRunner> {
  const own = await openTestRunner(database, dags, options)
  await notify(database, [own])
  await own.runner.claim({ dagIds: dags.map(({ id }) => id), onlyBegun: false })
  return own
}

interface Row {
  run_id: string
  state: string
  conf: object
  reason: string | null
}

async function childrenOf({ metadata }: TestRunner, dagId: string): Promise<Row[]> {
  const text = 'select run_id, state, conf, reason from metadata.dag_run where dag_id = $1 order by dag_run_id'
  return (await metadata.query<Row>(text, [dagId])).rows
}

async function begin(own: TestRunner, parent: Parameters<TestRunner['run']>[0]) {
  return await own.runner.run(parent, { logicalDate: new Date('2026-01-01T00:00:00Z') })
}

describe('task.triggerRun', () => {
  test('starts a run with the params that conf returns, and does not wait for it', async () => {
    const gate = deferred()
    const child = aChild(() => gate.promise)
    const parent = dag(uniqueId('parent'), {}, ({ task }) => {
      const day = task('day', { output: z.string(), run: () => 'monday' })
      task.triggerRun('load', { dag: child, upstream: { day }, conf: ({ day }) => ({ day }) })
    })
    const own = await open([child, parent])
    const ended = await own.run(parent, { logicalDate: new Date('2026-01-01T00:00:00Z') })
    expect(ended).toMatchObject({ state: 'success', task_instances: [{}, { state: 'success', try_number: 1 }] })
    const [one] = await childrenOf(own, child.id)
    expect(one).toMatchObject({ conf: { day: 'monday' } })
    expect(await stored(own.metadata, child.id, one?.run_id ?? '')).toMatchObject({
      run_type: 'manual',
      logical_date: new Date('2026-01-01T00:00:00Z'),
    })
    gate.resolve()
    await until(async () => (await childrenOf(own, child.id))[0]?.state === 'success')
  })

  test('with wait it holds no slot, wakes at the end of the run, and returns the output of a task', async () => {
    const [gate, schema] = [deferred(), z.object({ rows: z.number() }).nullable()]
    const child = aChild(async () => {
      await gate.promise
      return { rows: 7 }
    })
    const seen: unknown[] = []
    const parent = dag(uniqueId('parent'), {}, ({ task }) => {
      const load = task.triggerRun('load', { dag: child.id, wait: true, output: { task: 'work', schema } })
      task('after', { upstream: { load }, run: ({ load }) => seen.push(load.output?.rows, load.state) })
    })
    const own = await open([child, parent], { slots: 1 })
    const owned = await begin(own, parent)
    await until(async () => (await childrenOf(own, child.id))[0]?.state === 'running')
    const waits = async () => (await stored(own.metadata, parent.id, owned.run.runId)).task_instances[0]
    await until(async () => (await waits())?.state === 'up_for_reschedule')
    const begunAt = Date.now()
    gate.resolve()
    await owned.finished
    // Without the notification, the next check is after 60 s.
    expect(Date.now() - begunAt).toBeLessThan(30_000)
    expect(await waits()).toMatchObject({ state: 'success', try_number: 2 })
    expect(seen).toEqual([7, 'success'])
  })

  test('a run that ends before the parent has begun to wait wakes it too', async () => {
    const child = aChild()
    const parents = Array.from({ length: 10 }, () =>
      dag(uniqueId('parent'), {}, ({ task }) => task.triggerRun('load', { dag: child, wait: true })),
    )
    const own = await open([child, ...parents], { slots: 8 })
    const begunAt = Date.now()
    await Promise.all(parents.map(async (parent) => (await begin(own, parent)).finished))
    expect(Date.now() - begunAt).toBeLessThan(30_000)
  })

  test('a retry finds the run that an earlier try started, and a clear starts another one', async () => {
    const child = aChild()
    const parent = dag(uniqueId('parent'), {}, ({ task }) => {
      task.triggerRun('load', { dag: child, retries: 1, retryDelay: 1 })
    })
    const resources = testResources(database, [child])
    const { childRun } = resources
    let tries = 0
    resources.childRun = async (attempt, conf) => {
      const value = await childRun(attempt, conf)
      if (++tries === 1) throw new Error('lost its answer')
      return value
    }
    const own = await open([child, parent], { resources })
    const ended = await own.run(parent)
    expect(ended).toMatchObject({ state: 'success', task_instances: [{ try_number: 2 }] })
    expect(await childrenOf(own, child.id)).toHaveLength(1)
    await clear(own.metadata, { dagId: parent.id, runId: ended.run_id }, {})
    await until(async () => (await childrenOf(own, child.id)).length === 2)
    await until(async () => (await stored(own.metadata, parent.id, ended.run_id)).state === 'success')
    const ids = (await childrenOf(own, child.id)).map(({ run_id }) => run_id)
    expect(ids[0]).toMatch(/^triggered__\d+_0_load$/)
    expect(ids[1]).toMatch(/^triggered__\d+_2_load$/)
  })

  test('fails without a retry if the run fails, and names the run and its reason', async () => {
    const child = aChild(() => Promise.reject(new Error('disk full')))
    const parent = dag(uniqueId('parent'), {}, ({ task }) => {
      task.triggerRun('load', { dag: child, wait: true, retries: 3 })
      const any = task.triggerRun('any', { dag: child, wait: true, allowedStates: ['success', 'failed'] })
      task('after', { upstream: { any }, output: z.string(), run: ({ any }) => any.state })
    })
    const own = await open([child, parent])
    const ended = await own.run(parent)
    const reason = expect.stringMatching(/^run triggered__\d+_0_load of dag '.*' ended failed: work failed: disk full$/)
    expect(ended.task_instances).toMatchObject([
      { state: 'failed', reason },
      { state: 'success' },
      { state: 'success' },
    ])
    const { rows } = await own.metadata.query<{ id: number }>(
      'select dag_run_id as id from metadata.dag_run where run_id = $1',
      [ended.run_id],
    )
    expect(await readOutput(own.metadata, rows[0]?.id ?? 0, 'after')).toBe('failed')
  })

  test.each([
    ['an unknown dag', { dag: 'nowhere' }, "there is no dag 'nowhere', or it could not be loaded"],
    ['a wrong param', { conf: () => ({ day: 5 }) }, 'what conf returned does not fit the params'],
    ['an unknown param', { conf: () => ({ date: '' }) }, 'has no param date; it has day'],
    ['no object', { conf: () => [] as never }, 'conf must return an object of params'],
    ['an unknown output', { wait: true, output: { task: 'no', schema: z.any() } }, "has no task 'no' with an output"],
  ] as const)('fails without a retry, and starts no run, for %s', async (_, options, message) => {
    const child = aChild()
    const parent = dag(uniqueId('parent'), {}, ({ task }) =>
      task.triggerRun('load', { dag: child, retries: 2, ...options } as never),
    )
    const own = await open([child, parent])
    const [one] = (await own.run(parent)).task_instances
    expect(one).toMatchObject({ state: 'failed', try_number: 1, reason: expect.stringContaining(message) })
    expect(await childrenOf(own, child.id)).toEqual([])
  })

  test('a dag cannot wait for its own run, and a cycle of dags ends at a limit', async () => {
    const id = uniqueId('self')
    const self = dag(id, { maxActiveRuns: 1 }, ({ task }) => task.triggerRun('again', { dag: id, wait: true }))
    const loop = uniqueId('loop')
    const other = dag(`${loop}-b`, {}, ({ task }) => task.triggerRun('again', { dag: loop }))
    const endless = dag(loop, {}, ({ task }) => task.triggerRun('again', { dag: other }))
    const own = await open([self, endless, other])
    expect(await own.run(self)).toMatchObject({ reason: expect.stringContaining(`from its own: ${id} → ${id}`) })
    await own.run(endless)
    const last = async () => (await childrenOf(own, other.id)).at(-1)
    await until(async () => (await last())?.state === 'failed')
    expect((await last())?.reason).toContain(`${MOST_LEVELS} levels below the first one`)
    const runs = [...(await childrenOf(own, loop)), ...(await childrenOf(own, other.id))]
    expect(runs).toHaveLength(MOST_LEVELS)
  })

  test('cancelled runs wake the parent, and a marked task lets it go on', async () => {
    const gate = deferred()
    const child = aChild(() => gate.promise)
    const parent = dag(uniqueId('parent'), {}, ({ task }) => task.triggerRun('load', { dag: child, wait: true }))
    const own = await open([child, parent])
    const owned = await begin(own, parent)
    await until(async () => (await childrenOf(own, child.id))[0]?.state === 'running')
    const runId = (await childrenOf(own, child.id))[0]?.run_id ?? ''
    await cancel(own.metadata, { dagId: child.id, runId })
    expect(await owned.finished).toMatchObject({ reason: expect.stringContaining('ended failed: cancelled') })
    gate.resolve()
    const second = await begin(own, parent)
    await until(async () => (await childrenOf(own, child.id)).length === 2)
    const marking = mark(own.metadata, parent, second.run.runId, 'load', 'success', { state: 'success', runId: 'mine' })
    await marking
    expect(await second.finished).toMatchObject({ state: 'success' })
  })

  test.each([true, false])(
    'a cancelled parent cancels the unfinished runs that it started: cancelChildren %s',
    async (cancelChildren) => {
      const gate = deferred()
      const child = aChild(() => gate.promise)
      const parent = dag(uniqueId('parent'), {}, ({ task }) => {
        task.triggerRun('load', { dag: child, cancelChildren })
        task.triggerRun('wait', { dag: child, cancelChildren, wait: true })
      })
      const own = await open([child, parent])
      const owned = await begin(own, parent)
      await until(async () => (await childrenOf(own, child.id)).length === 2)
      await cancel(own.metadata, { dagId: parent.id, runId: owned.run.runId })
      await owned.finished
      const cancelling = dag('c', {}, ({ task }) => task.triggerRun('x', { dag: 'y', cancelChildren: true }))
      const orphans = new Orphans({ db: own.metadata, log: silent, dags: [cancelling] })
      await orphans.look('failed')
      await orphans.look('failed')
      const states = (await childrenOf(own, child.id)).map(({ reason }) => reason)
      const reason = `cancelled with ${parent.id} ${owned.run.runId}, which started it`
      const why = expect.stringContaining(reason)
      expect(states).toEqual(cancelChildren ? [why, why] : [null, null])
      gate.resolve()
    },
  )

  test('a parent that runs out of time cancels them too, one that fails does not', async () => {
    const gate = deferred()
    const child = aChild(() => gate.promise)
    const late = dag(uniqueId('late'), { dagrunTimeout: '300ms' }, ({ task }) => {
      task.triggerRun('wait', { dag: child, cancelChildren: true, wait: true })
    })
    const failing = dag(uniqueId('failing'), {}, ({ task }) => {
      const load = task.triggerRun('load', { dag: child, cancelChildren: true })
      task('fails', { upstream: { load }, run: () => Promise.reject(new Error('no')) })
    })
    const own = await open([child, late, failing])
    await Promise.all([own.run(late), own.run(failing)])
    await new Orphans({ db: own.metadata, log: silent, dags: [late] }).look('failed')
    const reasons = (await childrenOf(own, child.id)).map(({ reason }) => reason?.slice(0, 14) ?? null)
    expect(reasons.sort()).toEqual(['cancelled with', null])
    gate.resolve()
  })

  test('a skipped task has no output, and the parent goes on', async () => {
    const child = aChild(() => Promise.reject(skip('nothing')))
    const seen: unknown[] = []
    const parent = dag(uniqueId('parent'), {}, ({ task }) => {
      const output = { task: 'work', schema: z.object({ rows: z.number() }) }
      const load = task.triggerRun('load', { dag: child, wait: true, output })
      task('after', { upstream: { load }, run: ({ load }) => seen.push(load.output) })
    })
    const own = await open([child, parent])
    expect(await own.run(parent)).toMatchObject({ state: 'success' })
    expect(seen).toEqual([undefined])
  })

  test('refuses wrong options at its definition', () => {
    const define = (options: object) => dag('d', {}, ({ task }) => task.triggerRun('t', options as never))
    expect(() => define({})).toThrow("dag of 't' must be a dag or the id of a dag")
    expect(() => define({ dag: 'b', output: { task: 'x', schema: z.any() } })).toThrow("output of 't' needs wait: true")
    expect(() => define({ dag: 'b', allowedStates: ['running'] })).toThrow('one of success, failed')
    expect(() => define({ dag: 'b', params: {} })).toThrow("'params' of 't' is not an option")
  })
})
