import { humanDuration } from '../duration.ts'
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
  /** Hash of the sources that the process has loaded; null: unknown. */
  code_version: string | null
  /** Null: the process is older than this column. */
  tminus_version: string | null
  /** How long its main thread has been blocked, ms; null: it is not blocked. */
  blocked_ms: number | null
  /** The task that blocks it, as `dag/task`; null: unknown. */
  blocked_by: string | null
}

/** Processes: running ones first, then the newest. */
export async function listJobs(db: Metadata, limit: number): Promise<JobListing[]> {
  const { rows } = await db.query<JobListing>(
    `select job_id, kind, state, hostname, pid, started_at as start_date, heartbeat_at, ended_at as end_date, reason,
       code_version, tminus_version, ${BLOCKED}
     from metadata.job order by (state = 'running') desc, job_id desc limit $1`,
    [limit],
  )
  return rows
}

/** The columns of `Blocked`, by the database's clock. */
export const BLOCKED = `case when state = 'running' and blocked_since is not null
  then greatest(0, extract(epoch from now() - blocked_since) * 1000)::float8 end as blocked_ms,
  case when state = 'running' then blocked_by end as blocked_by`

export type Blocked = Pick<JobListing, 'blocked_ms' | 'blocked_by'>

/** For example `blocked for 12 s by etl/load`; undefined if the process is not blocked. */
export function blockedWords({ blocked_ms, blocked_by }: Blocked): string | undefined {
  if (blocked_ms === null) return undefined
  return `blocked for ${humanDuration(blocked_ms)}${blocked_by === null ? '' : ` by ${blocked_by}`}`
}

/**
 * Returns a sentence if these running processes have loaded different code. Undefined if they have not, or if that is
 * unknown.
 */
export function codeDifference(running: readonly Pick<JobListing, 'code_version'>[]): string | undefined {
  const known = running.filter(({ code_version }) => code_version !== null)
  if (new Set(known.map(({ code_version }) => code_version)).size < 2) return undefined
  return `${known.length} running processes have loaded different code; restart the older ${known.length === 2 ? 'one' : 'ones'}`
}

/** The first digits of a code version, enough to tell two apart. */
export function shortVersion(codeVersion: string | null): string {
  return codeVersion?.slice(0, 8) ?? ''
}
