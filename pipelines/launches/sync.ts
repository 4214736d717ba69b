import type { Queryable } from 'tminus/db'
import { FINAL } from './launch.ts'
import { IS_PRECISE, isUpcoming } from './upcoming.ts'

/** The state of the requests for one list. Times are by the task's clock. */
export interface SyncRow {
  lastAttemptAt: Date
  /** When the last complete reading of the list, or of its changes, started. */
  lastSuccessAt: Date | null
  /** When the last complete reading of the whole list started. */
  lastFullAt: Date | null
  /** The highest `last_updated` received; null if the API has none. */
  highWater: Date | null
  /** The number of launches in the whole list. */
  launches: number | null
}

/** `source`: the list's address without query. Undefined before its first reading. */
export async function readSync(db: Queryable, source: string): Promise<SyncRow | undefined> {
  const { rows } = await db.query<SyncRow>(
    `select last_attempt_at as "lastAttemptAt", last_success_at as "lastSuccessAt", last_full_at as "lastFullAt",
       high_water as "highWater", launches
     from rocket_launch_sync where source = $1`,
    [source],
  )
  return rows[0]
}

export async function recordAttempt(db: Queryable, source: string, startedAt: Date): Promise<void> {
  await db.query(
    `insert into rocket_launch_sync (source, last_attempt_at) values ($1, $2)
     on conflict (source) do update set last_attempt_at = excluded.last_attempt_at`,
    [source, startedAt.toISOString()],
  )
}

/** A complete reading of a list. */
export interface Reading {
  startedAt: Date
  /** The highest `last_updated` in this reading. The stored value never decreases. */
  highWater: Date | undefined
  /** The number of launches in the whole list; undefined if only its changes were requested. */
  launches: number | undefined
}

export async function recordSuccess(db: Queryable, source: string, reading: Reading): Promise<void> {
  const { startedAt, highWater, launches } = reading
  await db.query(
    `update rocket_launch_sync set
       last_success_at = $2,
       high_water = greatest(high_water, $3),
       last_full_at = case when $4::int is null then last_full_at else $2 end,
       launches = coalesce($4, launches)
     where source = $1`,
    [source, startedAt.toISOString(), highWater?.toISOString() ?? null, launches ?? null],
  )
}

/** A launch without an outcome. */
export interface Nearest {
  net: Date
  /** False if the launch is known only to the day. */
  precise: boolean
}

/**
 * The launch without an outcome that is nearest to now, past or upcoming, within a day. A launch with a precise time
 * comes before a launch with only a day. Launches without a known day do not count.
 */
export async function nearestWithoutOutcome(db: Queryable, now: Date): Promise<Nearest | undefined> {
  const { rows } = await db.query<Nearest>(
    `select net, ${IS_PRECISE} as precise from rocket_launches
     where net between $1::timestamptz - interval '1 day' and $1::timestamptz + interval '1 day'
       and (net_precision <= 5) is not false and vanished_at is null and (status_id = any ($2)) is not true
     order by precise desc, abs(extract(epoch from net - $1::timestamptz))
     limit 1`,
    [now.toISOString(), FINAL],
  )
  return rows[0]
}

/**
 * Marks upcoming launches as vanished if they are missing from the whole list, and returns their number. If most
 * launches are missing, the list is probably wrong: then no launch is marked, and the returned number is negative.
 *
 * The list starts at a `net` one day before now. A launch whose placeholder is older may be missing, even if its period
 * is not over. `launchesToCheck` returns such a launch.
 */
export async function markVanished(db: Queryable, seen: readonly string[], now: Date): Promise<number> {
  const { rows } = await db.query<{ missing: number; expected: number }>(
    `with expected as (
       select launch_id, not (launch_id = any ($1)) as missing from rocket_launches
       where ${isUpcoming('$2')} and net >= $2::timestamptz - interval '1 day'
         and vanished_at is null and launch_id is not null
     ), counted as (
       select count(*) filter (where missing)::int as missing, count(*)::int as expected from expected
     ), marked as (
       update rocket_launches l set vanished_at = $2
       from expected e, counted c
       where l.launch_id = e.launch_id and e.missing and (c.missing < 5 or c.missing * 2 <= c.expected)
     )
     select missing, expected from counted`,
    [seen, now.toISOString()],
  )
  const { missing = 0, expected = 0 } = rows[0] ?? {}
  return missing < 5 || missing * 2 <= expected ? missing : -missing
}

/** Deletes rejects without an id that were not received again: no parsed launch could ever replace them. */
export async function deleteRejectsWithoutId(db: Queryable, before: Date): Promise<void> {
  await db.query(`delete from rocket_launch_rejects where key like 'raw:%' and last_seen < $1`, [before.toISOString()])
}

/**
 * Launches (at most `limit`) without an outcome that the list no longer contains, because their T-0 is more than a day
 * ago or they vanished. The older such a launch is, the less often it is checked.
 */
export async function launchesToCheck(db: Queryable, now: Date, limit: number): Promise<string[]> {
  const { rows } = await db.query<{ launchId: string }>(
    `select launch_id as "launchId" from rocket_launches
     where (net < $1::timestamptz - interval '1 day' or vanished_at is not null)
       and content_hash is not null and (status_id = any ($2)) is not true
       and (checked_at is null or checked_at > $1 or checked_at <
         $1::timestamptz - greatest(interval '1 hour', ($1::timestamptz - least(net, vanished_at)) / 8))
     order by checked_at nulls first, net desc
     limit $3`,
    [now.toISOString(), FINAL, limit],
  )
  return rows.map(({ launchId }) => launchId)
}

/**
 * Records that these launches were requested by id. Launches that were requested but not received are marked as
 * vanished.
 */
export async function recordChecked(
  db: Queryable,
  asked: readonly string[],
  received: readonly string[],
  now: Date,
): Promise<void> {
  await db.query(
    `update rocket_launches set
       checked_at = $3,
       vanished_at = case when launch_id = any ($2) then null else coalesce(vanished_at, $3) end
     where launch_id = any ($1)`,
    [asked, received, now.toISOString()],
  )
}
