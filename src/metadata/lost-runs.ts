import type { Metadata } from './metadata.ts'
import { HANDED_OVER, type TryKey } from './task-instances.ts'

/** A task instance fails when this many lost tries were charged to it. */
const MAX_LOST_TRIES = 3

export type Released = { runs: number; tries: number }

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
export async function releaseRuns(tx: Metadata, jobId: number, reason: string, loss: Loss): Promise<Released> {
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
