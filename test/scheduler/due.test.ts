import { describe, expect, test } from 'vitest'
import type { Catchup } from '../../src/dag/dag.ts'
import { due, type History } from '../../src/scheduler/due.ts'
import { openTimetable } from '../../src/timetable.ts'

type Given = Partial<Record<keyof History, string>> & {
  catchup: Catchup
  now: string
  most?: number
  timezone?: string
}

const instant = (text: string | undefined) => (text === undefined ? undefined : Date.parse(`${text}Z`))
const text = (at: Date | number) => new Date(at).toISOString().replace('.000Z', '')

function ask(schedule: string, { catchup, now, most = 100, timezone = 'UTC', ...known }: Given) {
  const history = { last: instant(known.last), since: instant(known.since), seen: instant(known.seen) }
  const startDate = instant(known.startDate)
  const timetable = openTimetable(schedule, timezone)
  return due(timetable, catchup, { ...history, startDate }, instant(now) ?? 0, most)
}

/** The tick that runs next, due or in the future. */
function nextRun(schedule: string, given: Given): string {
  const { ticks, next } = ask(schedule, given)
  return text(ticks[0]?.logicalDate ?? next)
}

const dates = (schedule: string, given: Given) => ask(schedule, given).ticks.map(({ logicalDate }) => text(logicalDate))

/**
 * The cases Airflow publishes for CronTriggerTimetable (apache/airflow,
 * airflow-core/tests/unit/timetables/test_trigger_timetable.py): its catchup=False is our `latest`, its True our `all`.
 */
describe("Airflow's own cases", () => {
  const start = '2021-09-04T00:00:00'
  const prev = '2021-09-05T00:00:00'

  test.each([
    ['first-run', undefined, '2021-09-06T16:30:00'],
    ['before-now', '2021-09-06T16:30:00', '2021-09-07T16:30:00'],
  ])('daily, no catch-up, %s', (_, last, expected) => {
    const given = { catchup: 'latest', now: '2021-09-07T00:00:00', startDate: '2021-09-06T00:00:00' } as const
    expect(nextRun('30 16 * * *', { ...given, ...(last && { last }) })).toBe(expected)
  })

  test.each([
    ['on boundary', '2022-07-27T00:00:00', start, '2022-07-27T00:00:00'],
    ['not on boundary', '2022-07-27T00:30:00', start, '2022-07-27T00:00:00'],
    ['missed one interval, on boundary', '2022-07-27T01:00:00', start, '2022-07-27T01:00:00'],
    ['missed one interval, not on boundary', '2022-07-27T01:30:00', start, '2022-07-27T01:00:00'],
    ['future start date', '2022-07-27T00:30:00', '2199-12-31T22:30:00', '2199-12-31T23:00:00'],
  ])('hourly, no catch-up, %s', (_, now, startDate, expected) => {
    expect(nextRun('@hourly', { catchup: 'latest', last: prev, now, startDate })).toBe(expected)
  })

  test.each([
    ['last on boundary', '2022-07-27T00:00:00', start, '2022-07-27T01:00:00'],
    ['last not on boundary', '2022-07-27T00:30:00', start, '2022-07-27T01:00:00'],
    ['no last, start on boundary', undefined, '2022-07-27T00:00:00', '2022-07-27T00:00:00'],
    ['no last, start not on boundary', undefined, '2022-07-27T00:30:00', '2022-07-27T01:00:00'],
  ])('hourly, catch-up, %s', (_, last, startDate, expected) => {
    const given = { catchup: 'all', now: '2026-01-01T00:00:00', startDate } as const
    expect(nextRun('@hourly', { ...given, ...(last && { last }) })).toBe(expected)
  })

  test('weekly, catch-up, with a data interval: here it begins at the previous tick', () => {
    const { ticks } = ask('30 16 * * MON', {
      catchup: 'all',
      last: '2022-08-01T16:30:00',
      startDate: start,
      now: '2022-08-09T00:00:00',
    })
    const [tick] = ticks
    expect([text(tick?.logicalDate ?? 0), text(tick?.dataIntervalStart ?? 0)]).toEqual([
      '2022-08-08T16:30:00',
      '2022-08-01T16:30:00',
    ])
  })

  test.each(['none', 'latest', 'all'] as const)(
    'no start date, no run: the next tick (run_immediately=False), %s',
    (catchup) => {
      expect(nextRun('0 3 * * *', { catchup, now: '2024-08-15T12:05:00' })).toBe('2024-08-16T03:00:00')
      // Airflow looks back five minutes here.
      expect(nextRun('0 3 * * *', { catchup, now: '2024-08-15T03:05:00' })).toBe('2024-08-16T03:00:00')
    },
  )

  test('a last run in the future (after-now) does not skip the ticks before it', () => {
    const given = { catchup: 'latest', now: '2021-09-07T00:00:00', startDate: '2021-09-06T00:00:00' } as const
    const next = nextRun('30 16 * * *', { ...given, last: '2021-09-07T16:30:00', seen: '2021-09-06T23:59:59' })
    expect(next).toBe('2021-09-07T16:30:00')
  })
})

