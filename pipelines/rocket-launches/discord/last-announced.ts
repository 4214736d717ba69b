import type { Queryable } from 'tminus/db'
import type { LastAnnounced } from './notices.ts'

/** The facts that this channel last announced, by launch id. */
export async function readLastAnnounced(
  db: Queryable,
  target: string,
  launchIds: readonly string[],
): Promise<Map<string, LastAnnounced>> {
  const { rows } = await db.query<LastAnnounced & { launchId: string }>(
    `select launch_id as "launchId", net, net_precision as precision, status_id as status,
       webcast_live as "webcastLive", slips, holds
     from discord_told where target = $1 and launch_id = any ($2)`,
    [target, launchIds],
  )
  return new Map(rows.map(({ launchId, ...last }) => [launchId, last]))
}

/** `told_at` keeps the time of the first announcement: the earliest one of a channel is the channel's start. */
export async function writeLastAnnounced(
  db: Queryable,
  { target, launchId }: { target: string; launchId: string },
  last: LastAnnounced,
  now: Date,
): Promise<void> {
  await db.query(
    `insert into discord_told
       (target, launch_id, net, net_precision, status_id, webcast_live, slips, holds, told_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     on conflict (target, launch_id) do update
     set net = excluded.net, net_precision = excluded.net_precision, status_id = excluded.status_id,
       webcast_live = excluded.webcast_live, slips = excluded.slips, holds = excluded.holds`,
    [
      ...[target, launchId, last.net.toISOString(), last.precision, last.status, last.webcastLive],
      ...[last.slips, last.holds, now.toISOString()],
    ],
  )
}
