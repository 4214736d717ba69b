import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { dag } from '../../src/dag/dag.ts'
import { fail, rescheduleAt, skip } from '../../src/dag/ending.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import type { RunChange } from '../../src/metadata/transitions.ts'
import { readLogs } from '../../src/operations/logs.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, openTestRunner, silent, statesOf, stored, uniqueId } from '../support/runner.ts'

const database = useDatabase()

const FAST = { retryDelay: '1ms' } as const

describe('a run', () => {
  test('runs its tasks in order, and passes decoded outputs downstream', async () => {
    const date = z.codec(z.iso.datetime(), z.date(), {
      decode: (text) => new Date(text),
      encode: (value) => value.toISOString(),
    })
    const seen: unknown[] = []
    const chain = dag(uniqueId('chain'), {}, ({ task }) => {
      const a = task('a', { output: z.object({ at: date }), run: () => ({ at: new Date(0) }) })
      const b = task('b', {
        upstream: { a },
        output: z.array(z.string()),
        run: (inputs) => [typeof inputs.a.at, 'ü😀'],
      })
      task('c', { upstream: { a, b }, run: (inputs) => seen.push(inputs) })
    })
    const { run } = await openTestRunner(database, [chain])
    const result = await run(chain)
    expect(result.state).toBe('success')
    expect(statesOf(result)).toEqual({ a: 'success', b: 'success', c: 'success' })
    expect(seen).toEqual([{ a: { at: new Date(0) }, b: ['object', 'ü😀'] }])
    expect(
      result.task_instances.every(({ start_date, end_date }) => start_date && end_date && start_date <= end_date),
    ).toBe(true)
  })

  test('of no tasks succeeds', async () => {
    const empty = dag(uniqueId('empty'), {}, () => {})
    const { run } = await openTestRunner(database, [empty])
    expect((await run(empty)).state).toBe('success')
  })

  test('fails if a task failed, although a later task succeeded', async () => {
    const red = dag(uniqueId('red'), {}, ({ task }) => {
      const a = task('a', { run: () => Promise.reject(new Error('broken pipe')) })
      const b = task('b', { upstream: { a }, run: () => {} })
      task('c', { upstream: { a, b }, triggerRule: 'all_done', run: () => {} })
    })
    const { run } = await openTestRunner(database, [red])
    const result = await run(red)
    expect(result).toMatchObject({ state: 'failed', reason: 'a failed: broken pipe' })
    expect(result.task_instances).toMatchObject([
      { task_id: 'a', state: 'failed', try_number: 1, reason: 'broken pipe' },
      { task_id: 'b', state: 'upstream_failed', try_number: 0, reason: 'a failed' },
      { task_id: 'c', state: 'success', try_number: 1 },
    ])
  })

  test('runs no more tasks at once than there are slots', async () => {
    let now = 0
    let most = 0
    const wide = dag(uniqueId('wide'), {}, ({ task }) => {
      for (let index = 0; index < 20; index++) {
        task(`t${index}`, {
          run: async () => {
            most = Math.max(most, ++now)
            await new Promise((resolve) => setImmediate(resolve))
            now--
          },
        })
      }
    })
    const { run } = await openTestRunner(database, [wide], { slots: 3 })
    expect((await run(wide)).state).toBe('success')
    expect(most).toBe(3)
  })

  test('starts higher priority first, then the order of the graph', async () => {
    const order: string[] = []
    const mixed = dag(uniqueId('mixed'), {}, ({ task }) => {
      for (const [id, priority] of [
        ['a', 0],
        ['b', 5],
        ['c', 0],
        ['d', 9],
      ] as const) {
        task(id, { priority, run: () => order.push(id) })
      }
    })
    const { run } = await openTestRunner(database, [mixed], { slots: 1 })
    await run(mixed)
    expect(order).toEqual(['d', 'b', 'a', 'c'])
  })
})

