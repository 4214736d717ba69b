import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import type { Dag } from '../dag/dag.ts'
import { graphHash } from './dags.ts'
import type { Metadata } from './metadata.ts'
import { HANDED_OVER, type TryKey } from './task-instances.ts'

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
/** A task instance fails when this many lost tries were charged to it. */
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

type Released = { runs: number; tries: number }

/**
 * How a process lost its runs. `died`: a try in the process may be the cause · `blocked`: a try in the process is the
 * cause, but it is unknown which try · `alive`: no try is the cause, because the process lives or ended in order · or
 * the try at fault.
 */
type Loss = 'died' | 'blocked' | 'alive' | TryKey

/**
 * Queues the job's runs again, records its running tries as lost, and frees its pool slots. Tries on workers continue.
 * Tries that wait for a worker keep their slots, because a worker may claim them.
 *
 * A try in a child process is never at fault, and never charged. If a process dies, a try is charged if it was alone in
 * the process, or if its previous try was lost in a death too. The number of each try that may be at fault is stored
 * (`lost_try`). The task's next try then runs in a child process.
 */
async function releaseRuns(tx: Metadata, jobId: number, reason: string, loss: Loss): Promise<Released> {
  const runs = await tx.query<{ dag_run_id: number }>(
    `update metadata.dag_run set state = 'queued', job_id = null, version = version + 1, reason = $2
     where job_id = $1 and state in ('queued', 'running') returning dag_run_id`,
    [jobId, reason],
  )
  const others = await tx.query<{ dag_run_id: number }>(RUNS_OF_WORKER, [jobId, tx.channel])
  const ids = [...runs.rows, ...others.rows].map((run) => run.dag_run_id)
  const cause = typeof loss === 'string' ? loss : `${loss.dagRunId} ${loss.taskId} ${loss.tryNumber}`
  const { rowCount } = await tx.query(LOSE_TRIES, [ids, reason, jobId, cause])
  await tx.query(`select pg_notify($1, 'run'), pg_notify($1, 'slot')`, [tx.channel])
  return { runs: runs.rows.length, tries: rowCount ?? 0 }
}

/** A worker owns no runs, but runs tries of other processes' runs. The owners of those runs reload them. */
const RUNS_OF_WORKER = `
update metadata.dag_run r set version = version + 1
where (select kind = 'worker' from metadata.job where job_id = $1) and r.state in ('queued', 'running') and exists (
  select from metadata.task_instance t where t.dag_run_id = r.dag_run_id and t.state = 'running' and t.job_id = $1)
returning r.dag_run_id, pg_notify($2, 'changed:' || r.dag_run_id)`

/**
 * `running`: the tries that are lost, and whether each may be at fault · `judged`: why each is charged, or why not ·
 * `lost`: their new states · `freed`: the pool slots of the process.
 */
const LOSE_TRIES = `
with running as (
  select dag_run_id, task_id, try_number, isolated, lost_try > 0 and lost_try = try_number - 1 as again,
    case when $4 in ('died', 'blocked') then not isolated
      else concat_ws(' ', dag_run_id, task_id, try_number) = $4 end as suspect,
    count(*) filter (where not isolated) over () - 1 as others
  from metadata.task_instance t where dag_run_id = any($1::bigint[]) and state = 'running' and job_id = $3
    and not exists (select from metadata.task_report p
      where p.dag_run_id = t.dag_run_id and p.task_id = t.task_id and p.try_number = t.try_number)
), judged as (
  select *, case when not suspect or $4 = 'blocked' then null when $4 <> 'died' then 'it blocked the process'
      when others = 0 then 'no other task ran in it' when again then 'its previous try was lost too' end as fault,
    case when isolated then ': it ran in a child process' when suspect and others = 1 then ': 1 other task ran in it'
      when suspect and others > 1 then format(': %s other tasks ran in it', others) end as excuse
  from running
), lost as (
  update metadata.task_instance t set
    state = case when fault is not null and t.lost + 1 >= ${MAX_LOST_TRIES} then 'failed' else 'scheduled' end,
    ended_at = case when fault is not null and t.lost + 1 >= ${MAX_LOST_TRIES} then now() end,
    lost = t.lost + (fault is not null)::int, lost_try = case when suspect then t.try_number else t.lost_try end,
    reason = format('try %s was lost: %s (%s)', t.try_number, $2::text,
      coalesce(format('charged, %s of ${MAX_LOST_TRIES}: ', t.lost + 1) || fault, 'not charged' || coalesce(excuse, '')))
  from judged j where j.dag_run_id = t.dag_run_id and j.task_id = t.task_id and t.state = 'running'
  returning t.dag_run_id, t.task_id, t.try_number, t.started_at, t.reason
), freed as (
  delete from metadata.pool_slot s where s.job_id = $3 and not exists (select from metadata.task_instance t
    where t.dag_run_id = s.dag_run_id and t.task_id = s.task_id and t.try_number = s.try_number and ${HANDED_OVER})
)
insert into metadata.task_instance_history (dag_run_id, task_id, try_number, state, reason, job_id, started_at, ended_at)
select dag_run_id, task_id, try_number, 'failed', substr(reason, strpos(reason, 'lost: ')), $3, started_at,
  greatest(now(), started_at) from lost`
