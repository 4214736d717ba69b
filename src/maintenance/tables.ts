import format from 'pg-format'
import type { Metadata } from '../metadata/metadata.ts'

/** The tables that `sql/metadata` creates. Any other table in the schema belongs to another application. */
export const TABLES: ReadonlySet<string> = new Set([
  'backfill',
  'calendar_token',
  'callback',
  'dag',
  'dag_after',
  'dag_after_success',
  'dag_run',
  'dag_schedule',
  'dag_version',
  'job',
  'login_attempt',
  'pool',
  'pool_slot',
  'schema_migration',
  'task_callback',
  'task_instance',
  'task_instance_history',
  'task_log',
  'task_report',
  'task_skip',
  'task_try',
  'web_session',
  'web_user',
  'xcom',
])

export interface TableSize {
  table: string
  /** An estimate from the statistics. */
  rows: number
  /** Including indexes and TOAST. */
  bytes: number
}

/** Tables and views of the schema; `rows` of a view is 0. */
export async function listTables({ pool, schema }: Metadata): Promise<TableSize[]> {
  const { rows } = await pool.query<TableSize>(
    `select c.relname as table, coalesce(s.n_live_tup, 0) as rows, pg_total_relation_size(c.oid) as bytes
     from pg_class c left join pg_stat_all_tables s on s.relid = c.oid
     where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p', 'v', 'm', 'f') order by c.relname`,
    [format.ident(schema)],
  )
  return rows
}
