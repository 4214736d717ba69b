import { HAS_TICK } from './dag-runs.ts'
import type { Metadata } from './metadata.ts'
import type { TryKey } from './task-instances.ts'

/**
 * Why a task instance waits. `givesWay`: the run of an earlier tick is queued. It may need the place of this run below
 * `max_active_runs`, and is claimed before this run.
 */
export type Blocked = { reason: string; givesWay: boolean }

/** Finds which of these task instances, whose tasks have `dependsOnPast`, must wait. */
export async function findBlocked<W extends TryKey>(db: Metadata, waiting: readonly W[]): Promise<Map<W, Blocked>> {
  const values = [waiting.map(({ dagRunId }) => dagRunId), waiting.map(({ taskId }) => taskId)]
  const { rows } = await db.query<Blocked & { n: number }>({ name: 'find_blocked', text: FIND_BLOCKED, values })
  return new Map(rows.map(({ n, ...blocked }) => [waiting[n - 1] as W, blocked]))
}

/**
 * A tick may have a scheduled run and a run of a backfill: the newer one counts. An element waits for the mapped task, because
 * arrays differ in length. `offset 0` makes Postgres look up each row by its key, as in `RUN` of transitions.ts.
 */
const FIND_BLOCKED = `
select n::int, 'waits for ' || t.task_id || ' of run ' || p.run_id || case when t.state in ('failed', 'upstream_failed')
    then ', which failed: clear or mark it' else '' end as reason,
  exists (select from (select * from metadata.dag_run o where o.dag_id = r.dag_id and o.state = 'queued' offset 0) q
    where q.${HAS_TICK} and q.logical_date < r.logical_date) as "givesWay"
from unnest($1::bigint[], $2::text[]) with ordinality as w (dag_run_id, task_id, n)
cross join lateral (select * from metadata.dag_run o where o.dag_run_id = w.dag_run_id offset 0) r
cross join lateral (
  select o.* from metadata.dag_run o where o.dag_id = r.dag_id and ${HAS_TICK}
    and o.logical_date < r.logical_date order by o.logical_date desc, o.dag_run_id desc limit 1) p
cross join lateral (select * from metadata.task_instance i
  where i.dag_run_id = p.dag_run_id and i.task_id = split_part(w.task_id, '[', 1) offset 0) t
where r.${HAS_TICK} and t.state not in ('success', 'skipped')`
