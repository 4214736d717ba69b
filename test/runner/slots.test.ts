import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Dag, dag } from '../../src/dag/dag.ts'
import { takeSlots } from '../../src/metadata/pools.ts'
import { cancel, mark } from '../../src/operations/operate.ts'
import { listPools, setPool } from '../../src/operations/pools.ts'
import { endJob } from '../../src/processes/jobs.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, openTestRunner, stored, type TestRunner, uniqueId, until } from '../support/runner.ts'
import { someoneWaits } from '../support/waits.ts'

const database = useDatabase()

const start = (own: TestRunner, one: Dag) => own.runner.run(one, { logicalDate: new Date() })

const ownState = async ({ metadata }: TestRunner, one: Dag, index = 0) =>
  (await stored(metadata, one.id, 'latest')).task_instances[index]?.state

/** Locks a row until the test releases it. */
async function holding(row: string, value: unknown): Promise<() => Promise<void>> {
  const connection = await database.pool.connect()
  await connection.query('begin')
  await connection.query(`select from metadata.${row} = $1 for no key update`, [value])
  return async () => {
    await connection.query('commit')
    connection.release()
  }
}

/** The notifications about slots that a process would get. */
async function listening({ runner }: TestRunner): Promise<void> {
  const session = await database.pool.connect()
  await session.query('listen tminus_metadata')
  session.on('notification', ({ payload }) => payload === 'slot' && runner.slotsFreed())
  onTestFinished(() => session.release(true))
}

describe("slots of a process's own", () => {
  test('are never exceeded, even if one is released during the request for a pool slot', async () => {
    const pool = uniqueId('pool')
    const seen = { now: 0, most: 0 }
    const run = async () => {
      seen.most = Math.max(seen.most, ++seen.now)
      await delay(50)
      seen.now--
    }
    const pooled = dag(uniqueId('pooled'), {}, ({ task }) => {
      task('a', { pool, run })
    })
    const free = dag(uniqueId('free'), {}, ({ task }) => {
      const first = task('first', { run: () => {} })
      task('b', { upstream: { first }, run })
    })
    const own = await openTestRunner(database, [pooled, free], { slots: 1 })
    await setPool(own.metadata, pool, 1, null)
    const letGo = await holding('pool where pool', pool)
    const one = await start(own, pooled)
    await someoneWaits(database)
    const other = await start(own, free)
    await until(async () => (await ownState(own, free, 1)) === 'running')
    await letGo()
    await Promise.all([one.finished, other.finished])
    expect(seen.most).toBe(1)
  })

  test('go to a waiting task if the task that acquired them is cancelled before it starts', async () => {
    const gate = deferred()
    const cancelled = dag(uniqueId('cancelled'), {}, ({ task }) => {
      const first = task('first', { run: () => gate.promise })
      task('claimed', { upstream: { first }, run: () => {} })
    })
    const waiting = dag(uniqueId('waiting'), {}, ({ task }) => {
      task('a', { run: () => {} })
    })
    const own = await openTestRunner(database, [cancelled, waiting], { slots: 1 })
    const one = await start(own, cancelled)
    const other = await start(own, waiting)
    await until(async () => (await ownState(own, waiting)) === 'queued')
    const letGo = await holding('dag_run where dag_run_id', one.run.dagRunId)
    const cancelling = cancel(own.metadata, { dagId: cancelled.id, runId: 'latest' })
    await someoneWaits(database)
    gate.resolve()
    await someoneWaits(database, 2)
    await letGo()
    await cancelling
    expect(await one.finished).toMatchObject({ state: 'failed', reason: 'cancelled' })
    expect(await other.finished).toMatchObject({ state: 'success' })
  })
})

