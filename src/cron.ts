import { Cron } from 'croner'

/** The ticks of a schedule. Instants in ms since 1970. The ticks of a cron expression are whole seconds. */
export interface Timetable {
  /** The first tick after an instant; Infinity if there is none. */
  next(after: number): number
  /** The tick before a tick; -Infinity if there is none. */
  previous(tick: number): number
}

const HOUR_MS = 3_600_000
const WEEK_MS = 7 * 24 * HOUR_MS

/**
 * Reads a cron expression of five or six fields in its time zone. croner only matches the pattern against wall times. This function handles
 * changes of the zone's offset itself, because croner treats lists, ranges and half hours inconsistently:
 *
 * - A skipped wall time ticks at the change. A repeated wall time ticks only the first time.
 * - A schedule whose hour is `*` ticks in every real hour: a repeated hour ticks again, a skipped hour does not tick.
 */
export function openCron(cron: string, timezone: string): Timetable {
  const isHourly = ['*', '?', '*/1', '0-23'].includes(cron.split(/\s+/).at(-4) ?? '')
  const pattern = patternOf(cron)
  const offsetAt = offsetsOf(timezone)

  const next = (after: number): number => {
    let from = Math.floor(after / 1_000) * 1_000
    let offset = offsetAt(from)
    if (!isHourly) from = Math.max(from, repeatedUntil(from, offsetAt) - 1_000)
    for (;;) {
      // The next tick, unless the offset changes before it.
      const wall = pattern.nextRun(new Date(from + offset))?.getTime()
      if (wall === undefined) return Number.POSITIVE_INFINITY
      const tick = wall - offset
      const change = changeWithin(from, tick, offset, offsetAt)
      if (change === undefined) return tick
      const jump = offsetAt(change) - offset
      const isSkipped = tick < change + jump
      if (isSkipped && !(isHourly && jump % HOUR_MS === 0)) return change
      // Continues the search at the change, with the new offset, after the repeated wall times.
      from = change - 1_000 + (isHourly ? 0 : Math.max(0, -jump))
      offset += jump
    }
  }
  return { next, previous: (tick) => previousOf(tick, next) }
}

const patterns = new Map<string, Cron>()

/** croner's pattern takes 80 kB, because it lists 10,000 years. So all dags with one expression share it. */
function patternOf(cron: string): Cron {
  const pattern = patterns.get(cron) ?? new Cron(cron, { utcOffset: 0, paused: true })
  patterns.set(cron, pattern)
  return pattern
}

/** If the instant is in a repeated wall time: the instant at which the repetition ends. Else an earlier instant. */
function repeatedUntil(instant: number, offsetAt: Offsets): number {
  const earlier = instant - 24 * HOUR_MS
  const change = changeWithin(earlier, instant, offsetAt(earlier), offsetAt)
  return change === undefined ? 0 : change + offsetAt(change - 1_000) - offsetAt(instant)
}

/**
 * The first instant after `from` and up to `to` at which the offset is not `offset`. Checks once a week, because no
 * zone changes its offset twice within a week.
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

/** Finds the last tick before an instant by bisection: the interval may be between a second and eight years. */
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

/** A zone's offset from UTC at an instant, ms. */
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
