import type { Queryable } from 'tminus/db'
import { type Column, columnOf, NAMES, type Value } from './columns.ts'
import type { Issue, Launch } from './launch.ts'
import { isToCome, NEXT_FIRST } from './to-come.ts'

/** A launch to be stored. */
export interface Incoming {
  launch: Launch
  /** As received: JSON that Postgres can store. */
  details: string
  /** Of what was received, see `contentHash`. */
  hash: string
}

/** Held until the end of the transaction: of two processes that store at once, one compares after the other wrote. */
export async function lockStore(db: Queryable): Promise<void> {
  await db.query(`select pg_advisory_xact_lock(hashtextextended('tminus store rocket_launches', 0))`)
}

/** Begins the hash of a launch that came in detailed mode; no hash begins like it by itself. */
export const DETAILED = 'd:'

/** An older answer (a stale copy, a slower process) never replaces a newer one, nor normal mode an equally old detailed one. */
const REPLACES = (page: string) => `stored.content_hash is distinct from ${page}.content_hash
       and (${page}.last_updated < stored.last_updated) is not true
       and not (stored.content_hash like '${DETAILED}%' and ${page}.content_hash not like '${DETAILED}%'
         and stored.last_updated = ${page}.last_updated)`

export interface Compared {
  /** Ids of those that are not stored yet, or differently. */
  differing: Set<string>
  /** Ids of those that were set aside, or missing from the list, until now. */
  again: string[]
}

/**
 * Launches (each once) to what is stored of them. Row by row (that is what `limit` is for), so that the plan goes by the
 * index even if it was made while the table was empty: one that reads the table whole would be kept while it fills.
 */
export async function compare(db: Queryable, incoming: readonly Incoming[]): Promise<Compared> {
  const { rows } = await db.query<{ launchId: string; differs: boolean; again: boolean }>({
    name: 'compare_launches',
    text: `select * from (
       select page.launch_id as "launchId",
         stored.launch_id is null or coalesce(${REPLACES('page')}, true) as differs,
         stored.vanished_at is not null
           or exists (select from rocket_launch_rejects where key = page.launch_id) as again
       from unnest($1::text[], $2::text[], $3::float8[]) as received (launch_id, content_hash, seconds)
       cross join lateral (
         select received.launch_id, received.content_hash, to_timestamp(seconds) as last_updated
       ) page
       left join lateral (
         select launch_id, content_hash, last_updated, vanished_at
         from rocket_launches where launch_id = page.launch_id limit 1
       ) stored on true
     ) compared where differs or again`,
    values: [
      incoming.map(({ launch }) => launch.launchId),
      incoming.map(({ hash }) => hash),
      // As numbers: a page of times as text takes the server longer to read than to compare.
      incoming.map(({ launch }) => launch.lastUpdated && launch.lastUpdated.getTime() / 1_000),
    ],
  })
  return {
    differing: new Set(rows.filter(({ differs }) => differs).map(({ launchId }) => launchId)),
    again: rows.filter(({ again }) => again).map(({ launchId }) => launchId),
  }
}

export type StoredRow = { launch_id: string; content_hash: string | null } & Record<Column, Value> &
  Record<'webcast_url' | 'info_url', string | null>

/** What is stored of these launches, by id. */
export async function readStored(db: Queryable, launchIds: string[]): Promise<Map<string, StoredRow>> {
  const { rows } = await db.query<StoredRow>(
    `select launch_id, content_hash, ${NAMES.join(', ')} from rocket_launches where launch_id = any ($1)`,
    [launchIds],
  )
  return new Map(rows.map((row) => [row.launch_id, row]))
}

/**
 * Most rows a statement of `upsert`. Larger ones were no faster, and a statement holds 65,535 parameters at most,
 * beyond which pg wraps silently.
 */
export const BATCH = 100

/** Writes launches (at most `BATCH`, each once), and gives the ids of those that were written. */
export async function upsert(db: Queryable, incoming: readonly Incoming[], now: Date): Promise<string[]> {
  const values = incoming.flatMap(({ launch, details, hash }) => [
    launch.launchId,
    details,
    hash,
    now.toISOString(),
    now.toISOString(),
    ...NAMES.map((column) => parameter(columnOf(launch, column))),
  ])
  // Planning a statement of so many parameters takes a fifth of its time: full ones are prepared once a connection.
  const name = incoming.length === BATCH ? { name: 'upsert_launches' } : {}
  const { rows } = await db.query<{ launchId: string }>({ ...name, text: upsertText(incoming.length), values })
  return rows.map((row) => row.launchId)
}

/** pg writes a Date in the process's own zone, whose offset had seconds in older times. */
function parameter(value: Value): Value {
  return value instanceof Date ? value.toISOString() : value
}

const WRITTEN = ['launch_id', 'details', 'content_hash', 'first_seen_at', 'updated_at', ...NAMES]
const KEPT = new Set(['launch_id', 'first_seen_at'])
const texts = new Map<number, string>()

