import type { Catchup, Dag } from '../dag/dag.ts'
import type { Timetable } from './timetable.ts'

/** A run to be made: its logical date is the tick, its data interval goes from the tick before to this one. */
export interface Tick {
  logicalDate: Date
  dataIntervalStart: Date
}

/** What is known about a dag when its ticks are asked for; instants in ms since 1970. */
export interface History {
  /** Logical date of its last scheduled run. */
  last: number | undefined
  /** Nothing at or before this is the scheduler's: when the dag was unpaused, or got its schedule. */
  since: number | undefined
  /** Until when this process has dealt with every tick; undefined when it has only just started. */
  seen: number | undefined
  /** No scheduled run lies before it. */
  startDate: number | undefined
}

export interface Due {
  /** Oldest first. */
  ticks: Tick[]
  /** The first tick left; when it is not after `now`, more than `most` are due. */
  next: number
}

/** On first sight of a dag its ticks count from now on, or from its start date where missed ones are caught up. */
export function sinceOf({ catchup, startDate }: Dag, now: Date): Date {
  return catchup === 'none' || startDate === undefined || startDate > now ? now : new Date(startDate.getTime() - 1)
}

/** As late as this a tick still counts as on time. */
export const GRACE_MS = 60_000

/**
 * Which ticks are to run at `now`, `most` of them. Pure. Ticks since the last look are on time as long as that was not
 * over a minute ago. After a longer absence (restart, suspend, a clock set forward) only the latest tick may be: for a
 * minute, or until half-way to the next one. Of those that are late `all` run, or the `latest`, or `none`.
 */
export function due(timetable: Timetable, catchup: Catchup, history: History, now: number, most: number): Due {
  const floor = floorOf(history, now)
  if (catchup === 'all' || isWatched(history, now)) return take(timetable, floor, now, most)
  const next = timetable.next(now)
  const latest = timetable.previous(next)
  const isLate = now - latest > Math.min(GRACE_MS, (next - latest) / 2)
  return take(timetable, Math.max(floor, isLate && catchup === 'none' ? now : latest - 1), now, most)
}

/** What lies in the future comes from a clock that was wrong, and says nothing. */
function floorOf({ last, since, seen, startDate }: History, now: number): number {
  const past = [last, since, seen].filter((instant) => instant !== undefined && instant <= now) as number[]
  // Nothing known: the dag is new, and its first tick is the next one.
  const floor = past.length === 0 && startDate === undefined ? now : Math.max(...past, 0)
  return startDate === undefined ? floor : Math.max(floor, startDate - 1)
}

function isWatched({ seen }: History, now: number): boolean {
  return seen !== undefined && seen <= now && now - seen <= GRACE_MS
}

/** The ticks after an instant, until another, `most` of them. */
export function take(timetable: Timetable, after: number, until: number, most: number): Due {
  const ticks: Tick[] = []
  let next = timetable.next(after)
  for (let before: number | undefined; next <= until && ticks.length < most; next = timetable.next(next)) {
    before ??= timetable.previous(next)
    ticks.push({ logicalDate: new Date(next), dataIntervalStart: new Date(before) })
    before = next
  }
  return { ticks, next }
}
