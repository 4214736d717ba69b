import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { claimCallback } from '../../src/callbacks/claim.ts'
import { dag } from '../../src/dag/dag.ts'
import { fail, skip } from '../../src/dag/ending.ts'
import { cancel, clear, mark } from '../../src/operations/operate.ts'
import { setPool } from '../../src/operations/pools.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, openTestRunner, statesOf, stored, type TestRunner, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()

/** Executes all queued runs of these dags to their end. */
async function workOff({ runner }: TestRunner, dagId: string): Promise<void> {
  await runner.claim({ dagIds: [dagId], onlyBegun: false })
  await runner.idle()
  await runner.drained()
}

/** Tasks a → b → c, and d without an upstream task. `broken` names the task that fails. */
function fourTasks() {
  const state = { broken: 'b', ran: [] as string[] }
  const defined = dag(uniqueId('four'), {}, ({ task }) => {
    const run = (id: string) => () => {
      state.ran.push(id)
      if (state.broken === id) throw new Error(`${id} is broken`)
    }
    const a = task('a', { run: run('a') })
    const b = task('b', { upstream: { a }, run: run('b') })
    task('c', { upstream: { b }, run: run('c') })
    task('d', { run: run('d') })
  })
  return { defined, state }
}

describe('clear', () => {
  test('of failed tasks runs them and their downstream tasks again in place, and keeps the earlier tries', async () => {
    const { defined, state } = fourTasks()
    const own = await openTestRunner(database, [defined])
    const failed = await own.run(defined)
    expect(statesOf(failed)).toEqual({ a: 'success', b: 'failed', c: 'upstream_failed', d: 'success' })
    state.broken = ''
    state.ran.length = 0
    const key = { dagId: defined.id, runId: 'latest' }
    expect(await clear(own.metadata, key, { onlyFailed: true }, true)).toMatchObject({ taskIds: ['b', 'c'] })
    expect(statesOf(await stored(own.metadata, defined.id, failed.run_id)).b).toBe('failed')

    expect(await clear(own.metadata, key, { onlyFailed: true })).toEqual({ runId: failed.run_id, taskIds: ['b', 'c'] })
    expect(await stored(own.metadata, defined.id, failed.run_id)).toMatchObject({ state: 'queued', end_date: null })
    await workOff(own, defined.id)
    const cleared = await stored(own.metadata, defined.id, failed.run_id)
    expect(cleared).toMatchObject({ state: 'success', reason: null })
    expect(state.ran).toEqual(['b', 'c'])
    expect(cleared.task_instances.find(({ task_id }) => task_id === 'b')).toMatchObject({
      try_number: 2,
      state: 'success',
    })
    const { rows } = await own.metadata.query(
      `select t.try_number, t.state from metadata.task_try t join metadata.dag_run r using (dag_run_id)
       where r.run_id = $1 and t.task_id = 'b' order by 1`,
      [failed.run_id],
    )
    expect(rows).toEqual([
      { try_number: 1, state: 'failed' },
      { try_number: 2, state: 'success' },
    ])
  })

  test('of a failed task also resets the tasks that could not run because of it', async () => {
    const { defined, state } = fourTasks()
    const own = await openTestRunner(database, [defined])
    const { run_id: runId } = await own.run(defined)
    state.broken = ''
    const key = { dagId: defined.id, runId }
    expect(await clear(own.metadata, key, { taskIds: ['b'] }, true)).toMatchObject({ taskIds: ['b', 'c'] })
    expect(await clear(own.metadata, key, { taskIds: ['b'] })).toMatchObject({ taskIds: ['b', 'c'] })
    await workOff(own, defined.id)
    const cleared = await stored(own.metadata, defined.id, runId)
    expect(cleared).toMatchObject({ state: 'success', reason: null })
    expect(statesOf(cleared)).toEqual({ a: 'success', b: 'success', c: 'success', d: 'success' })
  })

  test('resets downstream tasks skipped by a rule or a cancel, not tasks that ran, skipped themselves or were marked', async () => {
    let broken = true
    const defined = dag(uniqueId('skipping'), {}, ({ task }) => {
      const run = () => {}
      const a = task('a', {
        run: () => {
          if (broken) throw skip('nothing yet')
        },
      })
      task('by_rule', { upstream: { a }, run })
      task('by_itself', { upstream: { a }, triggerRule: 'all_done', run: () => Promise.reject(skip('as told')) })
      task('ran', { upstream: { a }, triggerRule: 'all_done', run })
      task('marked', { upstream: { a }, run })
    })
    const own = await openTestRunner(database, [defined])
    const { run_id: runId } = await own.run(defined)
    await mark(own.metadata, defined, runId, 'marked', 'skipped')
    broken = false
    const key = { dagId: defined.id, runId }
    expect(await clear(own.metadata, key, { taskIds: ['a'] })).toMatchObject({ taskIds: ['a', 'by_rule'] })
    await cancel(own.metadata, key)
    expect(await clear(own.metadata, key, { taskIds: ['a'] })).toMatchObject({ taskIds: ['a', 'by_rule'] })
    await workOff(own, defined.id)
    const cleared = await stored(own.metadata, defined.id, runId)
    expect(statesOf(cleared)).toEqual({
      a: 'success',
      by_rule: 'success',
      by_itself: 'skipped',
      ran: 'success',
      marked: 'skipped',
    })
  })

  test('of a task resets tasks that a cancel skipped while they waited for a retry', async () => {
    const tries: number[] = []
    const defined = dag(uniqueId('retrying'), {}, ({ task }) => {
      const a = task('a', { run: () => {} })
      task('b', {
        upstream: { a },
        retries: 1,
        retryDelay: '1h',
        run: (_inputs, { tryNumber }) => {
          tries.push(tryNumber)
          if (tryNumber === 1) throw new Error('not yet')
        },
      })
    })
    const own = await openTestRunner(database, [defined])
    const { run } = await own.runner.run(defined, { logicalDate: new Date() })
    const key = { dagId: defined.id, runId: run.runId }
    const states = async () => statesOf(await stored(own.metadata, key.dagId, key.runId))
    await until(async () => (await states()).b === 'up_for_retry')
    await cancel(own.metadata, key)
    own.runner.runChanged(run.dagRunId)
    await own.runner.idle()
    expect(await clear(own.metadata, key, { taskIds: ['a'] })).toMatchObject({ taskIds: ['a', 'b'] })
    await workOff(own, defined.id)
    expect(await states()).toEqual({ a: 'success', b: 'success' })
    expect(tries).toEqual([1, 2])
  })

  test('of a task resets downstream tasks that are ready and wait for a slot', async () => {
    const gate = deferred()
    const pool = uniqueId('pool')
    const order: string[] = []
    const defined = dag(uniqueId('held'), {}, ({ task }) => {
      const a = task('a', {
        run: async (_inputs, { tryNumber }) => {
          order.push(`a${tryNumber}`)
          if (tryNumber > 1) await gate.promise
        },
      })
      task('b', { upstream: { a }, pool, run: () => order.push('b') })
    })
    const own = await openTestRunner(database, [defined])
    await setPool(own.metadata, pool, 0, null)
    const owned = await own.runner.run(defined, { logicalDate: new Date() })
    const states = async () => statesOf(await stored(own.metadata, defined.id, owned.run.runId))
    await until(async () => (await states()).b === 'scheduled')
    await clear(own.metadata, { dagId: defined.id, runId: 'latest' }, { taskIds: ['a'] })
    own.runner.runChanged(owned.run.dagRunId)
    await until(() => order.includes('a2'))
    await setPool(own.metadata, pool, 1, null)
    own.runner.slotsFreed()
    expect(await states()).toEqual({ a: 'running', b: 'none' })
    gate.resolve()
    await owned.finished
    expect(order).toEqual(['a1', 'a2', 'b'])
  })

  test("of a task with its downstream tasks during the run: rejects the running try's result and starts a new try", async () => {
    const gates = [deferred(), deferred()]
    const starts: number[] = []
    const aborted: unknown[] = []
    const defined = dag(uniqueId('live'), {}, ({ task }) => {
      const a = task('a', {
        run: async (_inputs, { tryNumber, signal }) => {
          starts.push(tryNumber)
          signal.addEventListener('abort', () => aborted.push(signal.reason.message))
          await gates[tryNumber - 1]?.promise
        },
      })
      task('b', { upstream: { a }, run: () => starts.push(100) })
    })
    const own = await openTestRunner(database, [defined])
    const run = await own.runner.run(defined, { logicalDate: new Date() })
    await clear(own.metadata, { dagId: defined.id, runId: 'latest' }, { taskIds: ['a'], downstream: true })
    own.runner.runChanged(run.run.dagRunId)
    await until(() => starts.includes(2))
    gates[0]?.resolve()
    gates[1]?.resolve()
    expect(await run.finished).toMatchObject({ state: 'success' })
    expect(starts).toEqual([1, 2, 100])
    expect(aborted).toHaveLength(1)
    expect((await stored(own.metadata, defined.id, run.run.runId)).task_instances[0]).toMatchObject({ try_number: 2 })
  })

  test('rejects an unknown run and an unknown task', async () => {
    const { defined } = fourTasks()
    const own = await openTestRunner(database, [defined])
    await own.run(defined)
    await expect(clear(own.metadata, { dagId: defined.id, runId: 'no' }, {})).rejects.toThrow("has no run 'no'")
    await expect(clear(own.metadata, { dagId: defined.id, runId: 'latest' }, { taskIds: ['x'] })).rejects.toThrow(
      "has no task 'x'",
    )
  })
})

