import type { Queryable } from 'tminus/db'
import { STORED_COLUMNS } from './columns.ts'
import { FLOWN, type KnownLaunch, PRECISE } from './launch.ts'

const IS_FLOWN = `(status_id = any (array[${FLOWN}])) is true`

/**
 * SQL: true for a row of `rocket_launches` that has not flown and whose period (`period_end`) is not over. A launch
 * that vanished from the list may still be upcoming. `now` is the SQL of an instant, such as `$1`.
 */
export function isUpcoming(now: string): string {
  return `((period_end > ${now} or net = ${now}) and not ${IS_FLOWN})`
}

export const IS_PRECISE = `coalesce(net_precision = any (array[${PRECISE}]), false)`

/** Precise times come before placeholders, because a placeholder can be anywhere in its period. */
export const NEXT_FIRST = `${IS_PRECISE} desc, period_end, net_precision, launch_id`

/**
 * SQL: the order of every list of launches, on the board, in the terminal and on Discord. Upcoming: nearest first. If
 * only the month of a launch is known, it comes after all other launches of that month, despite its placeholder. Past:
 * latest first.
 */
export function launchOrder({ past }: { past: boolean }): string {
  return past ? 'net desc, launch_id' : `case when ${IS_PRECISE} then net else period_end end, net_precision, launch_id`
}

const CANDIDATES = `rocket_launches where ${isUpcoming('$1')} and launch_id is not null and vanished_at is null`

/**
 * The next upcoming launch that Launch Library still lists. With `passes`: the first such launch for which `passes`
 * returns true.
 */
export async function nearestLaunch(
  db: Queryable,
  now: Date,
  passes?: (launch: KnownLaunch) => boolean,
): Promise<KnownLaunch | undefined> {
  const { rows } = await db.query<KnownLaunch>(
    `select ${STORED_COLUMNS.join(', ')} from ${CANDIDATES} order by ${NEXT_FIRST} limit $2`,
    [now.toISOString(), passes ? MAX_CANDIDATES : 1],
  )
  return rows.find(passes ?? (() => true))
}

/** Launch Library usually lists about a third of this number as upcoming. */
const MAX_CANDIDATES = 1_000

/** The number of launches that `nearestLaunch` chooses from. */
export async function countUpcoming(db: Queryable, now: Date): Promise<number> {
  const { rows } = await db.query<{ count: number }>(`select count(*)::int as count from ${CANDIDATES}`, [
    now.toISOString(),
  ])
  return rows[0]?.count ?? 0
}
