import type { LogLevel } from '../../dag/task.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { MOST_REASON } from '../../operations/list-runs.ts'
import type { LogRow } from '../../operations/logs.ts'
import { MARGIN } from '../excerpt.ts'

export interface TryRow {
  try_number: number
  state: string
  reason: string | null
  /** The beginning; `error_bytes` is the full size. */
  error: string | null
  error_bytes: number | null
  start_date: Date
  end_date: Date
  process: string | null
  /** Hash of the sources that the process of the try had loaded; null: unknown. */
  code_version: string | null
}

/**
 * The newest ended tries of a task instance, oldest first. With `tryNumber`, only that try.
 *
 * @param longest most characters of an error
 */
export async function readTries(
  db: Metadata,
  run: number,
  taskId: string,
  { tryNumber = null, most, longest }: { tryNumber?: number | null; most: number; longest: number },
): Promise<TryRow[]> {
  const { rows } = await db.query<TryRow>(
    `select * from (
       select t.try_number, t.state, left(t.reason, ${MOST_REASON}) as reason,
         left(t.error, $5) as error, octet_length(t.error) as error_bytes,
         t.started_at as start_date, t.ended_at as end_date,
         j.kind || ', process ' || j.pid || ' on ' || j.hostname as process, j.code_version
       from metadata.task_try t left join metadata.job j using (job_id)
       where t.dag_run_id = $1 and t.task_id = $2 and ($3::int is null or t.try_number = $3)
       order by t.try_number desc limit $4) newest
     order by try_number`,
    [run, taskId, tryNumber, most, longest + MARGIN],
  )
  return rows
}

/** The ended tries nearest to the try `near`, in order, with their states. */
export async function listTries(
  db: Metadata,
  run: number,
  taskId: string,
  { near, most }: { near: number; most: number },
): Promise<Pick<TryRow, 'try_number' | 'state'>[]> {
  const { rows } = await db.query<Pick<TryRow, 'try_number' | 'state'>>(
    `select * from (
       select try_number, state from metadata.task_try where dag_run_id = $1 and task_id = $2
       order by abs(try_number - $3), try_number desc limit $4) nearest
     order by try_number`,
    [run, taskId, near, most],
  )
  return rows
}

/** A task's output as JSON text, cut to `most` characters, with its full size; undefined without an output. */
export async function readOutput(
  db: Metadata,
  run: number,
  taskId: string,
  most = MOST_CHARACTERS,
): Promise<{ text: string; bytes: number } | undefined> {
  const text = `select left(value::text, $3) as text, octet_length(value::text) as bytes
    from metadata.xcom where dag_run_id = $1 and task_id = $2`
  const { rows } = await db.query<{ text: string; bytes: number }>(text, [run, taskId, most])
  return rows[0]
}

export interface LinesWanted {
  run: number
  taskId: string
  tryNumber: number
  /** Only these levels. */
  levels?: readonly LogLevel[]
  /** Part of the message. */
  search?: string
  /** Only lines after this one, and up to that one. */
  after?: number
  until?: number
  /** Selects the lines to read if more than `limit` lines match: the newest (`end`, default) or the oldest. */
  from?: 'start' | 'end'
  limit: number
  /** Most characters of a message, and of its fields. Default: all. */
  longest?: number
  /** Most bytes of all lines together. At least one line is returned. Default 4 MB. */
  mostBytes?: number
}

export interface Line extends Omit<LogRow, 'fields'> {
  message_bytes: number
  /** JSON, or its beginning. */
  fields: string | null
  fields_bytes: number | null
}

