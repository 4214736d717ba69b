import { isPrecise } from '../../launches/launch.ts'
import { moveOf, type Net } from '../../launches/net.ts'
import { periodOf } from '../../launches/time.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** How long a new T-0 must stay the same before it is announced, unless it is closer than `URGENT_MS`. */
const SETTLED_MS = 10 * MINUTE
const URGENT_MS = 30 * MINUTE

/**
 * True if the change of T-0 is large enough for a post: the precision changed, or T-0 moved far enough. If the
 * launch is close, a smaller move is enough.
 */
export function isMaterial(from: Net, to: Net, now: Date): boolean {
  const { precision, byMs } = moveOf(from, to)
  if (precision !== 'same') return true
  const away = Math.min(...[from, to].map((net) => Math.abs(startOf(net) - now.getTime())))
  const enough = away <= DAY ? 15 * MINUTE : away <= 7 * DAY ? 2 * HOUR : DAY
  return byMs >= enough
}

/**
 * True if T-0 has stayed the same for long enough: it often moves several times within minutes, or moves back. Shortly
 * before a launch, there is no time for this wait.
 */
export function isSettled(from: Net, to: Net, { now, netSince }: { now: Date; netSince: Date | null }): boolean {
  if (netSince === null || now.getTime() - netSince.getTime() >= SETTLED_MS) return true
  return [from, to].some(
    ({ net, precision }) => isPrecise(precision) && Math.abs(net.getTime() - now.getTime()) <= URGENT_MS,
  )
}

function startOf({ net, precision }: Net): number {
  return periodOf(net, precision).start
}
