import { type Database, inTransaction, type Queryable } from 'tminus/db'
import { STORED_COLUMNS } from './columns.ts'
import type { StoredLaunch } from './launch.ts'
import { isUpcoming, launchOrder } from './upcoming.ts'

const COLUMNS = STORED_COLUMNS.join(', ')

export interface Wanted {
  now: Date
  /** False: upcoming launches. True: launches that flew or whose period is over. */
  past: boolean
  /** Words that must all occur in name, mission, provider, rocket, pad or location; case and accents do not matter. */
  search: string
  provider: string
  limit: number
}

/**
 * Upcoming launches, nearest first; or past launches, latest first. A vanished launch is in neither list before its
 * period ends.
 */
export async function listLaunches(
  db: Queryable,
  { now, past, search, provider, limit }: Wanted,
): Promise<StoredLaunch[]> {
  const { rows } = await db.query<StoredLaunch>(
    `select ${COLUMNS} from rocket_launches
     where ${past ? 'not' : 'vanished_at is null and'} ${isUpcoming('$1')}
       and ${containsAllWords('search_text', '$2')}
       and strpos(launch_fold(coalesce(provider, '')), launch_fold($3)) > 0
     order by ${launchOrder({ past })}
     limit $4`,
    [now.toISOString(), search.split(/\s+/), provider, limit],
  )
  return rows
}

/**
 * Finds launches by `id`, `launch_id` (or its first eight or more characters), slug or name. The launch nearest to
 * `now` comes first. If no launch matches, returns launches with all words of `text` in their name.
 */
export async function findLaunches(db: Queryable, text: string, now: Date): Promise<StoredLaunch[]> {
  const { rows } = await db.query<StoredLaunch & { exact: boolean }>(
    `select ${COLUMNS}, details, exact
     from (
       select *,
         coalesce(id::text = $1 or launch_id = $1 or slug = lower($1)
           or starts_with(search_text, launch_fold($1) || ' ') and launch_fold(name) = launch_fold($1)
           or length($1) >= 8 and starts_with(launch_id, lower($1)), false) as exact
       from rocket_launches
     ) as launches
     where exact or ${containsAllWords('search_text', '$2')} and ${containsAllWords('launch_fold(name)', '$2')}
     order by exact desc, abs(extract(epoch from net - $3::timestamptz)), id
     limit 20`,
    [text, text.split(/\s+/), now.toISOString()],
  )
  const exact = rows.filter((row) => row.exact)
  return (exact.length > 0 ? exact : rows).map(({ exact: _, ...launch }) => launch)
}

/** SQL: true if folded text contains each of the words (a `text[]`). Case and accents do not matter. */
export function containsAllWords(text: string, words: string): string {
  const folded = `array(select launch_fold(word) from unnest(${words}::text[]) word)`
  return `(select coalesce(bool_and(strpos(${text}, word) > 0), true) from unnest(${folded}) word)`
}

export interface StoredChange {
  launch_id: string
  /** The launch's name; null if the launch is no longer stored. */
  name: string | null
  field: string
  /** Text; times are ISO 8601, UTC. */
  old: string | null
  new: string | null
  seen_at: Date
  /** The precision of `net` before and after the change. */
  old_precision: number | null
  new_precision: number | null
}

/**
 * Changes, newest first. All changes of one launch at one time are a group, and `limit` counts groups. The precision at
 * that time is computed from the changes of `net_precision` at or after that time.
 */
export async function readChanges(
  db: Queryable,
  { launchId, since, limit }: { launchId: string | null; since: Date | undefined; limit: number },
): Promise<StoredChange[]> {
  const { rows } = await db.query<StoredChange>(
    `select launch_id, name, field, old, new, seen_at,
       coalesce(at_once.old_precision, later.old_precision, net_precision) as old_precision,
       coalesce(later.old_precision, net_precision) as new_precision
     from (
       select seen_at, launch_id from rocket_launch_changes
       where ($1::text is null or launch_id = $1) and ($2::timestamptz is null or seen_at >= $2)
       group by seen_at, launch_id
       order by seen_at desc, launch_id
       limit $3
     ) as seen
     join rocket_launch_changes change using (seen_at, launch_id)
     left join rocket_launches using (launch_id)
     left join lateral (
       select old::int as old_precision from rocket_launch_changes other
       where field = 'net_precision' and other.launch_id = seen.launch_id and other.seen_at = seen.seen_at
       limit 1
     ) as at_once on true
     left join lateral (
       select old::int as old_precision from rocket_launch_changes other
       where field = 'net_precision' and other.launch_id = seen.launch_id and other.seen_at > seen.seen_at
       order by seen_at, id
       limit 1
     ) as later on true
     order by seen_at desc, name, launch_id, change.id`,
    [launchId, since?.toISOString() ?? null, limit],
  )
  return rows
}

export interface Slips {
  first_net: Date
  last_net: Date
  slips: number
  last_slip_at: Date | null
}

/** How often T-0 (NET) moved; undefined if it never moved. */
export async function readSlips(db: Queryable, launchId: string): Promise<Slips | undefined> {
  const { rows } = await db.query<Slips>(
    'select first_net, last_net, slips, last_slip_at from launch_slips where launch_id = $1',
    [launchId],
  )
  return rows[0]
}

export interface Exported {
  /** Launches with a net from `since` (inclusive) until `until` (exclusive). */
  since: Date | undefined
  until: Date | undefined
  details: boolean
}

const FETCH_SIZE = 200

/**
 * Passes all launches to `take` in batches, ordered by net, as one consistent snapshot. Stops when `take` returns
 * false. A transaction stays open until the end.
 */
export async function eachLaunch(
  db: Database,
  { since, until, details }: Exported,
  take: (launches: StoredLaunch[]) => Promise<boolean>,
): Promise<void> {
  await inTransaction(db, async (connection) => {
    await connection.query(
      `declare exported no scroll cursor for
       select ${COLUMNS}${details ? ', details' : ''} from rocket_launches
       where ($1::timestamptz is null or net >= $1) and ($2::timestamptz is null or net < $2)
       order by net, id`,
      [since?.toISOString() ?? null, until?.toISOString() ?? null],
    )
    for (;;) {
      const { rows } = await connection.query<StoredLaunch>(`fetch ${FETCH_SIZE} from exported`)
      if (rows.length === 0 || !(await take(rows))) return
    }
  })
}
