import format from 'pg-format'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Dag } from '../../src/dag/dag.ts'
import { readNextRuns } from '../../src/operations/next-runs.ts'
import { setPaused } from '../../src/operations/pause.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { MAX_QUEUED } from '../../src/scheduler/scheduler.ts'
import { useDatabase } from '../support/database.ts'
import { openTestRunner, stored, type TestRunner, uniqueId, until } from '../support/runner.ts'
import {
  endQueued,
  intercepted,
  logicalDates,
  openScheduler,
  type ScheduleOptions,
  SetClock,
  scheduledDag,
} from '../support/scheduling.ts'

const database = useDatabase()
let own: TestRunner
beforeAll(async () => {
  own = await openTestRunner(database, [])
})

/** A scheduler checks at each of these instants of 2026-03-05 (`12:00:01`, or with its day `06T12:00:01`). */
async function lookAt(dags: Dag[], instants: readonly string[], db = own.metadata) {
  const clock = new SetClock('2026-03-05T00:00:00Z')
  const scheduler = openScheduler(db, clock, dags)
  for (const instant of instants) {
    clock.set(`2026-03-${instant.includes('T') ? instant : `05T${instant}`}Z`)
    await scheduler.check()
  }
  return scheduler
}

const ran = async ({ id }: Dag) => (await logicalDates(own.metadata, id)).map((date) => date.slice(8))
const hourly = (options: Partial<Parameters<typeof scheduledDag>[1]> = {}) =>
  scheduledDag(uniqueId('hourly'), { schedule: '@hourly', ...options })

describe('what is queued', () => {
  test('each tick gets a run, with the time since the previous tick as its data interval', async () => {
    const one = hourly()
    await lookAt([one], ['10:59:59', '11:00:00.020', '11:00:01', '11:30:00', '12:00:00'])
    const { rows } = await own.metadata.query(
      `select run_id, run_type::text, state::text, data_interval_start as s, data_interval_end as e
       from metadata.dag_run where dag_id = $1 order by logical_date limit 1`,
      [one.id],
    )
    expect(rows).toEqual([
      {
        run_id: 'scheduled__2026-03-05T11:00:00.000Z',
        run_type: 'scheduled',
        state: 'queued',
        s: new Date('2026-03-05T10:00:00Z'),
        e: new Date('2026-03-05T11:00:00Z'),
      },
    ])
  })

  test('a new dag starts with the tick after it was first seen, even if no scheduler runs for the next minute', async () => {
    const one = hourly()
    await lookAt([one], ['11:00:20'])
    await lookAt([one], ['11:00:30'])
    expect(await ran(one)).toEqual([])
    await lookAt([one], ['12:00:55'])
    expect(await ran(one)).toEqual(['05T12:00:00'])
  })

  test('a catch-up starts at a past start date; no dag runs before a future one', async () => {
    const startDate = '2026-03-05T08:00:00Z'
    const [all, latest, none] = [
      hourly({ startDate, catchup: 'all' }),
      hourly({ startDate, catchup: 'latest' }),
      hourly({ startDate }),
    ]
    const later = hourly({ startDate: '2026-03-05T13:00:00Z', catchup: 'all' })
    await lookAt([all, latest, none, later], ['10:30:00', '11:00:01', '12:00:01', '13:00:01'])
    const live = ['05T11:00:00', '05T12:00:00', '05T13:00:00']
    expect(await ran(all)).toEqual(['05T08:00:00', '05T09:00:00', '05T10:00:00', ...live])
    expect(await ran(latest)).toEqual(['05T10:00:00', ...live])
    expect(await ran(none)).toEqual(live)
    expect(await ran(later)).toEqual(['05T13:00:00'])
  })

  test('after a stop, the catch-up rule decides', async () => {
    const dags = (['none', 'latest', 'all'] as const).map((catchup) => hourly({ catchup }))
    await lookAt(dags, ['10:59:59', '11:00:00'])
    await lookAt(dags, ['15:30:00', '15:30:01'])
    expect(await Promise.all(dags.map(ran))).toEqual([
      ['05T11:00:00'],
      ['05T11:00:00', '05T15:00:00'],
      ['05T11:00:00', '05T12:00:00', '05T13:00:00', '05T14:00:00', '05T15:00:00'],
    ])
  })
})

