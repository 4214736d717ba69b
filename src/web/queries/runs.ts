import type { GraphNode } from '../../dag/graph.ts'
import type { DagRunState, RunType, TaskInstanceState } from '../../dag/state.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { MARGIN, SHOWN } from '../excerpt.ts'

/** Characters read of a reason, with a margin so that a secret at the cut is recognised. */
export const REASON_READ = SHOWN.reason + MARGIN

export interface RunRow {
  id: number
  dag_id: string
  run_id: string
  run_type: RunType
  state: DagRunState
  logical_date: Date
  data_interval_start: Date
  data_interval_end: Date
  conf: Record<string, unknown>
  reason: string | null
  queued_at: Date
  start_date: Date | null
  end_date: Date | null
}

const RUN = `r.dag_run_id as id, r.dag_id, r.run_id, r.run_type, r.state, r.logical_date, r.data_interval_start,
  r.data_interval_end, r.conf, left(r.reason, ${REASON_READ}) as reason, r.queued_at, r.started_at as start_date, r.ended_at as end_date`

export interface RunsWanted {
  /** Null: of every dag. */
  dagId: string | null
  state?: DagRunState | null
  /** Only runs older than this number; null: from the newest on. */
  before?: number | null
  limit: number
}

/** Runs, newest first. */
export async function readRuns(
  db: Metadata,
  { dagId, state = null, before = null, limit }: RunsWanted,
): Promise<RunRow[]> {
  const { rows } = await db.query<RunRow>(
    `select ${RUN} from metadata.dag_run r
     where ($1::text is null or r.dag_id = $1) and ($2::text is null or r.state = $2)
       and r.dag_run_id < coalesce($3::bigint, 9223372036854775807)
     order by r.dag_run_id desc limit $4`,
    [dagId, state, before, limit],
  )
  return rows
}

export async function runById(db: Metadata, id: number): Promise<Pick<RunRow, 'dag_id' | 'run_id'> | undefined> {
  const text = 'select dag_id, run_id from metadata.dag_run where dag_run_id = $1'
  const { rows } = await db.query<Pick<RunRow, 'dag_id' | 'run_id'>>(text, [id])
  return rows[0]
}

export async function idOfRun(db: Metadata, dagId: string, runId: string): Promise<number | undefined> {
  const { rows } = await db.query<{ id: number }>(
    `select dag_run_id as id from metadata.dag_run r where dag_id = $1 and ($2 = 'latest' or run_id = $2)
     order by dag_run_id desc limit 1`,
    [dagId, runId],
  )
  return rows[0]?.id
}

export interface InstanceRow {
  task_id: string
  state: TaskInstanceState
  try_number: number
  reason: string | null
  due_at: Date | null
  start_date: Date | null
  end_date: Date | null
}

const INSTANCE = `task_id, state, try_number, left(reason, ${REASON_READ}) as reason, due_at, started_at as start_date,
  ended_at as end_date`

export interface OneInstance {
  run: RunRow
  /** Undefined if the run has no such task. */
  instance: (InstanceRow & { error: string | null; error_bytes: number | null }) | undefined
}

/** One task instance with its run and the beginning of its error; undefined for an unknown run. */
export async function readInstance(
  db: Metadata,
  dagId: string,
  runId: string,
  taskId: string,
): Promise<OneInstance | undefined> {
  const { rows: runs } = await db.query<RunRow>(
    `select ${RUN} from metadata.dag_run r
     where r.dag_id = $1 and ($2 = 'latest' or r.run_id = $2) order by r.dag_run_id desc limit 1`,
    [dagId, runId],
  )
  const [run] = runs
  if (run === undefined) return undefined
  const { rows } = await db.query<NonNullable<OneInstance['instance']>>(
    `select ${INSTANCE}, left(error, ${SHOWN.block + MARGIN}) as error, octet_length(error) as error_bytes
     from metadata.task_instance where dag_run_id = $1 and task_id = $2`,
    [run.id, taskId],
  )
  return { run, instance: rows[0] }
}

export interface WholeRun {
  run: RunRow
  /** The graph it was started with. */
  nodes: GraphNode[]
  instances: InstanceRow[]
}

/** A run with its task instances. Run id `latest` is the newest run. */
export async function readWholeRun(db: Metadata, dagId: string, runId: string): Promise<WholeRun | undefined> {
  const { rows } = await db.query<RunRow & { nodes: GraphNode[] }>(
    `select ${RUN}, v.graph as nodes from metadata.dag_run r join metadata.dag_version v using (dag_version_id)
     where r.dag_id = $1 and ($2 = 'latest' or r.run_id = $2) order by r.dag_run_id desc limit 1`,
    [dagId, runId],
  )
  if (rows[0] === undefined) return undefined
  const { nodes, ...run } = rows[0]
  const order = new Map(nodes.map(({ id }, index) => [id, index]))
  const instances = await db.query<InstanceRow>(
    `select ${INSTANCE} from metadata.task_instance where dag_run_id = $1`,
    [run.id],
  )
  instances.rows.sort((a, b) => (order.get(a.task_id) ?? 0) - (order.get(b.task_id) ?? 0))
  return { run, nodes, instances: instances.rows }
}

export interface GridCell {
  run: number
  task_id: string
  state: TaskInstanceState
  try_number: number
  /** Duration of its latest try in ms; null if it never started. */
  duration_ms: number | null
}

/** The instances of these tasks in these runs. Without task ids: the first `most` instances of each run. */
export async function readGrid(
  db: Metadata,
  runs: readonly number[],
  { taskIds, most }: { taskIds: readonly string[]; most: number },
): Promise<GridCell[]> {
  const { rows } = await db.query<GridCell>(
    `select dag_run_id as run, task_id, state, try_number,
       (extract(epoch from coalesce(ended_at, case when state = 'running' then now() end) - started_at) * 1000)::float8
         as duration_ms
     from unnest($1::bigint[]) run cross join lateral (
       select * from metadata.task_instance t
       where t.dag_run_id = run and (cardinality($2::text[]) = 0 or t.task_id = any($2::text[]))
       order by t.task_id limit $3) instance`,
    [runs, taskIds, most],
  )
  return rows
}
