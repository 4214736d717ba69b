import type { Metadata } from '../../metadata/metadata.ts'

export interface Health {
  running: number
  queued: number
  oldest_queued: Date | null
  /** Among the newest 1,000 runs. */
  failed: number
  server: string
  size: string
}

export async function readHealth(db: Metadata): Promise<Health> {
  const { rows } = await db.query<Health>(
    `select
       (select count(*)::int from metadata.dag_run where state = 'running') as running,
       (select count(*)::int from metadata.dag_run where state = 'queued') as queued,
       (select min(queued_at) from metadata.dag_run where state = 'queued') as oldest_queued,
       (select count(*)::int from (select state, ended_at from metadata.dag_run order by dag_run_id desc limit 1000) r
        where state = 'failed' and ended_at > now() - interval '1 day') as failed,
       current_setting('server_version') as server,
       pg_size_pretty(pg_database_size(current_database())) as size`,
  )
  return rows[0] as Health
}