describe('a paused dag', () => {
  test.each(['none', 'latest', 'all'] as const)(
    'gets no runs, and none for the pause when it is over, %s',
    async (catchup) => {
      const one = hourly({ catchup })
      const at = (time: string) => new Date(`2026-03-05T${time}Z`)
      await lookAt([one], ['10:59:59', '11:00:00'])
      await setPaused(own.metadata, one.id, true, at('11:30:00'))
      await lookAt([one], ['12:00:00', '13:00:00'])
      await setPaused(own.metadata, one.id, false, at('14:00:20'))
      await lookAt([one], ['14:00:25', '14:00:40'])
      expect(await ran(one)).toEqual(['05T11:00:00'])
      await lookAt([one], ['15:00:10'])
      expect(await ran(one)).toEqual(['05T11:00:00', '05T15:00:00'])
      // It is not paused: a second unpause changes nothing.
      await setPaused(own.metadata, one.id, false, at('16:00:30'))
      await lookAt([one], ['16:00:31'])
      expect((await ran(one)).at(-1)).toBe('05T16:00:00')
    },
  )

  test('paused before its first run, while its scheduler checks', async () => {
    const one = hourly({ catchup: 'all' })
    const clock = new SetClock('2026-03-05T10:59:00Z')
    const scheduler = openScheduler(own.metadata, clock, [one])
    for (const [time, paused] of [
      ['11:00:00'],
      ['11:10:00', true],
      ['12:00:00'],
      ['12:00:30', false],
      ['12:00:31'],
      ['13:00:00'],
    ] as const) {
      clock.set(`2026-03-05T${time}Z`)
      if (paused !== undefined) await setPaused(own.metadata, one.id, paused, clock.now())
      await scheduler.check()
    }
    expect(await ran(one)).toEqual(['05T13:00:00'])
  })
})

describe('what changes', () => {
  test('a changed schedule or zone applies from the moment when it is first seen', async () => {
    const one = scheduledDag(uniqueId('daily'), { schedule: '@daily', catchup: 'all' })
    await lookAt([one], ['04T23:59:59', '00:00:01'])
    const changed = scheduledDag(one.id, { schedule: '@hourly', catchup: 'all' })
    await lookAt([changed], ['15:30:00', '16:00:00'])
    const moved = scheduledDag(one.id, { schedule: '@hourly', timezone: 'Asia/Kolkata', catchup: 'all' })
    await lookAt([moved], ['17:10:00', '17:30:00'])
    expect(await ran(one)).toEqual(['05T00:00:00', '05T16:00:00', '05T17:30:00'])
  })

  test('a removed dag gets no runs; when it is restored, its catch-up decides', async () => {
    const [gone, other] = [hourly({ catchup: 'latest' }), hourly()]
    await lookAt([gone, other], ['10:59:00', '11:00:00'])
    await lookAt([other], ['12:00:00', '13:00:00'])
    expect(await ran(gone)).toEqual(['05T11:00:00'])
    await lookAt([gone, other], ['13:30:00'])
    expect(await ran(gone)).toEqual(['05T11:00:00', '05T13:00:00'])
  })
})

describe('clocks', () => {
  test('set back and forward again: no tick runs twice or is lost', async () => {
    const one = hourly()
    await lookAt(
      [one],
      ['10:59:59', '11:00:00', '10:59:58', '11:00:00', '11:00:01', '12:00:00', '11:30:00', '12:00:00', '13:00:00'],
    )
    expect(await ran(one)).toEqual(['05T11:00:00', '05T12:00:00', '05T13:00:00'])
  })

  test('set far ahead by mistake, then corrected: the ticks between still run', async () => {
    const one = hourly()
    await lookAt([one], ['10:59:59', '11:00:00', '15:00:10', '11:00:20', '12:00:00', '13:00:00'])
    expect(await ran(one)).toEqual(['05T11:00:00', '05T12:00:00', '05T13:00:00', '05T15:00:00'])
    await lookAt([one], ['14:00:00', '15:00:00', '16:00:00'])
    expect((await ran(one)).slice(3)).toEqual(['05T14:00:00', '05T15:00:00', '05T16:00:00'])
  })
})

