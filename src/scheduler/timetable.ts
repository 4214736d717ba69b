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
  const everyHour = ['*', '?', '*/1', '0-23'].includes(cron.split(/\s+/).at(-4) ?? '')
  const pattern = new Cron(cron, { utcOffset: 0, paused: true })
  const offsetAt = offsetsOf(timezone)

  const next = (after: number): number => {
    let { from, offset } = settled(after, offsetAt, everyHour)
    for (;;) {
      const wall = pattern.nextRun(new Date(from + offset))?.getTime() ?? Number.POSITIVE_INFINITY
      if (wall === Number.POSITIVE_INFINITY) return wall
      const change = changeWithin(from, wall - offset, offset, offsetAt)
      if (change === undefined) return wall - offset
      const jump = offsetAt(change) - offset
      const skipped = wall < change + offset + jump
      if (skipped && !(everyHour && jump % HOUR_MS === 0)) return change
      from = change - 1_000 + (everyHour ? 0 : Math.max(0, -jump))
      offset += jump
    }
  }
  return { next, previous: (tick) => previousOf(tick, next) }
}

/** Where to look on from: past what is left of a repeated wall time, unless that counts too. */
function settled(after: number, offsetAt: Offsets, everyHour: boolean): { from: number; offset: number } {
  const from = Math.floor(after / 1_000) * 1_000
  const offset = offsetAt(from)
  const earlier = from - 24 * HOUR_MS
  const change = everyHour ? undefined : changeWithin(earlier, from, offsetAt(earlier), offsetAt)
  const repeatedUntil = change === undefined ? 0 : change + offsetAt(change - 1_000) - offset
  return { from: Math.max(from, repeatedUntil - 1_000), offset }
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
