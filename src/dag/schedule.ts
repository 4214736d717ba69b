import { Cron } from 'croner'
import { invalid } from './invalid.ts'

const ALIASES: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}

/** The cron expression behind `@daily` and the like. */
export function cronOf(schedule: string): string {
  return ALIASES[schedule] ?? schedule
}

/**
 * The schedule itself. Throws TminusError `dag_invalid` for a schedule that cannot be kept: not five or six cron fields, a zone unknown
 * to Intl, day of month and weekday both set (read as AND by some and OR by others), or a date that never comes.
 */
export function checkSchedule(dagId: string, schedule: string | null, timezone: string): string | null {
  checkTimezone(dagId, timezone)
  if (schedule === null) return null
  const fields = cronOf(schedule).trim().split(/\s+/)
  if (fields.length !== 5 && fields.length !== 6) {
    throw invalid(dagId, `schedule '${schedule}' needs five cron fields (or six, with seconds first)`)
  }
  const [dayOfMonth, , weekday] = fields.slice(-3)
  if (dayOfMonth !== '*' && dayOfMonth !== '?' && weekday !== '*' && weekday !== '?') {
    throw invalid(
      dagId,
      `schedule '${schedule}' sets both day of month and weekday, which cron readers disagree on; use one`,
    )
  }
  if (next(dagId, schedule, timezone) === null) throw invalid(dagId, `schedule '${schedule}' never comes`)
  return schedule
}

function next(dagId: string, schedule: string, timezone: string): Date | null {
  try {
    return new Cron(cronOf(schedule), { timezone, paused: true }).nextRun()
  } catch (cause) {
    throw invalid(dagId, `schedule '${schedule}' is not a cron expression: ${(cause as Error).message}`)
  }
}

function checkTimezone(dagId: string, timezone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch {
    throw invalid(dagId, `timezone '${timezone}' is unknown; use an IANA name such as 'Europe/Paris'`)
  }
}
