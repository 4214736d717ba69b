import { describe, expect, test } from 'vitest'
import { type Dag, dag } from '../../src/dag/dag.ts'
import { fail, skip } from '../../src/dag/ending.ts'
import type { RunType } from '../../src/dag/state.ts'
import { insertRuns, newDagRun } from '../../src/metadata/dag-runs.ts'
import { registerDag } from '../../src/metadata/dags.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import { type BackfillOptions, backfill } from '../../src/operations/backfill.ts'
import { deleteRun } from '../../src/operations/delete.ts'
import { clear, mark } from '../../src/operations/operate.ts'
import { listPools, setPool } from '../../src/operations/pools.ts'
import { useDatabase } from '../support/database.ts'
import {
  deferred,
  notify,
  openTestRunner,
  statesOf,
  stored,
  type TestRunner,
  uniqueId,
  until,
} from '../support/runner.ts'

const database = useDatabase()

const DAYS = [1, 2, 3].map((day) => new Date(`2026-03-0${day}T00:00:00Z`))
const [first, second, third] = DAYS.map((day) => `scheduled__${day.toISOString()}`) as [string, string, string]

/** `before` has no limit; `load` depends on the past, and ends as `ends` says for its day of March. */
function loading(ends: (day: number) => unknown, options: { maxActiveRuns?: number; pool?: string } = {}): Dag {
  const { pool, ...others } = options
  return dag(uniqueId('loading'), { schedule: '@daily', ...others }, ({ task }) => {
    const before = task('before', { run: () => {} })
    const own = pool === undefined ? {} : { pool }
    task('load', {
      ...own,
      upstream: { before },
      dependsOnPast: true,
      run: (_, { logicalDate }) => ends(logicalDate.getUTCDate()),
    })
  })
}

async function queue(db: Metadata, one: Dag, dates: readonly Date[] = DAYS, runType: RunType = 'scheduled') {
  const version = await registerDag(db, one)
  const runs = dates.map((logicalDate) => newDagRun(one.id, version, { runType, logicalDate }))
  await insertRuns(db, null, runs)
  return runs.map(({ runId }) => runId)
}

async function claiming(one: Dag, slots = 4): Promise<TestRunner> {
  const own = await openTestRunner(database, [one], { slots })
  await own.runner.claim({ dagIds: [one.id], onlyBegun: false })
  return own
}

const db = () => openMetadata(database.pool, 'metadata')

/** `running: reason` of the task `load` in a run. */
async function load(one: Dag, runId: string): Promise<string> {
  const found = (await stored(db(), one.id, runId)).task_instances.find(({ task_id }) => task_id === 'load')
  return `${found?.state}: ${found?.reason}`
}

const reached = (one: Dag, runId: string, text: string) => until(async () => (await load(one, runId)) === text)
const hasRun = (one: Dag, runId: string) =>
  until(async () => ['success', 'failed'].includes((await stored(db(), one.id, runId)).state))

