import { humanDuration } from '../duration.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { JobEnd, JobKind } from '../processes/jobs.ts'

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
  /** The tries that run in it; null: it has ended. */
  used: number | null
  /** Its limit of `used`; null: unknown, or it passes its tries to workers. */
  slots: number | null
  /** The dags that it has loaded; null: unknown, or it has ended. */
  dags: string[] | null
  /** The queues that a worker serves; null: unknown, or not a worker. */
  queues: string[] | null
  /** How long its main thread has been blocked, ms; null: it is not blocked. */
  blocked_ms: number | null
  /** The task that blocks it, as `dag/task`; null: unknown. */
  blocked_by: string | null
}

/** Processes: running ones first, then the newest. */
export async function listJobs(db: Metadata, limit: number): Promise<JobListing[]> {
  const { rows } = await db.query<JobListing>(JOBS, [limit])
  return rows
}

/** The columns of `Blocked`, by the database's clock. */
export const BLOCKED = `case when state = 'running' and blocked_since is not null
  then greatest(0, extract(epoch from now() - blocked_since) * 1000)::float8 end as blocked_ms,
  case when state = 'running' then blocked_by end as blocked_by`

const JOBS = `
with load as materialized (
  select t.job_id, count(*)::int as used from metadata.dag_run r join metadata.task_instance t using (dag_run_id)
  where r.state in ('queued', 'running') and t.state = 'running' group by t.job_id
)
select job_id, kind, state, hostname, pid, started_at as start_date, heartbeat_at, ended_at as end_date, reason,
  code_version, tminus_version, case when state = 'running' then coalesce(used, 0) end as used, slots, queues,
  case when state = 'running' and dags is not null
    then array(select key from jsonb_object_keys(dags) as key order by key) end as dags, ${BLOCKED}
from metadata.job left join load using (job_id) order by (state = 'running') desc, job_id desc limit $1`

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

/** `3 of 8`; empty for a process that executes no tries. */
export function loadWords({ used, slots }: Pick<JobListing, 'used' | 'slots'>): string {
  return used === null || slots === null ? '' : `${used} of ${slots}`
}

/** `12 dags, queues default, gpu`; empty if that is unknown. A worker that is ending serves no queue. */
export function servesWords({ dags, queues }: Pick<JobListing, 'dags' | 'queues'>): string {
  const loaded = dags === null ? [] : `${dags.length} ${dags.length === 1 ? 'dag' : 'dags'}`
  if (queues?.length === 0) return 'takes no new tries'
  const served = queues === null ? [] : `${queues.length === 1 ? 'queue' : 'queues'} ${queues.join(', ')}`
  return [loaded, dags === null ? [] : served].flat().join(', ')
}

/** The first digits of a code version, enough to tell two apart. */
export function shortVersion(codeVersion: string | null): string {
  return codeVersion?.slice(0, 8) ?? ''
}
