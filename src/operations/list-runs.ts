import type { GraphNode } from '../dag/graph.ts'
import { partsOf } from '../dag/map.ts'
import type { DagRunState, RunType, TaskInstanceState } from '../dag/state.ts'
import type { Metadata } from '../metadata/metadata.ts'

/** A run as the command line, the API and the pages show it. */
export interface RunRow {
  id: number
  dag_id: string
  run_id: string
  run_type: RunType
  state: DagRunState
  logical_date: Date
  data_interval_start: Date
  data_interval_end: Date
  start_date: Date | null
  end_date: Date | null
  conf: Record<string, unknown>
  reason: string | null
  queued_at: Date
  /** A user's note. */
  note: string | null
  /** Why it was stopped, also while its teardowns still run. */
  stop_reason: string | null
  /** When `onLate` was called for it. */
  late_at: Date | null
  /** The task that started the run; null: none, or its run was deleted. */
  parent: LinkedRun | null
}

/** A run that started another one, or was started by it. `task_id`: the task that started it. */
export interface LinkedRun {
  dag_id: string
  run_id: string
  task_id: string
  state: DagRunState
}

/** As `LinkedRun`, of the dag option `after`. `task_id`: the task that succeeded; null: the whole run. */
export type FollowedRun = Omit<LinkedRun, 'task_id'> & { task_id: string | null }

/** The runs that a run is linked to, each list with the newest ones, newest first. */
export interface Links {
  /** Runs that its tasks started. */
  children: LinkedRun[]
  /** Runs of other dags whose success started it. */
  after: FollowedRun[]
  /** Runs of other dags that its success, or that of a task of it, started. */
  followers: FollowedRun[]
}

export interface InstanceRow {
  task_id: string
  state: TaskInstanceState
  try_number: number
  start_date: Date | null
  end_date: Date | null
  reason: string | null
  /** Hash of the sources that the process of the latest try had loaded; null: unknown. */
  code_version: string | null
  due_at: Date | null
}

/**
 * The maximum number of characters to read of a reason, because older versions stored longer reasons. Pages show fewer,
 * cut by `beginning`.
 */
export const MOST_REASON = 6_000

const RUN = `r.dag_run_id as id, r.dag_id, r.run_id, r.run_type, r.state, r.logical_date, r.data_interval_start,
  r.data_interval_end, r.started_at as start_date, r.ended_at as end_date, r.conf,
  left(r.reason, ${MOST_REASON}) as reason, r.queued_at, r.note, r.stop_reason, r.late_at, (
    select jsonb_build_object('dag_id', p.dag_id, 'run_id', p.run_id, 'task_id', r.parent_task_id, 'state', p.state)
    from metadata.dag_run p where p.dag_run_id = r.parent_dag_run_id) as parent`
export const INSTANCE = `task_id, state, try_number, started_at as start_date, ended_at as end_date,
  left(reason, ${MOST_REASON}) as reason,
  (select j.code_version from metadata.job j where j.job_id = t.job_id) as code_version, due_at`

export interface RunFilter {
  /** Null: of every dag. */
  dagId: string | null
  state?: DagRunState | null
  runType?: RunType | null
  /** The range of logical dates, both ends included. */
  since?: Date | null
  until?: Date | null
}

export interface RunsWanted extends RunFilter {
  /** Only runs of these dags. Null: of every dag. */
  dagIds?: readonly string[] | null
  /** Only runs that had not ended before this instant. */
  activeSince?: Date | null
  /** Only runs that were queued by this instant. */
  activeUntil?: Date | null
  /** Only runs that have ended. */
  isOver?: boolean
  /** Only runs with an id below this one; null: from the newest on. */
  before?: number | null
  limit: number
}

/** Runs, newest first. */
export async function readRuns(db: Metadata, wanted: RunsWanted): Promise<RunRow[]> {
  const {
    dagId,
    state = null,
    runType = null,
    since = null,
    until = null,
    dagIds = null,
    activeSince = null,
    activeUntil = null,
    isOver = false,
    before = null,
    limit,
  } = wanted
  const { rows } = await db.query<RunRow>(
    `select ${RUN} from metadata.dag_run r
     where ($1::text is null or r.dag_id = $1) and ($2::text is null or r.state = $2)
       and r.dag_run_id < coalesce($3::bigint, 9223372036854775807) and ($5::text is null or r.run_type = $5)
       and ($6::timestamptz is null or r.logical_date >= $6) and ($7::timestamptz is null or r.logical_date <= $7)
       and (not $8 or r.ended_at is not null) and ($9::text[] is null or r.dag_id = any($9))
       and ($10::timestamptz is null or r.ended_at is null or r.ended_at >= $10)
       and ($11::timestamptz is null or r.queued_at <= $11)
     order by r.dag_run_id desc limit $4`,
    [dagId, state, before, limit, runType, since, until, isOver, dagIds, activeSince, activeUntil],
  )
  return rows
}

