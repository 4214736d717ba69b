import type { Metadata } from '../../metadata/metadata.ts'
import { countUnfinished, totals } from '../../operations/run-counts.ts'

export interface Health {
  running: number
  queued: number
  oldest_queued: Date | undefined
  /** Runs that failed in the last day. */
  failed: number
  server: string
  size: string
}

const FAILED = `(select count(*)::int from metadata.dag_run
  where state = 'failed' and ended_at > now() - interval '1 day')`

/** The runs of all dags together: unfinished ones, and those that failed in the last day. */
export async function readTotals(db: Metadata): Promise<Pick<Health, 'running' | 'queued' | 'failed'>> {
  const { rows } = await db.query<{ failed: number }>(`select ${FAILED} as failed`)
  return { ...totals(await countUnfinished(db)), failed: rows[0]?.failed ?? 0 }
}

export async function readHealth(db: Metadata): Promise<Health> {
  const unfinished = await countUnfinished(db)
  const queuedAt = unfinished.flatMap(({ oldest_queued }) => oldest_queued ?? [])
  const oldest_queued = queuedAt.sort((a, b) => a.getTime() - b.getTime())[0]
  const { rows } = await db.query<Pick<Health, 'failed' | 'server' | 'size'>>(
    `select
       ${FAILED} as failed,
       current_setting('server_version') as server,
       pg_size_pretty(pg_database_size(current_database())) as size`,
  )
  const { failed = 0, server = '', size = '' } = rows[0] ?? {}
  return { ...totals(unfinished), oldest_queued, failed, server, size }
}
