import format from 'pg-format'
import { messageOf } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { cleanEngine } from './clean-engine.ts'

export interface CleanOptions {
  olderThanMs: number
  /** Count the rows without deleting them. */
  dryRun: boolean
  /** The schema of graphile-worker's tables, if EXECUTOR=distributed. */
  engineSchema?: string | undefined
  /** Checked between batches. */
  signal: AbortSignal
  /** Called after each batch with the number of runs so far. */
  onProgress?: (runs: number) => void
}

export interface Cleaned {
  table: string
  /** The number of deleted rows; with `dryRun`, the number of rows to delete. */
  rows: number
  /** Set if cleaning this table failed; the other tables are cleaned anyway. */
  error: string | null
}

/**
 * Deletes runs that ended more than `olderThanMs` ago, with their rows in other tables, and jobs and backfills of the
 * same age. With `engineSchema`, it also cleans graphile-worker's tables. For each dag it keeps the latest run, the
 * latest successful run and the latest scheduled run, because later decisions depend on them. Each batch is one
 * transaction, so other statements wait only briefly and a kill loses nothing. Ends with VACUUM, which frees space for
 * new rows but does not shrink the files.
 */
export async function clean(db: Metadata, options: CleanOptions): Promise<Cleaned[]> {
  const { rows } = await db.query<{ cutoff: Date }>(`select now() - $1 * interval '1 ms' as cutoff`, [
    options.olderThanMs,
  ])
  const cutoff = rows[0]?.cutoff ?? new Date(0)
  const cleaned = [
    await attempt('dag_run', () => cleanRuns(db, cutoff, options)),
    await attempt('job', () => cleanPages(db, JOBS, cutoff, options)),
    await attempt('backfill', () => cleanBackfills(db, cutoff, options)),
  ]
  const { engineSchema } = options
  if (engineSchema !== undefined && !options.signal.aborted)
    cleaned.push(await attempt(`${engineSchema}.jobs`, () => cleanEngine(db, engineSchema, options)))
  if (options.dryRun || options.signal.aborted) return cleaned
  const vacuumed = await attempt('VACUUM', () => vacuum(db, cleaned))
  return vacuumed.error === null ? cleaned : [...cleaned, vacuumed]
}

async function attempt(table: string, work: () => Promise<number>): Promise<Cleaned> {
  try {
    return { table, rows: await work(), error: null }
  } catch (error) {
    return { table, rows: 0, error: messageOf(error) }
  }
}

/** Rows examined in one transaction. */
const PAGE = 500

interface Page {
  last: number | null
  more: boolean | null
  rows: number
}

async function cleanRuns(db: Metadata, cutoff: Date, options: CleanOptions): Promise<number> {
  const { rows: kept } = await db.query<{ dag_run_id: number }>(KEPT)
  const values = [cutoff, PAGE, kept.map(({ dag_run_id }) => dag_run_id)]
  return await cleanPages(db, RUNS, cutoff, options, values)
}

/** Processes page after page, by id, until a whole page is younger than `cutoff`. */
async function cleanPages(
  db: Metadata,
  statement: { count: string; delete: string },
  cutoff: Date,
  { dryRun, signal, onProgress }: CleanOptions,
  values: readonly unknown[] = [cutoff, PAGE],
): Promise<number> {
  let total = 0
  for (let after = 0; !signal.aborted; ) {
    const { rows } = await db.query<Page>(dryRun ? statement.count : statement.delete, [after, ...values])
    const [page] = rows
    total += page?.rows ?? 0
    if (statement === RUNS) onProgress?.(total)
    if (!page?.more) break
    after = page.last ?? after
  }
  return total
}

const KEPT = `
select distinct k.dag_run_id from metadata.dag d cross join lateral (
  (select dag_run_id from metadata.dag_run r where r.dag_id = d.dag_id order by r.dag_run_id desc limit 1)
  union all
  (select dag_run_id from metadata.dag_run r where r.dag_id = d.dag_id and r.state = 'success'
   order by r.logical_date desc limit 1)
  union all
  (select dag_run_id from metadata.dag_run r where r.dag_id = d.dag_id and r.run_type = 'scheduled'
   order by r.logical_date desc limit 1)) k`

/** Ids grow with the time of queueing: if a whole page was queued after the cutoff, all later pages were, too. */
const RUN_PAGE = `
page as materialized (
  select dag_run_id, queued_at, ended_at < $2 and dag_run_id <> all($4::bigint[]) as is_old
  from metadata.dag_run where dag_run_id > $1 order by dag_run_id limit $3
)`

const RUNS = {
  count: `with ${RUN_PAGE}
    select max(dag_run_id) as last, bool_or(queued_at < $2) as more, count(*) filter (where is_old)::int as rows from page`,
  // Skips a run that another transaction is clearing.
  delete: `with ${RUN_PAGE}, old as materialized (
      select r.dag_run_id from metadata.dag_run r join page p using (dag_run_id)
      where p.is_old and r.ended_at < $2 for update of r skip locked
    ), gone as (
      delete from metadata.dag_run where dag_run_id in (select dag_run_id from old) returning 1
    )
    select max(dag_run_id) as last, bool_or(queued_at < $2) as more, (select count(*)::int from gone) as rows from page`,
}

const JOBS = {
  count: `with page as (select job_id, started_at, ended_at from metadata.job where job_id > $1 order by job_id limit $3)
    select max(job_id) as last, bool_or(started_at < $2) as more, count(*) filter (where ended_at < $2)::int as rows
    from page`,
  delete: `with page as materialized (
      select job_id, started_at from metadata.job where job_id > $1 order by job_id limit $3
    ), gone as (
      delete from metadata.job where job_id in (select job_id from page) and ended_at < $2 returning 1
    )
    select max(job_id) as last, bool_or(started_at < $2) as more, (select count(*)::int from gone) as rows from page`,
}

/** Deletes backfills in one statement, because there are few. */
async function cleanBackfills(db: Metadata, cutoff: Date, { dryRun, signal }: CleanOptions): Promise<number> {
  if (signal.aborted) return 0
  const verb = dryRun ? 'select from' : 'delete from'
  return (await db.query(`${verb} metadata.backfill where ended_at < $1`, [cutoff])).rowCount ?? 0
}

const OF_A_RUN = [
  'dag_run',
  'task_instance',
  'task_instance_history',
  'task_log',
  'xcom',
  'task_skip',
  'callback',
  'task_callback',
  'pool_slot',
]

async function vacuum(db: Metadata, cleaned: readonly Cleaned[]): Promise<number> {
  const emptied = cleaned
    .filter(({ rows }) => rows > 0)
    .flatMap(({ table }) => (table === 'dag_run' ? OF_A_RUN : table.endsWith('.jobs') ? [] : [table]))
  for (const table of emptied) await db.pool.query(format('vacuum (analyze) %I.%I', db.schema, table))
  return emptied.length
}
