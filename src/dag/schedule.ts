import { Cron } from 'croner'
import { shortDuration } from '../duration.ts'
import { readInstant } from '../instant.ts'
import { ALIASES, AND, CONTINUOUS, cronOf } from '../timetable.ts'
import { invalid } from './invalid.ts'
import type { ParsedDagOptions } from './options.ts'

type Given = Pick<ParsedDagOptions, 'schedule' | 'every' | 'startDate' | 'timezone'>

/**
 * Returns the schedule as one text, which is stored, compared and shown: `0 9 * * 1-5; 2026-12-24T18:00:00.000Z`, or
 * `every 90m from 2026-01-01T00:00:00.000Z`. Throws TminusError `dag_invalid` for a time zone that Intl does not know,
 * and for a schedule that `openTimetable` could not read.
 */
export function checkSchedule(dagId: string, { schedule, every, startDate, timezone }: Given): string | null {
  checkTimezone(dagId, timezone)
  if (every !== undefined && schedule !== null) throw invalid(dagId, 'every and schedule exclude each other; use one')
  if (every !== undefined && !startDate) throw invalid(dagId, 'every needs a startDate, which is its first tick')
  if (every !== undefined) return `every ${shortDuration(every)} from ${startDate?.toISOString()}`
  const dateOf = (one: string | Date) => (one instanceof Date ? one : readInstant(one))
  const textOf = (one: string | Date) => dateOf(one)?.toISOString() ?? checkCron(dagId, `${one}`)
  return schedule === null || schedule === CONTINUOUS ? schedule : [schedule].flat().map(textOf).join(AND)
}

/**
 * Refuses an unknown alias, a wrong number of cron fields, a date that never occurs, and a day of month together with a
 * weekday: some cron readers combine them with AND, others with OR.
 */
function checkCron(dagId: string, schedule: string): string {
  const refuse = (why: string) => invalid(dagId, `schedule '${schedule}' ${why}`)
  const fields = cronOf(schedule).trim().split(/\s+/)
  if (fields[0]?.startsWith('@'))
    throw refuse(`is unknown; use a cron expression or ${Object.keys(ALIASES).join(' ')}, or ${CONTINUOUS} alone`)
  if (/^\d{4}-/.test(schedule)) throw refuse("is not a date with a zone, such as '2026-12-24T18:00:00Z'")
  if (fields.length !== 5 && fields.length !== 6) throw refuse('needs five cron fields (or six, with seconds first)')
  const [dayOfMonth, , weekday] = fields.slice(-3).map((field) => !/^[*?](\/1)?$/.test(field))
  if (dayOfMonth && weekday) {
    throw refuse('sets both day of month and weekday, which cron readers combine differently; use one of them')
  }
  if (!hasNextRun(fields.join(' '), refuse)) throw refuse('never occurs: no month in it has such a day')
  return schedule
}

function hasNextRun(cron: string, refuse: (why: string) => Error): boolean {
  try {
    return new Cron(cron, { utcOffset: 0, paused: true }).nextRun() !== null
  } catch (cause) {
    throw refuse(`is not a cron expression: ${(cause as Error).message}`)
  }
}

function checkTimezone(dagId: string, timezone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch {
    throw invalid(dagId, `timezone '${timezone}' is unknown; use an IANA name such as 'Europe/Paris'`)
  }
}
