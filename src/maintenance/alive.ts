import { findDeadJobs } from '../metadata/jobs.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { JobListing } from '../operations/list-jobs.ts'

export type Executing = Pick<JobListing, 'job_id' | 'kind' | 'hostname' | 'pid' | 'heartbeat_at'> & {
  /** Since its last heartbeat, by the database's clock. */
  silent_ms: number
}

/** Processes that take up queued runs and are alive: lease and lock both tell so. */
export async function listExecuting(db: Metadata): Promise<Executing[]> {
  const dead = await findDeadJobs(db, 0)
  const { rows } = await db.query<Executing>(
    `select job_id, kind, hostname, pid, heartbeat_at,
       (extract(epoch from now() - heartbeat_at) * 1000)::float8 as silent_ms
     from metadata.job
     where state = 'running' and kind in ('start', 'scheduler') and job_id <> all($1::bigint[]) order by job_id`,
    [dead.map(({ job_id }) => job_id)],
  )
  return rows
}
