import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nextTick, openTimetable } from '../src/timetable.ts'
import { changesOf, expectedTicks, type Pattern, readWall, wallAt } from './support/wall-clock.ts'

const HOUR = 3_600_000

/** Ticks from an instant on, in local time and in UTC. */
function ticks(schedule: string, zone: string, from: string, until: string): string[] {
  const timetable = openTimetable(schedule, zone)
  const found: string[] = []
  for (let at = Date.parse(from); ; ) {
    at = timetable.next(at)
    if (at > Date.parse(until)) return found
    found.push(new Date(at).toISOString().slice(5, -5))
  }
}

describe('around a change of the clock', () => {
  const cases: [what: string, schedule: string, zone: string, from: string, until: string, ticks: string[]][] = [
    ['skipped: at the change', '30 2 * * *', 'Europe/Berlin', '2026-03-28T12Z', '2026-03-30T12Z', ['03-29T01:00:00', '03-30T00:30:00']],
    ['skipped together: once', '*/15 2 * * *', 'Europe/Berlin', '2026-03-28T12Z', '2026-03-30T00Z', ['03-29T01:00:00', '03-30T00:00:00']],
    ['skipped onto another: once', '0 2,3 * * *', 'Europe/Berlin', '2026-03-28T12Z', '2026-03-29T12Z', ['03-29T01:00:00']],
    ['twice: the first', '30 2 * * *', 'Europe/Berlin', '2026-10-24T12Z', '2026-10-26T12Z', ['10-25T00:30:00', '10-26T01:30:00']],
    ['a list, twice: the first', '0,30 2 * * *', 'Europe/Berlin', '2026-10-24T12Z', '2026-10-25T12Z', ['10-25T00:00:00', '10-25T00:30:00']],
    ['every second hour', '0 */2 * * *', 'Europe/Berlin', '2026-10-24T21Z', '2026-10-25T04Z', ['10-24T22:00:00', '10-25T00:00:00', '10-25T03:00:00']],
    ['every hour, spring', '7 * * * *', 'Europe/Berlin', '2026-03-29T00Z', '2026-03-29T03Z', ['03-29T00:07:00', '03-29T01:07:00', '03-29T02:07:00']],
    ['every hour, autumn', '7 * * * *', 'Europe/Berlin', '2026-10-25T00Z', '2026-10-25T03Z', ['10-25T00:07:00', '10-25T01:07:00', '10-25T02:07:00']],
    ['half an hour, spring', '0 * * * *', 'Australia/Lord_Howe', '2026-10-03T14Z', '2026-10-03T17Z', ['10-03T14:30:00', '10-03T15:30:00', '10-03T16:00:00', '10-03T17:00:00']],
    ['half an hour, autumn', '0 * * * *', 'Australia/Lord_Howe', '2026-04-04T13:30Z', '2026-04-04T17Z', ['04-04T14:00:00', '04-04T15:30:00', '04-04T16:30:00']],
    ['no midnight', '0 0 * * *', 'Africa/Cairo', '2026-04-23T12Z', '2026-04-25T12Z', ['04-23T22:00:00', '04-24T21:00:00']],
    ['no midnight', '30 0 * * *', 'America/Asuncion', '2024-10-05T12Z', '2024-10-07T12Z', ['10-06T04:00:00', '10-07T03:30:00']],
    ['a day that never was', '0 12 * * *', 'Pacific/Apia', '2011-12-29T12Z', '2011-12-31T12Z', ['12-29T22:00:00', '12-30T10:00:00', '12-30T22:00:00']],
    ['every second, autumn', '*/20 * * * * *', 'Europe/Berlin', '2026-10-25T00:59:50Z', '2026-10-25T01:00:30Z', ['10-25T01:00:00', '10-25T01:00:20']],
    ['seconds, skipped', '15 30 2 * * *', 'Europe/Berlin', '2026-03-28T12Z', '2026-03-29T12Z', ['03-29T01:00:00']],
  ] // biome-ignore format: a table

  test.each(cases)('%s: %s in %s', (_, schedule, zone, from, until, expected) => {
    expect(
      ticks(schedule, zone, `${from}`.replace(/T(\d\d)Z/, 'T$1:00Z'), until.replace(/T(\d\d)Z/, 'T$1:00Z')),
    ).toEqual(expected)
  })
})

