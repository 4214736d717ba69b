import { commandFor } from '../command-for.ts'
import type { Dag } from '../dag/dag.ts'
import { taskOf } from '../dag/map.ts'
import type { DagRunState } from '../dag/state.ts'
import { graphHash } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { HANDED_OVER } from '../metadata/task-instances.ts'
import { queuesOf } from '../worker/hand-over.ts'
import { type Executing, listWorkers, namesOf } from './alive.ts'

/** The reason why no worker takes a task. */
export interface NotServed {
  /** For a list of tasks: `no worker serves queue 'gpu'`. */
  brief: string
  /** Names the dag, and says what to do. */
  message: string
}

type Dags = ReadonlyMap<string, Dag>

/** With EXECUTOR=distributed: the reasons why no worker takes tasks of this dag, one for each queue without a worker. */
export async function whyNotServed(db: Metadata, dag: Dag): Promise<{ reasons: NotServed[]; isServed: boolean }> {
  const workers = await listServing(db, [dag.id])
  const queues = queuesOf([dag])
  const reasons = queues.flatMap((queue) => judge(workers, dag.id, dag, queue) ?? [])
  return { reasons, isServed: reasons.length < queues.length || queues.length === 0 }
}

/** As `whyNotServed`, as one message. Undefined if workers take all tasks. */
export async function whyNoWorker(db: Metadata, dag: Dag): Promise<string | undefined> {
  return (await whyNotServed(db, dag)).reasons[0]?.message
}

export interface RunKey {
  dag_id: string
  run_id: string
}

export type Unserved = RunKey & NotServed & { task_id: string }

/**
 * The tries that wait for a worker although no live worker takes them, with the reasons.
 *
 * @param dags the dags that this process has loaded. Of another dag, only a lack of all workers is found
 * @param runs default: all runs
 */
export async function listUnserved(
  db: Metadata,
  dags: Dags,
  runs?: readonly (RunKey & { state: DagRunState })[],
): Promise<Unserved[]> {
  const running = runs?.filter(({ state }) => state === 'running')
  if (running?.length === 0) return []
  const loaded = [...dags.values()].filter(({ id }) => running?.some(({ dag_id }) => dag_id === id) ?? true)
  const workers = await listServing(
    db,
    loaded.map(({ id }) => id),
  )
  // The usual case needs no list of tries, which may be long.
  const isServed = (dag: Dag) => queuesOf([dag]).every((queue) => judge(workers, dag.id, dag, queue) === undefined)
  if (workers.length > 0 && loaded.every(isServed)) return []
  const judged = new Map<string, NotServed | undefined>()
  return (await readHandedOver(db, running)).flatMap((row) => {
    const dag = dags.get(row.dag_id)
    const queue = dag && taskOf(dag, row.task_id)?.queue
    const key = `${row.dag_id} ${queue}`
    if (!judged.has(key)) judged.set(key, judge(workers, row.dag_id, dag, queue))
    const reason = judged.get(key)
    return reason === undefined ? [] : { ...row, ...reason }
  })
}

/** The tries that wait for a worker, of these runs or of all running runs. */
async function readHandedOver(db: Metadata, running?: readonly RunKey[]): Promise<(RunKey & { task_id: string })[]> {
  const { rows } = await db.query<RunKey & { task_id: string }>(
    `select r.dag_id, r.run_id, t.task_id from metadata.dag_run r join metadata.task_instance t using (dag_run_id)
     ${running === undefined ? '' : 'join unnest($1::text[], $2::text[]) as w (dag_id, run_id) using (dag_id, run_id)'}
     where r.state = 'running' and ${HANDED_OVER} order by r.dag_run_id, t.task_id`,
    running && [running.map(({ dag_id }) => dag_id), running.map(({ run_id }) => run_id)],
  )
  return rows
}

interface Serving extends Executing {
  /** The hash of the graph of each dag that it has loaded, by dag id. Null: unknown. */
  dags: Readonly<Record<string, string>> | null
  /** Null: unknown. */
  queues: readonly string[] | null
}

/** Live workers, with what they serve of these dags. */
async function listServing(db: Metadata, dagIds: readonly string[]): Promise<Serving[]> {
  const workers = await listWorkers(db)
  const { rows } = await db.query<Pick<Serving, 'job_id' | 'dags' | 'queues'>>(
    `select job_id, queues, case when dags is not null then
       (select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(dags) where key = any($2::text[])) end as dags
     from metadata.job where job_id = any($1::bigint[])`,
    [workers.map(({ job_id }) => job_id), dagIds],
  )
  const known = new Map(rows.map((row) => [row.job_id, row]))
  return workers.map((one) => ({ dags: null, queues: null, ...one, ...known.get(one.job_id) }))
}

/** @param dag undefined: it is not loaded here, so its queues and its current graph are unknown */
function judge(
  workers: readonly Serving[],
  dagId: string,
  dag: Pick<Dag, 'graph'> | undefined,
  queue: string | undefined,
): NotServed | undefined {
  if (workers.length === 0) {
    const start = `Start one with ${commandFor('worker')}`
    return {
      brief: 'no worker is running',
      message: `No worker is running, so no task of dag '${dagId}' can start. ${start}`,
    }
  }
  if (dag === undefined) return undefined
  const hash = graphHash(dag.graph)
  const having = workers.filter(({ dags }) => dags === null || dags[dagId] === hash)
  if (having.length === 0) {
    const restart = `Restart ${namesOf(workers)} with the same pipelines`
    return {
      brief: 'no worker has loaded this version of the dag',
      message: `No worker has loaded this version of dag '${dagId}', so none of its tasks can start. ${restart}`,
    }
  }
  if (queue === undefined || having.some(({ queues }) => queues === null || queues.includes(queue))) return undefined
  const others = workers.filter(({ queues }) => queues?.includes(queue))
  const fix =
    others.length > 0
      ? `Restart ${namesOf(others)} with the same pipelines`
      : `Start a worker with WORKER_QUEUES=${queue}`
  return {
    brief: `no worker serves queue '${queue}'`,
    message: `No worker serves queue '${queue}' of dag '${dagId}', so its tasks in that queue cannot start. ${fix}`,
  }
}
