import type { DagRunState, RunType, TaskInstanceState } from '../dag/state.ts'
import { storableJson } from '../db/text.ts'
import type { Metadata } from './metadata.ts'
import type { TaskInstance } from './task-instances.ts'

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
  previous: Date | null
}

const RUN_COLUMNS = `r.dag_run_id as "dagRunId", r.dag_id as "dagId", r.dag_version_id as "dagVersionId", r.run_id as "runId",
  r.run_type as "runType", r.state, r.job_id as "jobId", r.version, r.reason, r.logical_date as "logicalDate",
  r.data_interval_start as "dataIntervalStart", r.data_interval_end as "dataIntervalEnd", r.conf,
  coalesce(extract(epoch from now() - r.started_at) * 1000, 0)::float8 as "ranForMs",
  (select p.logical_date from metadata.dag_run p
   where p.dag_id = r.dag_id and p.state = 'success' and p.logical_date < r.logical_date
   order by p.dag_run_id desc limit 1) as previous`

export interface Insertion {
  run: NewDagRun
  instances: readonly Pick<TaskInstance, 'taskId' | 'state' | 'tryNumber' | 'reason'>[]
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
  const runs = insertions.map(({ run, owned }, position) => ({ ...run, owned, position }))
  const instances = insertions.flatMap((one, position) => one.instances.map((instance) => ({ ...instance, position })))
  const { rows } = await db.query<DagRun & { position: number }>({
    name: 'insert_runs',
    text: INSERT_RUNS,
    values: [jobId, db.channel, storableJson(runs), JSON.stringify(instances)],
  })
  const inserted = new Map(rows.map(({ position, ...run }) => [position, run]))
  return insertions.map((_, position) => inserted.get(position))
}

/** The dags' rows are locked in one order, so that several processes neither overbook nor deadlock. */
const INSERT_RUNS = `
with wanted as materialized (
  select * from jsonb_to_recordset($3::jsonb) as w ("dagId" text, "dagVersionId" bigint, "runId" text, "runType" text,
    "logicalDate" timestamptz, "dataIntervalStart" timestamptz, "dataIntervalEnd" timestamptz, conf jsonb, owned bool, position int)
), room as materialized (
  select d."dagId", metadata.room_for_runs(d."dagId") as free
  from (select distinct "dagId" from wanted where owned order by 1) d
), placed as (
  select w.*, case when w.owned and row_number() over (partition by w."dagId", w.owned order by w.position) <= room.free
    then 'running' else 'queued' end as state
  from wanted w left join room using ("dagId")
), run as (
  insert into metadata.dag_run (dag_id, dag_version_id, run_id, run_type, state, logical_date,
    data_interval_start, data_interval_end, conf, job_id, started_at)
  select "dagId", "dagVersionId", "runId", "runType", state, "logicalDate", "dataIntervalStart", "dataIntervalEnd", conf,
    case when owned then $1::bigint end, case when state = 'running' then now() end
  from placed order by position
  on conflict do nothing
  returning *
), known as (
  select run.*, w.position from run join wanted w on w."dagId" = run.dag_id and w."runId" = run.run_id
), instances as (
  insert into metadata.task_instance (dag_run_id, task_id, reason, state, try_number, job_id, started_at)
  select k.dag_run_id, i."taskId", case when k.state = 'running' then i.reason end,
    case when k.state = 'running' then i.state else 'none' end,
    case when k.state = 'running' then i."tryNumber" else 0 end,
    case when k.state = 'running' and i.state = 'running' then $1::bigint end,
    case when k.state = 'running' and i.state = 'running' then now() end
  from jsonb_to_recordset($4::jsonb) as i (position int, "taskId" text, state text, "tryNumber" int, reason text)
  join known k using (position)
)
select r.position, ${RUN_COLUMNS}, case when r.job_id is null then pg_notify($2, 'run') end from known r`

/** Which queued runs a process takes up: those of its dags, or of them only those that somebody began and left. */
export interface Claimable {
  dagIds: readonly string[]
  onlyBegun: boolean
}

/**
 * Takes the oldest queued run that is nobody's (or this process's own) and whose dag has room; several processes may
 * ask at once.
 */
export async function claimRun(db: Metadata, jobId: number, of: Claimable): Promise<DagRun | undefined> {
  const values = [jobId, of.dagIds, of.onlyBegun]
  const { rows } = await db.query<DagRun>({ name: 'claim_run', text: CLAIM_RUN, values })
  return rows[0]
}

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

/**
 * A running run of this process that is none of those it knows: claimed by a statement whose answer was lost with the
 * connection.
 */
export async function forgottenRun(db: Metadata, jobId: number, known: readonly number[]): Promise<DagRun | undefined> {
  const text = `select ${RUN_COLUMNS} from metadata.dag_run r
    where r.job_id = $1 and r.state = 'running' and r.dag_run_id <> all($2::bigint[]) limit 1`
  const { rows } = await db.query<DagRun>(text, [jobId, known])
  return rows[0]
}

/** A run as stored, whoever owns it. */
export async function readRun(db: Metadata, dagRunId: number): Promise<DagRun | undefined> {
  const text = `select ${RUN_COLUMNS} from metadata.dag_run r where r.dag_run_id = $1`
  const { rows } = await db.query<DagRun>(text, [dagRunId])
  return rows[0]
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
  }[]
}

const LISTED = `r.dag_id, r.run_id, r.run_type, r.state, r.logical_date, r.started_at as start_date, r.ended_at as end_date,
  r.conf`

/** The newest runs of a dag, newest first. */
export async function listRuns(db: Metadata, dagId: string, limit: number): Promise<DagRunListing[]> {
  const { rows } = await db.query<DagRunListing>(
    `select ${LISTED} from metadata.dag_run r where r.dag_id = $1 order by r.dag_run_id desc limit $2`,
    [dagId, limit],
  )
  return rows
}

/** One run with its task instances; `latest` is the newest. */
export async function showRun(db: Metadata, dagId: string, runId: string): Promise<DagRunDetails | undefined> {
  const { rows } = await db.query<DagRunDetails>(
    `select ${LISTED}, r.reason from metadata.dag_run r
     where r.dag_id = $1 and ($2 = 'latest' or r.run_id = $2) order by r.dag_run_id desc limit 1`,
    [dagId, runId],
  )
  const [run] = rows
  if (run === undefined) return undefined
  const instances = await db.query<DagRunDetails['task_instances'][number]>(
    `select t.task_id, t.state, t.try_number, t.started_at as start_date, t.ended_at as end_date, t.reason
     from metadata.dag_run r join metadata.dag_version v using (dag_version_id)
     cross join jsonb_array_elements(v.graph) with ordinality as node (task, position)
     join metadata.task_instance t on t.dag_run_id = r.dag_run_id and t.task_id = node.task ->> 'id'
     where r.dag_id = $1 and r.run_id = $2 order by node.position`,
    [dagId, run.run_id],
  )
  return { ...run, task_instances: instances.rows }
}
