import { hash } from 'node:crypto'
import { type Connection, type Database, inTransaction } from 'tminus/db'
import { RECORDED_COLUMNS } from './columns.ts'
import type { Launch } from './launch.ts'
import type { Parsed, ParsedLaunch } from './parse-launch.ts'
import * as store from './store.ts'

/** How many launches of a page were inserted, updated and so on. The four add up to the length of the page. */
export interface PageSummary {
  inserted: number
  updated: number
  /** Equal to the stored launch, older than it, or a duplicate within the page. */
  unchanged: number
  rejected: number
}

/** `98 new, 2 rejected` */
export function countsText({ inserted, updated, unchanged, rejected }: PageSummary): string {
  const counts = { new: inserted, changed: updated, unchanged, rejected }
  const parts = Object.entries(counts).flatMap(([name, count]) => (count > 0 ? [`${count} ${name}`] : []))
  return parts.join(', ') || 'no launches'
}

export interface StoreOptions {
  /** Another write for the page's transaction, such as the progress. Called even if no launch differs. */
  alongside?: (connection: Connection, stored: PageSummary) => Promise<void>
}

/**
 * Stores a page in one transaction: new and changed launches, their changes, and the rejects.
 * Writes nothing if nothing differs. `now` becomes the rows' `updated_at`.
 */
export async function storePage(
  db: Database,
  page: readonly Parsed[],
  now: Date,
  { alongside }: StoreOptions = {},
): Promise<PageSummary> {
  const launches = page.filter((parsed) => 'launch' in parsed).map(incomingOf)
  const rejects = page.filter((parsed) => 'issues' in parsed).map(rejectOf)
  try {
    const written = await storeAll(db, { launches, rejects, now, alongside })
    return summary(written, launches.length, rejects.length)
  } catch (error) {
    if (!isDataError(error)) throw error
    return await storeEach(db, { launches, rejects, now, alongside })
  }
}

interface Storing {
  launches: readonly store.Incoming[]
  rejects: readonly store.Reject[]
  now: Date
  alongside?: StoreOptions['alongside']
}

interface Written {
  inserted: number
  updated: number
}

function summary({ inserted, updated }: Written, launches: number, rejected: number): PageSummary {
  return { inserted, updated, unchanged: launches - inserted - updated, rejected }
}

function incomingOf(parsed: ParsedLaunch): store.Incoming {
  const hash = `${parsed.detailed ? store.DETAILED : ''}${PARSER_VERSION}:${contentHash(parsed.details)}`
  return { ...parsed, hash }
}

function rejectOf({ launchId, details, issues }: Exclude<Parsed, ParsedLaunch>): store.Reject {
  return { key: launchId ?? `raw:${contentHash(details)}`, raw: details, issues }
}

/** Increase this number when `parseLaunch` reads other fields. Each row is then rewritten once. */
const PARSER_VERSION = 2

/** A hash of the launch as received. `last_updated` is not enough: a new image or slug does not change it. */
export function contentHash(details: string): string {
  return hash('sha256', details).slice(0, 32)
}

async function storeAll(db: Database, { launches, rejects, now, alongside }: Storing): Promise<Written> {
  // Keep the last of several rows with one id.
  const page = [...new Map(launches.map((incoming) => [incoming.launch.launch_id, incoming])).values()]
  const { differing, returned } = await store.compare(db, page)
  const distinct = [...new Map(rejects.map((reject) => [reject.key, reject])).values()]
  if (differing.size + returned.length + distinct.length === 0 && alongside === undefined) {
    return { inserted: 0, updated: 0 }
  }
  return await inTransaction(db, async (connection) => {
    // Sort by id, so that two processes lock rows in the same order.
    const changed = page
      .filter(({ launch }) => differing.has(launch.launch_id))
      .sort((a, b) => (a.launch.launch_id < b.launch.launch_id ? -1 : 1))
    const written = await writeDiffering(connection, changed, now)
    if (returned.length > 0) await store.markReturned(connection, returned)
    if (distinct.length > 0) await store.putRejects(connection, distinct, now)
    await alongside?.(connection, summary(written, launches.length, rejects.length))
    return written
  })
}

