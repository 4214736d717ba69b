import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { dag } from '../../src/dag/dag.ts'
import { cancel, clear, mark } from '../../src/operations/operate.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, openTestRunner, statesOf, stored, type TestRunner, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()

/** Takes up whatever is queued for these dags, to its end. */
async function workOff({ runner }: TestRunner, dagId: string): Promise<void> {
  await runner.claim({ dagIds: [dagId], onlyBegun: false })
  await runner.idle()
  await runner.drained()
}

/** a → b → c, d beside them; `broken` names the one that fails. */
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
  test('of what failed runs it and what hung on it again, in place, keeping the earlier tries', async () => {
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

  test('of a task with its downstream, while the run goes on: the running try is refused, a new one starts', async () => {
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

  test('says what is wrong: no such run, no such task', async () => {
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
  test('aborts what runs and skips the rest; the owner gives up at once', async () => {
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

  test('names the tasks of a run that had not begun in their order', async () => {
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
  test('success with the value its downstream needs; what failed after it runs again', async () => {
    const got: unknown[] = []
    const defined = dag(uniqueId('marked'), {}, ({ task }) => {
      const a = task('a', { output: z.object({ n: z.number() }), run: () => Promise.reject(new Error('no')) })
      task('b', { upstream: { a }, run: ({ a: value }) => got.push(value) })
    })
    const own = await openTestRunner(database, [defined])
    const { run_id: runId } = await own.run(defined)
    await expect(mark(own.metadata, defined, runId, 'a', 'success')).rejects.toThrow('give a value')
    await expect(mark(own.metadata, defined, runId, 'a', 'success', { n: 'x' })).rejects.toThrow(
      'does not fit the output',
    )
    await mark(own.metadata, defined, runId, 'a', 'success', { n: 7 })
    await workOff(own, defined.id)
    expect(await stored(own.metadata, defined.id, runId)).toMatchObject({ state: 'success' })
    expect(got).toEqual([{ n: 7 }])
  })

  test('failed makes a green run red, skipped passes over a broken task', async () => {
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
  test('a run finishes by the graph it began with; a task that is gone from the code has failed', async () => {
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
})

describe('callbacks', () => {
  test('are called once an end, told what failed and what recovered, and cannot fail a run', async () => {
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
})