describe('a task ends', () => {
  test('failed after its retries, each try kept with its reason', async () => {
    let tries = 0
    const flaky = dag(uniqueId('flaky'), {}, ({ task }) => {
      task('a', { retries: 2, ...FAST, run: () => Promise.reject(new Error(`no ${++tries}`)) })
    })
    const { run, metadata } = await openTestRunner(database, [flaky])
    const result = await run(flaky)
    expect(tries).toBe(3)
    expect(result.task_instances[0]).toMatchObject({ state: 'failed', try_number: 3, reason: 'no 3' })
    const { rows } = await metadata.query(
      `select t.try_number, t.state, t.reason from metadata.task_try t join metadata.dag_run r using (dag_run_id)
       where r.run_id = $1 order by 1`,
      [result.run_id],
    )
    expect(rows).toEqual([1, 2, 3].map((n) => ({ try_number: n, state: 'failed', reason: `no ${n}` })))
  })

  test('successful when a retry is', async () => {
    let tries = 0
    const flaky = dag(uniqueId('flaky'), { defaultArgs: { retries: 3, ...FAST } }, ({ task }) => {
      task('a', {
        run: (_inputs, { tryNumber }) => {
          tries++
          if (tryNumber < 3) throw new Error('not yet')
        },
      })
    })
    const { run } = await openTestRunner(database, [flaky])
    expect((await run(flaky)).task_instances[0]).toMatchObject({ state: 'success', try_number: 3, reason: null })
    expect(tries).toBe(3)
  })

  test('failed at once by fail(), skipped by skip()', async () => {
    const endings = dag(uniqueId('endings'), { defaultArgs: { retries: 3, retryDelay: '1h' } }, ({ task }) => {
      task('a', {
        run: () => {
          throw fail('wrong address')
        },
      })
      const b = task('b', {
        run: () => {
          throw skip('nothing to do')
        },
      })
      task('c', { upstream: { b }, run: () => {} })
      task('d', { run: () => Promise.reject(new Error('mendable')) })
    })
    const { run } = await openTestRunner(database, [endings])
    expect((await run(endings, { retries: false })).task_instances).toMatchObject([
      { task_id: 'a', state: 'failed', try_number: 1, reason: 'wrong address' },
      { task_id: 'b', state: 'skipped', reason: 'nothing to do' },
      { task_id: 'd', state: 'failed', try_number: 1, reason: 'mendable' },
      { task_id: 'c', state: 'skipped', try_number: 0, reason: 'b was skipped' },
    ])
  })

  test('rescheduled: it releases its slot and uses up no retry', async () => {
    const order: string[] = []
    const waiting = dag(uniqueId('waiting'), {}, ({ task }) => {
      task('a', {
        run: (_inputs, { tryNumber, now }) => {
          order.push(`a${tryNumber}`)
          if (tryNumber === 1) throw rescheduleAt(new Date(now().getTime() + 50), 'not yet')
        },
      })
      task('b', { run: () => order.push('b') })
    })
    const { run } = await openTestRunner(database, [waiting], { slots: 1 })
    const result = await run(waiting)
    expect(order).toEqual(['a1', 'b', 'a2'])
    expect(result.task_instances[0]).toMatchObject({ state: 'success', try_number: 2 })
  })

  test('failed when it takes longer than its execution timeout; its signal aborts', async () => {
    let aborted: unknown
    const slow = dag(uniqueId('slow'), {}, ({ task }) => {
      task('a', {
        executionTimeout: 30,
        run: (_inputs, { signal }) =>
          new Promise((resolve) =>
            signal.addEventListener('abort', () => {
              aborted = signal.reason
              resolve('too late to count')
            }),
          ),
      })
    })
    const { run } = await openTestRunner(database, [slow])
    expect((await run(slow)).task_instances[0]).toMatchObject({
      state: 'failed',
      reason: 'took longer than its execution timeout of 30 ms',
    })
    expect(aborted).toMatchObject({ code: 'execution_timeout' })
  })

  test('normally under a time limit that is longer than a timer can wait', async () => {
    const patient = dag(uniqueId('patient'), {}, ({ task }) => {
      task('a', { executionTimeout: '30d', run: () => new Promise((resolve) => setTimeout(resolve, 20)) })
    })
    const { run } = await openTestRunner(database, [patient])
    expect(await run(patient)).toMatchObject({ state: 'success' })
  })

  const round = new Error('round and round')
  round.cause = round
  test.each([
    ['an error that is its own cause', round, 'round and round'],
    ['an object of no kind', Object.assign(Object.create(null), { code: 5 }), '[Object: null prototype] { code: 5 }'],
    ['an error whose message is none', Object.assign(new Error(), { message: 5 }), '5'],
  ])('failed by %s', async (_name, thrown, reason) => {
    const odd = dag(uniqueId('odd'), {}, ({ task }) => {
      task('a', {
        run: () => {
          throw thrown
        },
      })
    })
    const { run } = await openTestRunner(database, [odd])
    expect((await run(odd)).task_instances[0]).toMatchObject({ state: 'failed', reason })
  })

  test.each([
    ['of another shape', z.object({ n: z.number() }), { n: 'one' }, 'the output does not fit its schema at n:'],
    ['that JSON cannot carry', z.date(), new Date(0), 'the output cannot be read back from JSON; use a codec'],
    ['of over a megabyte', z.string(), 'x'.repeat(1_000_001), 'over the limit of 1000000'],
    ['of nothing', z.undefined(), undefined, 'the output is not JSON'],
  ])('failed with an output %s', async (_name, output, value, reason) => {
    const wrong = dag(uniqueId('wrong'), {}, ({ task }) => {
      task('a', { output: output as z.ZodType, run: () => value })
    })
    const { run } = await openTestRunner(database, [wrong])
    const [a] = (await run(wrong)).task_instances
    expect(a?.state).toBe('failed')
    expect(a?.reason).toContain(reason)
  })

  test('with texts that Postgres cannot store: NUL bytes and unpaired surrogates', async () => {
    const odd = dag(uniqueId('odd'), {}, ({ task }) => {
      const a = task('a', { output: z.string(), run: () => 'nul \u0000 lone \ud800' })
      task('b', {
        upstream: { a },
        run: (inputs, { log }) => {
          log.info(`\u0000${inputs.a}`, { deep: { odd: '\u0000\ud800' } })
          throw new Error('reason with \u0000')
        },
      })
    })
    const { run, metadata } = await openTestRunner(database, [odd])
    const result = await run(odd)
    expect(result.task_instances).toMatchObject([
      { state: 'success' },
      { state: 'failed', reason: 'reason with \ufffd' },
    ])
    const [line] = await readLogs(metadata, { dagId: odd.id, runId: 'latest' }, 'b')
    expect(line).toMatchObject({ message: '\ufffdnul \ufffd lone \ufffd', fields: { deep: { odd: '\ufffd\ufffd' } } })
  })

  test('with its log kept by try', async () => {
    const logging = dag(uniqueId('logging'), {}, ({ task }) => {
      task('a', {
        retries: 1,
        ...FAST,
        run: (_inputs, { log, tryNumber }) => {
          log.info(`try ${tryNumber}`, { tryNumber })
          log.warn('careful')
          if (tryNumber === 1) throw new Error('again')
        },
      })
    })
    const { run, metadata } = await openTestRunner(database, [logging])
    const { run_id: runId } = await run(logging)
    const lines = await readLogs(metadata, { dagId: logging.id, runId }, 'a')
    expect(lines.map(({ try_number, level, message }) => [try_number, level, message])).toEqual([
      [1, 'info', 'try 1'],
      [1, 'warn', 'careful'],
      [2, 'info', 'try 2'],
      [2, 'warn', 'careful'],
    ])
    expect(await readLogs(metadata, { dagId: logging.id, runId }, 'a', { tryNumber: 2 })).toHaveLength(2)
  })
})

