import type { Queryable } from 'tminus/db'
import type { Outcome } from '../../launches/words/figures-en.ts'
import { HAS_FLOWN, hasOutcome, OUTCOMES } from './outcomes.ts'

/** The flown launches from `start` (inclusive) until `now`. */
export interface FiguresRange {
  start: Date
  now: Date
  years: number
}

/** Counts of flown launches by outcome. `key`: a month (`2026-11`), a rocket or a provider; empty: unknown. */
export type Tally = { key: string; launches: number } & Record<Outcome, number>

/** How often and how far a provider's launches slipped. Delays are in ms; null: no launch slipped. */
export interface ProviderSlips {
  provider: string
  launches: number
  slipped: number
  slips: number
  median_ms: number | null
  longest_ms: number | null
}

const KEYS = {
  month: `to_char(net at time zone 'UTC', 'YYYY-MM')`,
  rocket: `coalesce(rocket, '')`,
  provider: `coalesce(provider, '')`,
}

/** Rows of one answer; more than rockets or providers that exist. */
const MAX_ROWS = 1_000

/** Months in order; rockets and providers with the most launches first. Reads the index on `net`. */
export async function tallies(db: Queryable, { start, now }: FiguresRange, by: keyof typeof KEYS): Promise<Tally[]> {
  const counts = OUTCOMES.map((outcome) => `count(*) filter (where ${hasOutcome(outcome)})::int as ${outcome}`)
  const { rows } = await db.query<Tally>(
    `select ${KEYS[by]} as key, count(*)::int as launches, ${counts}
     from rocket_launches
     where net >= $1 and net <= $2 and launch_id is not null and vanished_at is null and ${HAS_FLOWN}
     group by 1 order by ${by === 'month' ? 'key' : 'launches desc, key'} limit ${MAX_ROWS}`,
    [start.toISOString(), now.toISOString()],
  )
  return rows
}

/** A shorter move is a correction rather than a slip. It is also the smallest move that Discord gets a notice of. */
const SLIP = `interval '15 minutes'`
/** The years before 1 and after 9999, which a list may hold by mistake, are written in a way Postgres cannot read. */
const instant = (column: string) => `case when ${column} ~ '^(?!0000)\\d{4}-' then ${column}::timestamptz end`

/**
 * Slips of launches that were stored before their T-0, flown or upcoming, most slipped launches first. A move with a
 * change of precision is not counted: a month that becomes a time is not later than before. Reads the changes of each
 * launch by their index.
 */
export async function slipsByProvider(db: Queryable, { start }: FiguresRange): Promise<ProviderSlips[]> {
  const { rows } = await db.query<ProviderSlips>(
    `with launch as (
       select coalesce(provider, '') as provider, slips, delay_ms
       from rocket_launches launch, lateral (
         select nullif(count(*), 0) as slips, extract(epoch from sum(delay))::float8 * 1000 as delay_ms
         from (
           select ${instant('new')} - ${instant('old')} as delay
           from (
             select field, old, new, bool_or(field = 'net_precision') over (partition by seen_at) as has_new_precision
             from rocket_launch_changes changes
             where changes.launch_id = launch.launch_id and field in ('net', 'net_precision')
           ) change
           where field = 'net' and not has_new_precision
         ) move
         where delay >= ${SLIP}
       ) slipped
       where net >= $1 and launch_id is not null and vanished_at is null and first_seen_at < net
     )
     select provider, count(*)::int as launches, count(slips)::int as slipped, coalesce(sum(slips), 0)::int as slips,
       percentile_cont(0.5) within group (order by delay_ms) as median_ms, max(delay_ms) as longest_ms
     from launch
     group by provider order by slipped desc, launches desc, provider limit ${MAX_ROWS}`,
    [start.toISOString()],
  )
  return rows
}