describe('dates, several lines and every', () => {
  test('each date runs once, whatever the clock and the number of schedulers do; then nothing is due', async () => {
    const one = scheduledDag(uniqueId('dates'), {
      schedule: ['2026-03-05T12:00:00Z', new Date('2026-03-05T13:00:00.250Z')],
    })
    const times = [
      '11:59:59',
      '12:00:00',
      '12:00:30',
      '11:00:00',
      '12:00:01',
      '13:00:01',
      '13:00:02',
      '12:30:00',
      '23:00:00',
    ]
    await Promise.all([lookAt([one], times), lookAt([one], times), lookAt([one], ['13:00:03'])])
    expect(await ran(one)).toEqual(['05T12:00:00', '05T13:00:00'])
    const { next } = (await readNextRuns(own.metadata, [one], new Date('2026-03-05T23:00:01Z'))).get(one.id) ?? {}
    expect(next).toEqual([])
  })

  test('a date that is added counts if it lies ahead', async () => {
    const catchup = 'all'
    const one = scheduledDag(uniqueId('dates'), { catchup, schedule: '2026-03-05T12:00:00Z' })
    await lookAt([one], ['11:59:59', '12:00:00'])
    const schedule = ['2026-03-05T12:00:00Z', '2026-03-05T12:30:00Z', '2026-03-05T14:00:00Z']
    await lookAt([scheduledDag(one.id, { catchup, schedule })], ['13:00:00', '14:00:00'])
    expect(await ran(one)).toEqual(['05T12:00:00', '05T14:00:00'])
  })

  test('ticks of two lines at the same instant are one run; the data interval begins at the last tick of any', async () => {
    const one = scheduledDag(uniqueId('lines'), { schedule: ['0 */2 * * *', '0 */3 * * *'] })
    await lookAt([one], ['05:00:00', '06:00:00', '08:00:00', '09:00:00'])
    const { rows } = await own.metadata.query<{ begin: Date; logical_date: Date }>(
      'select data_interval_start as begin, logical_date from metadata.dag_run where dag_id = $1 order by 2',
      [one.id],
    )
    const hours = rows.map(({ begin, logical_date }) => [begin.getUTCHours(), logical_date.getUTCHours()])
    expect(hours).toEqual([
      [4, 6],
      [6, 8],
      [8, 9],
    ])
  })

  test('a changed `every` or start counts from now', async () => {
    const options = { every: '90m', startDate: '2026-03-05T06:00:00Z', catchup: 'all' } as const
    const one = scheduledDag(uniqueId('every'), options)
    await lookAt([one], ['08:00:00'])
    expect(await ran(one)).toEqual(['05T06:00:00', '05T07:30:00'])
    await lookAt([scheduledDag(one.id, { ...options, every: '1h' })], ['08:30:00', '09:00:00'])
    await lookAt(
      [scheduledDag(one.id, { ...options, every: '1h', startDate: '2026-03-05T06:30:00Z' })],
      ['09:31:00', '10:30:00'],
    )
    expect(await ran(one)).toEqual(['05T06:00:00', '05T07:30:00', '05T09:00:00', '05T10:30:00'])
  })
})

