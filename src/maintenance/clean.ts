import format from 'pg-format'
import { messageOf } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'

export interface CleanOptions {
  olderThanMs: number
  /** Counts only. */
  dryRun: boolean
  /** Asked between batches. */
  signal: AbortSignal
  /** Told after each batch of runs: how many so far. */
  onProgress?: (runs: number) => void
}

export interface Cleaned {
  table: string
  /** Deleted, or to be deleted. */
  rows: number
  /** Of a table that failed; the others are cleaned all the same. */
  error: string | null
}

/**
 * Deletes runs that ended longer ago than that, with all that hangs on them, and processes and backfills likewise. Kept
 * are of each dag the latest run, the latest that succeeded and the latest scheduled one, whatever their age: what
 * follows is decided by them. A batch is a transaction, so that nobody waits long and a kill loses nothing. Ends with
 * VACUUM, which gives the room to new rows (not to the disk).
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

/** Rows looked at in one transaction. */
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

/** Page after page by id, until what comes is younger than `cutoff`. */
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

/** Ids follow the time of queueing: once a whole page was queued after the cutoff, nothing older comes. */
const RUN_PAGE = `
page as materialized (
  select dag_run_id, queued_at, ended_at < $2 and dag_run_id <> all($4::bigint[]) as is_old
  from metadata.dag_run where dag_run_id > $1 order by dag_run_id limit $3
)`

const RUNS = {
  count: `with ${RUN_PAGE}
    select max(dag_run_id) as last, bool_or(queued_at < $2) as more, count(*) filter (where is_old)::int as rows from page`,
  // One that somebody clears just now is left alone.
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

/** There are few. */
async function cleanBackfills(db: Metadata, cutoff: Date, { dryRun, signal }: CleanOptions): Promise<number> {
  if (signal.aborted) return 0
  const verb = dryRun ? 'select from' : 'delete from'
  return (await db.query(`${verb} metadata.backfill where ended_at < $1`, [cutoff])).rowCount ?? 0
}

const OF_A_RUN = ['dag_run', 'task_instance', 'task_instance_history', 'task_log', 'xcom', 'callback', 'pool_slot']

async function vacuum(db: Metadata, cleaned: readonly Cleaned[]): Promise<number> {
  const emptied = cleaned
    .filter(({ rows }) => rows > 0)
    .flatMap(({ table }) => (table === 'dag_run' ? OF_A_RUN : [table]))
  for (const table of emptied) await db.pool.query(format('vacuum (analyze) %I.%I', db.schema, table))
  return emptied.length
}
