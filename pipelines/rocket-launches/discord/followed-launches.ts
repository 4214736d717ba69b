import type { Queryable } from 'tminus/db'
import { STORED_COLUMNS } from '../../launches/columns.ts'
import { FINAL, FLOWN, type KnownLaunch, PRECISE } from '../../launches/launch.ts'

/**
 * Launches for which a channel may need a message, besides the nearest launch:
 * - launches with a card on the channel, until the result is known, a week has passed and the card is sent
 * - launches with a precise time that is at most `withinMs` from now
 */
export async function launchesToFollow(
  db: Queryable,
  { target, now, withinMs }: { target: string; now: Date; withinMs: number },
): Promise<KnownLaunch[]> {
  const { rows } = await db.query<KnownLaunch>(
    `with followed as (
       select launch_id from discord_outbox join rocket_launches using (launch_id)
       where target = $1 and kind = 'card'
         and (period_end > $2::timestamptz - interval '7 days' or (status_id = any ($3)) is not true or state = 'pending')
       union
       select launch_id from rocket_launches
       where net >= $2 and net <= $4 and launch_id is not null and vanished_at is null
         and (status_id = any ($5)) is not true and net_precision = any ($6)
     )
     select ${STORED_COLUMNS.join(', ')} from rocket_launches where launch_id in (select launch_id from followed)
     order by net, launch_id`,
    [target, now.toISOString(), FINAL, new Date(now.getTime() + withinMs).toISOString(), FLOWN, PRECISE],
  )
  return rows
}

/**
 * Launches with a result (success or failure) that have no card on the channel. They flew, and their result was first
 * stored, at most two days ago and after the channel's first card. Not included:
 * - a launch that was stored with its result by `launch-history`, which loads launches in the order of T-0
 * - a launch that was stored with its result while an empty database was filled
 *
 * If only a period is known, the launch flew at the end of the period at the latest.
 */
export async function launchesMissed(
  db: Queryable,
  { target, now }: { target: string; now: Date },
): Promise<KnownLaunch[]> {
  const { rows } = await db.query<KnownLaunch>(
    `with flown as (
       select launch_id, net, first_seen_at, (
         select min(seen_at) from rocket_launch_changes change
         where change.launch_id = launch.launch_id and field = 'status_id' and new = any ($3::int[]::text[])
       ) as result_seen_at
       from rocket_launches launch
       where status_id = any ($3) and period_end > $2::timestamptz - interval '2 days' and not exists (
         select from discord_outbox card
         where target = $1 and kind = 'card' and card.launch_id = launch.launch_id
       )
     ), missed as (
       select launch_id from flown
       where coalesce(result_seen_at, first_seen_at) > $2::timestamptz - interval '2 days'
         and coalesce(result_seen_at, first_seen_at) > (select min(told_at) from discord_told where target = $1)
         and (result_seen_at is not null or exists (
             select from rocket_launches earlier
             where earlier.first_seen_at < flown.first_seen_at - interval '1 hour'
           ) and not exists (
             select from rocket_launch_history
             where flown.first_seen_at between started_at and updated_at and flown.net <= net_to
               and (finished_at is not null or flown.net <= cursor_net)
           ))
     )
     select ${STORED_COLUMNS.join(', ')} from rocket_launches where launch_id in (select launch_id from missed)
     order by net, launch_id`,
    [target, now.toISOString(), FINAL],
  )
  return rows
}

/** When T-0 or its precision last changed, by launch id. The map lacks launches whose T-0 never changed. */
export async function netSince(db: Queryable, launchIds: readonly string[]): Promise<Map<string, Date>> {
  const { rows } = await db.query<{ launchId: string; since: Date }>(
    `select launch_id as "launchId", max(seen_at) as since from rocket_launch_changes
     where launch_id = any ($1) and field in ('net', 'net_precision')
     group by launch_id`,
    [launchIds],
  )
  return new Map(rows.map(({ launchId, since }) => [launchId, since]))
}
