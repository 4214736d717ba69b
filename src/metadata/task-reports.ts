import type { Metadata } from './metadata.ts'
import type { TryKey } from './task-instances.ts'
import type { Ending } from './transitions.ts'

/** How a try ended on a worker. Instead of `dueAt`, it has the wait in ms. */
export type Report = TryKey & { ending: Omit<Ending, 'dueAt'> & { waitMs?: number } }

/** The reports for the runs of this process. The statement that ends a try deletes its report. */
export async function readReports(db: Metadata, jobId: number): Promise<Report[]> {
  const { rows } = await db.query<Report>({ name: 'read_reports', text: REPORTS, values: [jobId] })
  return rows
}

const REPORTS = `
select p.dag_run_id as "dagRunId", p.task_id as "taskId", p.try_number as "tryNumber", p.ending
from metadata.task_report p join metadata.dag_run r using (dag_run_id) where r.job_id = $1 and r.state = 'running'`
