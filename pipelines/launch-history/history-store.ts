import { TminusError } from 'tminus'
import type { Queryable } from 'tminus/db'
import type { Cursor } from './cursor.ts'

/** A load as its row of `rocket_launch_history` tells. */
export interface Load extends Counts {
  source: string
  span: string
  /** Up to which net; fixed at the beginning. */
  netTo: Date
  cursorNet: Date | null
  cursorOffset: number
  cursorIds: string[]
  /** What the list held at the first page; null before it, or where the API does not tell. */
  total: number | null
  pages: number
  startedAt: Date
  finishedAt: Date | null
}

export interface Counts {
  /** Received, each once; the next four add up to it. */
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
 * Begins a load where there is none of this span yet, or one that never had a page or came to its end before `askedAt`;
 * gives undefined where it did not come to its end, or has since.
 */
export async function beginLoad(
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

/** What a page moves a load by. */
export interface Advance {
  counts: Counts
  /** Null: it was the last page. */
  cursor: Cursor | null
  /** Of the list, as the answer told. */
  total: number | null
  now: Date
}

/**
 * Moves a load by one page. Throws TminusError `history_moved` where somebody else did so since `load` was read: that
 * process goes on with it.
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
  throw new TminusError('another process stored this page meanwhile and goes on with the load; wait for it to end', {
    code: 'history_moved',
  })
}