function upsertText(rows: number): string {
  const known = texts.get(rows)
  if (known !== undefined) return known
  const row = (index: number) => `(${WRITTEN.map((_, column) => `$${index * WRITTEN.length + column + 1}`).join(', ')})`
  const text = `
    insert into rocket_launches as stored (${WRITTEN.join(', ')})
    values ${Array.from({ length: rows }, (_, index) => row(index)).join(', ')}
    on conflict (launch_id) do update
    set ${WRITTEN.filter((column) => !KEPT.has(column))
      .map((column) => `${column} = excluded.${column}`)
      .join(', ')}
    where coalesce(${REPLACES('excluded')}, true)
    returning launch_id as "launchId"`
  texts.set(rows, text)
  return text
}

/** One fact that changed. Values as text, times in ISO 8601 UTC; null: not known. */
export interface Change {
  launchId: string
  field: Column
  old: string | null
  new: string | null
}

export async function insertChanges(db: Queryable, changes: readonly Change[], now: Date): Promise<void> {
  await db.query(
    `insert into rocket_launch_changes (launch_id, field, old, new, seen_at)
     select change.*, $5::timestamptz
     from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as change (launch_id, field, old, new)`,
    [
      changes.map((change) => change.launchId),
      changes.map((change) => change.field),
      changes.map((change) => change.old),
      changes.map((change) => change.new),
      now.toISOString(),
    ],
  )
}

/** A launch that could not be read, kept aside. */
export interface Reject {
  /** Its id, or `raw:` and a hash. */
  key: string
  /** JSON, as received. */
  raw: string
  issues: readonly Issue[]
}

/** Each key once. */
export async function putRejects(db: Queryable, rejects: readonly Reject[], now: Date): Promise<void> {
  await db.query(
    `insert into rocket_launch_rejects as kept (key, raw, issues, first_seen, last_seen)
     select key, raw::jsonb, issues::jsonb, $4, $4
     from unnest($1::text[], $2::text[], $3::text[]) as reject (key, raw, issues)
     on conflict (key) do update
     set raw = excluded.raw, issues = excluded.issues, last_seen = excluded.last_seen, count = kept.count + 1`,
    [
      rejects.map(({ key }) => key),
      rejects.map(({ raw }) => raw),
      rejects.map(({ issues }) => JSON.stringify(issues)),
      now.toISOString(),
    ],
  )
}

/** These launches fit: they are not set aside any more, nor missing. */
export async function receivedAgain(db: Queryable, launchIds: string[]): Promise<void> {
  await db.query(
    `with fitting as (delete from rocket_launch_rejects where key = any ($1))
     update rocket_launches set vanished_at = null where launch_id = any ($1) and vanished_at is not null`,
    [launchIds],
  )
}

/** A launch as stored. What an Airflow row does not hold (status, precision, …) is null, its status 0 "Unknown". */
export interface LaunchRow extends Omit<Launch, 'detailed'> {
  id: number
  firstSeenAt: Date | null
  updatedAt: Date | null
  /** Since when the list of upcoming launches does not name it. */
  vanishedAt: Date | null
}

/** As Postgres gives it, by `LAUNCH_COLUMNS`. */
export type LaunchColumns = Omit<LaunchRow, 'status' | 'webcastLive'> & {
  statusId: number | null
  statusName: string | null
  webcastLive: boolean | null
}

export const LAUNCH_COLUMNS = ['id', ...NAMES, 'launch_id', 'first_seen_at', 'updated_at', 'vanished_at']
  .map((column) => `${column} as "${column.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase())}"`)
  .join(', ')

/**
 * The next launch: not past, not flown, not gone from the list; one with a precise time before every placeholder, of
 * those the one whose period ends first. With `passes`, the first that does.
 */
export async function nearestLaunch(
  db: Queryable,
  now: Date,
  passes?: (launch: LaunchRow) => boolean,
): Promise<LaunchRow | undefined> {
  const { rows } = await db.query<LaunchColumns>(
    `select ${LAUNCH_COLUMNS} from rocket_launches
     where ${isToCome('$1')} and launch_id is not null and vanished_at is null
     order by ${NEXT_FIRST}
     limit $2`,
    [now.toISOString(), passes ? MOST_CANDIDATES : 1],
  )
  return rows.map(toLaunchRow).find(passes ?? (() => true))
}

/** How many launches `nearestLaunch` chooses from. */
export async function countToCome(db: Queryable, now: Date): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `select count(*)::int as count from rocket_launches
     where ${isToCome('$1')} and launch_id is not null and vanished_at is null`,
    [now.toISOString()],
  )
  return rows[0]?.count ?? 0
}

/** About three times as many as the list of upcoming launches holds. */
const MOST_CANDIDATES = 1_000

export function toLaunchRow({ statusId, statusName, webcastLive, ...launch }: LaunchColumns): LaunchRow {
  return { ...launch, status: { id: statusId ?? 0, name: statusName ?? 'Unknown' }, webcastLive: webcastLive ?? false }
}
