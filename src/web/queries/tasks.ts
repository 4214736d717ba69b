import type { LogLevel } from '../../dag/task.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import type { LogRow } from '../../operations/logs.ts'

export interface TryRow {
  try_number: number
  state: string
  reason: string | null
  error: string | null
  start_date: Date
  end_date: Date
  process: string | null
}

/** Every try of a task instance that has ended, oldest first. */
export async function readTries(db: Metadata, run: number, taskId: string): Promise<TryRow[]> {
  const { rows } = await db.query<TryRow>(
    `select t.try_number, t.state, t.reason, t.error, t.started_at as start_date, t.ended_at as end_date,
       format('%s, process %s on %s', j.kind, j.pid, j.hostname) as process
     from metadata.task_try t left join metadata.job j using (job_id)
     where t.dag_run_id = $1 and t.task_id = $2 order by t.try_number`,
    [run, taskId],
  )
  return rows
}

/** What a task returned; undefined where it returned nothing that is kept. */
export async function readOutput(db: Metadata, run: number, taskId: string): Promise<unknown> {
  const text = 'select value from metadata.xcom where dag_run_id = $1 and task_id = $2'
  const { rows } = await db.query<{ value: unknown }>(text, [run, taskId])
  return rows[0]?.value
}

export interface LinesWanted {
  run: number
  taskId: string
  tryNumber: number
  /** These and what is worse. */
  levels?: readonly LogLevel[]
  /** Part of the message. */
  search?: string
  after?: number
  /** Of those that fit the newest (`end`, the default) or the oldest. */
  from?: 'start' | 'end'
  limit: number
}

/** Lines of one try, oldest first. */
export async function readLines(db: Metadata, wanted: LinesWanted): Promise<LogRow[]> {
  const { run, taskId, tryNumber, levels = LEVELS, search = '', after = 0, from = 'end', limit } = wanted
  const { rows } = await db.query<LogRow>(
    `select * from (
       select line, try_number, logged_at, level, message, fields from metadata.task_log
       where dag_run_id = $1 and task_id = $2 and try_number = $3 and level = any($4::text[]) and line > $6
         and ($5 = '' or position(lower($5) in lower(message)) > 0 or position(lower($5) in lower(fields::text)) > 0)
       order by line ${from === 'end' ? 'desc' : 'asc'} limit $7) l
     order by line`,
    [run, taskId, tryNumber, levels, search, after, limit],
  )
  return rows
}

export const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

export interface DurationRow {
  run: number
  run_id: string
  task_id: string
  state: string
  start_date: Date
  duration_ms: number
}

/** How long the tasks of a dag's newest runs took, oldest run first. */
export async function readDurations(db: Metadata, dagId: string, runs: number): Promise<DurationRow[]> {
  const { rows } = await db.query<DurationRow>(
    `select r.dag_run_id as run, r.run_id, t.task_id, t.state, t.started_at as start_date,
       (extract(epoch from t.ended_at - t.started_at) * 1000)::float8 as duration_ms
     from (select * from metadata.dag_run n where n.dag_id = $1 order by n.dag_run_id desc limit $2) r
     join metadata.task_instance t using (dag_run_id)
     where t.started_at is not null and t.ended_at is not null order by r.dag_run_id, t.started_at`,
    [dagId, runs],
  )
  return rows
}

export interface TrySpan {
  task_id: string
  try_number: number
  state: string
  start_date: Date
  end_date: Date
}

/** Every try of a run that has ended, and when. */
export async function allTries(db: Metadata, run: number): Promise<TrySpan[]> {
  const { rows } = await db.query<TrySpan>(
    `select task_id, try_number, state, started_at as start_date, ended_at as end_date
     from metadata.task_try where dag_run_id = $1 order by started_at limit 5000`,
    [run],
  )
  return rows
}
