import { beforeAll, describe, expect, test } from 'vitest'
import type { Dag } from '../../src/dag/dag.ts'
import { claimRun } from '../../src/metadata/dag-runs.ts'
import {
  type BackfillOptions,
  type BackfillProgress,
  backfill,
  MOST_TICKS,
  planBackfill,
} from '../../src/operations/backfill.ts'
import { endBackfills } from '../../src/operations/open-backfill.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { useDatabase } from '../support/database.ts'
import { openTestRunner, type TestRunner, uniqueId, until } from '../support/runner.ts'
import { endQueued, logicalDates, openScheduler, SetClock, scheduledDag } from '../support/scheduling.ts'

const database = useDatabase()
let own: TestRunner
beforeAll(async () => {
  own = await openTestRunner(database, [])
})

const RANGE = { from: new Date('2026-03-01T00:00:00Z'), to: new Date('2026-03-05T00:00:00Z') }

const daily = (maxActiveRuns = 16) => scheduledDag(uniqueId('daily'), { schedule: '@daily', maxActiveRuns })

function fill(dag: Dag, options: Partial<BackfillOptions> = {}) {
  const defaults = { ...RANGE, maxActiveRuns: 16, reprocess: 'none', signal: new AbortController().signal } as const
  return backfill(own.metadata, dag, { ...defaults, ...options })
}

/** Ends every queued run in this state until the work is done. */
async function executed<T>(work: Promise<T>, state: 'success' | 'failed' = 'success'): Promise<T> {
  let isOver = false
  const over = work.finally(() => {
    isOver = true
  })
  over.catch(() => {})
  await until(async () => {
    await endQueued(own.metadata, state)
    return isOver
  })
  return await over
}

const ran = async ({ id }: Dag, runType = 'backfill') =>
  (await logicalDates(own.metadata, id, runType)).map((date) => date.slice(8, 10))

async function endScheduled(dag: Dag, states: Record<string, 'success' | 'failed'>): Promise<void> {
  const clock = new SetClock('2026-03-01T00:00:00Z')
  for (const [day, state] of Object.entries(states)) {
    clock.set(`2026-03-${day}T00:00:00Z`)
    const scheduler = openScheduler(own.metadata, clock, [{ ...dag, catchup: 'latest', startDate: clock.now() }])
    await scheduler.check()
    await own.metadata.query(`delete from metadata.dag_schedule where dag_id = $1`, [dag.id])
    await endQueued(own.metadata, state)
  }
}

const queued = async ({ id }: Dag) => {
  const { rows } = await own.metadata.query<{ run_id: string }>(
    `select run_id from metadata.dag_run where dag_id = $1 and state = 'queued'`,
    [id],
  )
  return rows.map(({ run_id }) => run_id)
}

