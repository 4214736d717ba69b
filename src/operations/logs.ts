import type { LogLevel } from '../dag/task.ts'
import type { Metadata } from '../metadata/metadata.ts'

export interface LogRow {
  line: number
  try_number: number
  logged_at: Date
  level: LogLevel
  message: string
  fields: Record<string, unknown> | null
}

/** Lines of one task instance after `afterLine`, oldest first; of all tries when none is named. */
export async function readLogs(
  db: Metadata,
  run: { dagId: string; runId: string },
  taskId: string,
  { tryNumber = null, afterLine = 0 }: { tryNumber?: number | null; afterLine?: number } = {},
): Promise<LogRow[]> {
  const { rows } = await db.query<LogRow>(
    `select l.line, l.try_number, l.logged_at, l.level, l.message, l.fields
     from metadata.task_log l
     where l.dag_run_id = (
         select r.dag_run_id from metadata.dag_run r where r.dag_id = $1 and ($2 = 'latest' or r.run_id = $2)
         order by r.dag_run_id desc limit 1)
       and l.task_id = $3 and ($4::int is null or l.try_number = $4) and l.line > $5
     order by l.try_number, l.line`,
    [run.dagId, run.runId, taskId, tryNumber, afterLine],
  )
  return rows
}
