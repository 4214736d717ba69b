import type { Metadata } from '../../metadata/metadata.ts'
import { countUnfinished, totals } from '../../operations/run-counts.ts'

export interface Health {
  running: number
  queued: number
  oldest_queued: Date | undefined
  /** Failed runs among the newest 1,000 runs. */
  failed: number
  server: string
  size: string
}

export async function readHealth(db: Metadata): Promise<Health> {
  const unfinished = await countUnfinished(db)
  const queuedAt = unfinished.flatMap(({ oldest_queued }) => oldest_queued ?? [])
  const oldest_queued = queuedAt.sort((a, b) => a.getTime() - b.getTime())[0]
  const { rows } = await db.query<Pick<Health, 'failed' | 'server' | 'size'>>(
    `select
       (select count(*)::int from (select state, ended_at from metadata.dag_run order by dag_run_id desc limit 1000) r
        where state = 'failed' and ended_at > now() - interval '1 day') as failed,
       current_setting('server_version') as server,
       pg_size_pretty(pg_database_size(current_database())) as size`,
  )
  const { failed = 0, server = '', size = '' } = rows[0] ?? {}
  return { ...totals(unfinished), oldest_queued, failed, server, size }
}
