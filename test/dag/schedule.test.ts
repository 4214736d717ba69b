import { describe, expect, test } from 'vitest'
import { checkSchedule, cronOf } from '../../src/dag/schedule.ts'

const check = (schedule: string | null, timezone = 'UTC') => checkSchedule('d', schedule, timezone)

describe('a schedule is refused when its dag is loaded', () => {
  test.each([
    ['0 0 13 * FRI', 'sets both day of month and weekday'],
    ['0 0 */2 * 1', 'sets both day of month and weekday'],
    ['0 0 0 1 1 MON', 'sets both day of month and weekday'],
    ['0 0 30 2 *', 'never occurs'],
    ['0 0 31 4,6,9,11 *', 'never occurs'],
    ['@reboot', 'is unknown; use a cron expression or @yearly'],
    ['@Daily', 'is unknown'],
    ['* * * *', 'needs five cron fields'],
    ['* * * * * * 2026', 'needs five cron fields'],
    ['', 'needs five cron fields'],
    ['60 * * * *', 'is not a cron expression'],
    ['0 24 * * *', 'is not a cron expression'],
    ['0 0 * 13 *', 'is not a cron expression'],
    ['* * * * MOON', 'is not a cron expression'],
  ])("'%s': %s", (schedule, reason) => {
    const refused = expect.objectContaining({ code: 'dag_invalid', message: expect.stringContaining(reason) })
    expect(() => check(schedule)).toThrow(refused)
    expect(() => check(schedule)).toThrow(`dag 'd': schedule '${schedule}' `)
  })

  test.each(['Europe/Atlantis', '', 'Mars/Olympus_Mons'])("an unknown zone '%s'", (zone) => {
    expect(() => check('@daily', zone)).toThrow(`timezone '${zone}' is unknown; use an IANA name`)
    expect(() => check(null, zone)).toThrow('is unknown')
  })
})

test.each([
  '0 0 29 2 *',
  '0 0 L * *',
  '0 0 * * FRI',
  '0 0 * * 7',
  '0 0 1 * ?',
  '0 0 */1 * MON',
  '*/10 * * * * *',
  '0 0 31 1-12 *',
  '@quarterly',
])("'%s' is kept", (schedule) => expect(check(schedule)).toBe(schedule))

test('no schedule, and the aliases, are accepted', () => {
  expect(check(null)).toBe(null)
  expect(['@hourly', '@daily', '@weekly', '@monthly', '@yearly'].map(cronOf)).toEqual([
    '0 * * * *',
    '0 0 * * *',
    '0 0 * * 0',
    '0 0 1 * *',
    '0 0 1 1 *',
  ])
})