describe('cancel', () => {
  test('aborts running tasks and skips the rest; the owner stops at once', async () => {
    const started = deferred()
    let reason: unknown
    const defined = dag(uniqueId('cancelled'), {}, ({ task }) => {
      const a = task('a', {
        retries: 3,
        run: (_inputs, { signal }) => {
          started.resolve()
          return new Promise((_, reject) =>
            signal.addEventListener('abort', () => {
              reason = signal.reason.message
              reject(signal.reason)
            }),
          )
        },
      })
      task('b', { upstream: { a }, run: () => {} })
    })
    const own = await openTestRunner(database, [defined])
    const run = await own.runner.run(defined, { logicalDate: new Date() })
    await started.promise
    expect(await cancel(own.metadata, { dagId: defined.id, runId: run.run.runId })).toMatchObject({
      taskIds: ['a', 'b'],
    })
    own.runner.runChanged(run.run.dagRunId)
    expect(await run.finished).toEqual({ state: 'failed', reason: 'cancelled' })
    expect(reason).toBe('cancelled')
    await own.runner.drained()
    expect(statesOf(await stored(own.metadata, defined.id, run.run.runId))).toEqual({ a: 'failed', b: 'skipped' })
    await expect(cancel(own.metadata, { dagId: defined.id, runId: 'latest' })).rejects.toThrow(
      'has ended already: failed',
    )
  })

  test('returns the tasks of a run that had not started, in order', async () => {
    const defined = dag(uniqueId('waits'), {}, ({ task }) => {
      const first = task('first_of_all', { run: () => {} })
      task('b', { upstream: { first }, run: () => {} })
    })
    const { metadata } = await openTestRunner(database, [])
    const { runId } = await enqueue(metadata, defined, { logicalDate: new Date() })
    expect(await cancel(metadata, { dagId: defined.id, runId })).toMatchObject({ taskIds: ['first_of_all', 'b'] })
  })
})

