import type { DagRunState, RunType, TaskInstanceState } from '../dag/state.ts'
import type { Metadata } from './metadata.ts'

export interface NewDagRun {
  dagId: string
  dagVersionId: number
  runId: string
  runType: RunType
  logicalDate: Date
  dataIntervalStart: Date
  dataIntervalEnd: Date
  conf: Record<string, unknown>
}

/** Where the instances of a new run stand, by position in its graph. */
export interface NewTaskInstance {
  taskId: string
  state: TaskInstanceState
  tryNumber: number
}

export interface DagRun extends NewDagRun {
  dagRunId: number
  state: DagRunState
  version: number
  /** Logical date of the last run of the dag that succeeded before this one. */
  previous: Date | undefined
}

/**
 * Inserts a run with all its task instances in one statement. With a `jobId` it is running and owned from the start;
 * without one it is queued for whoever has room. Undefined when a run of that id, or of that tick, is there already.
 */
export async function insertRun(
  db: Metadata,
  run: NewDagRun,
  instances: readonly NewTaskInstance[],
  jobId: number | null,
): Promise<DagRun | undefined> {
  const { rows } = await db.query<{ dag_run_id: number; previous: Date | null }>({
    name: 'insert_run',
    text: `with run as (
       insert into metadata.dag_run (dag_id, dag_version_id, run_id, run_type, state, logical_date,
         data_interval_start, data_interval_end, conf, job_id, started_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, case when $5 = 'running' then now() end)
       on conflict do nothing
       returning dag_run_id
     ), instances as (
       insert into metadata.task_instance (dag_run_id, task_id, state, try_number, job_id, started_at)
       select run.dag_run_id, i.task_id, i.state, i.try_number,
         case when i.state = 'running' then $10::bigint end, case when i.state = 'running' then now() end
       from run, unnest($11::text[], $12::text[], $13::int[]) as i (task_id, state, try_number)
     )
     select dag_run_id, (
       select p.logical_date from metadata.dag_run p
       where p.dag_id = $1 and p.state = 'success' and p.logical_date < $6
       order by p.dag_run_id desc limit 1
     ) as previous from run`,
    values: [
      run.dagId,
      run.dagVersionId,
      run.runId,
      run.runType,
      jobId === null ? 'queued' : 'running',
      run.logicalDate,
      run.dataIntervalStart,
      run.dataIntervalEnd,
      JSON.stringify(run.conf),
      jobId,
      instances.map((instance) => instance.taskId),
      instances.map((instance) => instance.state),
      instances.map((instance) => instance.tryNumber),
    ],
  })
  const [row] = rows
  if (row === undefined) return undefined
  const state = jobId === null ? 'queued' : 'running'
  return { ...run, dagRunId: row.dag_run_id, state, version: 0, previous: row.previous ?? undefined }
}

const PREVIOUS_OF_R = `select p.logical_date from metadata.dag_run p
  where p.dag_id = r.dag_id and p.state = 'success' and p.logical_date < r.logical_date
  order by p.dag_run_id desc limit 1`

interface DagRunRow {
  dag_run_id: number
  dag_id: string
  dag_version_id: number
  run_id: string
  run_type: RunType
  state: DagRunState
  version: number
  logical_date: Date
  data_interval_start: Date
  data_interval_end: Date
  conf: Record<string, unknown>
  previous: Date | null
}

/**
 * Takes the oldest queued run that nobody owns and whose dag has room, among the dags given; several processes may ask
 * at once. Taking turns on the dag's row keeps `max_active_runs` true.
 */
