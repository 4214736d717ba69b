import { cronOf } from '../dag/schedule.ts'

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']

/** `every 5 minutes`, `daily at 05:00 UTC`; an unusual schedule stays a cron expression. */
export function scheduleWords(schedule: string | null, timezone: string): string {
  if (schedule === null) return 'manual runs only'
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