describe('a backfill', () => {
  test('runs each tick of its range, both ends included, and reports its progress', async () => {
    const dag = daily()
    const told: BackfillProgress[] = []
    const end = await executed(fill(dag, { onProgress: (progress) => told.push(progress) }))
    expect(end).toEqual({ ticks: 5, done: 5, active: 0, ended: 'done' })
    expect(await ran(dag)).toEqual(['01', '02', '03', '04', '05'])
    expect(told[0]).toEqual({ ticks: 5, done: 0, active: 0 })
    expect(told.map(({ done }) => done)).toEqual(told.map(({ done }) => done).sort((a, b) => a - b))
    const { rows } = await own.metadata.query(
      `select run_id, data_interval_start as s, data_interval_end as e from metadata.dag_run where dag_id = $1
       order by logical_date limit 1`,
      [dag.id],
    )
    expect(rows).toEqual([
      { run_id: 'backfill__2026-03-01T00:00:00.000Z', s: new Date('2026-02-28T00:00:00Z'), e: RANGE.from },
    ])
  })

  test('ends if all its ticks have runs, even while the queue of its dag is full', async () => {
    const dag = daily(2)
    await executed(fill(dag))
    for (let index = 0; index < 3; index++) await enqueue(own.metadata, dag, { logicalDate: new Date() })
    const abort = AbortSignal.timeout(20_000)
    expect(await fill(dag, { signal: abort })).toEqual({ ticks: 5, done: 5, active: 0, ended: 'done' })
    const longer = { from: RANGE.from, to: new Date('2026-03-06T00:00:00Z') }
    const stop = new AbortController()
    const told: BackfillProgress[] = []
    const onProgress = (progress: BackfillProgress) => {
      told.push(progress)
      if (progress.done === 5) stop.abort()
    }
    expect(await fill(dag, { ...longer, signal: stop.signal, onProgress })).toMatchObject({ ended: 'interrupted' })
    expect(told.at(-1)).toEqual({ ticks: 6, done: 5, active: 0 })
    await endQueued(own.metadata, 'success')
  })

  test('is executed by a runner', async () => {
    const dag = daily()
    const { runner } = await openTestRunner(database, [dag])
    await runner.claim({ dagIds: [dag.id], onlyBegun: false })
    const filling = fill(dag, { maxActiveRuns: 2 })
    await until(async () => {
      // Replaces NOTIFY.
      runner.runsWaiting()
      return (await ran(dag)).length === 5 && (await queued(dag)).length === 0
    })
    expect(await filling).toMatchObject({ done: 5, ended: 'done' })
  })

  test('has no more active runs than allowed', async () => {
    const dag = daily()
    const filling = fill(dag, { maxActiveRuns: 2 })
    for (const [passed, waiting] of [
      [0, 2],
      [2, 2],
      [4, 1],
    ] as const) {
      await until(async () => (await ran(dag)).length === passed + waiting)
      expect(await queued(dag)).toHaveLength(waiting)
      await endQueued(own.metadata)
    }
    expect(await filling).toMatchObject({ done: 5, ended: 'done' })
  })

  test('waits while scheduled runs use up the limit of its dag', async () => {
    const dag = daily(2)
    const clock = new SetClock('2026-03-09T12:00:00Z')
    const scheduler = openScheduler(own.metadata, clock, [dag])
    await scheduler.check()
    for (const day of ['10', '11']) {
      clock.set(`2026-03-${day}T00:00:00Z`)
      await scheduler.check()
    }
    let looks = 0
    const filling = fill(dag, { onProgress: () => looks++ })
    await until(() => looks >= 3)
    expect(await queued(dag)).toEqual(['scheduled__2026-03-10T00:00:00.000Z', 'scheduled__2026-03-11T00:00:00.000Z'])
    expect(await executed(filling)).toMatchObject({ done: 5, ended: 'done' })
  })
})

describe('ticks that already have a run', () => {
  const before = { '01': 'success', '02': 'failed', '03': 'success' } as const

  test.each([
    ['none', ['skip', 'skip', 'skip', 'create', 'create'], ['04', '05']],
    ['failed', ['skip', 'create', 'skip', 'create', 'create'], ['02', '04', '05']],
    ['completed', ['create', 'create', 'create', 'create', 'create'], ['01', '02', '03', '04', '05']],
  ] as const)('reprocess %s', async (reprocess, actions, days) => {
    const dag = daily()
    await endScheduled(dag, before)
    expect(await ran(dag, 'scheduled')).toEqual(['01', '02', '03'])
    const planned = await planBackfill(own.metadata, dag, { ...RANGE, reprocess })
    expect(planned.map(({ action }) => action)).toEqual(actions)
    expect(planned.map(({ state }) => state)).toEqual(['success', 'failed', 'success', undefined, undefined])
    expect(await ran(dag)).toEqual([])
    expect(await executed(fill(dag, { reprocess }))).toMatchObject({ done: 5, ended: 'done' })
    expect(await ran(dag)).toEqual(days)
  })

  test('a failed run of an earlier backfill is cleared, once each time', async () => {
    const dag = daily()
    await executed(fill(dag), 'failed')
    const actions = async () =>
      (await planBackfill(own.metadata, dag, { ...RANGE, reprocess: 'failed' })).map((one) => one.action)
    expect(await actions()).toEqual(['clear', 'clear', 'clear', 'clear', 'clear'])
    expect(await executed(fill(dag, { reprocess: 'failed' }), 'failed')).toMatchObject({ ended: 'done' })
    expect(await executed(fill(dag, { reprocess: 'failed' }))).toMatchObject({ ended: 'done' })
    expect(await actions()).toEqual(['skip', 'skip', 'skip', 'skip', 'skip'])
    expect(await ran(dag)).toHaveLength(5)
  })

  test('active runs are not changed', async () => {
    const dag = daily()
    const stop = new AbortController()
    const filling = fill(dag, { maxActiveRuns: 1, signal: stop.signal })
    await until(async () => (await queued(dag)).length === 1)
    const [first] = await planBackfill(own.metadata, dag, { ...RANGE, reprocess: 'completed' })
    expect(first).toMatchObject({ action: 'skip', state: 'queued' })
    stop.abort()
    await filling
  })
})

