import type { Timetable } from '../cron.ts'
import type { Catchup, Dag } from '../dag/dag.ts'

/** A run to create. Its logical date is the tick; its data interval goes from the previous tick to this one. */
export interface Tick {
  logicalDate: Date
  dataIntervalStart: Date
  /** See `Insertion`. */
  isNext?: boolean
}

/** The facts that decide which ticks of a dag are due. Instants in ms since 1970. */
export interface History {
  /** Logical date of the dag's last scheduled run. */
  last: number | undefined
  /** Only later ticks count. At this instant the dag was unpaused or got its schedule. */
  since: number | undefined
  /** This process has handled every tick up to this instant; undefined if it has just started. */
  seen: number | undefined
  /** The earliest logical date of a scheduled run. */
  startDate: number | undefined
}

export interface Due {
  /** Oldest first. */
  ticks: Tick[]
  /** The first tick that is not in `ticks`. If this tick is not after `now`, more than `most` ticks are due. */
  next: number
}

/** The ticks of a new dag count from now on, or from its start date if it catches up missed ticks. */
export function sinceOf({ catchup, startDate }: Dag, now: Date): Date {
  return catchup === 'none' || startDate === undefined || startDate > now ? now : new Date(startDate.getTime() - 1)
}

/** A tick counts as on time if it is at most this late. */
export const GRACE_MS = 60_000

/**
 * Returns the ticks that must run at `now`, at most `most`. Pure. If the last check was at most a minute ago, all
 * ticks since then are on time. After a longer gap (a restart, a suspend, a clock set forward) only the latest tick can
 * be on time: for a minute, or for half of the interval to the next tick. Late ticks: `all` run, only the `latest`
 * runs, or `none` runs.
 */
export function due(timetable: Timetable, catchup: Catchup, history: History, now: number, most: number): Due {
  const floor = floorOf(history, now)
  if (catchup === 'all' || isContinuous(history, now)) return ticksBetween(timetable, floor, now, most)
  const next = timetable.next(now)
  const latest = timetable.previous(next)
  const isLate = now - latest > Math.min(GRACE_MS, (next - latest) / 2)
  return ticksBetween(timetable, Math.max(floor, isLate && catchup === 'none' ? now : latest - 1), now, most)
}

/** The instant after which ticks count. An instant in the future came from a wrong clock and is ignored. */
function floorOf({ last, since, seen, startDate }: History, now: number): number {
  const past = [last, since, seen].filter((instant) => instant !== undefined && instant <= now) as number[]
  // If there is no instant, the dag is new, and its first tick is the next tick.
  const floor = past.length === 0 && startDate === undefined ? now : Math.max(...past, 0)
  return startDate === undefined ? floor : Math.max(floor, startDate - 1)
}

function isContinuous({ seen }: History, now: number): boolean {
  return seen !== undefined && seen <= now && now - seen <= GRACE_MS
}

/** The ticks after one instant and up to another, at most `most`. */
export function ticksBetween(timetable: Timetable, after: number, until: number, most: number): Due {
  const ticks: Tick[] = []
  let next = timetable.next(after)
  for (let before: number | undefined; next <= until && ticks.length < most; next = timetable.next(next)) {
    before ??= timetable.previous(next)
    // The first tick of all has an empty data interval.
    ticks.push({ logicalDate: new Date(next), dataIntervalStart: new Date(Number.isFinite(before) ? before : next) })
    before = next
  }
  return { ticks, next }
}
