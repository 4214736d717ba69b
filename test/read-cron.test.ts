import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readCron } from '../src/read-cron.ts'
import { openTimetable } from '../src/timetable.ts'
import { SEED } from './support/random.ts'

describe('a cron expression with its time zone', () => {
  test.each([
    ['0 9 * * 1 Europe/Berlin', '2026-11-30T08:00:00Z', '2026-11-30T08:00:00Z'],
    ['0 9 * * 1 Europe/Berlin', '2026-11-30T07:59:59.999Z', '2026-11-23T08:00:00Z'],
    ['0 9 * * MON', '2026-11-30T09:00:00.500Z', '2026-11-30T09:00:00Z'],
    ['  @weekly   America/Argentina/Buenos_Aires ', '2026-11-30T00:00:00Z', '2026-11-29T03:00:00Z'],
    // The wall time 02:30 is repeated on this day.
    ['30 2 * * * Europe/Berlin', '2026-10-25T12:00:00Z', '2026-10-25T00:30:00Z'],
    ['0 0 29 2 * UTC', '2026-11-30T00:00:00Z', '2024-02-29T00:00:00Z'],
  ])('%s: the last tick at %s was %s', (text, at, tick) => {
    expect(readCron(text).last(new Date(at))).toEqual(new Date(tick))
  })

  test('no tick lies between the last tick and the instant', () => {
    const cron = fc.constantFrom('0 9 * * 1', '15 */5 * * *', '0 0 1 * *', '59 23 31 12 *', '30 2 * 3,10 0')
    const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Seoul', 'America/St_Johns', 'Australia/Lord_Howe')
    const at = fc.date({ min: new Date('2020-01-01Z'), max: new Date('2035-01-01Z'), noInvalidDate: true })
    fc.assert(
      fc.property(cron, zone, at, (expression, timezone, instant) => {
        const tick = readCron(`${expression} ${timezone}`).last(instant)
        expect(tick.getTime()).toBeLessThanOrEqual(instant.getTime())
        expect(openTimetable(expression, timezone).next(tick.getTime())).toBeGreaterThan(instant.getTime())
        expect(openTimetable(expression, timezone).next(tick.getTime() - 1_000)).toBe(tick.getTime())
      }),
      { seed: SEED },
    )
  })

  test.each([
    ['', 'must be a cron expression'],
    ['0 9 * *', 'must be a cron expression'],
    ['* * * * *', 'must be a cron expression with one minute'],
    ['*/5 * * * * UTC', 'must be a cron expression with one minute'],
    ['0 0 9 * * 1', 'must be a cron expression'],
    ['@continuous', 'must be a cron expression'],
    ['2026-01-01T00:00:00Z', 'must be a cron expression'],
    ['0 9 * * 1 Berlin', 'must be a cron expression'],
    ['0 9 * * 1 Europe/Berlim', "is wrong: timezone 'Europe/Berlim' is unknown"],
    ['0 25 * * *', "is wrong: schedule '0 25 * * *' is not a cron expression"],
    ['0 9 31 2 *', "is wrong: schedule '0 9 31 2 *' never occurs"],
    ['0 9 1 * 1', "is wrong: schedule '0 9 1 * 1' sets both"],
    ['@never UTC', "is wrong: schedule '@never' is unknown"],
  ])("'%s' %s", (text, message) => {
    expect(() => readCron(text)).toThrow(message)
  })
})
