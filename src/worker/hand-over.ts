import type { Dag } from '../dag/dag.ts'
import { graphHash } from '../metadata/dags.ts'
import type { HandOver } from '../runner/executor.ts'

/** @param schema the schema of graphile-worker */
export function handOverTo(schema: string): HandOver {
  const jobOf: HandOver['jobOf'] = (dag, taskId) => {
    const [priority, index] = [dag.tasks.get(taskId)?.priority ?? 0, dag.graph.indexOf.get(taskId) ?? 0]
    return { taskId, identifier: identifierOf(dag), priority, index }
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

const identifiers = new WeakMap<Dag, string>()

/**
 * Returns the job name for tries of this dag with this graph. Workers that have loaded this graph take these jobs. The
 * name has at most 128 characters.
 */
export function identifierOf(dag: Dag): string {
  const known = identifiers.get(dag) ?? `${dag.id.slice(0, 100)}:${graphHash(dag.graph).slice(0, 16)}`
  identifiers.set(dag, known)
  return known
}
