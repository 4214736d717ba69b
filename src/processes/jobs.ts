import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import type { Dag } from '../dag/dag.ts'
import { graphHash } from '../metadata/dags.ts'
import { type Released, releaseRuns } from '../metadata/lost-runs.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { TryKey } from '../metadata/task-instances.ts'

export type JobKind = 'pipeline' | 'start' | 'scheduler' | 'worker' | 'web'

export type JobEnd = 'success' | 'failed'

/** A process without a heartbeat for this long is dead, even if it holds its lock. */
const LEASE_S = 30
/**
 * The part of the lease that the server's clock measures. For the rest of the lease, the observer watches whether the
 * heartbeat changes. A live process renews its lease in this time, even if a clock was set.
 */
export const WATCHED_S = 6
/** A restart of Postgres frees every lock. For this long after a restart, a free lock does not mean a dead process. */
const AFTER_RESTART_S = 15

/** The advisory locks held by jobs of one schema; `$2` is its `lockClass`. */
const JOB_LOCKS = `(
  select objid::bigint as job_id, pid from pg_locks
  where locktype = 'advisory' and classid = $2::bigint::oid and granted
    and database = (select oid from pg_database where datname = current_database()))`

/** First key of the advisory locks of this schema's jobs; the second key is the job_id. */
export function lockClass(schema: string): number {
  return createHash('sha256').update(`tminus job ${schema}`).digest().readInt32BE(0) & 0x7fffffff
}

export interface LoadedCode {
  dags: readonly Dag[]
  /** Hash of the pipelines' sources; null: unknown. */
  codeVersion: string | null
  /** The version of T-minus. */
  version?: string
  /** The number of tries that run in the process at a time. */
  slots?: number
  /** The queues that a worker serves. */
  queues?: readonly string[] | undefined
}

/** Returns its id. Without `code`, the sources of the process are unknown. */
export async function insertJob(db: Metadata, kind: JobKind, code?: LoadedCode): Promise<number> {
  const loaded = code && JSON.stringify(Object.fromEntries(code.dags.map(({ id, graph }) => [id, graphHash(graph)])))
  const { rows } = await db.query<{ job_id: number }>(
    `insert into metadata.job (kind, hostname, pid, dags, code_version, tminus_version, slots, queues)
     values ($1, $2, $3, $4, $5, $6, $7, $8) returning job_id`,
    [kind, hostname(), process.pid, loaded, code?.codeVersion, code?.version, code?.slots, code?.queues],
  )
  return rows[0]?.job_id ?? 0
}

/** Renews the lease; false if the job was declared dead. `backendPid` is stored only if that backend holds the lock. */
export async function heartbeat(db: Metadata, jobId: number, backendPid: number | null): Promise<boolean> {
  const { rowCount } = await db.query(
    `update metadata.job j set heartbeat_at = now(), blocked_since = null, blocked_by = null, backend_pid = held.pid,
       locked_at = case when held.pid is null then null when j.backend_pid = held.pid then j.locked_at else now() end
     from (select (select pid from ${JOB_LOCKS} l where l.job_id = $1 and l.pid = $3 limit 1) as pid) held
     where j.job_id = $1 and j.state = 'running'`,
    [jobId, lockClass(db.schema), backendPid],
  )
  return rowCount === 1
}

/**
 * Renews the lease from a thread, and records for how many ms the event loop has been blocked (or null), and by which
 * task (`dag/task`).
 */
export async function renewLease(db: Metadata, jobId: number, ms: number | null, by: string | null): Promise<void> {
  const set = `heartbeat_at = now(), blocked_since = now() - $2::float8 * interval '1 ms', blocked_by = $3`
  await db.query(`update metadata.job set ${set} where job_id = $1 and state = 'running'`, [jobId, ms, by])
}

/** Ends a job. Runs that it still owns, which happens only after a failure, are queued again. */
export async function endJob(db: Metadata, jobId: number, state: JobEnd, reason: string | null): Promise<void> {
  await db.transaction(async (tx) => {
    if (await markEnded(tx, jobId, state, reason)) await releaseRuns(tx, jobId, `process ${process.pid} ended`, 'alive')
  })
}

