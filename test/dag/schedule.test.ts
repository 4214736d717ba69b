import { describe, expect, test } from 'vitest'
import { checkSchedule } from '../../src/dag/schedule.ts'
import { cronOf } from '../../src/timetable.ts'

type Given = Parameters<typeof checkSchedule>[1]
const check = (schedule: Given['schedule'], timezone = 'UTC') =>
  checkSchedule('d', { schedule, timezone, every: undefined, startDate: undefined })

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
    ['2026-12-24T18:00:00', "is not a date with a zone, such as '2026-12-24T18:00:00Z'"],
    ['2026-02-31', 'is not a date'],
    ['0 9 * * 1-5; 0 12 * * 6', 'needs five cron fields'],
    ['every 5m from 2026-01-01T00:00:00.000Z', 'needs five cron fields'],
  ])("'%s': %s", (schedule, reason) => {
    const refused = expect.objectContaining({ code: 'dag_invalid', message: expect.stringContaining(reason) })
    expect(() => check(schedule)).toThrow(refused)
    expect(() => check(schedule)).toThrow(`dag 'd': schedule '${schedule}' `)
    expect(() => check(['@daily', schedule])).toThrow(refused)
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

test('a schedule of several lines and dates is one text', () => {
  expect(check(['0 9 * * 1-5', '0 12 * * 6'])).toBe('0 9 * * 1-5; 0 12 * * 6')
  const dates = [new Date('2026-12-31T23:00:00Z'), '2026-12-24T19:00:00+01:00', '2027-01-06']
  expect(check(['@daily', ...dates])).toBe(
    '@daily; 2026-12-31T23:00:00.000Z; 2026-12-24T18:00:00.000Z; 2027-01-06T00:00:00.000Z',
  )
  expect(check(new Date('2026-12-31T23:00:00Z'))).toBe('2026-12-31T23:00:00.000Z')
})

describe('every', () => {
  const startDate = new Date('2026-01-01T06:00:00Z')
  const every = (ms: number, more: Partial<Given> = {}) =>
    checkSchedule('d', { schedule: null, timezone: 'UTC', startDate, every: ms, ...more })

  test.each([
    [1_000, '1s'],
    [90_000, '90s'],
    [5_400_000, '90m'],
    [7_200_000, '2h'],
    [172_800_000, '2d'],
  ])('%i ms with its start is the text of %s', (ms, text) => {
    expect(every(ms)).toBe(`every ${text} from 2026-01-01T06:00:00.000Z`)
  })

  test('is refused without a start date, and beside a schedule', () => {
    expect(() => every(60_000, { startDate: undefined })).toThrow("dag 'd': every needs a startDate")
    expect(() => every(60_000, { schedule: '@daily' })).toThrow("dag 'd': every and schedule exclude each other")
  })
})