describe('continuous', () => {
  const endContinuous = async ({ id }: Dag, state: 'success' | 'failed', startedMsAgo = 1_500) => {
    const text = `update metadata.dag_run set state = $2, started_at = clock_timestamp() - $3 * interval '1 ms', ended_at = now()
      where dag_id = $1 and state = 'queued'`
    expect((await own.metadata.query(text, [id, state, startedMsAgo])).rowCount).toBe(1)
  }
  const continuous = (options: ScheduleOptions = {}) =>
    scheduledDag(uniqueId('continuous'), { schedule: '@continuous', ...options })

  test('a run follows when the last one has ended, failed or not; its logical date is the moment', async () => {
    const one = continuous()
    await lookAt([one], ['11:00:00.250', '11:00:01', '11:00:02'])
    expect(await ran(one)).toEqual(['05T11:00:00'])
    await endContinuous(one, 'failed')
    await lookAt([one], ['11:00:03.500', '11:00:04'])
    await endContinuous(one, 'success')
    await lookAt([one], ['12:30:00'])
    const { rows } = await own.metadata.query<Record<string, Date>>(
      'select data_interval_start as s, logical_date as e, run_id from metadata.dag_run where dag_id = $1 order by 2',
      [one.id],
    )
    expect(rows.map(({ s, e }) => [s, e].map((date) => date?.toISOString().slice(11, 23)))).toEqual([
      ['11:00:00.250', '11:00:00.250'],
      ['11:00:00.250', '11:00:03.500'],
      ['11:00:03.500', '12:30:00.000'],
    ])
    expect(rows[1]?.run_id).toBe('scheduled__2026-03-05T11:00:03.500Z')
  })

  test('at least a second lies between two starts', async () => {
    const one = continuous()
    await lookAt([one], ['11:00:00'])
    await endContinuous(one, 'success', 0)
    await lookAt([one], ['11:00:05', '11:00:06'])
    expect(await ran(one)).toHaveLength(1)
    await until(async () => {
      await lookAt([one], ['11:00:07'])
      return (await ran(one)).length === 2
    })
  })

  test('a paused dag gets no run, nor a dag before its start date, nor one with a manual run in progress', async () => {
    const [paused, early, manual] = [continuous(), continuous({ startDate: '2026-03-05T12:00:00Z' }), continuous()]
    await lookAt([paused, manual], ['10:59:59'])
    await endContinuous(paused, 'success')
    await setPaused(own.metadata, paused.id, true, new Date())
    await endContinuous(manual, 'success')
    await enqueue(own.metadata, manual, { logicalDate: new Date('2026-03-05T10:59:59Z') })
    await lookAt([paused, early, manual], ['11:00:00', '11:59:59'])
    expect([await ran(paused), await ran(early), await ran(manual)]).toEqual([['05T10:59:59'], [], ['05T10:59:59']])
    await setPaused(own.metadata, paused.id, false, new Date())
    await lookAt([paused, early], ['12:00:00'])
    expect([await ran(paused), await ran(early)]).toEqual([['05T10:59:59', '05T12:00:00'], ['05T12:00:00']])
  })

  test('several schedulers at once create each run once', async () => {
    const dags = Array.from({ length: 5 }, () => continuous())
    const clocks = Array.from({ length: 4 }, (_, n) => new SetClock(`2026-03-05T11:00:00.00${n}Z`))
    const schedulers = clocks.map((clock) => openScheduler(own.metadata, clock, dags))
    for (let round = 0; round < 10; round++) {
      for (const [n, clock] of clocks.entries()) clock.set(Date.parse('2026-03-05T11:00:00Z') + round * 1_000 + n)
      await Promise.all(schedulers.map((scheduler) => scheduler.check()))
      for (const one of dags) {
        expect(await ran(one)).toHaveLength(round + 1)
        await endContinuous(one, 'success')
      }
    }
  })

  test('goes on when the clock is set back', async () => {
    const one = continuous()
    const clock = new SetClock('2026-03-05T12:00:00Z')
    const scheduler = openScheduler(own.metadata, clock, [one])
    for (const time of ['12:00:00', '12:00:01', '11:00:00', '11:00:01', '12:00:00.100']) {
      clock.set(`2026-03-05T${time}Z`)
      await scheduler.check()
      await endContinuous(one, 'success')
    }
    expect(await ran(one)).toHaveLength(5)
  })

  test.each([false, true])(
    'what breaks off is tried again; whether it went in or not (%s), one run',
    async (isDone) => {
      const one = continuous()
      let breaks = true
      const db = intercepted(own.metadata, (name, done) => {
        if (breaks && name === 'insert_runs' && done === isDone) throw new Error('connection lost')
      })
      const scheduler = await lookAt([one], ['11:00:00'], db)
      breaks = false
      await scheduler.check()
      expect(await ran(one)).toEqual(['05T11:00:00'])
    },
  )

  test('a dag that becomes continuous, or is no longer, follows its new schedule', async () => {
    const one = continuous()
    await lookAt([one], ['11:00:00'])
    await endContinuous(one, 'success')
    await lookAt([scheduledDag(one.id, { schedule: '@hourly', catchup: 'all' })], ['11:30:00', '12:00:00'])
    await endContinuous(one, 'success')
    await lookAt([one], ['12:10:00'])
    expect(await ran(one)).toEqual(['05T11:00:00', '05T12:00:00', '05T12:10:00'])
  })
})

