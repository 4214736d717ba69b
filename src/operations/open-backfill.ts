import type { DagRunState } from '../dag/state.ts'
import type { Metadata } from '../metadata/metadata.ts'

export type Reprocess = 'none' | 'failed' | 'completed'

export interface NewBackfill {
  dagId: string
  from: Date
  to: Date
  reprocess: Reprocess
}

/**
 * Returns the open backfill with the same range and `reprocess`, or creates one. `begunAt` comes from the database's
 * clock.
 */
export async function openBackfill(db: Metadata, wanted: NewBackfill): Promise<{ backfillId: number; begunAt: Date }> {
  const { rows } = await db.query<{ backfillId: number; begunAt: Date }>(
    `insert into metadata.backfill (dag_id, from_date, to_date, reprocess) values ($1, $2, $3, $4)
     on conflict (dag_id, from_date, to_date, reprocess) where ended_at is null do update set dag_id = excluded.dag_id
     returning backfill_id as "backfillId", begun_at as "begunAt"`,
    [wanted.dagId, wanted.from, wanted.to, wanted.reprocess],
  )
  return rows[0] as { backfillId: number; begunAt: Date }
}

/**
 * Ends all open backfills of a dag, or only the given backfill. The processes that run them stop. Returns how many it
 * ended.
 */
export async function endBackfills(db: Metadata, dagId: string, backfillId: number | null = null): Promise<number> {
  const { rowCount } = await db.query(
    `update metadata.backfill set ended_at = now()
     where dag_id = $1 and ended_at is null and backfill_id = coalesce($2, backfill_id)`,
    [dagId, backfillId],
  )
  return rowCount ?? 0
}

export interface BackfillState {
  isOpen: boolean
  /** The number of queued and running runs of the backfill. */
  active: number
  /**
   * How many more runs the dag's `max_active_runs` allows; queued runs count as active. At least one run may wait in the
   * queue: active runs give way to it if their tasks wait for earlier ones (`dependsOnPast`).
   */
  free: number
}

export async function readBackfill(db: Metadata, backfillId: number): Promise<BackfillState> {
  const { rows } = await db.query<BackfillState>(
    `select b.ended_at is null as "isOpen",
       count(*) filter (where r.run_type = 'backfill' and r.logical_date between b.from_date and b.to_date)::int as active,
       greatest(d.max_active_runs - count(r), case when count(r) filter (where r.state = 'queued') = 0 then 1 end)::int as free
     from metadata.backfill b join metadata.dag d using (dag_id)
     left join metadata.dag_run r on r.dag_id = b.dag_id and r.state in ('queued', 'running')
     where b.backfill_id = $1 group by b.backfill_id, d.dag_id`,
    [backfillId],
  )
  return rows[0] ?? { isOpen: false, active: 0, free: 0 }
}

/** Deletes the backfill's runs that never started. A run that was cleared to run again stays queued. */
export async function deleteUnstartedRuns(db: Metadata, backfillId: number): Promise<void> {
  await db.query(
    `with gone as (delete from metadata.dag_run r using metadata.backfill b
     where b.backfill_id = $1 and r.dag_id = b.dag_id and r.state = 'queued' and r.run_type = 'backfill'
       and r.logical_date between b.from_date and b.to_date and r.job_id is null and r.started_at is null
       and not exists (select from metadata.task_instance_history h where h.dag_run_id = r.dag_run_id) returning true)
     select pg_notify($2, 'run') from gone limit 1`,
    [backfillId, db.channel],
  )
}

export interface KnownRun {
  runId: string
  state: DagRunState
  /** The age is measured by the database's clock. */
  endedAt: Date | null
}

/** The existing runs among these ids, newest first. */
export async function findRuns(db: Metadata, dagId: string, runIds: readonly string[]): Promise<KnownRun[]> {
  const { rows } = await db.query<KnownRun>(
    `select run_id as "runId", state, ended_at as "endedAt" from metadata.dag_run
     where dag_id = $1 and run_id = any($2::text[]) order by dag_run_id desc`,
    [dagId, runIds],
  )
  return rows
}
