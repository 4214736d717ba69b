import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { rescheduleAt } from '../../src/dag/ending.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import type { RunChange } from '../../src/metadata/transitions.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, openTestRunner, silent, statesOf, stored, uniqueId } from '../support/runner.ts'

const database = useDatabase()

describe('a run', () => {
  test('of no tasks succeeds', async () => {
    const empty = dag(uniqueId('empty'), {}, () => {})
    const { run } = await openTestRunner(database, [empty])
    expect((await run(empty)).state).toBe('success')
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