type Work = (tx: Metadata) => Promise<void>

/**
 * Ends the job of a process whose main thread is blocked. Call this before the process ends. Calls `first`, which ends
 * other runs. Then queues the runs of the process again, and charges only the try `blamed`, or no try.
 */
export async function endBlockedJob(db: Metadata, jobId: number, reason: string, blamed?: TryKey, first?: Work) {
  await db.transaction(async (tx) => {
    if (!(await markEnded(tx, jobId, 'failed', reason))) return
    await first?.(tx)
    await releaseRuns(tx, jobId, reason, blamed ?? 'blocked')
  })
}

async function markEnded(tx: Metadata, jobId: number, state: JobEnd, reason: string | null): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update metadata.job set state = $2, reason = $3, ended_at = now() where job_id = $1 and state = 'running'`,
    [jobId, state, reason],
  )
  return rowCount === 1
}

/** `heartbeat_at` is null if the lock is free: then the process is dead, even if its lease has not expired. */
export type DeadJob = { job_id: number; reason: string; heartbeat_at?: string | null }

/**
 * Finds processes whose lock is free, and processes whose lease seems expired: the caller watches these for WATCHED_S.
 * A process that is blocked cannot reconnect its session, so only its lease counts.
 */
export async function findDeadJobs(db: Metadata, ownJobId: number): Promise<DeadJob[]> {
  const values = [ownJobId, lockClass(db.schema)]
  const { rows } = await db.query<DeadJob>({ name: 'find_dead_jobs', text: DEAD_JOBS, values })
  return rows
}

/**
 * `held`: the session of the process still exists, so the process is frozen or cut off, not dead · `is_late`: the
 * heartbeat is old, or is in the future because a clock jumped.
 */
const DEAD_JOBS = `
select job_id, held, case when not is_free then heartbeat_at::text end as heartbeat_at, format(case when is_free
    then 'process %s on %s died' else 'process %s on %s sent no heartbeat for ${LEASE_S} s' end, pid, hostname) as reason
from (
  select j.*, l.pid is not null as held,
    j.heartbeat_at not between now() - interval '${LEASE_S - WATCHED_S} s' and now() + interval '5 s' as is_late,
    j.backend_pid is not null and l.pid is null and j.blocked_since is null and (
      coalesce(j.locked_at > pg_postmaster_start_time(), false)
      or pg_postmaster_start_time() < now() - interval '${AFTER_RESTART_S} s') as is_free
  from metadata.job j left join ${JOB_LOCKS} l on l.job_id = j.job_id
  where j.state = 'running' and j.job_id <> $1) job
where is_late or is_free`

/**
 * Declares a process dead, queues its runs again and records its running tries as lost, in one transaction. Returns
 * undefined if the process is alive, or was already declared dead.
 */
export async function reclaimDeadJob(db: Metadata, ownJobId: number, dead: DeadJob): Promise<Released | undefined> {
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query<{ held: boolean }>(
      `update metadata.job j set state = 'failed', ended_at = now(), reason = $4
       from (${DEAD_JOBS}) dead where j.job_id = $3 and j.state = 'running' and dead.job_id = j.job_id 
         and j.heartbeat_at::text = coalesce($5, j.heartbeat_at::text) returning dead.held`,
      [ownJobId, lockClass(db.schema), dead.job_id, dead.reason, dead.heartbeat_at],
    )
    const [found] = rows
    if (found === undefined) return undefined
    // A process that hangs still holds its lock. This ends the session of a hanging process, so that the process cannot
    // continue as the owner.
    const terminate = `select pg_terminate_backend(pid) from ${JOB_LOCKS} l where job_id = $1`
    await tx.query(terminate, [dead.job_id, lockClass(db.schema)])
    return await releaseRuns(tx, dead.job_id, dead.reason, found.held ? 'alive' : 'died')
  })
}
