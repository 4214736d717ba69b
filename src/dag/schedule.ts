import { Cron } from 'croner'
import { invalid } from './invalid.ts'

const ALIASES: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@quarterly': '0 0 1 */3 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}

/** The cron expression of an alias such as `@daily`; any other schedule as it is. */
export function cronOf(schedule: string): string {
  return ALIASES[schedule] ?? schedule
}

/**
 * Returns the schedule. Throws TminusError `dag_invalid` for an unknown alias, a wrong number of cron fields, a time
 * zone that Intl does not know, a date that never occurs, or if both day of month and weekday are set: some cron
 * readers combine them with AND, others with OR.
 */
export function checkSchedule(dagId: string, schedule: string | null, timezone: string): string | null {
  checkTimezone(dagId, timezone)
  if (schedule === null) return null
  const refuse = (why: string) => invalid(dagId, `schedule '${schedule}' ${why}`)
  const fields = cronOf(schedule).trim().split(/\s+/)
  if (fields[0]?.startsWith('@')) throw refuse(`is unknown; use a cron expression or ${Object.keys(ALIASES).join(' ')}`)
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