async function writeDiffering(
  connection: Connection,
  differing: readonly store.Incoming[],
  now: Date,
): Promise<Written> {
  const total = { inserted: 0, updated: 0 }
  if (differing.length > 0) await store.lockStore(connection)
  for (let start = 0; start < differing.length; start += store.BATCH) {
    const received = differing.slice(start, start + store.BATCH)
    const ids = received.map(({ launch }) => launch.launch_id)
    const stored = await store.readStored(connection, ids)
    const batch = received.map((incoming) => withStoredLinks(incoming, stored.get(incoming.launch.launch_id)))
    const written = new Set(await store.upsert(connection, batch, now))
    const changes = batch
      .filter(({ launch }) => written.has(launch.launch_id))
      .flatMap(({ launch }) => changesOf(stored.get(launch.launch_id), launch))
    if (changes.length > 0) await store.insertChanges(connection, changes, now)
    const updated = [...written].filter((id) => stored.has(id)).length
    total.updated += updated
    total.inserted += written.size - updated
  }
  return total
}

/** An answer in normal mode has no links. Adds the stored links to it. */
function withStoredLinks(incoming: store.Incoming, stored: store.ComparedRow | undefined): store.Incoming {
  if (incoming.detailed || stored === undefined) return incoming
  const { webcast_url, info_url } = stored
  return { ...incoming, launch: { ...incoming.launch, webcast_url, info_url } }
}

/**
 * The changed columns of a launch; none for a new launch. A row that the older Airflow version wrote lacks most
 * columns: values for them are not changes.
 */
export function changesOf(stored: store.ComparedRow | undefined, launch: Launch): store.Change[] {
  if (stored === undefined) return []
  return RECORDED_COLUMNS.flatMap((field) => {
    const change = { launchId: launch.launch_id, field, old: asText(stored[field]), new: asText(launch[field]) }
    const isFilledIn = stored.content_hash === null && change.old === null
    return change.old === change.new || isFilledIn ? [] : [change]
  })
}

function asText(value: Launch[keyof Launch]): string | null {
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z')
  return value === null ? null : String(value)
}

/** SQLSTATE classes 22 (data exception) and 54 (a limit of Postgres): the value is at fault, not the database. */
function isDataError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && /^(22|54)[0-9A-Z]{3}$/.test(String(error.code))
}

/**
 * Stores one launch at a time, after Postgres refused a value of the page: only the launch with that value is rejected.
 */
async function storeEach(db: Database, { launches, rejects, now, alongside }: Storing): Promise<PageSummary> {
  const total = { inserted: 0, updated: 0 }
  const refused: store.Reject[] = []
  for (const incoming of launches) {
    try {
      const { inserted, updated } = await storeAll(db, { launches: [incoming], rejects: [], now })
      total.inserted += inserted
      total.updated += updated
    } catch (error) {
      if (!isDataError(error)) throw error
      const issue = { path: '', message: `Postgres cannot store it: ${error.message}` }
      refused.push({ key: incoming.launch.launch_id, raw: incoming.details, issues: [issue] })
    }
  }
  for (const reject of refused) await putReject(db, reject, now)
  const stored = summary(total, launches.length - refused.length, rejects.length + refused.length)
  const last = alongside && ((connection: Connection) => alongside(connection, stored))
  await storeAll(db, { launches: [], rejects, now, alongside: last })
  return stored
}

/** Stores a reject. If Postgres also refuses the JSON of the launch as received, stores only the issues. */
async function putReject(db: Database, reject: store.Reject, now: Date): Promise<void> {
  try {
    await store.putRejects(db, [reject], now)
  } catch (error) {
    if (!isDataError(error)) throw error
    await store.putRejects(db, [{ ...reject, raw: 'null' }], now)
  }
}