describe('catch-up', () => {
  const missed = { last: '2026-03-01T00:00:00', now: '2026-03-05T12:00:00' }

  test('none: ticks without a running scheduler do not run later', () => {
    expect(ask('@daily', { ...missed, catchup: 'none' })).toEqual({ ticks: [], next: instant('2026-03-06T00:00:00') })
  })

  test('latest: the last missed tick runs', () => {
    expect(dates('@daily', { ...missed, catchup: 'latest' })).toEqual(['2026-03-05T00:00:00'])
    expect(dates('@daily', { last: '2026-03-05T00:00:00', now: missed.now, catchup: 'latest' })).toEqual([])
  })

  test('all: each missed tick runs, a limited number at a time, with its interval from the previous tick', () => {
    const given = { ...missed, catchup: 'all', most: 3 } as const
    const { ticks, next } = ask('@daily', given)
    expect(ticks.map(({ logicalDate }) => text(logicalDate).slice(8, 10))).toEqual(['02', '03', '04'])
    expect(ticks.map(({ dataIntervalStart }) => text(dataIntervalStart).slice(8, 10))).toEqual(['01', '02', '03'])
    expect(next).toBe(instant('2026-03-05T00:00:00'))
    expect(dates('* * * * * *', { ...given, last: '1990-01-01T00:00:00' })).toHaveLength(3)
    expect(ask('@daily', { ...given, most: 0 }).ticks).toEqual([])
  })

  test.each(['none', 'latest', 'all'] as const)('no tick before `since` or the start date runs, %s', (catchup) => {
    expect(dates('@daily', { ...missed, catchup, since: '2026-03-05T00:00:00' })).toEqual([])
    expect(dates('@daily', { ...missed, catchup, startDate: '2026-03-05T00:00:01' })).toEqual([])
    expect(nextRun('@daily', { ...missed, catchup, startDate: '2026-04-01T00:00:00' })).toBe('2026-04-01T00:00:00')
  })
})

describe('late, but on time', () => {
  const last = '2026-03-04T00:00:00'

  test.each([
    ['@daily', '2026-03-05T00:00:59', true],
    ['@daily', '2026-03-05T00:01:00', true],
    ['@daily', '2026-03-05T00:01:01', false],
    ['* * * * *', '2026-03-05T10:00:30', true],
    ['* * * * *', '2026-03-05T10:00:31', false],
    ['*/10 * * * * *', '2026-03-05T10:00:05', true],
    ['*/10 * * * * *', '2026-03-05T10:00:06', false],
  ])('%s, started at %s: %s', (schedule, now, isOnTime) => {
    expect(dates(schedule, { last, now, catchup: 'none' })).toHaveLength(isOnTime ? 1 : 0)
  })

  test('a scheduler that ran a minute ago loses no tick, however frequent they are', () => {
    const watched = { last: '2026-03-05T10:00:00', now: '2026-03-05T10:00:46' }
    expect(dates('*/10 * * * * *', { ...watched, seen: '2026-03-05T10:00:05', catchup: 'none' })).toHaveLength(4)
    expect(dates('*/10 * * * * *', { ...watched, seen: '2026-03-05T09:59:30', catchup: 'none' })).toHaveLength(0)
    expect(dates('*/10 * * * * *', { ...watched, seen: '2026-03-05T10:00:05', catchup: 'latest' })).toHaveLength(4)
  })
})

