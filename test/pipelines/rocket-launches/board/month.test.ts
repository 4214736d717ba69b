import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { KnownLaunch } from '../../../../pipelines/launches/launch.ts'
import {
  isMonth,
  type MonthLayout,
  monthBeside,
  monthKey,
  monthLayout,
  spanAround,
} from '../../../../pipelines/rocket-launches/board/month.ts'

const launch = (net: string, net_precision: number | null = 1) =>
  ({ launch_id: `${net} ${net_precision}`, net: new Date(net), net_precision }) as KnownLaunch

test.each([
  ['2026-12', true],
  ['1950-01', true],
  ['2199-12', true],
  ['1949-12', false],
  ['2200-01', false],
  ['2026-00', false],
  ['2026-13', false],
  ['2026-1', false],
  ['2026-12-01', false],
  ['-2026-12', false],
  [' 2026-12', false],
  ['2026-12\n', false],
  ['２０２６-12', false],
  ['0000-01', false],
  ['', false],
])('%j is a month: %s', (text, expected) => {
  expect(isMonth(text)).toBe(expected)
})

test('the calendar ends at its first and last month', () => {
  expect([monthBeside('2026-12', 1), monthBeside('2026-01', -1)]).toEqual(['2027-01', '2025-12'])
  expect([monthBeside('2199-12', 1), monthBeside('1950-01', -1)]).toEqual([undefined, undefined])
})

/** The places of a launch: days, `week n`, `month`, `before` or `after`. */
function placesOf({ weeks, open, before, after }: MonthLayout): [string, KnownLaunch[]][] {
  return [
    ['before', before],
    ...weeks.flatMap(({ days, open }, week): [string, KnownLaunch[]][] => [
      ...days.map(({ date, launches }): [string, KnownLaunch[]] => [date.toISOString().slice(0, 10), launches]),
      [`week ${week}`, open],
    ]),
    ['month', open],
    ['after', after],
  ]
}
const placed = (month: string, launches: KnownLaunch[]) =>
  placesOf(monthLayout(month, launches)).flatMap(([place, found]) => found.map(() => place))

test.each([
  ['2026-12-01T00:00:00Z', 1, ['2026-12-01']],
  ['2026-12-31T23:59:59Z', 2, ['2026-12-31']],
  ['2026-11-30T12:00:00Z', 0, ['2026-11-30']],
  ['2027-01-03T23:59:59Z', 1, ['2027-01-03']],
  // Seoul has already reached the first Monday; Los Angeles is still in the last Sunday.
  ['2026-11-29T15:00:00Z', 1, ['before']],
  ['2027-01-04T07:00:00Z', 1, ['after']],
  ['2026-11-29T09:59:59Z', 1, []],
  ['2027-01-04T12:00:00Z', 1, []],
  // A day is a day in UTC.
  ['2026-11-29T15:00:00Z', 5, []],
  ['2026-12-31T00:00:00Z', 5, ['2026-12-31']],
  ['2026-12-31T00:00:00Z', 3, ['2026-12-31']],
  ['2026-12-31T00:00:00Z', 6, ['week 4']],
  ['2026-11-30T00:00:00Z', 6, ['week 0']],
  ['2026-12-31T00:00:00Z', 7, ['month']],
  ['2026-12-31T00:00:00Z', null, ['month']],
  ['2026-11-30T00:00:00Z', 7, []],
  ['2027-01-01T00:00:00Z', 7, []],
  ['2026-12-31T00:00:00Z', 11, []],
  ['2026-12-31T00:00:00Z', 14, []],
])('a launch of %s with precision %s is placed in December 2026: %j', (net, precision, expected) => {
  expect(placed('2026-12', [launch(net, precision)])).toEqual(expected)
})

test('a month that starts on Monday and ends on Sunday has four weeks', () => {
  expect(monthLayout('2027-02', []).weeks).toHaveLength(4)
  expect(monthLayout('2026-03', []).weeks).toHaveLength(6)
})

const months = fc
  .record({ year: fc.integer({ min: 1950, max: 2199 }), month: fc.integer({ min: 1, max: 12 }) })
  .map(({ year, month }) => `${year}-${String(month).padStart(2, '0')}`)

test('every day of the month is there once, and weeks start on Monday', () => {
  fc.assert(
    fc.property(months, (month) => {
      const { weeks } = monthLayout(month, [])
      const days = weeks.flatMap(({ days }) => days.map(({ date }) => date))
      const own = days.filter((day) => monthKey(day) === month).map((day) => day.getUTCDate())
      const count = new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 0)).getUTCDate()
      expect(own).toEqual(Array.from({ length: count }, (_, index) => index + 1))
      expect(weeks.every(({ days }) => days.length === 7 && days[0]?.date.getUTCDay() === 1)).toBe(true)
      expect(days.every((day, index) => day.getTime() === (days[0]?.getTime() ?? 0) + index * 86_400_000)).toBe(true)
      expect(weeks.every(({ days }) => days.some(({ date }) => monthKey(date) === month))).toBe(true)
    }),
  )
})

test('a launch is at most once in a month, never more exact than it is known, in the given order', () => {
  const launches = fc.array(
    fc.record({
      ms: fc.integer({ min: -45 * 86_400_000, max: 45 * 86_400_000 }),
      net_precision: fc.option(fc.integer({ min: 0, max: 17 })),
    }),
    { maxLength: 40 },
  )
  fc.assert(
    fc.property(months, launches, (month, all) => {
      const middle = Date.parse(`${month}-15T00:00:00Z`)
      const given = all.map(
        ({ ms, net_precision }, index) =>
          ({ launch_id: String(index), net: new Date(middle + ms), net_precision }) as KnownLaunch,
      )
      const seen = new Map<string, string>()
      for (const [place, found] of placesOf(monthLayout(month, given))) {
        const order = found.map(({ launch_id }) => Number(launch_id))
        expect(order).toEqual(order.toSorted((a, b) => a - b))
        for (const { launch_id } of found) {
          expect(seen.has(launch_id)).toBe(false)
          seen.set(launch_id, place)
        }
      }
      const around = spanAround(month)
      for (const { launch_id, net, net_precision } of given) {
        const [place, day] = [seen.get(launch_id), net.toISOString().slice(0, 10)]
        const precision = net_precision ?? 7
        if (precision > 7) expect(place).toBe(undefined)
        else if (precision === 7) expect(place).toBe(monthKey(net) === month ? 'month' : undefined)
        else if (precision === 6) expect(place ?? 'week').toMatch(/^week/)
        else if (place !== 'before' && place !== 'after') expect(place ?? day).toBe(day)
        // No time and no day of the month is left out.
        if (precision <= 7 && monthKey(net) === month) expect(place).toBeDefined()
        if (precision <= 2) expect(place !== undefined).toBe(net >= around.from && net < around.to)
      }
    }),
  )
})
