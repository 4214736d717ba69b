import type { JobEnd, JobKind } from '../metadata/jobs.ts'
import type { Metadata } from '../metadata/metadata.ts'

export interface JobListing {
  job_id: number
  kind: JobKind
  state: 'running' | JobEnd
  hostname: string
  pid: number
  start_date: Date
  heartbeat_at: Date
  end_date: Date | null
  reason: string | null
}

/** Processes: running ones first, then the newest. */
export async function listJobs(db: Metadata, limit: number): Promise<JobListing[]> {
  const { rows } = await db.query<JobListing>(
    `select job_id, kind, state, hostname, pid, started_at as start_date, heartbeat_at, ended_at as end_date, reason
     from metadata.job order by (state = 'running') desc, job_id desc limit $1`,
    [limit],
  )
  return rows
}