describe('mark', () => {
  test('success with the output that downstream tasks need; failed downstream tasks run again', async () => {
    const got: unknown[] = []
    const defined = dag(uniqueId('marked'), {}, ({ task }) => {
      const a = task('a', { output: z.object({ n: z.number() }), run: () => Promise.reject(new Error('no')) })
      task('b', { upstream: { a }, run: ({ a: value }) => got.push(value) })
    })
    const own = await openTestRunner(database, [defined])
    const { run_id: runId } = await own.run(defined)
    await expect(mark(own.metadata, defined, runId, 'a', 'success')).rejects.toThrow('give a value')
    await expect(mark(own.metadata, defined, runId, 'a', 'success', { n: 'x' })).rejects.toThrow(
      'does not match the output schema',
    )
    await mark(own.metadata, defined, runId, 'a', 'success', { n: 7 })
    await workOff(own, defined.id)
    expect(await stored(own.metadata, defined.id, runId)).toMatchObject({ state: 'success' })
    expect(got).toEqual([{ n: 7 }])
  })

  test('resets tasks that were skipped by their rule', async () => {
    const defined = dag(uniqueId('alarm'), {}, ({ task }) => {
      const a = task('a', { run: () => {} })
      task('alarm', { upstream: { a }, triggerRule: 'one_failed', run: () => {} })
    })
    const own = await openTestRunner(database, [defined])
    const { run_id: runId } = await own.run(defined)
    expect(await mark(own.metadata, defined, runId, 'a', 'failed')).toMatchObject({ taskIds: ['a', 'alarm'] })
    await workOff(own, defined.id)
    expect(statesOf(await stored(own.metadata, defined.id, runId))).toEqual({ a: 'failed', alarm: 'success' })
  })

  test('failed fails a successful run; skipped lets a run continue without a broken task', async () => {
    const { defined, state } = fourTasks()
    const own = await openTestRunner(database, [defined])
    const red = await own.run(defined)
    await mark(own.metadata, defined, red.run_id, 'b', 'skipped')
    await workOff(own, defined.id)
    expect(await stored(own.metadata, defined.id, red.run_id)).toMatchObject({ state: 'success' })
    state.broken = ''
    const green = await own.run(defined)
    await mark(own.metadata, defined, green.run_id, 'd', 'failed')
    await workOff(own, defined.id)
    expect(await stored(own.metadata, defined.id, green.run_id)).toMatchObject({
      state: 'failed',
      reason: 'd failed: marked failed',
    })
  })
})

