import { createHash } from 'node:crypto'
import type { Dag } from '../dag/dag.ts'
import type { Graph } from '../dag/graph.ts'
import { MOST, storableText } from '../db/text.ts'
import type { Metadata } from './metadata.ts'

/** Prefix of the pool that enforces a dag's `maxActiveTasks`; the dag's id follows. */
export const DAG_POOL = 'dag:'

/**
 * Stores the dag with its current options; returns the id of its graph's version.
 *
 * @param ticks also stores the schedule that schedulers follow. The ticks of a new schedule count from `since`. The ticks
 * of a changed schedule count from `now` (of the scheduler's clock), so that earlier ticks do not run.
 */
export async function registerDag(db: Metadata, dag: Dag, ticks?: { since: Date; now: Date }): Promise<number> {
  const { id, schedule, timezone, maxActiveRuns, maxActiveTasks = null } = dag
  const description = storableText(dag.description, MOST.description)
  const tags = dag.tags.slice(0, MOST.tags).map((tag) => storableText(tag, MOST.tag))
  const graph = JSON.stringify(dag.graph.nodes)
  const hash = graphHash(dag.graph)
  const { rows } = await db.query<{ dag_version_id: number }>(
    `with known as (
       insert into metadata.dag as d (dag_id, description, schedule, timezone, tags, max_active_runs, max_active_tasks)
       values ($1, $2, $3, $4, $5, $6, $7::int)
       on conflict (dag_id) do update set
         description = excluded.description, schedule = excluded.schedule, timezone = excluded.timezone,
         tags = excluded.tags, max_active_runs = excluded.max_active_runs,
         max_active_tasks = excluded.max_active_tasks, import_error = null, last_seen_at = now()
       returning dag_id
     ), own_pool as (
       insert into metadata.pool as p (pool, slots, description)
       select '${DAG_POOL}' || dag_id, $7::int, 'maxActiveTasks' from known where $7::int is not null
       on conflict (pool) do update set slots = excluded.slots
     ), followed as (
       insert into metadata.dag_schedule as s (dag_id, schedule, timezone, since)
       select dag_id, $3, $4, $10::timestamptz from known where $10::timestamptz is not null
       on conflict (dag_id) do update set schedule = excluded.schedule, timezone = excluded.timezone, since = $11
       where (s.schedule, s.timezone) is distinct from (excluded.schedule, excluded.timezone) or s.since > $11
     )
     insert into metadata.dag_version as v (dag_id, hash, graph)
     select dag_id, $8, $9 from known
     on conflict (dag_id, hash) do update set hash = v.hash
     returning dag_version_id`,
    [id, description, schedule, timezone, tags, maxActiveRuns, maxActiveTasks, hash, graph, ticks?.since, ticks?.now],
  )
  return rows[0]?.dag_version_id ?? 0
}

/** The value of `dag_version.hash` for a graph. */
export function graphHash({ nodes }: Graph): string {
  return createHash('sha256').update(JSON.stringify(nodes)).digest('hex')
}

export interface ScheduleState {
  dagId: string
  paused: boolean
  since: Date | null
  /** Logical date of the last scheduled run that is not after `now`. */
  last: Date | null
  /** Number of queued scheduled runs. */
  queued: number
}

/** Reads the schedule state of these dags. For each dag, the statement reads only the last entries of an index. */
export async function readSchedules(db: Metadata, dagIds: string[], now: Date): Promise<Map<string, ScheduleState>> {
  const values = [dagIds, now]
  const { rows } = await db.query<ScheduleState>({ name: 'read_schedules', text: READ_SCHEDULES, values })
  return new Map(rows.map((state) => [state.dagId, state]))
}

const READ_SCHEDULES = `
select w.dag_id as "dagId", coalesce(d.is_paused, false) as paused, s.since,
  (select r.logical_date from metadata.dag_run r
   where r.dag_id = w.dag_id and r.run_type = 'scheduled' and r.logical_date <= $2
   order by r.logical_date desc limit 1) as last,
  (select count(*)::int from metadata.dag_run r
   where r.dag_id = w.dag_id and r.state = 'queued' and r.run_type = 'scheduled') as queued
from unnest($1::text[]) w (dag_id)
left join metadata.dag d using (dag_id) left join metadata.dag_schedule s using (dag_id)`
