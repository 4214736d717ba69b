import type { Metadata } from '../metadata/metadata.ts'
import type { TryKey } from '../metadata/task-instances.ts'
import type { Report } from '../runner/executor.ts'

/** The reports for the runs of this process. */
export async function readReports(db: Metadata, jobId: number): Promise<Report[]> {
  const { rows } = await db.query<Report>({ name: 'read_reports', text: REPORTS, values: [jobId] })
  return rows
}

const REPORTS = `
select p.dag_run_id as "dagRunId", p.task_id as "taskId", p.try_number as "tryNumber", p.ending
from metadata.task_report p join metadata.dag_run r using (dag_run_id) where r.job_id = $1 and r.state = 'running'`

/**
 * Stores how tries ended on this worker, notifies the owners of their runs, and frees the pool slots of the tries. Call
 * it when the code of the tries has ended. Returns the accepted tries. The other tries were aborted or taken back.
 */
export async function insertReports(db: Metadata, jobId: number, reports: readonly Report[]): Promise<TryKey[]> {
  const { rows } = await db.query<TryKey>({
    name: 'insert_reports',
    text: INSERT_REPORTS,
    values: [jobId, JSON.stringify(reports), db.channel],
  })
  return rows
}

/**
 * The join is lateral, and `offset 0` keeps it so: Postgres finds each try by its key. Otherwise a plan from a time with
 * few tries would scan all tries.
 */
const INSERT_REPORTS = `
with ended as (
  select * from jsonb_to_recordset($2::jsonb) as e ("dagRunId" bigint, "taskId" text, "tryNumber" int, ending jsonb)
), freed as (
  delete from metadata.pool_slot s using ended e
  where s.dag_run_id = e."dagRunId" and s.task_id = e."taskId" and s.try_number = e."tryNumber" and s.job_id = $1
  returning pg_notify($3, 'slot')
), reported as (
  insert into metadata.task_report (dag_run_id, task_id, try_number, ending)
  select t.dag_run_id, t.task_id, t.try_number, e.ending
  from ended e
  cross join lateral (
    select o.dag_run_id, o.task_id, o.try_number from metadata.task_instance o
    where o.dag_run_id = e."dagRunId" and o.task_id = e."taskId" and o.try_number = e."tryNumber"
      and o.state = 'running' and o.job_id = $1
    offset 0
  ) t
  on conflict (dag_run_id, task_id, try_number) do update set ending = excluded.ending
  returning dag_run_id, task_id, try_number
)
select p.dag_run_id as "dagRunId", p.task_id as "taskId", p.try_number as "tryNumber",
  pg_notify($3, 'report:' || r.job_id) from reported p join metadata.dag_run r using (dag_run_id)`
