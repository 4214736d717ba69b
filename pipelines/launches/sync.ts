import type { Queryable } from 'tminus/db'
import { FINAL } from './launch.ts'
import { IS_PRECISE, isUpcoming } from './upcoming.ts'

/** How far the reading of a list is; its times are the task's clock. */
export interface SyncRow {
  lastAttemptAt: Date
  /** When the last reading that came to its end began, of the whole list or of what changed. */
  lastSuccessAt: Date | null
  /** The same, of the whole list. */
  lastFullAt: Date | null
  /** The highest `last_updated` seen; null where the API tells none. */
  highWater: Date | null
  /** How many launches the whole list held. */
  launches: number | null
}

/** `source` is the list's address without query; undefined before its first reading. */
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

/** A reading that came to its end. */
export interface Reading {
  startedAt: Date
  /** The highest `last_updated` in it. The stored one never goes back. */
  highWater: Date | undefined
  /** Launches in the whole list; undefined where only what changed was asked for. */
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

/** A launch whose outcome is still open. */
export interface Nearest {
  net: Date
  /** False: known to the day or less. */
  precise: boolean
}

/**
 * The launch nearest to now, at most a day away, past or to come, whose outcome is still open: one with a precise time,
 * else one that is known to the day. A placeholder of a longer period is near nothing.
 */
export async function nearestOpen(db: Queryable, now: Date): Promise<Nearest | undefined> {
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
 * Marks launches still to come that the whole list, just read, did not name. Returns how many those are; where they
 * are most of what was expected the list is not believed, nothing is marked, and the count is negative.
 *
 * The list goes by `net` itself and ends a day before now: a placeholder further back is not expected in it, however
 * long its period lasts. `launchesToCheck` asks for that launch by its id.
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

/** What came without an id, and not again, is forgotten: no launch of that name could ever fit. */
export async function forgetNamelessRejects(db: Queryable, before: Date): Promise<void> {
  await db.query(`delete from rocket_launch_rejects where key like 'raw:%' and last_seen < $1`, [before.toISOString()])
}

/**
 * Launches (at most `limit`) that the list tells nothing of any more though how they ended is not known: past by a
 * day, or gone from it. The longer that is ago, the more seldom they are asked for.
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

/** That these were asked for by their ids; those that did not come are missing from now on. */
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