export async function claimRun(
  db: Metadata,
  jobId: number,
  dagIds: readonly string[],
): Promise<DagRun | undefined> {
  return await db.transaction(async (tx) => {
    const { rows: candidates } = await tx.query<{ dag_run_id: number; dag_id: string }>({
      name: 'claimable_run',
      text: `select r.dag_run_id, r.dag_id
       from metadata.dag_run r join metadata.dag d using (dag_id)
       where r.state = 'queued' and r.job_id is null and r.dag_id = any($1::text[])
         and (select count(*) from metadata.dag_run a where a.dag_id = r.dag_id and a.state = 'running') < d.max_active_runs
       order by r.dag_run_id limit 1
       for no key update of r, d skip locked`,
      values: [dagIds],
    })
    const [candidate] = candidates
    if (candidate === undefined) return undefined
    const { rows } = await tx.query<DagRunRow>({
      name: 'claim_run',
      text: `update metadata.dag_run r set state = 'running', job_id = $1, started_at = coalesce(r.started_at, now()), reason = null
       from metadata.dag d
       where r.dag_run_id = $2 and d.dag_id = r.dag_id
         and (select count(*) from metadata.dag_run a where a.dag_id = r.dag_id and a.state = 'running') < d.max_active_runs
       returning r.*, (${PREVIOUS_OF_R}) as previous`,
      values: [jobId, candidate.dag_run_id],
    })
    return rows[0] && toDagRun(rows[0])
  })
}

/** A running run as stored, if this process still owns it. */
export async function readOwnedRun(
  db: Metadata,
  jobId: number,
  dagRunId: number,
): Promise<DagRun | undefined> {
  const { rows } = await db.query<DagRunRow>(
    `select r.*, (${PREVIOUS_OF_R}) as previous from metadata.dag_run r
     where r.dag_run_id = $1 and r.job_id = $2 and r.state = 'running'`,
    [dagRunId, jobId],
  )
  return rows[0] && toDagRun(rows[0])
}

function toDagRun(row: DagRunRow): DagRun {
  return {
    dagRunId: row.dag_run_id,
    dagId: row.dag_id,
    dagVersionId: row.dag_version_id,
    runId: row.run_id,
    runType: row.run_type,
    state: row.state,
    version: row.version,
    logicalDate: row.logical_date,
    dataIntervalStart: row.data_interval_start,
    dataIntervalEnd: row.data_interval_end,
    conf: row.conf,
    previous: row.previous ?? undefined,
  }
}

/** A run as `dags runs` lists it and `runs show` begins: the contract's JSON. */
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

export interface TaskInstanceListing {
  task_id: string
  state: TaskInstanceState
  try_number: number
  start_date: Date | null
  end_date: Date | null
  reason: string | null
}

export interface DagRunDetails extends DagRunListing {
  reason: string | null
  task_instances: TaskInstanceListing[]
}

const LISTED = `r.dag_id, r.run_id, r.run_type, r.state, r.logical_date, r.started_at as start_date,
  r.ended_at as end_date, r.conf`

/** The newest runs of a dag, newest first. */
export async function listRuns(db: Metadata, dagId: string, limit: number): Promise<DagRunListing[]> {
  const { rows } = await db.query<DagRunListing>(
    `select ${LISTED} from metadata.dag_run r where r.dag_id = $1 order by r.dag_run_id desc limit $2`,
    [dagId, limit],
  )
  return rows
}

/** One run with its task instances in the order of its graph; `latest` is the newest. */
export async function showRun(
  db: Metadata,
  dagId: string,
  runId: string,
): Promise<DagRunDetails | undefined> {
  const { rows } = await db.query<DagRunDetails & { dag_run_id: number; graph: { id: string }[] }>(
    `select ${LISTED}, r.reason, r.dag_run_id, v.graph
     from metadata.dag_run r join metadata.dag_version v using (dag_version_id)
     where r.dag_id = $1 and ($2 = 'latest' or r.run_id = $2)
     order by r.dag_run_id desc limit 1`,
    [dagId, runId],
  )
  const [found] = rows
  if (found === undefined) return undefined
  const { dag_run_id: dagRunId, graph, ...run } = found
  const { rows: instances } = await db.query<TaskInstanceListing>(
    `select task_id, state, try_number, started_at as start_date, ended_at as end_date, reason
     from metadata.task_instance where dag_run_id = $1`,
    [dagRunId],
  )
  const order = new Map(graph.map((node, index) => [node.id, index]))
  instances.sort((a, b) => (order.get(a.task_id) ?? 0) - (order.get(b.task_id) ?? 0))
  return { ...run, task_instances: instances }
}