const minutes = fc.oneof(
  fc.integer({ min: 0, max: 59 }).map((m) => ({ text: `${m}`, has: (value: number) => value === m })),
  fc.constantFrom(5, 10, 15, 20, 30).map((n) => ({ text: `*/${n}`, has: (value: number) => value % n === 0 })),
  fc
    .tuple(fc.integer({ min: 0, max: 29 }), fc.integer({ min: 30, max: 59 }))
    .map(([a, b]) => ({ text: `${a},${b}`, has: (value: number) => value === a || value === b })),
)
/** Schedules, most of them at the hours when clocks change. */
const hours = fc.oneof(
  fc.constant({ text: '*', has: () => true }),
  fc.integer({ min: 0, max: 4 }).map((h) => ({ text: `${h}`, has: (value: number) => value === h })),
  fc.integer({ min: 0, max: 23 }).map((h) => ({ text: `${h}`, has: (value: number) => value === h })),
  fc
    .integer({ min: 0, max: 3 })
    .map((h) => ({ text: `${h}-${h + 2}`, has: (value: number) => value >= h && value <= h + 2 })),
  fc.constantFrom(2, 3).map((n) => ({ text: `*/${n}`, has: (value: number) => value % n === 0 })),
)
const patterns: fc.Arbitrary<Pattern> = fc
  .tuple(minutes, hours)
  .map(([minute, hour]) => ({
    cron: `${minute.text} ${hour.text} * * *`,
    everyHour: hour.text === '*',
    matches: (h, m) => hour.has(h) && minute.has(m),
  }))

describe('in every time zone', () => {
  const zones = Intl.supportedValuesOf('timeZone')

  test.each([2011, 2024, 2026])(
    'each tick once around the changes of %i',
    (year) => {
      let changes = 0
      for (const zone of zones) {
        for (const change of changesOf(zone, year)) {
          changes++
          const jump = Math.abs(wallAt(zone, change) - wallAt(zone, change - 60_000) - 60_000)
          const [from, until] = [change - jump - 3 * HOUR, change + jump + 4 * HOUR]
          const walls = readWall(zone, from, until)
          for (const pattern of fc.sample(patterns, { numRuns: 4, seed: change % 2 ** 31 })) {
            const timetable = openTimetable(pattern.cron, zone)
            const found: number[] = []
            for (let at = timetable.next(from); at <= until; at = timetable.next(at)) found.push(at)
            expect([zone, pattern.cron, found]).toEqual([zone, pattern.cron, expectedTicks(pattern, from, walls)])
            // Also ask from the middle of a repeated hour.
            for (let at = change - HOUR; at < change + 2 * HOUR; at += HOUR / 4) {
              const following = found.find((tick) => tick > at)
              if (following !== undefined)
                expect([zone, pattern.cron, timetable.next(at)]).toEqual([zone, pattern.cron, following])
            }
            for (const [index, at] of found.slice(1, 20).entries()) expect(timetable.previous(at)).toBe(found[index])
          }
        }
      }
      expect(changes).toBeGreaterThan(100)
    },
    120_000,
  )

  test('`0 * * * *` runs in every real hour; `* * * * * *` every second', () => {
    for (const zone of zones) {
      const [hourly, eachSecond] = [openTimetable('0 * * * *', zone), openTimetable('* * * * * *', zone)]
      for (const change of changesOf(zone, 2026)) {
        for (let at = hourly.next(change - 6 * HOUR); at < change + 6 * HOUR; ) {
          const next = hourly.next(at)
          const isFraction = next - at > HOUR && zone === 'Australia/Lord_Howe'
          expect([zone, next - at <= (isFraction ? 5_400_000 : HOUR)]).toEqual([zone, true])
          at = next
        }
        for (let at = change - 3_000; at < change + 3_000; at += 1_000) expect(eachSecond.next(at)).toBe(at + 1_000)
      }
    }
  })
})

