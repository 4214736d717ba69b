import { type DagRun, PREVIOUS } from '../metadata/dag-runs.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { HANDED_OVER, startedFor, TRYING_MS, type TryKey } from '../metadata/task-instances.ts'

/** A try that this worker has claimed. */
export interface Claimed extends TryKey {
  isolated: boolean
  failures: number
  firstStartedAt: Date
  run: DagRun
}

/**
 * Claims tries that wait for a worker: stores them as running in this process, and gives their pool slots to this
 * process. If the answer to a claim was lost, the next call returns its tries again. None of the tries may run here.
 *
 * `alive` is false if this process was declared dead. Then it has claimed no try, and the tries still wait.
 */
export async function claimTries(
  db: Metadata,
  jobId: number,
  tries: readonly TryKey[],
): Promise<{ alive: boolean; claimed: Claimed[] }> {
  const { rows } = await db.query<
    { alive: boolean; tryingMs: number } & Omit<Claimed, 'run' | 'firstStartedAt'> & DagRun
  >({
    name: 'claim_tries',
    text: CLAIM_TRIES,
    values: [
      jobId,
      tries.map((one) => one.dagRunId),
      tries.map((one) => one.taskId),
      tries.map((one) => one.tryNumber),
      db.channel,
    ],
  })
  const claimed = rows
    .filter(({ taskId }) => taskId !== null)
    .map(({ alive, taskId, tryNumber, isolated, failures, tryingMs, ...run }) => ({
      dagRunId: run.dagRunId,
      taskId,
      tryNumber,
      isolated,
      failures,
      firstStartedAt: startedFor(tryingMs) ?? new Date(),
      run,
    }))
  return { alive: rows[0]?.alive === true, claimed }
}

/**
 * The statement locks the process's own job row. So a declaration of death waits until the claim is stored, and then
 * takes back this claim too.
 *
 * `freed`: an earlier claim of the try succeeded, its answer was lost, and the try was cancelled before this claim.
 */
const CLAIM_TRIES = `
with me as materialized (
  select job_id from metadata.job where job_id = $1 and state = 'running' for share
), asked as (
  select * from unnest($2::bigint[], $3::text[], $4::int[]) as w (dag_run_id, task_id, try_number)
), claimed as (
  update metadata.task_instance t set state = 'running', job_id = $1,
    started_at = case when t.state = 'running' then t.started_at else now() end
  from me, asked w
  where t.dag_run_id = w.dag_run_id and t.task_id = w.task_id and t.try_number = w.try_number
    and (${HANDED_OVER} or t.state = 'running' and t.job_id = $1 and not exists (
      select from metadata.task_report p
      where p.dag_run_id = t.dag_run_id and p.task_id = t.task_id and p.try_number = t.try_number))
  returning t.dag_run_id, t.task_id, t.try_number, t.isolated, t.failures, ${TRYING_MS} as trying_ms
), taken as (
  update metadata.pool_slot s set job_id = $1 from claimed c
  where s.dag_run_id = c.dag_run_id and s.task_id = c.task_id and s.try_number = c.try_number
), freed as (
  delete from metadata.pool_slot s using asked w
  where s.dag_run_id = w.dag_run_id and s.task_id = w.task_id and s.try_number = w.try_number and s.job_id = $1
    and not exists (select from claimed c
      where c.dag_run_id = w.dag_run_id and c.task_id = w.task_id and c.try_number = w.try_number)
  returning pg_notify($5, 'slot')
)
select a.alive, c.task_id as "taskId", c.try_number as "tryNumber", c.isolated, c.failures,
  c.trying_ms as "tryingMs", r.dag_run_id as "dagRunId",
  r.dag_id as "dagId", r.dag_version_id as "dagVersionId", r.run_id as "runId", r.run_type as "runType", r.state,
  r.job_id as "jobId", r.version, r.reason, r.logical_date as "logicalDate",
  r.data_interval_start as "dataIntervalStart", r.conf, 0 as "ranForMs", ${PREVIOUS} as previous
from (select exists (select from me) as alive) a
left join (claimed c join metadata.dag_run r using (dag_run_id)) on true`

/**
 * Finds the tries that no longer run here. The reason says whether they were cleared, marked, cancelled, stopped or
 * taken over.
 */
export async function findStrays(
  db: Metadata,
  jobId: number,
  tries: readonly TryKey[],
): Promise<(TryKey & { reason: string | null })[]> {
  const { rows } = await db.query<TryKey & { reason: string | null }>({
    name: 'find_strays',
    text: FIND_STRAYS,
    values: [
      jobId,
      tries.map((one) => one.dagRunId),
      tries.map((one) => one.taskId),
      tries.map((one) => one.tryNumber),
    ],
  })
  return rows
}

const FIND_STRAYS = `
select w.dag_run_id as "dagRunId", w.task_id as "taskId", w.try_number as "tryNumber", t.reason
from unnest($2::bigint[], $3::text[], $4::int[]) as w (dag_run_id, task_id, try_number)
left join metadata.task_instance t on t.dag_run_id = w.dag_run_id and t.task_id = w.task_id
where (t.state = 'running' and t.try_number = w.try_number and t.job_id = $1) is not true`

/** Records that this worker takes no new tries. */
export async function stopServing(db: Metadata, jobId: number): Promise<void> {
  await db.query(`update metadata.job set queues = '{}' where job_id = $1`, [jobId])
}

/** Stores the id of this worker's engine. */
export async function storeEngineId(db: Metadata, jobId: number, engineId: string): Promise<void> {
  await db.query('update metadata.job set engine_id = $2 where job_id = $1', [jobId, engineId])
}

/** A worker that ended, and the engine that locked its jobs. */
export interface DeadEngine {
  jobId: number
  engineId: string
}

/**
 * Returns the engines of workers that ended recently, except workers with these job ids. Other workers can take the jobs
 * that those engines locked. A worker that was declared dead and lives goes on with the same engine and a new job id.
 */
export async function findDeadEngines(db: Metadata, knownJobs: readonly number[]): Promise<DeadEngine[]> {
  const { rows } = await db.query<DeadEngine>({
    name: 'find_dead_engines',
    text: `select job_id as "jobId", engine_id as "engineId" from metadata.job j
      where job_id > (select max(job_id) - 1000 from metadata.job) and kind = 'worker' and state <> 'running'
        and job_id <> all($1::bigint[]) and engine_id is not null and not exists (
          select from metadata.job o where o.state = 'running' and o.engine_id = j.engine_id)`,
    values: [knownJobs],
  })
  return rows
}
