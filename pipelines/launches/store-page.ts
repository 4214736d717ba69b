import { hash } from 'node:crypto'
import { type Connection, type Database, inTransaction } from 'tminus/db'
import { type Column, columnOf, type Value } from './columns.ts'
import type { Launch, Parsed } from './launch.ts'
import * as store from './store.ts'

/** What became of a page; the four add up to its length. */
export interface PageSummary {
  inserted: number
  updated: number
  /** As stored already, older than what is stored, or in the page a second time. */
  unchanged: number
  rejected: number
}

export interface StoreOptions {
  /** Written in the very transaction of the page, also where nothing of it differs; told what became of the page. */
  alongside?: (connection: Connection, stored: PageSummary) => Promise<void>
}

/**
 * Stores a page: launches that differ from what is stored, what changed of them, and aside those that cannot be read,
 * all in one transaction. Where nothing differs nothing is written. `now` goes on the rows.
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

type Fitting = Extract<Parsed, { launch: unknown }>
type Unfitting = Exclude<Parsed, Fitting>

function incomingOf({ launch, details }: Fitting): store.Incoming {
  return { launch, details, hash: `${launch.detailed ? store.DETAILED : ''}${READING}:${contentHash(details)}` }
}

function rejectOf({ launchId, details, issues }: Unfitting): store.Reject {
  return { key: launchId ?? `raw:${contentHash(details)}`, raw: details, issues }
}

/** To be raised when something else is read of a launch than before: every row is then written anew, once. */
const READING = 2

/** Of the launch as received: `last_updated` misses changes of image and slug. */
export function contentHash(details: string): string {
  return hash('sha256', details).slice(0, 32)
}

async function storeAll(db: Database, { launches, rejects, now, alongside }: Storing): Promise<Written> {
  // Of a launch given twice the last.
  const page = [...new Map(launches.map((incoming) => [incoming.launch.launchId, incoming])).values()]
  const { differing, again } = await store.compare(db, page)
  const distinct = [...new Map(rejects.map((reject) => [reject.key, reject])).values()]
  if (differing.size + again.length + distinct.length === 0 && alongside === undefined) {
    return { inserted: 0, updated: 0 }
  }
  return await inTransaction(db, async (connection) => {
    // In the order of their ids, so that two processes lock rows in the same order.
    const changed = page
      .filter(({ launch }) => differing.has(launch.launchId))
      .sort((a, b) => (a.launch.launchId < b.launch.launchId ? -1 : 1))
    const written = await writeDiffering(connection, changed, now)
    if (again.length > 0) await store.receivedAgain(connection, again)
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
    const ids = received.map(({ launch }) => launch.launchId)
    const stored = await store.readStored(connection, ids)
    const batch = received.map((incoming) => keepingDetails(incoming, stored.get(incoming.launch.launchId)))
    const written = new Set(await store.upsert(connection, batch, now))
    const changes = batch
      .filter(({ launch }) => written.has(launch.launchId))
      .flatMap(({ launch }) => changesOf(stored.get(launch.launchId), launch))
    if (changes.length > 0) await store.insertChanges(connection, changes, now)
    const updated = [...written].filter((id) => stored.has(id)).length
    total.updated += updated
    total.inserted += written.size - updated
  }
  return total
}

/** What only the detailed mode tells is not lost to an answer in normal mode. */
function keepingDetails(incoming: store.Incoming, stored: store.StoredRow | undefined): store.Incoming {
  if (incoming.launch.detailed || stored === undefined) return incoming
  const { webcast_url: webcastUrl, info_url: infoUrl } = stored
  return { ...incoming, launch: { ...incoming.launch, webcastUrl, infoUrl } }
}

/** Columns whose change is news. Not the slug, nor what only follows from another one, nor what is about the record. */
export const FACTS: readonly Column[] = [
  'name',
  'net',
  'net_precision',
  'status_id',
  'window_start',
  'window_end',
  'provider',
  'rocket',
  'pad',
  'location',
  'mission_name',
  'mission_type',
  'mission_description',
  'orbit',
  'probability',
  'hold_reason',
  'fail_reason',
  'image_url',
  'webcast_url',
  'webcast_live',
]

/** What changed of a launch; nothing for a new one. An Airflow row learns much that it did not hold: that is no change. */
export function changesOf(stored: store.StoredRow | undefined, launch: Launch): store.Change[] {
  if (stored === undefined) return []
  return FACTS.flatMap((field) => {
    const change = {
      launchId: launch.launchId,
      field,
      old: asText(stored[field]),
      new: asText(columnOf(launch, field)),
    }
    const learnt = stored.content_hash === null && change.old === null
    return change.old === change.new || learnt ? [] : [change]
  })
}

function asText(value: Value): string | null {
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z')
  return value === null ? null : String(value)
}

/** SQLSTATE classes 22 (data exception) and 54 (a limit of Postgres): it is a value that does not fit, not the database. */
function isDataError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && /^(22|54)[0-9A-Z]{3}$/.test(String(error.code))
}

/** Something in the page cannot be stored, though it could be read: one by one, to lose no other. */
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
      refused.push({ key: incoming.launch.launchId, raw: incoming.details, issues: [issue] })
    }
  }
  for (const reject of refused) await putAside(db, reject, now)
  const stored = summary(total, launches.length - refused.length, rejects.length + refused.length)
  const last = alongside && ((connection: Connection) => alongside(connection, stored))
  await storeAll(db, { launches: [], rejects, now, alongside: last })
  return stored
}

/** Where even the launch as received cannot be stored, its reason still is. */
async function putAside(db: Database, reject: store.Reject, now: Date): Promise<void> {
  try {
    await store.putRejects(db, [reject], now)
  } catch (error) {
    if (!isDataError(error)) throw error
    await store.putRejects(db, [{ ...reject, raw: 'null' }], now)
  }
}
