import type { Queryable } from 'tminus/db'
import { LAUNCH_COLUMNS } from './columns.ts'
import type { Launch, StoredLaunch } from './launch.ts'
import type { Issue, ParsedLaunch } from './parse-launch.ts'

/** A launch to store. */
export interface Incoming extends ParsedLaunch {
  /** See `contentHash`. */
  hash: string
}

/**
 * Holds a lock until the end of the transaction. If two processes store at the same time, the second compares after the
 * first has written.
 */
export async function lockStore(db: Queryable): Promise<void> {
  await db.query(`select pg_advisory_xact_lock(hashtextextended('tminus store rocket_launches', 0))`)
}

/** The hash of a launch that came in detailed mode starts with this. */
export const DETAILED = 'd:'

/**
 * SQL: true if the received launch replaces the stored launch. An older answer (a stale copy, a slower process) never
 * replaces a newer answer. An answer in normal mode never replaces an equally old answer in detailed mode.
 */
const REPLACES = (page: string) => `stored.content_hash is distinct from ${page}.content_hash
       and (${page}.last_updated < stored.last_updated) is not true
       and not (stored.content_hash like '${DETAILED}%' and ${page}.content_hash not like '${DETAILED}%'
         and stored.last_updated = ${page}.last_updated)`

export interface Compared {
  /** Ids of new and changed launches. */
  differing: Set<string>
  /** Ids of launches that were rejected or had vanished before this page. */
  returned: string[]
}

/**
 * Compares received launches (each once) with the stored launches. The `limit` forces Postgres to look up each row by
 * the index. Otherwise a plan made while the table was empty would scan the whole table, even after the table has
 * grown.
 */
export async function compare(db: Queryable, incoming: readonly Incoming[]): Promise<Compared> {
  const { rows } = await db.query<{ launchId: string; differs: boolean; returned: boolean }>({
    name: 'compare_launches',
    text: `select * from (
       select page.launch_id as "launchId",
         stored.launch_id is null or coalesce(${REPLACES('page')}, true) as differs,
         stored.vanished_at is not null
           or exists (select from rocket_launch_rejects where key = page.launch_id) as returned
       from unnest($1::text[], $2::text[], $3::float8[]) as received (launch_id, content_hash, seconds)
       cross join lateral (
         select received.launch_id, received.content_hash, to_timestamp(seconds) as last_updated
       ) page
       left join lateral (
         select launch_id, content_hash, last_updated, vanished_at
         from rocket_launches where launch_id = page.launch_id limit 1
       ) stored on true
     ) compared where differs or returned`,
    values: [
      incoming.map(({ launch }) => launch.launch_id),
      incoming.map(({ hash }) => hash),
      // Pass times as numbers: Postgres would spend more time on parsing text than on the comparison.
      incoming.map(({ launch }) => launch.last_updated && launch.last_updated.getTime() / 1_000),
    ],
  })
  return {
    differing: new Set(rows.filter(({ differs }) => differs).map(({ launchId }) => launchId)),
    returned: rows.filter(({ returned }) => returned).map(({ launchId }) => launchId),
  }
}

export type ComparedRow = Pick<StoredLaunch, keyof Launch> & { content_hash: string | null }

/** The stored rows of these launches, by id. */
export async function readStored(db: Queryable, launchIds: string[]): Promise<Map<string, ComparedRow>> {
  const { rows } = await db.query<ComparedRow & Pick<Launch, 'launch_id'>>(
    `select content_hash, ${LAUNCH_COLUMNS.join(', ')} from rocket_launches where launch_id = any ($1)`,
    [launchIds],
  )
  return new Map(rows.map((row) => [row.launch_id, row]))
}

/**
 * The maximum number of rows in one `upsert`. Larger statements were no faster. A statement takes at most 65,535
 * parameters; beyond that, pg starts again at 0 without an error.
 */
export const BATCH = 100

/** Writes launches (at most `BATCH`, each once) and returns the ids of the written rows. */
export async function upsert(db: Queryable, incoming: readonly Incoming[], now: Date): Promise<string[]> {
  const values = incoming.flatMap(({ launch, details, hash }) => [
    details,
    hash,
    now.toISOString(),
    now.toISOString(),
    ...LAUNCH_COLUMNS.map((column) => parameter(launch[column])),
  ])
  // Parsing the parameters of a full batch takes a fifth of the statement's time. So each connection prepares this
  // statement once.
  const name = incoming.length === BATCH ? { name: 'upsert_launches' } : {}
  const { rows } = await db.query<{ launchId: string }>({ ...name, text: upsertText(incoming.length), values })
  return rows.map((row) => row.launchId)
}

/**
 * pg would write a Date in the process's time zone. For old dates the offset of a zone can have seconds, which are
 * lost.
 */
function parameter(value: Launch[keyof Launch]): Exclude<typeof value, Date> {
  return value instanceof Date ? value.toISOString() : value
}

const WRITTEN = ['details', 'content_hash', 'first_seen_at', 'updated_at', ...LAUNCH_COLUMNS]
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

/** One changed column. All values are text, times in ISO 8601 UTC. Null: unknown. */
export interface Change {
  launchId: string
  field: keyof Launch
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

/** A launch that could not be parsed. */
export interface Reject {
  /** The launch's id; if that is unknown, `raw:` and a hash. */
  key: string
  /** JSON, as received. */
  raw: string
  issues: readonly Issue[]
}

/** Inserts or updates rejects. Their keys must be unique. */
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

/** Deletes the rejects of launches that have now been parsed. Such launches no longer count as vanished. */
export async function markReturned(db: Queryable, launchIds: string[]): Promise<void> {
  await db.query(
    `with parsed as (delete from rocket_launch_rejects where key = any ($1))
     update rocket_launches set vanished_at = null where launch_id = any ($1) and vanished_at is not null`,
    [launchIds],
  )
}
