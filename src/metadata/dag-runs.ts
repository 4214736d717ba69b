import type { DagRunState, RunType, TaskInstanceState } from '../dag/state.ts'
import { storableJson } from '../db/text.ts'
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

export interface Insertion {
  run: NewDagRun
  instances: readonly NewTaskInstance[]
  /** Owned by the process that inserts it, or queued for whoever has room. */
  owned: boolean
}

/**
 * Inserts runs with all their task instances in one statement. An owned one is running if its dag has room (else
 * queued, its instances at none), one that is not is queued. In the place of a run whose id, or tick, is there
 * already stands undefined.
 */
export async function insertRuns(
  db: Metadata,
  jobId: number,
  insertions: readonly Insertion[],
): Promise<(DagRun | undefined)[]> {
  const { rows } = await db.query<InsertedRow>({
    name: 'insert_runs',
    text: INSERT_RUNS,
    values: [jobId, db.channel, ...newRunColumns(insertions), ...newInstanceColumns(insertions)],
  })
  const inserted = new Map(rows.map((row) => [row.position, row]))
  return insertions.map(({ run, owned }, index) => {
    const row = inserted.get(index + 1)
    if (row === undefined) return undefined
    const { dag_run_id: dagRunId, state, previous } = row
    const jobIdOf = owned ? jobId : null
    return {
      ...run,
      dagRunId,
      state,
      jobId: jobIdOf,
      version: 0,
      reason: null,
      ranForMs: 0,
      previous: previous ?? undefined,
    }
  })
}

type InsertedRow = Pick<DagRunRow, 'dag_run_id' | 'state' | 'previous'> & { position: number }

const PREVIOUS_OF_R = `select p.logical_date from metadata.dag_run p
  where p.dag_id = r.dag_id and p.state = 'success' and p.logical_date < r.logical_date
  order by p.dag_run_id desc limit 1`

/** The dags' rows are locked in one order, so that several processes neither overbook nor deadlock. */
const INSERT_RUNS = `
with wanted as (
  select * from unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[],
      $9::timestamptz[], $10::text[], $11::bool[])
    with ordinality as w (dag_id, dag_version_id, run_id, run_type, logical_date, data_interval_start,
      data_interval_end, conf, owned, position)
), room as materialized (
  select d.dag_id, metadata.room_for_runs(d.dag_id) as free
  from (select distinct dag_id from wanted where owned order by dag_id) d
), placed as (
  select w.*, case when w.owned and row_number() over (partition by w.dag_id, w.owned order by w.position) <= room.free
    then 'running' else 'queued' end as state
  from wanted w left join room using (dag_id)
), run as (
  insert into metadata.dag_run (dag_id, dag_version_id, run_id, run_type, state, logical_date,
    data_interval_start, data_interval_end, conf, job_id, started_at)
  select dag_id, dag_version_id, run_id, run_type, state, logical_date, data_interval_start, data_interval_end,
    conf::jsonb, case when owned then $1::bigint end, case when state = 'running' then now() end
  from placed order by position
  on conflict do nothing
  returning *
), known as (
  select run.*, w.position from run join wanted w using (dag_id, run_id)
), instances as (
  insert into metadata.task_instance (dag_run_id, task_id, reason, state, try_number, job_id, started_at)
  select k.dag_run_id, i.task_id, case when k.state = 'running' then i.reason end,
    case when k.state = 'running' then i.state else 'none' end,
    case when k.state = 'running' then i.try_number else 0 end,
    case when k.state = 'running' and i.state = 'running' then $1::bigint end,
    case when k.state = 'running' and i.state = 'running' then now() end
  from unnest($12::bigint[], $13::text[], $14::text[], $15::int[], $16::text[])
    as i (position, task_id, state, try_number, reason)
  join known k using (position)
)
select r.position, r.dag_run_id, r.state, (${PREVIOUS_OF_R}) as previous,
  case when r.job_id is null then pg_notify($2, 'run') end
from known r`

function newRunColumns(insertions: readonly Insertion[]): unknown[][] {
  return [
    insertions.map(({ run }) => run.dagId),
    insertions.map(({ run }) => run.dagVersionId),
    insertions.map(({ run }) => run.runId),
    insertions.map(({ run }) => run.runType),
    insertions.map(({ run }) => run.logicalDate),
    insertions.map(({ run }) => run.dataIntervalStart),
    insertions.map(({ run }) => run.dataIntervalEnd),
    insertions.map(({ run }) => storableJson(run.conf) ?? '{}'),
    insertions.map(({ owned }) => owned),
  ]
}

function newInstanceColumns(insertions: readonly Insertion[]): unknown[][] {
  const rows = insertions.flatMap(({ instances }, index) =>
    instances.map((one) => ({ position: index + 1, ...one })),
  )
  return [
    rows.map((row) => row.position),
    rows.map((row) => row.taskId),
    rows.map((row) => row.state),
    rows.map((row) => row.tryNumber),
    rows.map((row) => row.reason),
  ]
}

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
  and metadata.room_for_runs(r.dag_id) > 0
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