describe('a clock that jumps', () => {
  test('back: earlier runs and checks that are now in the future do not stop the next ticks', () => {
    const given = {
      catchup: 'none',
      now: '2026-03-05T12:00:10',
      last: '2026-03-05T15:00:00',
      seen: '2026-03-05T15:00:30',
    } as const
    expect(nextRun('@hourly', given)).toBe('2026-03-05T13:00:00')
    expect(nextRun('@hourly', { ...given, since: '2026-03-06T00:00:00' })).toBe('2026-03-05T13:00:00')
  })

  test('forward, or after a suspend: the catch-up rule decides', () => {
    const woken = { last: '2026-03-05T12:00:00', seen: '2026-03-05T12:00:10', now: '2026-03-05T15:20:00' }
    expect(dates('@hourly', { ...woken, catchup: 'none' })).toEqual([])
    expect(dates('@hourly', { ...woken, catchup: 'latest' })).toEqual(['2026-03-05T15:00:00'])
    expect(dates('@hourly', { ...woken, catchup: 'all' })).toHaveLength(3)
  })
})

describe('dates', () => {
  const two = '2026-12-24T18:00:00.000Z; 2026-12-31T23:00:00.000Z'
  const of = (catchup: Catchup, now: string, more: Partial<Given> = {}) =>
    dates(two, { catchup, now, since: '2026-12-01T00:00:00', ...more })

  test.each<[Catchup, string[]]>([
    ['none', []],
    ['latest', ['2026-12-31T23:00:00']],
    ['all', ['2026-12-24T18:00:00', '2026-12-31T23:00:00']],
  ])('after the last date, catch-up %s', (catchup, expected) => {
    expect(of(catchup, '2027-06-01T00:00:00')).toEqual(expected)
    expect(of(catchup, '2027-06-01T00:00:00', { last: '2026-12-31T23:00:00' })).toEqual([])
    expect(of(catchup, '2026-12-02T00:00:00')).toEqual([])
  })

  test('a date is on time for a minute; the last one too', () => {
    expect(of('none', '2026-12-31T23:00:59')).toEqual(['2026-12-31T23:00:00'])
    expect(of('none', '2026-12-31T23:01:01')).toEqual([])
  })

  test('the data interval of the first date is empty, that of the second begins at the first', () => {
    const { ticks, next } = ask(two, { catchup: 'all', now: '2027-01-01T00:00:00', since: '2026-12-01T00:00:00' })
    expect(ticks.map(({ dataIntervalStart }) => text(dataIntervalStart))).toEqual([
      '2026-12-24T18:00:00',
      '2026-12-24T18:00:00',
    ])
    expect(next).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('every', () => {
  const given = { startDate: '2026-03-05T06:00:00', since: '2026-03-05T05:59:59' }
  const of = (catchup: Catchup, now: string) =>
    dates('every 90m from 2026-03-05T06:00:00.000Z', { catchup, now, ...given })

  test('the first tick is the start date; catch-up counts from there', () => {
    expect(of('all', '2026-03-05T05:59:59')).toEqual([])
    expect(of('all', '2026-03-05T09:00:00')).toEqual([
      '2026-03-05T06:00:00',
      '2026-03-05T07:30:00',
      '2026-03-05T09:00:00',
    ])
    expect(of('latest', '2026-03-05T08:59:59')).toEqual(['2026-03-05T07:30:00'])
    expect(of('none', '2026-03-05T08:59:59')).toEqual([])
  })
})