describe('versions of a dag', () => {
  test('a run keeps the graph that it started with; a task that is no longer in the code fails', async () => {
    const id = uniqueId('versioned')
    const ran: string[] = []
    const before = dag(id, {}, ({ task }) => {
      const a = task('a', { run: () => ran.push('old a') })
      task('gone', { upstream: { a }, run: () => ran.push('gone') })
      task('b', { upstream: { a }, run: () => ran.push('old b') })
    })
    const after = dag(id, {}, ({ task }) => {
      task('a', { run: () => ran.push('new a') })
      task('b', { run: () => ran.push('new b') })
      task('added', { run: () => ran.push('added') })
    })
    const old = await openTestRunner(database, [before])
    const queued = await enqueue(old.metadata, before, { logicalDate: new Date() })
    const now = await openTestRunner(database, [after])
    await workOff(now, id)
    const run = await stored(now.metadata, id, queued.runId)
    expect(statesOf(run)).toEqual({ a: 'success', gone: 'failed', b: 'success' })
    expect(run.task_instances.find(({ task_id }) => task_id === 'gone')?.reason).toBe(
      `task 'gone' is no longer in the code of dag '${id}'`,
    )
    expect(ran).toEqual(['new a', 'new b'])
  })

  test('a clear with the current graph runs a renamed task and what waited for it, and keeps the row of the old one', async () => {
    const id = uniqueId('renamed')
    const ran: string[] = []
    const before = dag(id, {}, ({ task }) => {
      const a = task('a', { run: () => ran.push('a') })
      const old = task('old', { upstream: { a }, run: () => Promise.reject(new Error('a wrong name')) })
      task('last', { upstream: { old }, run: () => ran.push('last') })
    })
    const after = dag(id, {}, ({ task }) => {
      const a = task('a', { run: () => ran.push('a') })
      const fresh = task('fresh', { upstream: { a }, run: () => ran.push('fresh') })
      task('last', { upstream: { fresh }, run: () => ran.push('last') })
    })
    const { run_id: runId } = await (await openTestRunner(database, [before])).run(before)
    const own = await openTestRunner(database, [after])
    const key = { dagId: id, runId }
    const cleared = { runId, taskIds: ['fresh', 'last'] }
    expect(await clear(own.metadata, key, { onlyFailed: true }, true, after)).toEqual(cleared)
    expect(statesOf(await stored(own.metadata, id, runId)).fresh).toBe(undefined)
    expect(await clear(own.metadata, key, { onlyFailed: true }, false, after)).toEqual(cleared)
    await expect(clear(own.metadata, key, {}, false, before)).rejects.toThrow('can change after it has ended')
    await workOff(own, id)
    const run = await stored(own.metadata, id, runId)
    expect([run.state, run.reason, ran]).toEqual(['success', null, ['a', 'fresh', 'last']])
    expect(run.task_instances.map(({ task_id, state }) => [task_id, state])).toEqual([
      ['a', 'success'],
      ['fresh', 'success'],
      ['last', 'success'],
      ['old', 'failed'],
    ])
    expect(run.task_instances.at(-1)?.reason).toBe('no longer in the graph of this run: a wrong name')
    expect(await clear(own.metadata, key, { onlyFailed: true }, false, after)).toEqual({ runId, taskIds: [] })
  })

  test('a clear with the current graph lets a run succeed whose failed task was removed', async () => {
    const id = uniqueId('removed')
    const before = dag(id, {}, ({ task }) => {
      task('a', { run: () => {} })
      task('old', { run: () => Promise.reject(new Error('removed')) })
    })
    const after = dag(id, {}, ({ task }) => task('a', { run: () => {} }))
    const { run_id: runId } = await (await openTestRunner(database, [before])).run(before)
    const own = await openTestRunner(database, [after])
    expect(await clear(own.metadata, { dagId: id, runId }, { onlyFailed: true }, false, after)).toMatchObject({
      taskIds: [],
    })
    await workOff(own, id)
    expect(await stored(own.metadata, id, runId)).toMatchObject({ state: 'success', reason: null })
  })
})

