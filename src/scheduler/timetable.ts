import { Cron } from 'croner'
import { cronOf } from '../dag/schedule.ts'

/** When a schedule ticks. Instants in ms since 1970, always whole seconds. */
export interface Timetable {
  /** The first tick after an instant; Infinity where there is none any more. */
  next(after: number): number
  /** The tick before a tick. */
  previous(tick: number): number
}

const HOUR_MS = 3_600_000
const WEEK_MS = 7 * 24 * HOUR_MS

/**
 * A schedule read in its zone. croner only matches the pattern, against the wall clock; what a change of that clock does
 * to ticks is decided here, because croner decides otherwise for lists, ranges and half hours. Each tick comes once: a
 * wall time that is skipped runs at the change, one that occurs twice runs the first time. Where the hour is `*` what
 * counts is that every real hour has its ticks: those of a repeated hour come again, those of a skipped one are no loss.
 */
export function openTimetable(schedule: string, timezone: string): Timetable {
  const cron = cronOf(schedule).trim()
  const isHourly = ['*', '?', '*/1', '0-23'].includes(cron.split(/\s+/).at(-4) ?? '')
  const pattern = new Cron(cron, { utcOffset: 0, paused: true })
  const offsetAt = offsetsOf(timezone)

  const next = (after: number): number => {
    let from = Math.floor(after / 1_000) * 1_000
    let offset = offsetAt(from)
    if (!isHourly) from = Math.max(from, repeatedUntil(from, offsetAt) - 1_000)
    for (;;) {
      const wall = pattern.nextRun(new Date(from + offset))?.getTime()
      if (wall === undefined) return Number.POSITIVE_INFINITY
      const tick = wall - offset
      const change = changeWithin(from, tick, offset, offsetAt)
      if (change === undefined) return tick
      const jump = offsetAt(change) - offset
      const isSkipped = tick < change + jump
      if (isSkipped && !(isHourly && jump % HOUR_MS === 0)) return change
      from = change - 1_000 + (isHourly ? 0 : Math.max(0, -jump))
      offset += jump
    }
  }
  return { next, previous: (tick) => previousOf(tick, next) }
}

/** The end of the wall time that is repeated around an instant; an instant before it where none is. */
function repeatedUntil(instant: number, offsetAt: Offsets): number {
  const earlier = instant - 24 * HOUR_MS
  const change = changeWithin(earlier, instant, offsetAt(earlier), offsetAt)
  return change === undefined ? 0 : change + offsetAt(change - 1_000) - offsetAt(instant)
}

/**
 * The first instant after `from`, until `to`, with another offset than this. Looks once a week: no zone changes back
 * sooner.
 */
function changeWithin(from: number, to: number, offset: number, offsetAt: Offsets): number | undefined {
  let before = from
  let after = Math.min(to, from + WEEK_MS)
  while (offsetAt(after) === offset) {
    if (after >= to) return undefined
    before = after
    after = Math.min(to, after + WEEK_MS)
  }
  while (after - before > 1_000) {
    const middle = Math.floor((before + after) / 2_000) * 1_000
    if (offsetAt(middle) === offset) before = middle
    else after = middle
  }
  return after
}

/** The last tick before one, by halves: a schedule may be as dense as a second or as sparse as eight years. */
function previousOf(tick: number, next: Timetable['next']): number {
  let span = Math.min(next(tick) - tick, 52 * WEEK_MS)
  while (next(tick - span - 1_000) >= tick) span *= 2
  let [low, high] = [tick - span - 1_000, tick - 1_000]
  for (;;) {
    const found = next(low)
    if (next(found) >= tick) return found
    const middle = Math.floor((found + high) / 2_000) * 1_000
    const early = next(middle) < tick
    low = early ? middle : found
    high = early ? high : middle
  }
}

/** How far a zone's wall clock is ahead of UTC, ms. */
type Offsets = (instant: number) => number

const formats = new Map<string, Intl.DateTimeFormat>()

function offsetsOf(timeZone: string): Offsets {
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  formats.set(timeZone, format)
  return (instant) => {
    const [, sign, ...parts] = /GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(format.format(instant)) ?? []
    const [hours = 0, minutes = 0, seconds = 0] = parts.map((part) => Number(part ?? 0))
    return (sign === '-' ? -1_000 : 1_000) * (hours * 3_600 + minutes * 60 + seconds)
  }
}
