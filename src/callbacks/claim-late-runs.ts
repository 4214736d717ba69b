import type { Metadata } from '../metadata/metadata.ts'
import type { RunLate } from './events.ts'

export interface LateFilter {
  /** How late runs of each dag may be, ms. */
  afterMs: ReadonlyMap<string, number>
  /** The process whose runs are checked. */
  jobId: number
  /** True if runs without an owner are checked too. */
  ownerless: boolean
}

/**
 * Marks the late runs of these dags; returns those that were not marked before. A run counts from its wait in the queue,
 * or from the clear that reopened it. It locks no row that another statement holds, so it never blocks a runner.
 */
export async function claimLateRuns(db: Metadata, { afterMs, jobId, ownerless }: LateFilter): Promise<RunLate[]> {
  const { rows } = await db.query<RunLate>(
    `with found as materialized (
       select r.dag_run_id from metadata.dag_run r
       join unnest($1::text[], $2::float8[]) as d (dag_id, after_ms) using (dag_id)
       where r.state in ('queued', 'running') and r.late_at is null and r.run_type <> 'backfill'
         and (r.job_id = $3 or (r.job_id is null and $4))
         and now() - coalesce(r.reopened_at, r.queued_at) >= d.after_ms * interval '1 millisecond'
       order by r.dag_run_id limit 100 for no key update of r skip locked
     ), late as (
       update metadata.dag_run r set late_at = now() from found where r.dag_run_id = found.dag_run_id returning r.*
     )
     select dag_id as "dagId", run_id as "runId", state, logical_date as "logicalDate",
       coalesce(reopened_at, queued_at) as "queuedAt",
       (select coalesce(jsonb_agg(jsonb_build_object('taskId', t.task_id, 'state', t.state,
           'reason', coalesce(t.reason, ''))), '[]')
        from (
          select * from metadata.task_instance i
          where i.dag_run_id = late.dag_run_id and i.ended_at is null and i.state <> 'none' order by i.task_id limit 100
        ) t) as unfinished
     from late`,
    [[...afterMs.keys()], [...afterMs.values()], jobId, ownerless],
  )
  return rows
}
