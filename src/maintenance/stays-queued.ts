import { commandFor } from '../command-for.ts'
import type { Dag } from '../dag/dag.ts'
import type { DagRunState } from '../dag/state.ts'
import { graphHash } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { type Executing, listExecuting, namesOf } from './alive.ts'
import { listUnserved, type RunKey, whyNoWorker } from './not-served.ts'

export interface ExecutingWithDags extends Executing {
  /**
   * The hash of each loaded dag's graph, by dag id. Null if the process runs an older version of T-minus, which does
   * not record them.
   */
  dags: Readonly<Record<string, string>> | null
  /** Task instances that it runs. */
  used: number
  /** True if it passes its tries to workers. */
  has_workers: boolean
}

/** Processes that execute queued runs, with the dags that each has loaded. */
export async function listExecutingWithDags(db: Metadata): Promise<ExecutingWithDags[]> {
  return await withDags(db, await listExecuting(db))
}

async function withDags(db: Metadata, executing: readonly Executing[]): Promise<ExecutingWithDags[]> {
  const { rows } = await db.query<Pick<ExecutingWithDags, 'job_id' | 'dags' | 'used' | 'has_workers'>>(
    `select job_id, dags, slots is null and tminus_version is not null as has_workers, (select count(*)::int from metadata.dag_run r join metadata.task_instance t using (dag_run_id)
       where r.state = 'running' and r.job_id = j.job_id and t.state = 'running') as used
     from metadata.job j where job_id = any($1::bigint[])`,
    [executing.map(({ job_id }) => job_id)],
  )
  const known = new Map(rows.map((row) => [row.job_id, row]))
  return executing.map((one) => ({ ...one, ...(known.get(one.job_id) ?? { dags: null, used: 0, has_workers: false }) }))
}

export const NO_PROCESS = `No process is executing runs, so the run stays queued. Start one with ${commandFor('start')}`

/**
 * Says why no process or worker will execute a new run of this dag, or why it may fail. Undefined if there is no such
 * problem.
 */
export async function whyStaysQueued(db: Metadata, dag: Dag): Promise<string | undefined> {
  const executing = await listExecutingWithDags(db)
  const problem = judgeProcesses(executing, dag.id, graphHash(dag.graph))
  if (problem !== undefined || !executing.some(({ has_workers }) => has_workers)) return problem
  return await whyNoWorker(db, dag)
}

/** A queued run, and the limits that it waits for. */
export interface QueuedRun {
  dag_id: string
  run_id: string
  /** Hash of the run's graph if this graph is the newest of its dag. */
  hash: string | null
  /** True if `pipeline` started the run: only that process executes it. */
  is_owned: boolean
  queued_ms: number
  /** Running runs of its dag. */
  running: number
  max_active_runs: number
}

/**
 * Returns a function that gives the reason why one of these runs waits, or one of its tasks: a queued run that cannot
 * start now, or tries that no worker takes. Null: it does not wait, or no reason is known.
 *
 * @param dags the dags that this process has loaded
 */
export async function readWaiting(
  db: Metadata,
  dags: ReadonlyMap<string, Dag>,
  runs: readonly (RunKey & { state: DagRunState })[],
): Promise<(run: RunKey, taskId?: string) => string | null> {
  const queued = await readQueued(
    db,
    runs.filter(({ state }) => state === 'queued'),
  )
  const unserved = await listUnserved(db, dags, runs)
  const ofRuns = new Map([...unserved].reverse().map((one) => [keyOf(one), one.message]))
  const ofTasks = new Map(unserved.map((one) => [`${keyOf(one)} ${one.task_id}`, one.brief]))
  return (run, taskId) => {
    if (taskId !== undefined) return ofTasks.get(`${keyOf(run)} ${taskId}`) ?? null
    return queued.get(keyOf(run)) ?? ofRuns.get(keyOf(run)) ?? null
  }
}

async function readQueued(db: Metadata, queued: readonly RunKey[]): Promise<Map<string, string | undefined>> {
  if (queued.length === 0) return new Map()
  const executing = await listExecutingWithDags(db)
  const { rows } = await db.query<QueuedRun>(QUEUED, [
    queued.map(({ dag_id }) => dag_id),
    queued.map(({ run_id }) => run_id),
  ])
  return new Map(rows.map((run) => [keyOf(run), waitingFor(run, executing)]))
}

const QUEUED = `
with queued as materialized (
  select r.dag_id, r.run_id, r.dag_version_id, r.job_id, r.queued_at
  from unnest($1::text[], $2::text[]) as wanted (dag_id, run_id) join metadata.dag_run r using (dag_id, run_id)
  where r.state = 'queued'
), dags as materialized (
  select d.dag_id, d.max_active_runs,
    (select count(*)::int from metadata.dag_run a where a.dag_id = d.dag_id and a.state = 'running') as running,
    (select max(dag_version_id) from metadata.dag_version v where v.dag_id = d.dag_id) as newest
  from metadata.dag d where d.dag_id in (select dag_id from queued)
)
select q.dag_id, q.run_id, v.hash, q.job_id is not null as is_owned, d.running, d.max_active_runs,
  (extract(epoch from now() - q.queued_at) * 1000)::float8 as queued_ms
from queued q join dags d using (dag_id)
left join metadata.dag_version v on v.dag_version_id = q.dag_version_id and v.dag_version_id = d.newest`

function keyOf({ dag_id, run_id }: RunKey): string {
  return `${dag_id} ${run_id}`
}

/** A run that can start does so within this time. */
const STARTS_WITHIN_MS = 2_000

/** Returns the reason why a queued run waits; undefined if no reason is known. */
export function waitingFor(run: QueuedRun, executing: readonly ExecutingWithDags[]): string | undefined {
  const { dag_id, hash, is_owned, queued_ms, running, max_active_runs } = run
  const problem = is_owned ? undefined : judgeProcesses(executing, dag_id, hash)
  if (problem !== undefined) return problem
  if (running >= max_active_runs)
    return `Waits for room: ${running} of ${max_active_runs} runs of this dag are running (max_active_runs)`
  const used = executing.reduce((sum, one) => sum + (hasLoaded(one, dag_id) ? one.used : 0), 0)
  if (used === 0 || queued_ms < STARTS_WITHIN_MS || is_owned) return undefined
  return `Waits for a free slot: the processes that have loaded this dag run ${used} other task instance${used === 1 ? '' : 's'}`
}

function judgeProcesses(
  executing: readonly ExecutingWithDags[],
  dagId: string,
  hash: string | null,
): string | undefined {
  if (executing.length === 0) return NO_PROCESS
  const having = executing.filter((one) => hasLoaded(one, dagId))
  if (having.length === 0)
    return `No running process has loaded dag '${dagId}', so the run stays queued. Restart ${namesOf(executing)}: it started before the dag was added, or with another PIPELINES_DIR`
  if (hash === null || having.some(({ dags }) => dags === null || dags[dagId] === hash)) return undefined
  return `${namesOf(having)} has loaded another version of dag '${dagId}', so this run may fail. Restart it`
}

export function hasLoaded({ dags }: Pick<ExecutingWithDags, 'dags'>, dagId: string): boolean {
  return dags === null || Object.hasOwn(dags, dagId)
}
