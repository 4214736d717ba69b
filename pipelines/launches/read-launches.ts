import { type Database, inTransaction, type Queryable } from 'tminus/db'
import { type Columns, NAMES } from './columns.ts'
import { isToCome } from './to-come.ts'

/** A launch as stored, by the names of its columns. */
export interface StoredLaunch extends Columns {
  id: number
  /** Null only in rows the older Airflow version left twice. */
  launch_id: string | null
  first_seen_at: Date | null
  updated_at: Date | null
  /** Since when it is missing from the list of upcoming launches. */
  vanished_at: Date | null
  /** As received, where it was asked for. */
  details?: unknown
}

/** In the order they are exported in. */
export const COLUMNS = ['id', 'launch_id', ...NAMES, 'first_seen_at', 'updated_at', 'vanished_at'] as const

const LISTED = COLUMNS.join(', ')

export interface Wanted {
  now: Date
  /** False: those to come; true: those flown or gone by. */
  past: boolean
  /** Words that all occur in its name, mission, provider, rocket, pad or location, whatever their case and accents. */
  search: string
  provider: string
  limit: number
}

/** To come: nearest first. Past: latest first. A launch gone from the list is neither, until its period is over. */
export async function listLaunches(
  db: Queryable,
  { now, past, search, provider, limit }: Wanted,
): Promise<StoredLaunch[]> {
  const { rows } = await db.query<StoredLaunch>(
    `select ${LISTED} from rocket_launches
     where ${past ? 'not' : 'vanished_at is null and'} ${isToCome('$1')}
       and ${holdsAll('search_text', '$2')}
       and strpos(launch_fold(coalesce(provider, '')), launch_fold($3)) > 0
     order by net ${past ? 'desc' : 'asc'}, launch_id
     limit $4`,
    [now.toISOString(), search.split(/\s+/), provider, limit],
  )
  return rows
}

/**
 * Launches a person may mean: by `id`, `launch_id` (or its beginning, from eight characters) or slug; where there is
 * none, those with all words in their name. The nearest to `now` first.
 */
export async function findLaunches(db: Queryable, text: string, now: Date): Promise<StoredLaunch[]> {
  const { rows } = await db.query<StoredLaunch & { exact: boolean }>(
    `select ${LISTED}, details, exact
     from (
       select *,
         coalesce(id::text = $1 or launch_id = $1 or slug = lower($1)
           or starts_with(search_text, launch_fold($1) || ' ') and launch_fold(name) = launch_fold($1)
           or length($1) >= 8 and starts_with(launch_id, lower($1)), false) as exact
       from rocket_launches
     ) as launches
     where exact or ${holdsAll('search_text', '$2')} and ${holdsAll('launch_fold(name)', '$2')}
     order by exact desc, abs(extract(epoch from net - $3::timestamptz)), id
     limit 20`,
    [text, text.split(/\s+/), now.toISOString()],
  )
  const exact = rows.filter((row) => row.exact)
  return (exact.length > 0 ? exact : rows).map(({ exact: _, ...launch }) => launch)
}

/** SQL: true where folded text holds every one of the words (a `text[]`), whatever their case and accents. */
export function holdsAll(text: string, words: string): string {
  const folded = `array(select launch_fold(word) from unnest(${words}::text[]) word)`
  return `(select coalesce(bool_and(strpos(${text}, word) > 0), true) from unnest(${folded}) word)`
}

export interface StoredChange {
  launch_id: string
  /** Null where the launch is not stored any more. */
  name: string | null
  field: string
  /** As text, times in ISO 8601, UTC. */
  old: string | null
  new: string | null
  seen_at: Date
  /** Of the launch's net before and after. */
  old_precision: number | null
  new_precision: number | null
}

/**
 * Newest first; `limit` is of launches and times, each with all that changed then. What a net was precise to is read
 * back from the changes of the precision that came later.
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

/** Undefined: it did not move. */
export async function readSlips(db: Queryable, launchId: string): Promise<Slips | undefined> {
  const { rows } = await db.query<Slips>(
    'select first_net, last_net, slips, last_slip_at from launch_slips where launch_id = $1',
    [launchId],
  )
  return rows[0]
}

export interface Exported {
  /** Of net: from the one on, and before the other. */
  since: Date | undefined
  until: Date | undefined
  details: boolean
}

const FETCHED = 200

/**
 * Hands over every launch, by net, `FETCHED` at a time, as they all were at one moment; ends early where `take` returns
 * false. A transaction stays open meanwhile.
 */
export async function eachLaunch(
  db: Database,
  { since, until, details }: Exported,
  take: (launches: StoredLaunch[]) => Promise<boolean>,
): Promise<void> {
  await inTransaction(db, async (connection) => {
    await connection.query(
      `declare exported no scroll cursor for
       select ${LISTED}${details ? ', details' : ''} from rocket_launches
       where ($1::timestamptz is null or net >= $1) and ($2::timestamptz is null or net < $2)
       order by net, id`,
      [since?.toISOString() ?? null, until?.toISOString() ?? null],
    )
    for (;;) {
      const { rows } = await connection.query<StoredLaunch>(`fetch ${FETCHED} from exported`)
      if (rows.length === 0 || !(await take(rows))) return
    }
  })
}