test('from every instant within an interval, `next` returns the same tick; `previous` reverses `next`', () => {
  const span = { min: Date.parse('2020-01-01'), max: Date.parse('2035-01-01') }
  const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe')
  const schedule = fc.constantFrom(
    '*/7 * * * *',
    '0 0 29 2 *',
    '0 9 * * 1-5',
    '@monthly',
    '5 4 3 2 *',
    '*/13 5 2 * * *',
  )
  fc.assert(
    fc.property(
      zone,
      schedule,
      fc.integer(span),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (zone, cron, at, part) => {
        const timetable = openTimetable(cron, zone)
        const first = timetable.next(at)
        const second = timetable.next(first)
        expect(first).toBeGreaterThan(at)
        expect(timetable.next(first + (second - first) * part)).toBe(second)
        expect(timetable.previous(second)).toBe(first)
      },
    ),
    { numRuns: 300 },
  )
})

/** The ticks of a schedule in a range, each once. */
function ticksOf(schedule: string, zone: string, from: number, until: number): number[] {
  const timetable = openTimetable(schedule, zone)
  const found: number[] = []
  for (let at = timetable.next(from); at <= until; at = timetable.next(at)) found.push(at)
  return found
}

test('the ticks of several lines and dates are those of each, merged, across changes of the clock', () => {
  const days = 10 * 24 * HOUR
  const at = fc.integer({ min: Date.parse('2026-01-01'), max: Date.parse('2026-12-20') })
  const near = fc.constantFrom('2026-03-25', '2026-10-20', '2026-04-01', '2026-10-01').map((day) => Date.parse(day))
  const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe')
  const line = fc.constantFrom(
    '0 9 * * 1-5',
    '0 12 * * 6',
    '30 2 * * *',
    '7 */5 * * *',
    '@daily',
    '@hourly',
    '0 9 1 * *',
  )
  fc.assert(
    fc.property(
      fc.oneof(at, near),
      zone,
      fc.array(line, { maxLength: 3 }),
      fc.array(fc.integer({ min: -2 * days, max: 2 * days }), { maxLength: 4 }),
      (from, timezone, lines, offsets) => {
        const parts = [...lines, ...offsets.map((offset) => new Date(from + offset).toISOString())]
        fc.pre(parts.length > 0)
        const single = parts.flatMap((part) => ticksOf(part, timezone, from, from + days))
        const merged = [...new Set(single)].sort((a, b) => a - b)
        expect(ticksOf(parts.join('; '), timezone, from, from + days)).toEqual(merged)
        const timetable = openTimetable(parts.join('; '), timezone)
        for (const [index, tick] of merged.entries())
          if (index > 0) expect([tick, timetable.previous(tick)]).toEqual([tick, merged[index - 1]])
      },
    ),
    { numRuns: 300 },
  )
})

test('after the last date there is no tick, and before the first date there is none', () => {
  const timetable = openTimetable('2026-12-24T18:00:00.000Z; 2026-12-31T23:00:00.000Z', 'Europe/Berlin')
  const [first, last] = [Date.parse('2026-12-24T18:00:00Z'), Date.parse('2026-12-31T23:00:00Z')]
  expect([timetable.next(0), timetable.next(first), timetable.next(last)]).toEqual([
    first,
    last,
    Number.POSITIVE_INFINITY,
  ])
  expect([Number.POSITIVE_INFINITY, last, first].map(timetable.previous)).toEqual([
    last,
    first,
    Number.NEGATIVE_INFINITY,
  ])
  expect(nextTick({ schedule: '2026-12-24T18:00:00.000Z', timezone: 'UTC' }, new Date(first))).toBeUndefined()
})

test('the ticks of `every` are the multiples of its time since its start', () => {
  const instant = fc.integer({ min: Date.parse('2000-01-01'), max: Date.parse('2040-01-01') })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 366 * 86_400 }), instant, instant, (seconds, start, at) => {
      const everyMs = seconds * 1_000
      const timetable = openTimetable(`every ${seconds}s from ${new Date(start).toISOString()}`, 'Europe/Berlin')
      const next = timetable.next(at)
      expect([(next - start) % everyMs === 0, next > at, next - everyMs <= at]).toEqual([true, true, true])
      expect(timetable.next(next)).toBe(next + everyMs)
      expect(timetable.previous(next)).toBe(next - everyMs)
      expect([timetable.next(start - 1), timetable.next(start)]).toEqual([start, start + everyMs])
    }),
    { numRuns: 1_000 },
  )
})
