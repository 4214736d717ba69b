import type { TaskInstanceState } from '../../dag/state.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { INSTANCE, type InstanceRow, type RunRow, readRun } from '../../operations/list-runs.ts'
import { MARGIN, SHOWN } from '../excerpt.ts'

export async function runById(db: Metadata, id: number): Promise<Pick<RunRow, 'dag_id' | 'run_id'> | undefined> {
  const text = 'select dag_id, run_id from metadata.dag_run where dag_run_id = $1'
  const { rows } = await db.query<Pick<RunRow, 'dag_id' | 'run_id'>>(text, [id])
  return rows[0]
}

export type Neighbour = Pick<RunRow, 'dag_id' | 'run_id' | 'logical_date'>

/** The runs of the dag that were queued just before and after a run. */
export async function readNeighbours(
  db: Metadata,
  { dag_id, id }: Pick<RunRow, 'dag_id' | 'id'>,
): Promise<{ previous: Neighbour | undefined; next: Neighbour | undefined }> {
  const { rows } = await db.query<Neighbour & { isNext: boolean }>(
    `(select dag_id, run_id, logical_date, false as "isNext" from metadata.dag_run
      where dag_id = $1 and dag_run_id < $2 order by dag_run_id desc limit 1)
     union all
     (select dag_id, run_id, logical_date, true from metadata.dag_run
      where dag_id = $1 and dag_run_id > $2 order by dag_run_id limit 1)`,
    [dag_id, id],
  )
  return { previous: rows.find(({ isNext }) => !isNext), next: rows.find(({ isNext }) => isNext) }
}

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
  const found = await readRun(db, dagId, runId)
  if (found === undefined) return undefined
  const { rows } = await db.query<NonNullable<OneInstance['instance']>>(
    `select ${INSTANCE}, left(error, ${SHOWN.block + MARGIN}) as error, octet_length(error) as error_bytes
     from metadata.task_instance t where dag_run_id = $1 and task_id = $2`,
    [found.run.id, taskId],
  )
  return { run: found.run, instance: rows[0] }
}

export interface RunSummary {
  /** The number of tasks in each state, most first. */
  counts: { state: TaskInstanceState; count: number }[]
  /** The first tasks that failed or will be tried again. */
  failed: { task_id: string; state: TaskInstanceState; reason: string | null }[]
}

/** @param most the number of failed tasks */
export async function readSummary(db: Metadata, run: number, most: number): Promise<RunSummary> {
  const { rows: counts } = await db.query<RunSummary['counts'][number]>(
    `select state, count(*)::int from metadata.task_instance where dag_run_id = $1 group by state order by 2 desc`,
    [run],
  )
  const { rows: failed } = await db.query<RunSummary['failed'][number]>(
    `select task_id, state, left(reason, ${SHOWN.listed + MARGIN}) as reason from metadata.task_instance
     where dag_run_id = $1 and state in ('failed', 'up_for_retry') order by started_at, task_id limit $2`,
    [run, most],
  )
  return { counts, failed }
}

export interface GridCell {
  run: number
  task_id: string
  state: TaskInstanceState
  try_number: number
  /** Duration of the latest try in ms; null if the task never started. */
  duration_ms: number | null
}

export interface GroupCell {
  run: number
  group: string
  /** The distinct states of its tasks. */
  states: TaskInstanceState[]
  /** From the start of its first task to the end of its last one in ms; null if none started. */
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

/** From the start of the first task instance of a group of rows to the end of the last one, or to now. */
const SPAN_MS = `(extract(epoch from max(coalesce(ended_at, case when state = 'running' then now() end)) - min(started_at))
  * 1000)::float8`

/** The instances of these tasks in these runs, by group. A task may be in several groups. */
export async function readGroups(
  db: Metadata,
  runs: readonly number[],
  members: readonly { group: string; taskId: string }[],
): Promise<GroupCell[]> {
  if (members.length === 0) return []
  const { rows } = await db.query<GroupCell>(
    `select dag_run_id as run, "group", array_agg(distinct state::text) as states,
       ${SPAN_MS} as duration_ms
     from metadata.task_instance join unnest($2::text[], $3::text[]) as member ("group", task_id) using (task_id)
     where dag_run_id = any($1::bigint[])
     group by dag_run_id, "group"`,
    [runs, members.map(({ group }) => group), members.map(({ taskId }) => taskId)],
  )
  return rows
}

export interface ElementsCell extends Omit<GroupCell, 'group'> {
  task_id: string
  ended: number
  total: number
}

/** The elements of these mapped tasks in these runs, by task. */
export async function readElements(
  db: Metadata,
  runs: readonly number[],
  taskIds: readonly string[],
): Promise<ElementsCell[]> {
  if (taskIds.length === 0) return []
  const { rows } = await db.query<ElementsCell>(
    `select dag_run_id as run, split_part(task_id, '[', 1) as task_id, array_agg(distinct state::text) as states,
       count(ended_at)::int as ended, count(*)::int as total,
       ${SPAN_MS} as duration_ms
     from metadata.task_instance
     where dag_run_id = any($1::bigint[]) and task_id like '%]' and split_part(task_id, '[', 1) = any($2::text[])
     group by 1, 2`,
    [runs, taskIds],
  )
  return rows
}
