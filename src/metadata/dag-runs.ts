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
  reason: string | null
}

export interface DagRun extends NewDagRun {
  dagRunId: number
  state: DagRunState
  /** Its owner, null where it has none. */
  jobId: number | null
  version: number
  reason: string | null
  /** How long it has been running, ms; 0 where it is not. */
  ranForMs: number
  /** Logical date of the last run of the dag that succeeded before this one. */
  previous: Date | undefined
}

/**
 * Inserts a run with all its task instances in one statement. With a `jobId` it is owned from the start, and running
 * if its dag has room (else queued, its instances at none); without one it is queued for whoever has room. Undefined
 * when a run of that id, or of that tick, is there already.
 */
export async function insertRun(
  db: Metadata,
  run: NewDagRun,
  instances: readonly NewTaskInstance[],
  jobId: number | null,
): Promise<DagRun | undefined> {
  const { rows } = await db.query<Pick<DagRunRow, 'dag_run_id' | 'state' | 'previous'>>({
    name: jobId === null ? 'queue_run' : 'insert_run',
    text: jobId === null ? QUEUE_RUN : INSERT_RUN,
    values: [
      run.dagId,
      run.dagVersionId,
      run.runId,
      run.runType,
      run.logicalDate,
      run.dataIntervalStart,
      run.dataIntervalEnd,
      JSON.stringify(run.conf),
      jobId,
      instances.map((instance) => instance.taskId),
      instances.map((instance) => instance.state),
      instances.map((instance) => instance.tryNumber),
      instances.map((instance) => instance.reason),
      ...(jobId === null ? [db.channel] : []),
    ],
  })
  const [row] = rows
  if (row === undefined) return undefined
  const { dag_run_id: dagRunId, state, previous } = row
  return {
    ...run,
    dagRunId,
    state,
    jobId,
    version: 0,
    reason: null,
    ranForMs: 0,
    previous: previous ?? undefined,
  }
}

const insertion = (state: string) => `
with run as (
  insert into metadata.dag_run (dag_id, dag_version_id, run_id, run_type, state, logical_date,
    data_interval_start, data_interval_end, conf, job_id, started_at)
  select $1, $2, $3, $4, s.state, $5, $6, $7, $8, $9::bigint, case when s.state = 'running' then now() end
  from (select ${state} as state) s
  on conflict do nothing
  returning *
), instances as (
  insert into metadata.task_instance (dag_run_id, task_id, reason, state, try_number, job_id, started_at)
  select run.dag_run_id, i.task_id, case when run.state = 'running' then i.reason end, case when run.state = 'running' then i.state else 'none' end,
    case when run.state = 'running' then i.try_number else 0 end,
    case when run.state = 'running' and i.state = 'running' then $9::bigint end,
    case when run.state = 'running' and i.state = 'running' then now() end
  from run, unnest($10::text[], $11::text[], $12::int[], $13::text[]) as i (task_id, state, try_number, reason)
)`

const PREVIOUS_OF_R = `select p.logical_date from metadata.dag_run p
  where p.dag_id = r.dag_id and p.state = 'success' and p.logical_date < r.logical_date
  order by p.dag_run_id desc limit 1`

const INSERT_RUN = `${insertion(`case when metadata.room_for_run($1) then 'running' else 'queued' end`)}
select r.dag_run_id, r.state, (${PREVIOUS_OF_R}) as previous from run r`

const QUEUE_RUN = `${insertion(`'queued'`)}
select r.dag_run_id, r.state, null as previous, pg_notify($14, 'run') from run r`

interface DagRunRow {
  dag_run_id: number
  dag_id: string
  dag_version_id: number
  run_id: string
  run_type: RunType
  state: DagRunState
  job_id: number | null
  version: number
  reason: string | null
  logical_date: Date
  data_interval_start: Date
  data_interval_end: Date
  conf: Record<string, unknown>
  ran_for_ms: number
  previous: Date | null
}

/** Which queued runs a process takes up: those of its dags, or of them only those that somebody began and left. */
export interface Claimable {
  dagIds: readonly string[]
  onlyBegun: boolean
}

/**
 * Takes the oldest queued run that is nobody's (or this process's own) and whose dag has room; several processes may
 * ask at once.
 */
export async function claimRun(
  db: Metadata,
  jobId: number,
  { dagIds, onlyBegun }: Claimable,
): Promise<DagRun | undefined> {
  const { rows } = await db.query<DagRunRow>({
    name: 'claim_run',
    text: CLAIM_RUN,
    values: [jobId, dagIds, onlyBegun],
  })
  return rows[0] && toDagRun(rows[0])
}

const RUN_COLUMNS = `r.*, (${PREVIOUS_OF_R}) as previous,
  coalesce(extract(epoch from now() - r.started_at) * 1000, 0)::float8 as ran_for_ms`

const CLAIM_RUN = `
update metadata.dag_run r set state = 'running', job_id = $1, started_at = coalesce(r.started_at, now()), reason = null
where r.dag_run_id = (
    select q.dag_run_id from metadata.dag_run q join metadata.dag d using (dag_id)
    where q.state = 'queued' and q.dag_id = any($2::text[])
      and (q.job_id = $1 or (q.job_id is null and (q.started_at is not null or not $3)))
      and (select count(*) from metadata.dag_run a where a.dag_id = q.dag_id and a.state = 'running') < d.max_active_runs
    order by q.dag_run_id limit 1
    for no key update of q skip locked)
  and metadata.room_for_run(r.dag_id)
returning ${RUN_COLUMNS}`

/** A run as stored, whoever owns it. */
export async function readRun(db: Metadata, dagRunId: number): Promise<DagRun | undefined> {
  const { rows } = await db.query<DagRunRow>(
    `select ${RUN_COLUMNS} from metadata.dag_run r where r.dag_run_id = $1`,
    [dagRunId],
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
    jobId: row.job_id,
    version: row.version,
    reason: row.reason,
    logicalDate: row.logical_date,
    dataIntervalStart: row.data_interval_start,
    dataIntervalEnd: row.data_interval_end,
    conf: row.conf,
    ranForMs: row.ran_for_ms,
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
