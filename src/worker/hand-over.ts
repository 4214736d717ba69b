import type { Dag } from '../dag/dag.ts'
import { graphHash } from '../metadata/dags.ts'
import type { HandOver } from '../runner/executor.ts'

/** @param schema the schema of graphile-worker */
export function handOverTo(schema: string): HandOver {
  const jobOf: HandOver['jobOf'] = (dag, taskId) => {
    return { taskId, identifier: identifierOf(dag), priority: dag.tasks.get(taskId)?.priority ?? 0 }
  }
  return { sql: HANDED.replaceAll('ENGINE', `"${schema}"`), jobOf }
}

/**
 * Older runs start first. The engine starts jobs with a low number first. Without `having`, a change that starts no try
 * would wake every worker.
 */
const HANDED = `handed as (
  select ENGINE.add_jobs(array_agg((j.identifier,
    json_build_object('dagRunId', m.dag_run_id, 'taskId', m.task_id, 'tryNumber', m.try_number), null, r.queued_at, 25, null,
    greatest(-32768, least(32767, -j.priority)), null)::ENGINE.job_spec))
  from moved m join metadata.dag_run r using (dag_run_id) join jsonb_to_recordset($5::jsonb -> 'handed') as j
    ("dagRunId" bigint, "taskId" text, identifier text, priority int) on j."dagRunId" = m.dag_run_id and j."taskId" = m.task_id
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