describe('stopped', () => {
  test('deletes runs that have not started; the same command resumes and repeats nothing', async () => {
    const dag = daily()
    await endScheduled(dag, { '01': 'success', '02': 'success', '03': 'success', '04': 'success', '05': 'success' })
    const stop = new AbortController()
    const options = { reprocess: 'completed', maxActiveRuns: 1, signal: stop.signal } as const
    const filling = fill(dag, options)
    await until(async () => (await queued(dag)).length === 1)
    await endQueued(own.metadata)
    await until(async () => (await ran(dag)).length === 2)
    stop.abort()
    expect(await filling).toMatchObject({ ended: 'interrupted' })
    expect([await ran(dag), await queued(dag)]).toEqual([['01'], []])
    const { signal } = new AbortController()
    expect(await executed(fill(dag, { ...options, signal }))).toMatchObject({ done: 5, ended: 'done' })
    const { rows } = await own.metadata.query('select from metadata.task_instance_history')
    expect([await ran(dag), rows.length]).toEqual([['01', '02', '03', '04', '05'], 0])
    // All are done, so the same command starts a new backfill and clears them.
    const [again] = await planBackfill(own.metadata, dag, { ...RANGE, reprocess: 'completed' })
    expect(again?.action).toBe('clear')
  })

  test('cancelled by another process', async () => {
    const dag = daily()
    const filling = fill(dag, { maxActiveRuns: 2 })
    await until(async () => (await queued(dag)).length === 2)
    expect(await endBackfills(own.metadata, dag.id)).toBe(1)
    expect(await filling).toMatchObject({ ended: 'cancelled' })
    expect(await ran(dag)).toEqual([])
  })
})

describe('refused', () => {
  test('a dag without a schedule, too many ticks, and an end before the start', async () => {
    const byHand = scheduledDag(uniqueId('by-hand'), {})
    await expect(fill(byHand)).rejects.toThrow(`Dag '${byHand.id}' has no schedule`)
    const dense = scheduledDag(uniqueId('dense'), { schedule: '* * * * * *' })
    await expect(fill(dense)).rejects.toThrow(`The range has more than ${MOST_TICKS} ticks of '${dense.id}'`)
    await expect(fill(daily(), { to: new Date('2026-02-01T00:00:00Z') })).rejects.toThrow('is before its start')
  })
})

test('a queued run of a backfill is claimed after later runs of other dags', async () => {
  const [filled, other] = [daily(), daily()]
  const metadata = own.metadata
  const claimed = await openTestRunner(database, [filled, other], { slots: 1 })
  const queue = (dag: Dag, runType: 'backfill' | 'scheduled') =>
    enqueue(metadata, dag, { runType, logicalDate: new Date('2026-04-01T00:00:00Z') })
  await queue(filled, 'backfill')
  await queue(other, 'scheduled')
  const order: string[] = []
  for (let turn = 0; turn < 2; turn++) {
    const of = { dagIds: [filled.id, other.id], onlyBegun: false, inOrder: [] }
    const id = await claimRun(metadata, claimed.jobId, of, null)
    const { rows } = await metadata.query<{ run_type: string }>(
      'select run_type from metadata.dag_run where dag_run_id = $1',
      [id],
    )
    order.push(...rows.map((row) => row.run_type))
  }
  expect(order).toEqual(['scheduled', 'backfill'])
})

test('runs the ticks of several lines, of dates and of every; a range without a tick has no run', async () => {
  const lines = scheduledDag(uniqueId('lines'), { schedule: ['0 0 1-3 * *', '0 12 2 * *', '2026-03-04T06:00:00Z'] })
  expect(await executed(fill(lines))).toEqual({ ended: 'done', ticks: 5, done: 5, active: 0 })
  expect((await logicalDates(own.metadata, lines.id, 'backfill')).map((date) => date.slice(8, 13))).toEqual([
    '01T00',
    '02T00',
    '02T12',
    '03T00',
    '04T06',
  ])
  const every = scheduledDag(uniqueId('every'), { every: '36h', startDate: '2026-03-03T00:00:00Z' })
  expect(await executed(fill(every))).toMatchObject({ ended: 'done', ticks: 3 })
  expect(await ran(every)).toEqual(['01', '03', '04'])
  const dates = scheduledDag(uniqueId('dates'), { schedule: '2026-03-06T00:00:00Z' })
  expect(await executed(fill(dates))).toMatchObject({ ended: 'done', ticks: 0 })
})

test('refuses a continuous dag, which has no ticks', async () => {
  const one = scheduledDag(uniqueId('continuous'), { schedule: '@continuous' })
  await expect(fill(one)).rejects.toThrow(`Dag '${one.id}' runs continuously, so it has no ticks; trigger it instead`)
})
