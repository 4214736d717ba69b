import type { Queryable } from 'tminus/db'
import { STORED_COLUMNS } from '../../launches/columns.ts'
import { FINAL, type KnownLaunch } from '../../launches/launch.ts'
import { containsAllWords } from '../../launches/read-launches.ts'
import { IS_PRECISE, isUpcoming, launchOrder, NEXT_FIRST } from '../../launches/upcoming.ts'
import { STATE } from '../discord/outbox.ts'
import { type LaunchFilter, LOCATION_LENGTH, STATUSES } from './address.ts'
import { spanAround, spanOf } from './month.ts'

/** A launch as the board shows it. */
export type BoardLaunch = KnownLaunch & {
  /** A smaller picture, which Launch Library has since 2.3.0. */
  thumbnail_url: string | null
}

const SHOWN = [...STORED_COLUMNS, 'thumbnail_url'].join(', ')

export interface Range {
  now: Date
  limit: number
  offset?: number
  /** True: also the launches beside the month that its calendar shows. */
  around?: boolean
}

const UPCOMING = `(${isUpcoming('$1::timestamptz')} and vanished_at is null)`
/** A launch that vanished from the list is neither upcoming nor past until its period is over. */
const PAST = `not ${isUpcoming('$1::timestamptz')}`
/** A launch whose precision is unknown is shown as known to the month. */
const IN_MONTH = `(net >= $1::timestamptz and coalesce(net_precision, 7) <= 7 and vanished_at is null)`

/** One page of the matching launches. */
export async function boardLaunches(db: Queryable, filter: LaunchFilter, range: Range): Promise<BoardLaunch[]> {
  const { rows } = await db.query<BoardLaunch>(
    `select ${SHOWN} from rocket_launches where ${conditionOf(filter)}
     order by ${launchOrder(filter)}
     limit $11 offset $12`,
    [...valuesOf(filter, range), range.limit, range.offset ?? 0],
  )
  return rows
}

/** The count of all matching launches. */
export async function countLaunches(db: Queryable, filter: LaunchFilter, now: Date): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `select count(*)::int as count from rocket_launches where ${conditionOf(filter)}`,
    valuesOf(filter, { now }),
  )
  return rows[0]?.count ?? 0
}

/** SQL: true for a launch that matches the filter, with the values of `valuesOf`. */
export function conditionOf(filter: LaunchFilter): string {
  return [isListed(filter), ...Object.values(CONDITIONS)].join(' and ')
}

/** SQL: true for a launch of the month or list, past or upcoming, with all words of the search. */
export function isListed({ past, month }: LaunchFilter): string {
  const which = month === '' ? (past ? PAST : UPCOMING) : IN_MONTH
  const isBefore = `($8::timestamptz is null or net < $8)`
  // Postgres would otherwise split the search again for each launch.
  const isFound = `($2::text[] = '{""}' or ${containsAllWords('search_text', '$2')})`
  return `launch_id is not null and ${which} and ${isBefore} and ${isFound}`
}

/** SQL: the last part of the location: `USA` of `Vandenberg SFB, CA, USA`. */
export const COUNTRY = `btrim(split_part(location, ',', -1))`

/** SQL: true for a launch that matches one part of a filter; also true if the filter lacks that part. */
export const CONDITIONS = {
  provider: `($3 = '' or strpos(search_text, launch_fold($3)) > 0 and launch_fold(provider) = launch_fold($3))`,
  rocket: `($9 = '' or rocket = $9)`,
  country: `($4 = '' or ${COUNTRY} = $4)`,
  orbit: `($5 = '' or orbit = $5)`,
  status: `($6::int is null or status_id = $6)`,
  exact: `(not $7::boolean or ${IS_PRECISE})`,
  location: `($10::text[] = '{}' or btrim(left(location, ${LOCATION_LENGTH})) = any ($10))`,
} as const

/** The values of `$1` to `$10` in the conditions. `$1` is the present; for a month, `$1` and `$8` are its start and end. */
export function valuesOf(filter: LaunchFilter, { now, around = false }: Pick<Range, 'now' | 'around'>): unknown[] {
  const { month, search, provider, rocket, country, orbit, status, exact, locations } = filter
  const span = month === '' ? undefined : around ? spanAround(month) : spanOf(month)
  const values = [search.split(/\s+/), provider, country, orbit, STATUSES[status] ?? null, exact]
  return [(span?.from ?? now).toISOString(), ...values, span?.to.toISOString() ?? null, rocket, locations]
}

/** How long a launch stays at the top of the board after its T-0. */
const FEATURED_AFTER_T0_MS = 3_600_000

/**
 * The launch at the top of the board: the next launch, precise times before placeholders. A launch stays for an hour
 * after its T-0, unless its outcome is known or the next launch is nearer.
 */
export async function featuredLaunch(db: Queryable, now: Date): Promise<BoardLaunch | undefined> {
  const { rows } = await db.query<BoardLaunch>(
    `select ${SHOWN}
     from (
       (select * from rocket_launches
        where net >= $2 and net < $1 and launch_id is not null and vanished_at is null
          and ${IS_PRECISE} and (status_id = any ($3)) is not true
        order by net desc, launch_id limit 1)
       union all
       (select * from rocket_launches where launch_id is not null and ${UPCOMING}
        order by ${NEXT_FIRST} limit 1)
     ) as candidate
     order by ${IS_PRECISE} desc, abs(extract(epoch from net - $1::timestamptz))
     limit 1`,
    [now.toISOString(), new Date(now.getTime() - FEATURED_AFTER_T0_MS).toISOString(), FINAL],
  )
  return rows[0]
}

export async function oneBoardLaunch(db: Queryable, launchId: string): Promise<BoardLaunch | undefined> {
  const { rows } = await db.query<BoardLaunch>(`select ${SHOWN} from rocket_launches where launch_id = $1`, [launchId])
  return rows[0]
}

/** A message about a launch, sent or still to be sent to a channel. Times are by the database's clock. */
export interface SentMessage {
  target: string
  kind: string
  state: string
  reason: string | null
  reason_told: string | null
  facts: unknown
  message: unknown
  /** The kind of the message that holds this notice. */
  holder: string | null
  sent_at: Date | null
  updated_at: Date
}

export async function messagesAbout(db: Queryable, launchId: string): Promise<SentMessage[]> {
  const { rows } = await db.query<SentMessage>(
    `select target, kind, ${STATE} as state, reason, reason_told, facts, message, sent_at, updated_at,
       (select kind from discord_outbox holder where holder.outbox_id = discord_outbox.merged_into) as holder
     from discord_outbox where launch_id = $1 order by outbox_id limit 100`,
    [launchId],
  )
  return rows
}

/** A launch that could not be parsed. */
export interface RejectedLaunch {
  /** The launch's id; if that is unknown, `raw:` and a hash. */
  key: string
  name: string | null
  /** The issues, each once, as `path: message`. */
  issues: string
  count: number
  first_seen: Date
  last_seen: Date
}

/** Latest first. */
export async function rejectedLaunches(db: Queryable, limit: number): Promise<RejectedLaunch[]> {
  const { rows } = await db.query<RejectedLaunch>(
    `select key, raw ->> 'name' as name, count, first_seen, last_seen,
       (select string_agg(distinct concat_ws(': ', nullif(issue ->> 'path', ''), issue ->> 'message'), '; ')
        from jsonb_array_elements(issues) issue) as issues
     from rocket_launch_rejects order by last_seen desc, key limit $1`,
    [limit],
  )
  return rows
}
