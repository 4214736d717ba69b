import type { Metadata } from './metadata.ts'

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
  const { rows } = await db.query<ScheduleState>({ name: 'read_schedules', text: READ, values: [dagIds, now] })
  return new Map(rows.map((state) => [state.dagId, state]))
}

const READ = `
select w.dag_id as "dagId", coalesce(d.is_paused, false) as paused, s.since,
  (select r.logical_date from metadata.dag_run r
   where r.dag_id = w.dag_id and r.run_type = 'scheduled' and r.logical_date <= $2
   order by r.logical_date desc limit 1) as last,
  (select count(*)::int from metadata.dag_run r
   where r.dag_id = w.dag_id and r.state = 'queued' and r.run_type = 'scheduled') as queued
from unnest($1::text[]) w (dag_id)
left join metadata.dag d using (dag_id) left join metadata.dag_schedule s using (dag_id)`