describe('slots of a pool', () => {
  test('are requested, however many tasks wait for another pool', async () => {
    const [full, free] = [uniqueId('full'), uniqueId('free')]
    const gate = deferred()
    const many = dag(uniqueId('many'), {}, ({ task }) => {
      for (let index = 0; index < 150; index++) task(`t${index}`, { pool: full, run: () => gate.promise })
    })
    const one = dag(uniqueId('one'), {}, ({ task }) => {
      task('a', { pool: free, run: () => {} })
    })
    const own = await openTestRunner(database, [many, one])
    await listening(own)
    for (const pool of [full, free]) await setPool(own.metadata, pool, 1, null)
    const crowd = await start(own, many)
    expect(await (await start(own, one)).finished).toMatchObject({ state: 'success' })
    gate.resolve()
    expect(await crowd.finished).toMatchObject({ state: 'success' })
  })

  test('that a user frees are announced to waiting processes', async () => {
    const pool = uniqueId('pool')
    const holder = dag(uniqueId('holder'), {}, ({ task }) => {
      task('a', { pool, run: (_inputs, { signal }) => delay(60_000, undefined, { signal }) })
    })
    const waiting = dag(uniqueId('waiting'), {}, ({ task }) => {
      task('a', { pool, run: () => {} })
    })
    const [own, other] = [await openTestRunner(database, [holder]), await openTestRunner(database, [waiting])]
    await listening(other)
    await setPool(own.metadata, pool, 1, null)
    const held = await start(own, holder)
    await until(async () => (await ownState(own, holder)) === 'running')
    const waits = await start(other, waiting)
    await until(async () => (await ownState(other, waiting)) === 'scheduled')
    await cancel(own.metadata, { dagId: holder.id, runId: 'latest' })
    held.changedElsewhere()
    expect(await waits.finished).toMatchObject({ state: 'success' })
    await held.finished
  })

  test('are freed when their process dies, even if it owned no run; waiting processes are notified', async () => {
    const pool = uniqueId('pool')
    const waiting = dag(uniqueId('waiting'), {}, ({ task }) => {
      task('a', { pool, run: () => {} })
    })
    const [gone, own] = [await openTestRunner(database, []), await openTestRunner(database, [waiting])]
    await listening(own)
    await setPool(own.metadata, pool, 1, null)
    const over = await own.run(
      dag(uniqueId('over'), {}, ({ task }) => {
        task('a', { run: () => {} })
      }),
    )
    const { rows } = await database.pool.query('select dag_run_id from metadata.dag_run where run_id = $1', [
      over.run_id,
    ])
    const late = { dagRunId: rows[0]?.dag_run_id, taskId: 'a', tryNumber: 1, pools: [pool] }
    expect(await takeSlots(gone.metadata, gone.jobId, [late], 1)).toEqual([late])
    const waits = await start(own, waiting)
    await until(async () => (await ownState(own, waiting)) === 'scheduled')
    await endJob(gone.metadata, gone.jobId, 'success', null)
    expect(await waits.finished).toMatchObject({ state: 'success' })
  })

  test('are freed when their task is skipped before it started', async () => {
    const pool = uniqueId('pool')
    const gate = deferred()
    const busy = dag(uniqueId('busy'), {}, ({ task }) => {
      task('a', { run: () => gate.promise })
    })
    const stopped = dag(uniqueId('stopped'), {}, ({ task }) => {
      task('a', { pool, run: () => {} })
    })
    const own = await openTestRunner(database, [busy, stopped])
    await setPool(own.metadata, pool, 1, null)
    const letPool = await holding('pool where pool', pool)
    const other = await start(own, busy)
    const run = await start(own, stopped)
    await someoneWaits(database)
    await own.runner.drained()
    const letRun = await holding('dag_run where dag_run_id', other.run.dagRunId)
    gate.resolve()
    await someoneWaits(database, 2)
    // One write is under way, so that this start is decided and not written when the run is stopped.
    await letPool()
    await until(() => run.state.instance(0).state === 'running')
    run.leave('stop', 'stopped')
    await letRun()
    await run.finished
    expect(await stored(own.metadata, stopped.id, 'latest')).toMatchObject({
      task_instances: [{ state: 'skipped', try_number: 0 }],
    })
    expect(await listPools(own.metadata)).toContainEqual(expect.objectContaining({ pool, used: 0 }))
  })

  test('are released if their task is marked while they are being acquired', async () => {
    const pool = uniqueId('pool')
    const marked = dag(uniqueId('marked'), {}, ({ task }) => {
      task('a', { pool, run: () => {} })
    })
    const own = await openTestRunner(database, [marked])
    await setPool(own.metadata, pool, 1, null)
    const letGo = await holding('pool where pool', pool)
    const run = await start(own, marked)
    await someoneWaits(database)
    await own.runner.drained()
    await mark(own.metadata, marked, 'latest', 'a', 'success')
    await letGo()
    expect(await run.finished).toMatchObject({ state: 'success' })
    await until(async () => (await listPools(own.metadata)).find((one) => one.pool === pool)?.used === 0)
  })

  test('are not given to a process that was declared dead, even before it notices', async () => {
    const pool = uniqueId('pool')
    const one = dag(uniqueId('one'), {}, ({ task }) => {
      task('a', { pool, run: () => {} })
    })
    const own = await openTestRunner(database, [one], { slots: 0 })
    await setPool(own.metadata, pool, 1, null)
    const { run } = await start(own, one)
    await endJob(own.metadata, own.jobId, 'failed', 'sent no heartbeat')
    const wanted = { dagRunId: run.dagRunId, taskId: 'a', tryNumber: 1, pools: [pool] }
    expect(await takeSlots(own.metadata, own.jobId, [wanted], 1)).toEqual([])
  })
})
