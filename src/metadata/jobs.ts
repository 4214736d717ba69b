import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import type { Dag } from '../dag/dag.ts'
import { graphHash } from './dags.ts'
import type { Metadata } from './metadata.ts'

export type JobKind = 'pipeline' | 'start' | 'scheduler' | 'worker' | 'web'

export type JobEnd = 'success' | 'failed'

/** A process without a heartbeat for this long is dead, even if it holds its lock. */
const LEASE_S = 30
/** A restart of Postgres frees every lock. For this long after it, a free lock does not mean a dead process. */
const AFTER_RESTART_S = 15
/** A task instance fails once this many of its tries were lost with their process. */
const MAX_LOST_TRIES = 3

/** The advisory locks held by jobs of one schema; `$2` is its `lockClass`. */
const JOB_LOCKS = `(
  select objid::bigint as job_id, pid from pg_locks
  where locktype = 'advisory' and classid = $2::bigint::oid and granted
    and database = (select oid from pg_database where datname = current_database()))`

/** First key of the advisory locks of this schema's jobs; the second key is the job_id. */
export function lockClass(schema: string): number {
  return createHash('sha256').update(`tminus job ${schema}`).digest().readInt32BE(0) & 0x7fffffff
}

/** The dags that the process has loaded and the hash of their sources; null if unknown. */
export interface LoadedCode {
  dags: readonly Dag[] | null
  codeVersion: string | null
}

export async function insertJob(
  db: Metadata,
  kind: JobKind,
  { dags, codeVersion }: LoadedCode = { dags: null, codeVersion: null },
): Promise<number> {
  const loaded = dags && JSON.stringify(Object.fromEntries(dags.map(({ id, graph }) => [id, graphHash(graph)])))
  const { rows } = await db.query<{ job_id: number }>(
    'insert into metadata.job (kind, hostname, pid, dags, code_version) values ($1, $2, $3, $4, $5) returning job_id',
    [kind, hostname(), process.pid, loaded, codeVersion],
  )
  return rows[0]?.job_id ?? 0
}

/** Renews the lease; false if the job was declared dead. `backendPid` is stored only if that backend holds the lock. */
export async function heartbeat(db: Metadata, jobId: number, backendPid: number | null): Promise<boolean> {
  const { rowCount } = await db.query(
    `update metadata.job j set heartbeat_at = now(), backend_pid = held.pid,
       locked_at = case when held.pid is null then null when j.backend_pid = held.pid then j.locked_at else now() end
     from (select (select pid from ${JOB_LOCKS} l where l.job_id = $1 and l.pid = $3 limit 1) as pid) held
     where j.job_id = $1 and j.state = 'running'`,
    [jobId, lockClass(db.schema), backendPid],
  )
  return rowCount === 1
}

/** Ends a job. Runs that it still owns, which happens only after a failure, are queued again. */
export async function endJob(db: Metadata, jobId: number, state: JobEnd, reason: string | null): Promise<void> {
  await db.transaction(async (tx) => {
    const { rowCount } = await tx.query(
      `update metadata.job set state = $2, reason = $3, ended_at = now() where job_id = $1 and state = 'running'`,
      [jobId, state, reason],
    )
    if (rowCount === 1) await releaseRuns(tx, jobId, `process ${process.pid} ended`)
  })
}

export type DeadJob = { job_id: number; reason: string }

/** Finds processes whose lock is free or whose lease has expired. */
export async function findDeadJobs(db: Metadata, ownJobId: number): Promise<DeadJob[]> {
  const values = [ownJobId, lockClass(db.schema)]
  const { rows } = await db.query<DeadJob>({ name: 'find_dead_jobs', text: DEAD_JOBS, values })
  return rows
}

const DEAD_JOBS = `
select j.job_id, case when j.heartbeat_at < now() - interval '${LEASE_S} s'
    then format('process %s on %s sent no heartbeat for ${LEASE_S} s', j.pid, j.hostname)
    else format('process %s on %s died', j.pid, j.hostname) end as reason
from metadata.job j
left join ${JOB_LOCKS} l on l.job_id = j.job_id
where j.state = 'running' and j.job_id <> $1 and (
  j.heartbeat_at < now() - interval '${LEASE_S} s'
  or (j.backend_pid is not null and l.pid is null and (
    j.locked_at > pg_postmaster_start_time()
    or pg_postmaster_start_time() < now() - interval '${AFTER_RESTART_S} s')))`

/**
 * Declares a process dead, queues its runs again and records its running tries as lost, in one transaction. Returns
 * undefined if another process did so first, or if the process is alive.
 */
export async function reclaimDeadJob(db: Metadata, ownJobId: number, dead: DeadJob): Promise<Released | undefined> {
  return await db.transaction(async (tx) => {
    const { rowCount } = await tx.query(
      `update metadata.job set state = 'failed', ended_at = now(), reason = $4
       where job_id = $3 and state = 'running' and job_id in (select job_id from (${DEAD_JOBS}) as dead)`,
      [ownJobId, lockClass(db.schema), dead.job_id, dead.reason],
    )
    if (rowCount === 0) return undefined
    // A process that hangs still holds its lock. Its session ends, so that it cannot continue as the owner.
    const terminate = `select pg_terminate_backend(pid) from ${JOB_LOCKS} l where job_id = $1`
    await tx.query(terminate, [dead.job_id, lockClass(db.schema)])
    return await releaseRuns(tx, dead.job_id, dead.reason)
  })
}

type Released = { runs: number; tries: number }

/** Queues the job's runs again, records its running tries as lost, and frees its pool slots. */
async function releaseRuns(tx: Metadata, jobId: number, reason: string): Promise<Released> {
  const runs = await tx.query<{ dag_run_id: number }>(
    `update metadata.dag_run set state = 'queued', job_id = null, version = version + 1, reason = $2
     where job_id = $1 and state in ('queued', 'running') returning dag_run_id`,
    [jobId, reason],
  )
  const tries = await tx.query(
    `with lost as (
       update metadata.task_instance t set
         state = (case when t.lost + 1 >= ${MAX_LOST_TRIES} then 'failed' else 'scheduled' end)::metadata.task_instance_state,
         ended_at = case when t.lost + 1 >= ${MAX_LOST_TRIES} then now() end,
         lost = t.lost + 1,
         reason = format('try %s was lost: %s', t.try_number, $2::text)
       where t.dag_run_id = any($1::bigint[]) and t.state = 'running'
       returning t.dag_run_id, t.task_id, t.try_number, t.started_at
     ), freed as (
       delete from metadata.pool_slot where job_id = $3
     )
     insert into metadata.task_instance_history (dag_run_id, task_id, try_number, state, reason, job_id, started_at, ended_at)
     select dag_run_id, task_id, try_number, 'failed', 'lost: ' || $2, $3, started_at, greatest(now(), started_at) from lost`,
    [runs.rows.map((run) => run.dag_run_id), reason, jobId],
  )
  await tx.query(`select pg_notify($1, 'run'), pg_notify($1, 'slot')`, [tx.channel])
  return { runs: runs.rows.length, tries: tries.rowCount ?? 0 }
}