/** Lines of one try, oldest first. */
export async function readLines(db: Metadata, wanted: LinesWanted): Promise<Line[]> {
  const { run, taskId, tryNumber, levels = LEVELS, search = '', after = 0, until = null, from = 'end', limit } = wanted
  const { longest = MOST_CHARACTERS, mostBytes = 4_000_000 } = wanted
  const order = `order by line ${from === 'end' ? 'desc' : 'asc'}`
  const { rows } = await db.query<Line>(
    `with fitting as (
       select * from metadata.task_log
       where dag_run_id = $1 and task_id = $2 and try_number = $3 and level = any($4::text[]) and line > $6
         and ($10::bigint is null or line <= $10)
         and ($5 = '' or position(lower($5) in lower(message)) > 0 or position(lower($5) in lower(fields::text)) > 0)
       ${order} limit $7
     ), cut as (
       select line, try_number, logged_at, level, left(message, $8) as message, octet_length(message) as message_bytes,
         left(fields::text, $8) as fields, octet_length(fields::text) as fields_bytes
       from fitting
     ), summed as (
       select *, sum(octet_length(message) + coalesce(octet_length(fields), 0)) over (${order}) as bytes,
         row_number() over (${order}) as place
       from cut
     )
     select line, try_number, logged_at, level, message, message_bytes, fields, fields_bytes from summed
     where bytes <= $9 or place = 1 order by line`,
    [run, taskId, tryNumber, levels, search, after, limit, longest, mostBytes, until],
  )
  return rows
}

const MOST_CHARACTERS = 1_000_000_000

export const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

export interface DurationRow {
  run: number
  run_id: string
  /** 1 for the newest run of the dag. */
  age: number
  task_id: string
  state: string
  start_date: Date
  duration_ms: number
}

/**
 * How long these tasks of a dag's newest runs took, oldest run first. A mapped task never starts: it takes the time from
 * the start of its first element to the end of its last one.
 */
export async function readDurations(
  db: Metadata,
  dagId: string,
  { runs, taskIds }: { runs: number; taskIds: readonly string[] },
): Promise<DurationRow[]> {
  const { rows } = await db.query<DurationRow>(
    `select r.dag_run_id as run, r.run_id, r.age, t.task_id, t.state, s.started_at as start_date,
       (extract(epoch from s.ended_at - s.started_at) * 1000)::float8 as duration_ms
     from (
       select dag_run_id, run_id, (row_number() over (order by dag_run_id desc))::int as age
       from metadata.dag_run where dag_id = $1 order by dag_run_id desc limit $2
     ) r
     join metadata.task_instance t using (dag_run_id)
     cross join lateral (
       select t.started_at, t.ended_at where t.started_at is not null
       union all
       select min(e.started_at), max(e.ended_at) from metadata.task_instance e
       where t.started_at is null and t.state in ('success', 'upstream_failed')
         and e.dag_run_id = t.dag_run_id and starts_with(e.task_id, t.task_id || '[')
     ) s
     where t.task_id = any($3::text[]) and t.ended_at is not null and s.ended_at >= s.started_at
     order by r.dag_run_id, s.started_at`,
    [dagId, runs, taskIds],
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

/** Task ids of a dag's newest run, without elements, for a dag whose code is not loaded. */
export async function readTaskIds(db: Metadata, dagId: string, most: number): Promise<string[]> {
  const { rows } = await db.query<{ task_id: string }>(
    `select task_id from metadata.task_instance
     where dag_run_id = (select max(dag_run_id) from metadata.dag_run where dag_id = $1)
       and task_id not like '%]' order by task_id limit $2`,
    [dagId, most],
  )
  return rows.map(({ task_id }) => task_id)
}

/** The newest ended tries of these tasks. */
export async function readSpans(
  db: Metadata,
  run: number,
  { taskIds, most }: { taskIds: readonly string[]; most: number },
): Promise<TrySpan[]> {
  const { rows } = await db.query<TrySpan>(
    `select task_id, try_number, state, started_at as start_date, ended_at as end_date
     from metadata.task_try where dag_run_id = $1 and task_id = any($2::text[]) order by started_at desc limit $3`,
    [run, taskIds, most],
  )
  return rows
}
