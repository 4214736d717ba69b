import { createHash } from 'node:crypto'
import type { Dag } from '../dag/dag.ts'
import { partsOf, taskOf } from '../dag/map.ts'
import { graphHash } from '../metadata/dags.ts'
import type { HandOver } from '../runner/executor.ts'

/** @param schema the schema of graphile-worker */
export function handOverTo(schema: string): HandOver {
  const jobOf: HandOver['jobOf'] = (dag, taskId) => {
    const { queue = 'default', priority = 0 } = taskOf(dag, taskId) ?? {}
    return {
      taskId,
      identifier: identifierOf(dag, queue),
      priority,
      index: dag.graph.indexOf.get(partsOf(taskId).id) ?? 0,
    }
  }
  return { sql: HANDED.replaceAll('ENGINE', `"${schema}"`), jobOf }
}

/**
 * Older runs start first, then the tasks in the order of the graph. The engine starts jobs with a low number first, then
 * those with an early `run_at`, which must not be in the future. Without `having`, a change that starts no try would
 * wake every worker.
 */
const HANDED = `handed as (
  select ENGINE.add_jobs(array_agg((j.identifier,
    json_build_object('dagRunId', m.dag_run_id, 'taskId', m.task_id, 'tryNumber', m.try_number), null,
    least(now(), r.queued_at + j.index * interval '1 microsecond'), 25, null,
    greatest(-32768, least(32767, -j.priority)), null)::ENGINE.job_spec))
  from moved m join metadata.dag_run r using (dag_run_id) join jsonb_to_recordset($5::jsonb -> 'handed') as j ("dagRunId"
    bigint, "taskId" text, identifier text, priority int, index int) on j."dagRunId" = m.dag_run_id and j."taskId" = m.task_id
  having count(*) > 0
)`

/** The queues of the tasks of these dags. */
export function queuesOf(dags: Iterable<Dag>): string[] {
  return [...new Set([...dags].flatMap(({ tasks }) => [...tasks.values()].map(({ queue }) => queue)))].sort()
}

/**
 * The job names for tries of these dags in these queues. A worker also takes tries of a loaded dag that has no task in
 * the queue: the queue of a task may have changed in the code of the owner.
 */
export function identifiersOf(dags: Iterable<Dag>, queues: readonly string[]): string[] {
  return [...dags].flatMap((dag) => queues.map((queue) => identifierOf(dag, queue)))
}

const identifiers = new WeakMap<Dag, Map<string, string>>()

/**
 * Returns the job name for tries of this dag with this graph in this queue: queue, dag id (both shortened) and a hash.
 * The name has at most 128 characters, the limit of the engine.
 */
function identifierOf(dag: Dag, queue: string): string {
  const ofDag = identifiers.get(dag) ?? new Map<string, string>()
  const known = ofDag.get(queue) ?? `${queue.slice(0, 60)}:${dag.id.slice(0, 50)}:${hashOf(dag, queue)}`
  identifiers.set(dag, ofDag.set(queue, known))
  return known
}

function hashOf({ id, graph }: Dag, queue: string): string {
  return createHash('sha256')
    .update(JSON.stringify([queue, id, graphHash(graph)]))
    .digest('hex')
    .slice(0, 16)
}