export interface RunWithGraph {
  run: RunRow
  /** The graph that the run was started with. */
  nodes: GraphNode[]
}

/** One run. The id `latest` is the newest run of the dag. */
export async function readRun(db: Metadata, dagId: string, runId: string): Promise<RunWithGraph | undefined> {
  const { rows } = await db.query<RunRow & { nodes: GraphNode[] }>(
    `select ${RUN}, v.graph as nodes from metadata.dag_run r join metadata.dag_version v using (dag_version_id)
     where r.dag_id = $1 and ($2 = 'latest' or r.run_id = $2) order by r.dag_run_id desc limit 1`,
    [dagId, runId],
  )
  if (rows[0] === undefined) return undefined
  const { nodes, ...run } = rows[0]
  return { run, nodes }
}

export interface WholeRun extends RunWithGraph, Links {
  /** In the order of the graph, each mapped task before its elements; then the tasks that the graph no longer has. */
  instances: InstanceRow[]
}

/** One run with its task instances. The id `latest` is the newest run of the dag. */
export async function readWholeRun(db: Metadata, dagId: string, runId: string): Promise<WholeRun | undefined> {
  const found = await readRun(db, dagId, runId)
  if (found === undefined) return undefined
  const order = new Map(found.nodes.map(({ id }, index) => [id, index]))
  const { rows } = await db.query<InstanceRow>(
    `select ${INSTANCE} from metadata.task_instance t where dag_run_id = $1`,
    [found.run.id],
  )
  const links = await readLinks(db, found.run.id)
  const positionOf = ({ task_id }: InstanceRow) => order.get(partsOf(task_id).id) ?? order.size
  const mapIndexOf = ({ task_id }: InstanceRow) => partsOf(task_id).mapIndex ?? -1
  rows.sort((a, b) => positionOf(a) - positionOf(b) || mapIndexOf(a) - mapIndexOf(b))
  const instances = rows.map((row) => (positionOf(row) < order.size ? row : outdated(row)))
  return { ...found, instances, ...links }
}

const MOST_LINKS = 100

async function readLinks(db: Metadata, dagRunId: number): Promise<Links> {
  const { rows } = await db.query<LinkedRun & { list: keyof Links }>(READ_LINKS, [dagRunId])
  const of = (wanted: keyof Links) => rows.flatMap(({ list, ...run }) => (list === wanted ? run : []))
  return { children: of('children'), after: of('after'), followers: of('followers') }
}

const READ_LINKS = `
(select 'children' as list, dag_id, run_id, parent_task_id as task_id, state from metadata.dag_run
 where parent_dag_run_id = $1 order by dag_run_id desc limit ${MOST_LINKS})
union all
(select 'after', r.dag_id, r.run_id, nullif(s.task_id, ''), r.state
 from metadata.dag_after_success s join metadata.dag_run r using (dag_run_id)
 where s.started_run_id = $1 order by r.dag_run_id desc limit ${MOST_LINKS})
union all
(select 'followers', r.dag_id, r.run_id, nullif(s.task_id, ''), r.state
 from metadata.dag_after_success s join metadata.dag_run r on r.dag_run_id = s.started_run_id
 where s.dag_run_id = $1 order by r.dag_run_id desc limit ${MOST_LINKS})`

/** A task that `clear` with the current graph has left behind. */
function outdated(row: InstanceRow): InstanceRow {
  return { ...row, reason: `no longer in the graph of this run${row.reason === null ? '' : `: ${row.reason}`}` }
}

/** A run in the JSON of `dags runs`. */
export type DagRunListing = Omit<
  RunRow,
  | 'id'
  | 'data_interval_start'
  | 'data_interval_end'
  | 'reason'
  | 'queued_at'
  | 'note'
  | 'stop_reason'
  | 'late_at'
  | 'parent'
>

/** A run in the JSON of `runs show`. */
export interface DagRunDetails extends DagRunListing, Links {
  reason: string | null
  note: string | null
  parent: LinkedRun | null
  /** In the order of the run's graph. */
  task_instances: Omit<InstanceRow, 'due_at'>[]
}

/** The newest runs of a dag, newest first. */
export async function listRuns(db: Metadata, dagId: string, limit: number): Promise<DagRunListing[]> {
  return (await readRuns(db, { dagId, limit })).map(listing)
}

/** One run with its task instances. The id `latest` is the newest run of the dag. */
export async function showRun(db: Metadata, dagId: string, runId: string): Promise<DagRunDetails | undefined> {
  const found = await readWholeRun(db, dagId, runId)
  if (found === undefined) return undefined
  const task_instances = found.instances.map(({ due_at: _, ...instance }) => instance)
  const { children, after, followers, run } = found
  const { reason, note, parent } = run
  return { ...listing(run), reason, note, parent, children, after, followers, task_instances }
}

export function listing({
  id,
  data_interval_start,
  data_interval_end,
  reason,
  queued_at,
  note,
  stop_reason,
  late_at,
  parent,
  ...listed
}: RunRow): DagRunListing {
  return listed
}
