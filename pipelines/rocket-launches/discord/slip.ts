import { isPrecise } from '../../launches/launch.ts'
import { moveOf, type Net } from '../../launches/net.ts'
import { periodOf } from '../../launches/time.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const QUIET = 10 * MINUTE
const HURRY = 30 * MINUTE

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

function startOf({ net, precision }: Net): number {
  return periodOf(net, precision).start
}