describe('a task that depends on the past', () => {
  test('waits without a slot until the same task of the previous run has succeeded, and says so', async () => {
    const gate = deferred()
    const order: number[] = []
    const one = loading(async (day) => {
      order.push(day)
      if (day === 1) await gate.promise
    })
    await queue(db(), one)
    const { runner } = await claiming(one, 2)
    await reached(one, third, `scheduled: waits for load of run ${second}`)
    await reached(one, second, `scheduled: waits for load of run ${first}`)
    expect(order).toEqual([1])
    expect(statesOf(await stored(db(), one.id, third))).toMatchObject({ before: 'success' })
    gate.resolve()
    await runner.idle()
    expect(order).toEqual([1, 2, 3])
    const { task_instances } = await stored(db(), one.id, third)
    expect(task_instances.map(({ try_number }) => try_number)).toEqual([1, 1])
  })

  test.each(['clear', 'mark'] as const)('waits behind a failed one until a %s lets it go on', async (how) => {
    let isBroken = true
    const order: number[] = []
    const one = loading((day) => {
      order.push(day)
      if (day === 1 && isBroken) throw fail('broken')
    })
    await queue(db(), one)
    const { runner } = await claiming(one)
    await reached(one, second, `scheduled: waits for load of run ${first}, which failed: clear or mark it`)
    await reached(one, third, `scheduled: waits for load of run ${second}`)
    isBroken = false
    if (how === 'clear') await clear(db(), { dagId: one.id, runId: first }, {})
    else await mark(db(), one, first, 'load', 'success')
    runner.runsWaiting()
    await runner.idle()
    expect(await load(one, first)).toBe(how === 'clear' ? 'success: null' : 'success: marked success')
    for (const runId of [second, third]) expect(await load(one, runId)).toBe('success: null')
    expect(order).toEqual(how === 'clear' ? [1, 1, 2, 3] : [1, 2, 3])
  })

  test('goes on after a skipped one', async () => {
    const one = loading((day) => {
      if (day === 1) throw skip('a holiday')
    })
    await queue(db(), one)
    const { runner } = await claiming(one)
    await runner.idle()
    expect(await load(one, first)).toBe('skipped: a holiday')
    expect(await load(one, third)).toBe('success: null')
  })

  test('a manual run neither waits nor is waited for', async () => {
    const one = loading((day) => {
      if (day === 1) throw fail('broken')
    })
    const [manual] = await queue(db(), one, [new Date('2026-03-01T12:00:00Z')], 'manual')
    await queue(db(), one, DAYS.slice(0, 2))
    const { runner } = await claiming(one)
    await hasRun(one, manual ?? '')
    await reached(one, second, `scheduled: waits for load of run ${first}, which failed: clear or mark it`)
    await runner.stop('the test has ended')
  })

  test('a backfill run waits for the run before its date, and the newer of two runs of a tick counts', async () => {
    const one = loading((day) => {
      if (day === 1) throw fail('broken')
    })
    await queue(db(), one, DAYS.slice(0, 1))
    const { runner } = await claiming(one)
    await hasRun(one, first)
    const [again, next] = await queue(db(), one, DAYS.slice(0, 2), 'backfill')
    runner.runsWaiting()
    await reached(one, next ?? '', `scheduled: waits for load of run ${again}, which failed: clear or mark it`)
    await runner.stop('the test has ended')
  })

  test('runs that wait do not shut out the run that they wait for', async () => {
    let isBroken = true
    const one = loading(
      (day) => {
        if (day === 1 && isBroken) throw fail('broken')
      },
      { maxActiveRuns: 2 },
    )
    await queue(db(), one)
    const { runner } = await claiming(one)
    await reached(one, third, `scheduled: waits for load of run ${second}`)
    isBroken = false
    await clear(db(), { dagId: one.id, runId: first }, {})
    runner.runsWaiting()
    for (const runId of [first, second, third]) await reached(one, runId, 'success: null')
    await runner.idle()
  })

  test('nor a backfill of its tick, which has no place when it begins', async () => {
    let isBroken = true
    const order: number[] = []
    const one = loading(
      (day) => {
        if (day === 1 && isBroken) throw fail('broken')
        order.push(day)
      },
      { maxActiveRuns: 2 },
    )
    await queue(db(), one)
    const own = await claiming(one)
    await notify(database, [own])
    await reached(one, third, `scheduled: waits for load of run ${second}`)
    isBroken = false
    const [day = new Date()] = DAYS
    const range = { from: day, to: day, maxActiveRuns: 1, reprocess: 'failed', signal: new AbortController().signal }
    expect(await backfill(db(), one, range as BackfillOptions)).toMatchObject({ ended: 'done', done: 1 })
    await own.runner.idle()
    for (const runId of [second, third]) expect(await load(one, runId)).toBe('success: null')
    expect(order).toEqual([1, 2, 3])
  })

  test('a queued run of an earlier tick is claimed first; a later one is not stuck if that run is deleted', async () => {
    const one = loading(() => {})
    const dates = DAYS.slice(0, 2)
    await queue(db(), one, dates.reverse())
    // Of another process, which has begun it.
    await db().query(`update metadata.dag_run set started_at = now() where run_id = $1 and dag_id = $2`, [
      second,
      one.id,
    ])
    const own = await openTestRunner(database, [one])
    await notify(database, [own])
    await own.runner.claim({ dagIds: [one.id], onlyBegun: true })
    expect(await stored(db(), one.id, second)).toMatchObject({ state: 'queued' })
    await deleteRun(db(), { dagId: one.id, runId: first })
    await hasRun(one, second)
  })

  test('a process that adopts the run goes on waiting; the previous run may be of another process', async () => {
    const gate = deferred()
    const one = loading(async (day) => {
      if (day === 1) await gate.promise
    })
    await queue(db(), one, DAYS.slice(0, 1))
    const other = await claiming(one)
    await reached(one, first, 'running: null')
    await queue(db(), one, DAYS.slice(1, 2))
    const dies = await claiming(one)
    await reached(one, second, `scheduled: waits for load of run ${first}`)
    expect(await dies.runner.release(0, 'ends', 0)).toBe(1)
    const adopts = await claiming(one)
    await until(async () => (await stored(db(), one.id, second)).state === 'running')
    await reached(one, second, `scheduled: waits for load of run ${first}`)
    gate.resolve()
    await other.runner.idle()
    const endedAt = Date.now()
    await adopts.runner.idle()
    console.log(`started ${Date.now() - endedAt} ms after the previous run of another process had ended`)
    expect(await load(one, second)).toBe('success: null')
  })

  test('holds no slot of its pool while it waits; then it waits for the pool', async () => {
    const pool = uniqueId('pool')
    await setPool(db(), pool, 1, null)
    const gate = deferred()
    const one = loading(
      async (day) => {
        if (day === 1) await gate.promise
      },
      { pool },
    )
    await queue(db(), one, DAYS.slice(0, 2))
    const { runner } = await claiming(one)
    await reached(one, second, `scheduled: waits for load of run ${first}`)
    expect(await listPools(db())).toContainEqual(expect.objectContaining({ pool, used: 1 }))
    await setPool(db(), pool, 0, null)
    gate.resolve()
    await reached(one, second, `scheduled: waits for a slot of ${pool}`)
    await setPool(db(), pool, 1, null)
    runner.slotsFreed()
    await runner.idle()
    expect(await load(one, second)).toBe('success: null')
  })

  test('a task that the previous run did not have runs', async () => {
    const old = dag(uniqueId('grown'), { schedule: '@daily' }, ({ task }) => {
      task('before', { run: () => {} })
    })
    await queue(db(), old, DAYS.slice(0, 1))
    const { runner } = await claiming(old)
    await runner.idle()
    await runner.release(0, 'its code is old', 0)
    const grown = dag(old.id, { schedule: '@daily' }, ({ task }) => {
      task('load', { dependsOnPast: true, run: () => {} })
    })
    await queue(db(), grown, DAYS.slice(1, 2))
    await claiming(grown)
    await reached(grown, second, 'success: null')
  })
})