describe('callbacks', () => {
  test('are called once for each end, with failed tasks and recovery, and cannot fail a run', async () => {
    const calls: unknown[] = []
    let broken = true
    const defined = dag(
      uniqueId('calling'),
      {
        onFailure: (end) => {
          calls.push(['failure', end.failed])
          throw new Error('the callback is broken too')
        },
        onSuccess: (end) => calls.push(['success', end.recovered]),
      },
      ({ task }) => {
        task('a', {
          run: () => {
            if (broken) throw new Error('as told')
          },
        })
      },
    )
    const own = await openTestRunner(database, [defined])
    expect(await own.run(defined)).toMatchObject({ state: 'failed' })
    broken = false
    await own.run(defined)
    await own.run(defined)
    expect(calls).toEqual([
      ['failure', [{ taskId: 'a', tryNumber: 1, reason: 'as told' }]],
      ['success', true],
      ['success', false],
    ])
  })

  test('are called only for a new end: not for a failed run that is marked and stays failed', async () => {
    const calls: string[] = []
    let broken = true
    const defined = dag(
      uniqueId('marked-thrice'),
      { onFailure: () => calls.push('failure'), onSuccess: () => calls.push('success') },
      ({ task }) => {
        const run = () => {
          if (broken) throw new Error('as told')
        }
        const a = task('a', { run })
        task('b', { upstream: { a }, run: () => {} })
        task('c', { run: () => {} })
      },
    )
    const own = await openTestRunner(database, [defined])
    const { run_id: runId } = await own.run(defined)
    const key = { dagId: defined.id, runId }
    const marked = async (taskId: string, state: 'success' | 'failed') => {
      await mark(own.metadata, defined, runId, taskId, state)
      await workOff(own, defined.id)
    }
    expect(calls).toEqual(['failure'])
    for (const taskId of ['c', 'b', 'a']) await marked(taskId, 'failed')
    expect(calls).toEqual(['failure'])

    await clear(own.metadata, key, { taskIds: ['a'] })
    await workOff(own, defined.id)
    expect(calls).toEqual(['failure', 'failure'])

    broken = false
    await marked('c', 'success')
    await clear(own.metadata, key, { taskIds: ['a'], downstream: true })
    await workOff(own, defined.id)
    expect(calls.slice(2)).toEqual(['success'])
    await marked('c', 'failed')
    await marked('a', 'failed')
    await marked('a', 'success')
    expect(calls.slice(3)).toEqual(['failure'])
    await marked('c', 'success')
    await marked('c', 'failed')
    expect(calls.slice(4)).toEqual(['success', 'failure'])
  })

  test('for a run that was cleared before the call, the callback is called when it ends again', async () => {
    const calls: string[] = []
    const defined = dag(uniqueId('early'), { onFailure: () => calls.push('failure') }, ({ task }) => {
      task('a', { run: () => Promise.reject(fail('as told')) })
    })
    const own = await openTestRunner(database, [defined], { onEnd: async () => {} })
    const { run_id: runId } = await own.run(defined)
    const { rows } = await own.metadata.query<{ id: number }>(
      'select dag_run_id as id from metadata.dag_run where run_id = $1',
      [runId],
    )
    await clear(own.metadata, { dagId: defined.id, runId }, {})
    expect(await claimCallback(own.metadata, rows[0]?.id ?? 0, 'failure')).toBeUndefined()
    const other = await openTestRunner(database, [defined])
    await workOff(other, defined.id)
    expect(calls).toEqual(['failure'])
  })
})
