import { isPrecise, type Launch } from '../../launches/launch.ts'
import { periodOf, precisionClass, precisionOf } from '../../launches/time.ts'

/** A T-0 as far as it is known. */
export interface Net {
  net: Date
  /** Launch Library's id, see `Launch`. */
  precision: number
}

/** How a T-0 changed. `later` and `earlier` only where that is certain: the two periods do not overlap. */
export interface Move {
  direction: 'later' | 'earlier' | 'unsigned'
  /** `set`: known more finely than before. `open`: more coarsely. */
  precision: 'same' | 'set' | 'open'
  /** Between the starts of the two; not negative. */
  byMs: number
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const QUIET = 10 * MINUTE
const HURRY = 30 * MINUTE

export function netOf(launch: Pick<Launch, 'net' | 'netPrecision'>): Net {
  return { net: launch.net, precision: precisionOf(launch) }
}

/** News enough for a post: by how much, the nearer the less; or a time where there was a day, a day where a month. */
export function isMaterial(from: Net, to: Net, now: Date): boolean {
  const { precision, byMs } = moveOf(from, to)
  if (precision !== 'same') return true
  const away = Math.min(...[from, to].map((net) => Math.abs(startOf(net) - now.getTime())))
  const enough = away <= DAY ? 15 * MINUTE : away <= 7 * DAY ? 2 * HOUR : DAY
  return byMs >= enough
}

/** NETs often move several times within minutes, or back; near a T-0 there is no time to wait and see. */
export function isSettled(from: Net, to: Net, { now, netSince }: { now: Date; netSince: Date | null }): boolean {
  if (netSince === null || now.getTime() - netSince.getTime() >= QUIET) return true
  return [from, to].some(
    ({ net, precision }) => isPrecise(precision) && Math.abs(net.getTime() - now.getTime()) <= HURRY,
  )
}

export function moveOf(from: Net, to: Net): Move {
  const [old, present] = [periodOf(from.net, from.precision), periodOf(to.net, to.precision)]
  const slack = isPrecise(from.precision) === isPrecise(to.precision) ? 0 : ZONES
  const finer = precisionClass(from.precision) - precisionClass(to.precision)
  return {
    // Two equal times touch each other, hence both conditions.
    direction:
      present.start >= old.end + slack && present.start > old.start
        ? 'later'
        : old.start >= present.end + slack && old.start > present.start
          ? 'earlier'
          : 'unsigned',
    precision: finer === 0 ? 'same' : finer > 0 ? 'set' : 'open',
    byMs: Math.abs(present.start - old.start),
  }
}

/** A day is the launch site's, whose zone is not known: the evening of the 8th in Florida is the 9th in UTC. */
const ZONES = 12 * HOUR

function startOf({ net, precision }: Net): number {
  return periodOf(net, precision).start
}