test('an error in the display of a run is logged once each time, and affects neither run nor task', async () => {
  const errors: unknown[][] = []
  const log = Object.assign(Object.create(silent), { error: (...told: unknown[]) => errors.push(told) })
  const watched = dag(uniqueId('watched'), {}, ({ task }) => {
    const a = task('a', { run: (_inputs, { log }) => log.info('here') })
    task('b', { upstream: { a }, run: () => {} })
  })
  const broken = (what: string) => () => {
    throw new Error(`${what} is broken`)
  }
  const options = { log, onChange: broken('the screen'), onLog: broken('its log') }
  const { run } = await openTestRunner(database, [watched], options)
  const result = await run(watched)
  expect(result.task_instances).toMatchObject([
    { state: 'success', try_number: 1 },
    { state: 'success', try_number: 1 },
  ])
  const told = 'displaying the progress of a run failed; the run is not affected'
  // The log line, and two writes: the end of a with the start of b, the end of b with that of the run.
  expect(errors).toEqual([
    [{ err: new Error('its log is broken') }, told],
    [{ err: new Error('the screen is broken') }, told],
    [{ err: new Error('the screen is broken') }, told],
  ])
})

test('the end of a run is reported once, with the write that ends it', async () => {
  // b ends while the end of a is being written.
  const twoLeaves = dag(uniqueId('leaves'), {}, ({ task }) => {
    task('a', { run: () => {} })
    task('b', { run: () => new Promise((resolve) => setImmediate(resolve)) })
  })
  const ends: unknown[] = []
  const onChange = (_run: unknown, change: RunChange) => void ends.push(change.run?.state)
  const { run } = await openTestRunner(database, [twoLeaves], { onChange })
  await run(twoLeaves)
  expect(ends).toEqual([undefined, 'success'])
})

