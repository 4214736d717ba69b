import type { DagRunState, RunType, TaskInstanceState } from '../dag/state.ts'
import type { Metadata } from '../metadata/metadata.ts'

/** A run in the JSON of `dags runs` and `runs show`. */
export interface DagRunListing {
  dag_id: string
  run_id: string
  run_type: RunType
  state: DagRunState
  logical_date: Date
  start_date: Date | null
  end_date: Date | null
  conf: Record<string, unknown>
}

export interface DagRunDetails extends DagRunListing {
  reason: string | null
  /** In the order of the run's graph. */
  task_instances: {
    task_id: string
    state: TaskInstanceState
    try_number: number
    start_date: Date | null
    end_date: Date | null
    reason: string | null
    /** Hash of the sources that the process of the latest try had loaded; null: unknown. */
    code_version: string | null
  }[]
}

const LISTED = `select r.dag_id, r.run_id, r.run_type, r.state, r.logical_date, r.started_at as start_date,
  r.ended_at as end_date, r.conf, r.reason from metadata.dag_run r`

/** The newest runs of a dag, newest first. */
export async function listRuns(db: Metadata, dagId: string, limit: number): Promise<DagRunListing[]> {
  const text = `${LISTED} where r.dag_id = $1 order by r.dag_run_id desc limit $2`
  const { rows } = await db.query<DagRunDetails>(text, [dagId, limit])
  return rows.map(({ reason: _, ...listed }) => listed)
}

/** One run with its task instances; the id `latest` means the newest. */
export async function showRun(db: Metadata, dagId: string, runId: string): Promise<DagRunDetails | undefined> {
  const text = `${LISTED} where r.dag_id = $1 and ($2 = 'latest' or r.run_id = $2) order by r.dag_run_id desc limit 1`
  const { rows } = await db.query<DagRunDetails>(text, [dagId, runId])
  const [run] = rows
  if (run === undefined) return undefined
  const instances = await db.query<DagRunDetails['task_instances'][number]>(
    `select t.task_id, t.state, t.try_number, t.started_at as start_date, t.ended_at as end_date, t.reason,
       j.code_version
     from metadata.dag_run r join metadata.dag_version v using (dag_version_id)
     cross join jsonb_array_elements(v.graph) with ordinality as node (task, position)
     join metadata.task_instance t on t.dag_run_id = r.dag_run_id and t.task_id = node.task ->> 'id'
     left join metadata.job j on j.job_id = t.job_id
     where r.dag_id = $1 and r.run_id = $2 order by node.position`,
    [dagId, run.run_id],
  )
  return { ...run, task_instances: instances.rows }
}
