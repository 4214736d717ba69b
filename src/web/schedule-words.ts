import type { Dag } from '../dag/dag.ts'
import { afterWords } from '../operations/after-words.ts'
import { AND, CONTINUOUS, cronOf } from '../timetable.ts'

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']

const UNITS: Readonly<Record<string, string>> = { s: 'second', m: 'minute', h: 'hour', d: 'day' }
/** The number of parts of a schedule, and of dags that a dag follows, that are shown. */
const SHOWN = 3

/** What starts a dag: `daily at 05:00 UTC; after a and b`. */
export function startWords(dag: Pick<Dag, 'schedule' | 'timezone' | 'after'>): string {
  const after = afterWords(dag, SHOWN)
  if (after === undefined) return scheduleWords(dag.schedule, dag.timezone)
  return dag.schedule === null ? after : scheduleWords(dag.schedule, dag.timezone) + AND + after
}

/** `every 5 minutes`, `daily at 05:00 UTC`; an unusual schedule stays a cron expression. */
export function scheduleWords(schedule: string | null, timezone: string): string {
  if (schedule === null) return 'manual runs only'
  if (schedule === CONTINUOUS) return 'continuously'
  const parts = schedule.split(AND)
  const words = parts.slice(0, SHOWN).map((part) => partWords(part, timezone))
  return [...words, ...(parts.length > SHOWN ? [`${parts.length - SHOWN} more`] : [])].join(AND)
}

function partWords(part: string, timezone: string): string {
  const [, count, unit = ''] = /^every (\d+)([smhd]) /.exec(part) ?? []
  if (count !== undefined) return count === '1' ? `every ${UNITS[unit]}` : `every ${count} ${UNITS[unit]}s`
  if (/^\d{4}-/.test(part)) return part.replace('T', ' ').replace(/(:00)?(\.000)?Z$/, ' UTC')
  return cronWords(part, timezone)
}

function cronWords(schedule: string, timezone: string): string {
  const fields = cronOf(schedule).trim().split(/\s+/)
  const [second, minute = '', hour = '', day, month, weekday = ''] = fields.length === 6 ? fields : ['0', ...fields]
  const zone = timezone === 'UTC' ? ' UTC' : ` (${timezone})`
  const all = (...given: (string | undefined)[]) => given.every((field) => field === '*')
  const every = /^\*\/(\d+)$/
  if (all(minute, hour, day, month, weekday)) {
    if (second === '*') return 'every second'
    if (second === '0') return 'every minute'
    return every.test(second ?? '') ? `every ${second?.slice(2)} seconds` : `${schedule}${zone}`
  }
  if (second !== '0') return `${schedule}${zone}`
  if (all(hour, day, month, weekday)) {
    if (every.test(minute)) return `every ${minute.slice(2)} minutes`
    if (/^\d+$/.test(minute)) return minute === '0' ? 'every hour' : `hourly at ${minute.padStart(2, '0')} past`
  }
  if (minute === '0' && every.test(hour) && all(day, month, weekday)) return `every ${hour.slice(2)} hours`
  if (!/^\d+$/.test(minute) || !/^\d+$/.test(hour)) return `${schedule}${zone}`
  const at = `at ${hour.padStart(2, '0')}:${minute.padStart(2, '0')}${zone}`
  if (all(day, month, weekday)) return `daily ${at}`
  if (all(day, month) && weekday === '1-5') return `Monday to Friday ${at}`
  if (all(day, month) && /^[0-7]$/.test(weekday)) return `${DAYS[Number(weekday)]}s ${at}`
  if (all(month, weekday) && /^\d+$/.test(day ?? '')) return `monthly on day ${day} ${at}`
  return `${schedule}${zone}`
}