describe('ownership', () => {
  test('a process cannot write a run that another process has adopted', async () => {
    const gate = deferred()
    const started = deferred()
    const held = dag(uniqueId('held'), {}, ({ task }) => {
      const a = task('a', {
        run: () => {
          started.resolve()
          return gate.promise
        },
      })
      task('b', { upstream: { a }, run: () => {} })
    })
    const { runner, metadata } = await openTestRunner(database, [held])
    const other = await openTestRunner(database, [held])
    const owned = await runner.run(held, { logicalDate: new Date() })
    await started.promise
    await metadata.query('update metadata.dag_run set job_id = $2 where dag_run_id = $1', [
      owned.run.dagRunId,
      other.jobId,
    ])
    gate.resolve()
    await expect(owned.finished).rejects.toThrow('another process took it over')
    const { rows } = await metadata.query(
      'select task_id, state from metadata.task_instance where dag_run_id = $1 order by 1',
      [owned.run.dagRunId],
    )
    expect(rows).toEqual([
      { task_id: 'a', state: 'running' },
      { task_id: 'b', state: 'none' },
    ])
  })

  test('a run that a user changed is read again, and continues from the stored state', async () => {
    const gate = deferred()
    const started = deferred()
    const ran: string[] = []
    const changed = dag(uniqueId('changed'), {}, ({ task }) => {
      const a = task('a', {
        run: () => {
          started.resolve()
          return gate.promise
        },
      })
      const b = task('b', { upstream: { a }, run: () => ran.push('b') })
      task('c', { upstream: { a, b }, triggerRule: 'all_done', run: () => ran.push('c') })
    })
    const { runner, metadata } = await openTestRunner(database, [changed])
    const owned = await runner.run(changed, { logicalDate: new Date() })
    await started.promise
    await metadata.transaction(async (tx) => {
      await tx.query('update metadata.dag_run set version = version + 1 where dag_run_id = $1', [owned.run.dagRunId])
      await tx.query(
        `update metadata.task_instance set state = 'skipped', ended_at = now() where dag_run_id = $1 and task_id = 'b'`,
        [owned.run.dagRunId],
      )
    })
    gate.resolve()
    expect(await owned.finished).toMatchObject({ state: 'success' })
    expect(ran).toEqual(['c'])
  })

  test('the result of a task survives an outage that lasts longer than the wait for its end', async () => {
    onTestFinished(() => void vi.useRealTimers())
    const { metadata } = await openTestRunner(database, [])
    const one = dag(uniqueId('outlasting'), {}, ({ task }) => {
      task('a', { run: () => {} })
    })
    let away = true
    const query = async (statement: { name?: string }, values?: unknown[]) => {
      if (!away || !statement.name?.startsWith('write_changes')) return metadata.query(statement as never, values)
      away = false
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
      throw Object.assign(new Error('nothing listens there'), { code: 'ECONNREFUSED' })
    }
    const { run } = await openTestRunner(database, [one], { db: { ...metadata, query: query as never } })
    expect(statesOf(await run(one))).toEqual({ a: 'success' })
    expect(away).toBe(false)
  })

  test('a queued run is claimed once, however many processes try', async () => {
    let ran = 0
    const queued = dag(uniqueId('queued'), {}, ({ task }) => {
      task('a', { run: () => ++ran })
    })
    const runners = await Promise.all([1, 2, 3, 4].map(() => openTestRunner(database, [queued])))
    await enqueue(runners[0]?.metadata as Metadata, queued, { logicalDate: new Date() })
    await Promise.all(runners.map(({ runner }) => runner.claim({ dagIds: [queued.id], onlyBegun: false })))
    await Promise.all(runners.map(({ runner }) => runner.idle()))
    expect(ran).toBe(1)
  })

  test('a scheduled tick has one run', async () => {
    const ticking = dag(uniqueId('ticking'), {}, ({ task }) => {
      task('a', { run: () => {} })
    })
    const { metadata } = await openTestRunner(database, [ticking])
    const trigger = { runType: 'scheduled' as const, logicalDate: new Date(0) }
    const runs = await Promise.all([1, 2, 3].map(() => enqueue(metadata, ticking, trigger)))
    expect(runs.filter(({ isNew }) => isNew)).toHaveLength(1)
  })

  test('stop ends running tasks as failed, the rest as skipped, and leaves nothing running', async () => {
    const started = deferred()
    const endless = dag(uniqueId('endless'), {}, ({ task }) => {
      const a = task('a', {
        retries: 5,
        run: (_inputs, { signal }) => {
          started.resolve()
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        },
      })
      task('b', { upstream: { a }, run: () => {} })
      task('c', { upstream: { a }, triggerRule: 'all_done', run: () => {} })
    })
    const { runner, metadata } = await openTestRunner(database, [endless])
    const owned = await runner.run(endless, { logicalDate: new Date() })
    await started.promise
    await runner.stop('interrupted')
    expect(await owned.finished).toEqual({ state: 'failed', reason: 'a failed: interrupted' })
    const { rows } = await metadata.query(
      'select task_id, state, reason from metadata.task_instance where dag_run_id = $1 order by 1',
      [owned.run.dagRunId],
    )
    expect(rows).toEqual([
      { task_id: 'a', state: 'failed', reason: 'interrupted' },
      { task_id: 'b', state: 'upstream_failed', reason: 'a failed' },
      { task_id: 'c', state: 'skipped', reason: 'interrupted' },
    ])
  })

  test.each(['stop', 'release'] as const)('%s also reaches a run that is being read again', async (end) => {
    const waiting = dag(uniqueId('waiting'), {}, ({ task }) => {
      task('a', { run: () => Promise.reject(rescheduleAt(new Date(Date.now() + 3_600_000), 'later')) })
    })
    const waits = deferred()
    const { runner, metadata } = await openTestRunner(database, [waiting], {
      onChange: (run) => run.state.instance(0).state === 'up_for_reschedule' && waits.resolve(),
    })
    const owned = await runner.run(waiting, { logicalDate: new Date() })
    await waits.promise
    owned.changedElsewhere()
    if (end === 'stop') await runner.stop('stopped')
    else await runner.release(0, 'stopped')
    const state = end === 'stop' ? 'failed' : 'queued'
    expect(await owned.finished).toEqual({ state, reason: 'stopped' })
    expect(await stored(metadata, waiting.id, owned.run.runId)).toMatchObject({ state })
  })

  test('stop fails a run that only waits for a retry', async () => {
    const waits = deferred()
    const waiting = dag(uniqueId('retrying'), {}, ({ task }) => {
      task('a', {
        retries: 1,
        retryDelay: '1h',
        run: () => {
          throw new Error('not now')
        },
      })
    })
    const { runner, metadata } = await openTestRunner(database, [waiting], { onChange: () => waits.resolve() })
    const owned = await runner.run(waiting, { logicalDate: new Date() })
    await waits.promise
    await runner.stop('interrupted')
    expect(await owned.finished).toEqual({ state: 'failed', reason: 'interrupted' })
    expect(await stored(metadata, waiting.id, owned.run.runId)).toMatchObject({
      state: 'failed',
      reason: 'interrupted',
    })
  })
})
