import { Cron } from 'croner'
import { milliseconds } from '../duration.ts'
import { AND, cronOf } from './schedule.ts'

/** The ticks of a schedule. Instants in ms since 1970. The ticks of a cron expression are whole seconds. */
export interface Timetable {
  /** The first tick after an instant; Infinity if there is none. */
  next(after: number): number
  /** The tick before a tick; -Infinity if there is none. */
  previous(tick: number): number
}

const HOUR_MS = 3_600_000
const WEEK_MS = 7 * 24 * HOUR_MS

const NEVER = Number.POSITIVE_INFINITY
const timetables = new WeakMap<object, Timetable>()

/** The ticks of a dag. A dag that only runs when triggered has none. */
export function timetableOf(dag: { schedule: string | null; timezone: string }): Timetable {
  const timetable = timetables.get(dag) ?? openTimetable(dag.schedule, dag.timezone)
  timetables.set(dag, timetable)
  return timetable
}

/** Reads a schedule as `checkSchedule` returns it. Equal ticks of its parts are one tick. */
export function openTimetable(schedule: string | null, timezone: string): Timetable {
  const parts = schedule === null ? [] : schedule.split(AND).map((part) => openPart(part, timezone))
  return {
    next: (after) => Math.min(...parts.map((part) => part.next(after))),
    previous: (tick) => Math.max(...parts.map((part) => part.previous(tick))),
  }
}

function openPart(part: string, timezone: string): Timetable {
  const [, every, start = part] = /^every (\S+) from (\S+)$/.exec(part) ?? []
  if (every === undefined && !/^\d{4}-/.test(part)) return openCron(part, timezone)
  const [first, everyMs] = [Date.parse(start), milliseconds(every ?? 0)]
  if (everyMs === 0)
    return { next: (at) => (at < first ? first : NEVER), previous: (at) => (at > first ? first : -NEVER) }
  const countAt = (at: number) => (at - first) / everyMs
  const tick = (count: number) => first + count * everyMs
  return { next: (at) => tick(Math.floor(countAt(at)) + 1), previous: (at) => tick(Math.ceil(countAt(at)) - 1) }
}

/**
 * Reads a cron expression in its time zone. croner only matches the pattern against wall times. This function handles
 * changes of the zone's offset itself, because croner treats lists, ranges and half hours inconsistently:
 *
 * - A skipped wall time ticks at the change. A repeated wall time ticks only the first time.
 * - A schedule whose hour is `*` ticks in every real hour: a repeated hour ticks again, a skipped hour does not tick.
 */
function openCron(schedule: string, timezone: string): Timetable {
  const cron = cronOf(schedule).trim()
  const isHourly = ['*', '?', '*/1', '0-23'].includes(cron.split(/\s+/).at(-4) ?? '')
  const pattern = new Cron(cron, { utcOffset: 0, paused: true })
  const offsetAt = offsetsOf(timezone)

  const next = (after: number): number => {
    let from = Math.floor(after / 1_000) * 1_000
    let offset = offsetAt(from)
    if (!isHourly) from = Math.max(from, repeatedUntil(from, offsetAt) - 1_000)
    for (;;) {
      // The next tick, unless the offset changes before it.
      const wall = pattern.nextRun(new Date(from + offset))?.getTime()
      if (wall === undefined) return NEVER
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

/** The first tick of a dag after an instant; undefined if there is none. */
export function nextTick(dag: { schedule: string | null; timezone: string }, after: Date): Date | undefined {
  const next = timetableOf(dag).next(after.getTime())
  return Number.isFinite(next) ? new Date(next) : undefined
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