describe('many', () => {
  test('a long catch-up queues a few runs at a time, oldest first, and more when they end', async () => {
    const one = scheduledDag(uniqueId('backlog'), {
      schedule: '* * * * *',
      catchup: 'all',
      startDate: '2026-03-01T00:00:00Z',
    })
    await lookAt([one], ['12:00:00', '12:00:01', '12:00:02'])
    const first = await ran(one)
    expect([first.length, first[0]]).toEqual([MAX_QUEUED, '01T00:00:00'])
    await endQueued(own.metadata)
    await lookAt([one], ['12:00:03'])
    const then = await ran(one)
    expect([then.length, then.at(-1)]).toEqual([2 * MAX_QUEUED, `01T02:07:00`])
  })

  test('a dag whose runs wait loses no tick of the last minute', async () => {
    const one = scheduledDag(uniqueId('dense'), { schedule: '* * * * * *' })
    const seconds = Array.from(
      { length: MAX_QUEUED + 20 },
      (_, n) => new Date(Date.parse('2026-03-05T12:00:00Z') + n * 1_000),
    )
    const clock = new SetClock('2026-03-05T11:59:59Z')
    const scheduler = openScheduler(own.metadata, clock, [one])
    await scheduler.check()
    for (const at of seconds) {
      clock.set(at.getTime())
      await scheduler.check()
    }
    expect(await ran(one)).toHaveLength(MAX_QUEUED)
    await endQueued(own.metadata)
    await scheduler.check()
    expect(await ran(one)).toEqual(seconds.map((at) => at.toISOString().slice(8, 19)))
  })

  test('runs start in the order in which they were queued, whatever their dag', async () => {
    const dags = Array.from({ length: 30 }, (_, n) => scheduledDag(uniqueId(`fair${n}`), { schedule: '@hourly' }))
    await endQueued(own.metadata)
    await lookAt(dags, ['10:59:59', '11:00:00', '12:00:00'])
    const { runner } = await openTestRunner(database, dags, { slots: 2 })
    await runner.claim({ dagIds: dags.map(({ id }) => id), onlyBegun: false })
    const runs = async (order: string) => {
      const { rows } = await own.metadata.query<{ dag_run_id: number }>(
        `select dag_run_id from metadata.dag_run where dag_id = any($1) and state = 'success' order by ${order}`,
        [dags.map(({ id }) => id)],
      )
      return rows.map(({ dag_run_id }) => dag_run_id)
    }
    await until(async () => (await runs('1')).length === 60)
    expect(await runs('started_at')).toEqual(await runs('logical_date, dag_run_id'))
  })

  test('several schedulers at once run each tick once', async () => {
    const dags = Array.from({ length: 20 }, (_, n) => scheduledDag(uniqueId(`beside${n}`), { schedule: '*/5 * * * *' }))
    const clock = new SetClock('2026-03-05T11:59:59Z')
    const schedulers = [1, 2, 3].map(() =>
      openScheduler(
        own.metadata,
        clock,
        dags.toSorted(() => Math.random() - 0.5),
      ),
    )
    for (const time of ['11:59:59', '12:00:00', '12:05:00', '12:10:00']) {
      clock.set(`2026-03-05T${time}Z`)
      await Promise.all(schedulers.map((scheduler) => scheduler.check()))
    }
    for (const one of dags) expect(await ran(one)).toEqual(['05T12:00:00', '05T12:05:00', '05T12:10:00'])
  })

  test.each([false, true])(
    'what breaks off is tried again; whether it went in or not (%s), each tick once',
    async (isDone) => {
      const one = hourly()
      let breaks = true
      const db = intercepted(own.metadata, (name, done) => {
        if (breaks && name === 'insert_runs' && done === isDone) throw new Error('connection lost')
      })
      const scheduler = await lookAt([one], ['10:59:59', '11:00:00'], db)
      breaks = false
      await scheduler.check()
      expect(await ran(one)).toEqual(['05T11:00:00'])
    },
  )

  test('a dag that cannot be registered does not delay other dags', async () => {
    const [bad, good] = [hourly(), hourly()]
    await own.metadata.query(format('alter table metadata.dag add constraint refused check (dag_id <> %L)', bad.id))
    try {
      await lookAt([bad, good], ['10:59:59', '11:00:00'])
      expect([await ran(bad), await ran(good)]).toEqual([[], ['05T11:00:00']])
    } finally {
      await own.metadata.query('alter table metadata.dag drop constraint refused')
    }
  })

  test('its task instances are those of its graph', async () => {
    const one = hourly()
    await lookAt([one], ['10:59:59', '11:00:00'])
    const run = await stored(own.metadata, one.id, 'latest')
    expect(run.task_instances).toMatchObject([{ task_id: 'only', state: 'none', try_number: 0 }])
  })
})

test('the state of the schedules is read with indexes only', async () => {
  const { rows } = await own.metadata.query<{ 'QUERY PLAN': string }>(
    `explain select r.logical_date from metadata.dag_run r where r.dag_id = 'x' and r.run_type = 'scheduled'
     and r.logical_date <= now() order by r.logical_date desc limit 1`,
  )
  expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toMatch(/Index Only Scan Backward using dag_run_scheduled/)
})
