import { checkSchedule } from './dag/schedule.ts'
import { TminusError } from './errors.ts'
import { openTimetable } from './timetable.ts'

/** The ticks of a setting, such as when a weekly message is due. */
export interface Ticks {
  /** The last tick at or before an instant. */
  last(instant: Date): Date
  /** IANA name of the time zone. */
  timezone: string
}

/**
 * Reads a cron expression and its time zone, which a setting holds: `0 9 * * 1 Europe/Berlin`. Default zone: UTC. The
 * rules are those of a dag's schedule, and an expression may tick once an hour at most.
 *
 * Throws TminusError `cron_invalid`. The message is one sentence without the name of the setting.
 */
export function readCron(text: string): Ticks {
  const [, cron = '', timezone = 'UTC'] = /^(.*?)(?:\s+(UTC|[A-Za-z]\w*\/[A-Za-z][\w/+-]*))?$/s.exec(text.trim()) ?? []
  if (!/^(?:\d+(?:\s+\S+){4}|@\w+)$/.test(cron) || cron === '@continuous')
    throw invalid('must be a cron expression with one minute, and a time zone, like 0 9 * * 1 Europe/Berlin')
  const timetable = openTimetable(check(cron, timezone), timezone)
  // A tick is a whole second.
  const last = (instant: Date) => new Date(timetable.previous(Math.floor(instant.getTime() / 1_000) * 1_000 + 1_000))
  return { timezone, last }
}

function check(schedule: string, timezone: string): string | null {
  try {
    return checkSchedule('', { schedule, timezone, every: undefined, startDate: undefined })
  } catch (error) {
    throw invalid(`is wrong: ${(error as Error).message.replace("dag '': ", '')}`, error)
  }
}

function invalid(message: string, cause?: unknown): TminusError {
  return new TminusError(message, { code: 'cron_invalid', retryable: false, cause })
}
