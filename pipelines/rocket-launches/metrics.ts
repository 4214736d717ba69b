import type { Metric, MetricsHost } from 'tminus'
import type { Database, Queryable } from 'tminus/db'
import { upcomingUrl } from '../launches/launch-library/addresses.ts'
import { lastKnownQuota } from '../launches/launch-library/quota.ts'
import { isNotMigrated } from '../launches/missing-tables.ts'
import { readSync } from '../launches/sync.ts'
import { STATE } from './discord/outbox.ts'
import type { Settings } from './settings.ts'

/** The number of calls left, the age of the launches, and messages by state. Before the first run there are no metrics. */
export async function metrics(host: MetricsHost<Settings>): Promise<Metric[]> {
  return await host
    .withDatabase(async (db) => [...(await ofLaunches(db, host)), ...(await ofMessages(db))])
    .catch((error: Error) => {
      if (isNotMigrated(error)) return []
      throw error
    })
}

async function ofLaunches(db: Database, { settings, now }: MetricsHost<Settings>): Promise<Metric[]> {
  const { LAUNCH_LIBRARY_URL: baseUrl, LAUNCH_LIBRARY_TOKEN: token } = settings()
  const { calls } = await lastKnownQuota({ db, baseUrl, token, now })
  const read = (await readSync(db, upcomingUrl(baseUrl).href))?.lastSuccessAt
  const metric = (name: string, help: string, value: number): Metric => ({ name, help, value })
  return [
    ...(calls === undefined
      ? []
      : [metric('launch_library_calls_left', 'Calls left beyond the reserve, as last known', calls)]),
    ...(read
      ? [
          metric(
            'launches_age_seconds',
            'Seconds since the list of launches was last read',
            Math.max(0, now().getTime() - read.getTime()) / 1_000,
          ),
        ]
      : []),
  ]
}

async function ofMessages(db: Queryable): Promise<Metric[]> {
  const { rows } = await db.query<{ kind: string; state: string; count: number }>(
    `select case when kind in ('card', 'digest') then kind else 'notice' end as kind, ${STATE} as state, count(*)::int as count
     from discord_outbox group by 1, 2`,
  )
  const help = 'Messages to Discord, by state'
  return rows.map(({ kind, state, count }) => ({
    name: 'discord_messages',
    help,
    value: count,
    labels: { kind, state },
  }))
}
