import { hostname } from 'node:os'
import type { Metadata } from './metadata.ts'

export type JobKind = 'pipeline' | 'start' | 'scheduler' | 'worker' | 'web'

export async function insertJob(db: Metadata, kind: JobKind, backendPid: number | null): Promise<number> {
  const { rows } = await db.query<{ job_id: number }>(
    'insert into metadata.job (kind, hostname, pid, backend_pid) values ($1, $2, $3, $4) returning job_id',
    [kind, hostname(), process.pid, backendPid],
  )
  return rows[0]?.job_id ?? 0
}

export async function endJob(
  db: Metadata,
  jobId: number,
  state: 'success' | 'failed',
  reason: string | null,
) {
  await db.query(
    `update metadata.job set state = $2, reason = $3, ended_at = now() where job_id = $1 and state = 'running'`,
    [jobId, state, reason],
  )
}
