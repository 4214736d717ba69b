import { createHash } from 'node:crypto'
import type { Dag } from '../dag/dag.ts'
import type { Graph } from '../dag/graph.ts'
import { MOST, storableText } from '../db/text.ts'
import type { Metadata } from './metadata.ts'

/** The pool that holds a dag's tasks to its `maxActiveTasks` is called this and its id. */
export const DAG_POOL = 'dag:'

/** Makes the dag known, with its limits as they are in the code now; returns the version of its graph. */
export async function registerDag(db: Metadata, dag: Dag): Promise<number> {
  const { id, schedule, timezone, maxActiveRuns, maxActiveTasks = null } = dag
  const description = storableText(dag.description, MOST.description)
  const tags = dag.tags.slice(0, MOST.tags).map((tag) => storableText(tag, MOST.tag))
  const graph = JSON.stringify(dag.graph.nodes)
  const hash = graphHash(dag.graph)
  const { rows } = await db.query<{ dag_version_id: number }>(
    `with known as (
       insert into metadata.dag as d (dag_id, description, schedule, timezone, tags, max_active_runs, max_active_tasks)
       values ($1, $2, $3, $4, $5, $6, $7::int)
       on conflict (dag_id) do update set
         description = excluded.description, schedule = excluded.schedule, timezone = excluded.timezone,
         tags = excluded.tags, max_active_runs = excluded.max_active_runs,
         max_active_tasks = excluded.max_active_tasks, import_error = null, last_seen_at = now()
       returning dag_id
     ), own_pool as (
       insert into metadata.pool as p (pool, slots, description)
       select '${DAG_POOL}' || dag_id, $7::int, 'maxActiveTasks' from known where $7::int is not null
       on conflict (pool) do update set slots = excluded.slots
     )
     insert into metadata.dag_version as v (dag_id, hash, graph)
     select dag_id, $8, $9 from known
     on conflict (dag_id, hash) do update set hash = v.hash
     returning dag_version_id`,
    [id, description, schedule, timezone, tags, maxActiveRuns, maxActiveTasks, hash, graph],
  )
  return rows[0]?.dag_version_id ?? 0
}

/** The version of a graph, as `dag_version.hash` has it. */
export function graphHash({ nodes }: Graph): string {
  return createHash('sha256').update(JSON.stringify(nodes)).digest('hex')
}
