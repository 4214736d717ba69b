import { TminusError } from 'tminus'
import type { Queryable } from 'tminus/db'
import type { Cursor } from './cursor.ts'

/** A row of `rocket_launch_history`: a load of one span and its progress. */
export interface Load extends Counts {
  source: string
  span: string
  /** The last net to load; fixed when the load starts. */
  netTo: Date
  cursorNet: Date | null
  cursorOffset: number
  cursorIds: string[]
  /**
   * The number of launches in the list, according to the first page. Null before that page, or if the API does not give
   * it.
   */
  total: number | null
  pages: number
  startedAt: Date
  finishedAt: Date | null
}

export interface Counts {
  /** Distinct launches received: the sum of the next four. */
  launches: number
  inserted: number
  updated: number
  unchanged: number
  rejected: number
}

const COLUMNS = `source, span, net_to as "netTo", cursor_net as "cursorNet", cursor_offset as "cursorOffset",
  cursor_ids as "cursorIds", total, pages, launches, inserted, updated, unchanged, rejected,
  started_at as "startedAt", finished_at as "finishedAt"`

/**
 * Starts a load of a span. If a load of that span is unfinished, or has finished since `askedAt`, returns undefined and
 * starts no load. An unfinished load that has no page yet is replaced.
 */
export async function startLoad(
  db: Queryable,
  { source, span, netTo, askedAt, now }: Pick<Load, 'source' | 'span' | 'netTo'> & { askedAt: Date; now: Date },
): Promise<Load | undefined> {
  const { rows } = await db.query<Load>(
    `insert into rocket_launch_history as old (source, span, net_to, started_at, updated_at)
     values ($1, $2, $3, $5, $5)
     on conflict (source, span) do update
     set net_to = excluded.net_to, cursor_net = null, cursor_offset = 0, cursor_ids = '{}', total = null, pages = 0,
       launches = 0, inserted = 0, updated = 0, unchanged = 0, rejected = 0,
       started_at = excluded.started_at, updated_at = excluded.updated_at, finished_at = null
     where old.finished_at < $4 or old.pages = 0
     returning ${COLUMNS}`,
    [source, span, netTo.toISOString(), askedAt.toISOString(), now.toISOString()],
  )
  return rows[0]
}

export async function readLoad(
  db: Queryable,
  { source, span }: Pick<Load, 'source' | 'span'>,
): Promise<Load | undefined> {
  const { rows } = await db.query<Load>(
    `select ${COLUMNS} from rocket_launch_history where source = $1 and span = $2`,
    [source, span],
  )
  return rows[0]
}

/** Records one more page in the progress of a load. */
export interface Advance {
  counts: Counts
  /** Null after the last page. */
  cursor: Cursor | null
  /** The number of launches in the list. */
  total: number | null
  now: Date
}

/**
 * Records one page. Throws TminusError `history_moved` if another process recorded a page since `load` was read: that
 * process continues the load.
 */
export async function advanceLoad(db: Queryable, load: Load, { counts, cursor, total, now }: Advance): Promise<Load> {
  const { rows } = await db.query<Load>(
    `update rocket_launch_history
     set pages = pages + 1, launches = launches + $5, inserted = inserted + $6, updated = updated + $7,
       unchanged = unchanged + $8, rejected = rejected + $9, total = coalesce(total, $10), updated_at = $11,
       cursor_net = $12, cursor_offset = $13, cursor_ids = $14, finished_at = $15
     where source = $1 and span = $2 and started_at = $3 and pages = $4 and finished_at is null
     returning ${COLUMNS}`,
    [
      ...[load.source, load.span, load.startedAt.toISOString(), load.pages],
      ...[counts.launches, counts.inserted, counts.updated, counts.unchanged, counts.rejected, total],
      now.toISOString(),
      ...[cursor?.net?.toISOString() ?? null, cursor?.offset ?? 0, cursor?.ids ?? []],
      cursor === null ? now.toISOString() : null,
    ],
  )
  if (rows[0] !== undefined) return rows[0]
  throw new TminusError('another process stored this page and continues the load; wait until it finishes', {
    code: 'history_moved',
  })
}
