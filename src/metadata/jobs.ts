import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import type { Dag } from '../dag/dag.ts'
import { graphHash } from './dags.ts'
import type { Metadata } from './metadata.ts'

export type JobKind = 'pipeline' | 'start' | 'scheduler' | 'worker' | 'web'

export type JobEnd = 'success' | 'failed'

/** A process that says nothing for this long is dead, whatever locks it holds. */
const LEASE_S = 30
/** A restart of Postgres frees every lock: for this long after it, one taken before says nothing. */
const AFTER_RESTART_S = 15
/** A task instance whose process died this often has failed. */
const MOST_LOST_TRIES = 3

/** The advisory locks held by jobs of one schema; `$2` is its `lockClass`. */
const JOB_LOCKS = `(
  select objid::bigint as job_id, pid from pg_locks
  where locktype = 'advisory' and classid = $2::bigint::oid and granted
    and database = (select oid from pg_database where datname = current_database()))`

/** First number of the advisory lock of every job in this schema; the second is its job_id. */
export function lockClass(schema: string): number {
  return createHash('sha256').update(`tminus job ${schema}`).digest().readInt32BE(0) & 0x7fffffff
}

/** @param dags those it has loaded; null where that is not known */
export async function insertJob(db: Metadata, kind: JobKind, dags: readonly Dag[] | null = null): Promise<number> {
  const loaded = dags && JSON.stringify(Object.fromEntries(dags.map(({ id, graph }) => [id, graphHash(graph)])))
  const { rows } = await db.query<{ job_id: number }>(
    'insert into metadata.job (kind, hostname, pid, dags) values ($1, $2, $3, $4) returning job_id',
    [kind, hostname(), process.pid, loaded],
  )
  return rows[0]?.job_id ?? 0
}

/** Renews the lease; false when the job was declared dead meanwhile. A backend that does not hold the lock is none. */
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

/** Signs a process off. What it still owned, which is nothing unless something went wrong, is given back. */
export async function endJob(db: Metadata, jobId: number, state: JobEnd, reason: string | null): Promise<void> {
  await db.transaction(async (tx) => {
    const { rowCount } = await tx.query(
      `update metadata.job set state = $2, reason = $3, ended_at = now() where job_id = $1 and state = 'running'`,
      [jobId, state, reason],
    )
    if (rowCount === 1) await takeBack(tx, jobId, `process ${process.pid} ended`)
  })
}

export type DeadJob = { job_id: number; reason: string }

/** Processes whose lock is free, or whose lease has run out. */
export async function findDeadJobs(db: Metadata, ownJobId: number): Promise<DeadJob[]> {
  const values = [ownJobId, lockClass(db.schema)]
  const { rows } = await db.query<DeadJob>({ name: 'find_dead_jobs', text: DEAD_JOBS, values })
  return rows
}

const DEAD_JOBS = `
select j.job_id, case when j.heartbeat_at < now() - interval '${LEASE_S} s'
    then format('process %s on %s gave no sign of life for ${LEASE_S} s', j.pid, j.hostname)
    else format('process %s on %s died', j.pid, j.hostname) end as reason
from metadata.job j
left join ${JOB_LOCKS} l on l.job_id = j.job_id
where j.state = 'running' and j.job_id <> $1 and (
  j.heartbeat_at < now() - interval '${LEASE_S} s'
  or (j.backend_pid is not null and l.pid is null and (
    j.locked_at > pg_postmaster_start_time()
    or pg_postmaster_start_time() < now() - interval '${AFTER_RESTART_S} s')))`

/**
 * Declares a process dead and takes from it what it owned: its runs are queued again, its running tries recorded as
 * lost. Undefined when somebody else did, or it turned out to be alive. One transaction: all or nothing.
 */
export async function buryJob(db: Metadata, ownJobId: number, dead: DeadJob): Promise<TakenBack | undefined> {
  return await db.transaction(async (tx) => {
    const { rowCount } = await tx.query(
      `update metadata.job set state = 'failed', ended_at = now(), reason = $4
       where job_id = $3 and state = 'running' and job_id in (select job_id from (${DEAD_JOBS}) as dead)`,
      [ownJobId, lockClass(db.schema), dead.job_id, dead.reason],
    )
    if (rowCount === 0) return undefined
    // Its lock still held: a process that hangs must not wake up as the owner. Only the holder itself is ended.
    const terminate = `select pg_terminate_backend(pid) from ${JOB_LOCKS} l where job_id = $1`
    await tx.query(terminate, [dead.job_id, lockClass(db.schema)])
    return await takeBack(tx, dead.job_id, dead.reason)
  })
}

type TakenBack = { runs: number; tries: number }

/** Queues the runs a job owned, records its running tries as lost, and frees every slot it took. */
async function takeBack(tx: Metadata, jobId: number, reason: string): Promise<TakenBack> {
  const runs = await tx.query<{ dag_run_id: number }>(
    `update metadata.dag_run set state = 'queued', job_id = null, version = version + 1, reason = $2
     where job_id = $1 and state in ('queued', 'running') returning dag_run_id`,
    [jobId, reason],
  )
  const tries = await tx.query(
    `with lost as (
       update metadata.task_instance t set
         state = (case when t.lost + 1 >= ${MOST_LOST_TRIES} then 'failed' else 'scheduled' end)::metadata.task_instance_state,
         ended_at = case when t.lost + 1 >= ${MOST_LOST_TRIES} then now() end,
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
