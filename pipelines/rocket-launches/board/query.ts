import type { Queryable } from 'tminus/db'
import { FINAL } from '../../launches/launch.ts'
import { COLUMNS, holdsAll, type StoredLaunch } from '../../launches/read-launches.ts'
import { IS_PRECISE, isToCome, NEXT_FIRST } from '../../launches/to-come.ts'

/** A launch as the board shows it. */
export interface BoardLaunch extends StoredLaunch {
  launch_id: string
  name: string
  net: Date
  /** A smaller picture, where Launch Library gives one (from 2.3.0 on). */
  thumbnail_url: string | null
}

const SHOWN = [...COLUMNS, 'thumbnail_url'].join(', ')

/** What the lists of the board are asked for. */
export interface Asked {
  /** False: what is to come, nearest first. True: what flew or went by, latest first. */
  past: boolean
  /** Words that all occur in its name, mission, provider, rocket, pad or location, whatever their case and accents. */
  search: string
  /** By its whole name; empty: all. */
  provider: string
}

export interface Range {
  now: Date
  limit: number
  offset?: number
}

const TO_COME = `(${isToCome('$1::timestamptz')} and vanished_at is null)`
/** One gone from the list is neither, until its period is over. */
const GONE_BY = `not ${isToCome('$1::timestamptz')}`
/** A launch of which only the month is known stands behind those of that month, wherever its placeholder lies. */
const NEAREST_FIRST = `case when ${IS_PRECISE} then net else period_end end, net_precision, launch_id`

/** A part of the launches asked for. */
export async function boardLaunches(db: Queryable, asked: Asked, range: Range): Promise<BoardLaunch[]> {
  const { rows } = await db.query<BoardLaunch>(
    `select ${SHOWN} from rocket_launches where launch_id is not null and ${fitting(asked)}
     order by ${asked.past ? 'net desc, launch_id' : NEAREST_FIRST}
     limit $4 offset $5`,
    [...valuesOf(asked, range), range.limit, range.offset ?? 0],
  )
  return rows
}

/** Of all that fit. */
export async function countLaunches(db: Queryable, asked: Asked, now: Date): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `select count(*)::int as count from rocket_launches where launch_id is not null and ${fitting(asked)}`,
    valuesOf(asked, { now }),
  )
  return rows[0]?.count ?? 0
}

function fitting({ past }: Asked): string {
  return `${past ? GONE_BY : TO_COME}
    and ${holdsAll('search_text', '$2')}
    and ($3 = '' or strpos(search_text, launch_fold($3)) > 0 and launch_fold(provider) = launch_fold($3))`
}

function valuesOf({ search, provider }: Asked, { now }: Pick<Range, 'now'>): unknown[] {
  return [now.toISOString(), search.split(/\s+/), provider]
}

/** Who flies what is to come, the busiest first. */
export async function boardProviders(db: Queryable, now: Date): Promise<{ provider: string; launches: number }[]> {
  const { rows } = await db.query<{ provider: string; launches: number }>(
    `select provider, count(*)::int as launches from rocket_launches
     where launch_id is not null and provider <> '' and ${TO_COME}
     group by provider order by launches desc, provider limit 60`,
    [now.toISOString()],
  )
  return rows
}

const HELD_MS = 3_600_000

/**
 * The launch the board opens with: the next one, one with a precise time before every placeholder; for an hour after
 * its T-0 the one that has just flown or should have, until its outcome is known or the next is nearer.
 */
export async function featuredLaunch(db: Queryable, now: Date): Promise<BoardLaunch | undefined> {
  const { rows } = await db.query<BoardLaunch>(
    `select ${SHOWN}
     from (
       (select * from rocket_launches
        where net >= $2 and net < $1 and launch_id is not null and vanished_at is null
          and ${IS_PRECISE} and (status_id = any ($3)) is not true
        order by net desc, launch_id limit 1)
       union all
       (select * from rocket_launches where launch_id is not null and ${TO_COME}
        order by ${NEXT_FIRST} limit 1)
     ) as candidate
     order by ${IS_PRECISE} desc, abs(extract(epoch from net - $1::timestamptz))
     limit 1`,
    [now.toISOString(), new Date(now.getTime() - HELD_MS).toISOString(), FINAL],
  )
  return rows[0]
}

export async function oneBoardLaunch(db: Queryable, launchId: string): Promise<BoardLaunch | undefined> {
  const { rows } = await db.query<BoardLaunch>(`select ${SHOWN} from rocket_launches where launch_id = $1`, [launchId])
  return rows[0]
}

/** What the channels were sent about a launch, oldest first. Times by the database's clock. */
export interface SentMessage {
  target: string
  kind: string
  state: string
  reason: string | null
  reason_told: string | null
  facts: unknown
  message: unknown
  sent_at: Date | null
  updated_at: Date
}

export async function messagesAbout(db: Queryable, launchId: string): Promise<SentMessage[]> {
  const { rows } = await db.query<SentMessage>(
    `select target, kind, state, reason, reason_told, facts, message, sent_at, updated_at
     from discord_outbox where launch_id = $1 order by outbox_id limit 100`,
    [launchId],
  )
  return rows
}

/** A launch that could not be read. */
export interface RejectedLaunch {
  /** Its id, or `raw:` and a hash. */
  key: string
  /** `path: message`, each once. */
  issues: string
  count: number
  first_seen: Date
  last_seen: Date
}

/** Latest first. */
export async function rejectedLaunches(db: Queryable, limit: number): Promise<RejectedLaunch[]> {
  const { rows } = await db.query<RejectedLaunch>(
    `select key, count, first_seen, last_seen,
       (select string_agg(distinct concat_ws(': ', nullif(issue ->> 'path', ''), issue ->> 'message'), '; ')
        from jsonb_array_elements(issues) issue) as issues
     from rocket_launch_rejects order by last_seen desc, key limit $1`,
    [limit],
  )
  return rows
}

/** The pipeline has not made its tables yet, or not all of today's columns: they are as good as empty. */
export function isWithoutTables(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === '42P01' || error.code === '42703')
}
