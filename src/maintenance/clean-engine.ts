import type { Metadata } from '../metadata/metadata.ts'
import { HANDED_OVER } from '../metadata/task-instances.ts'
import { engineProblem } from '../worker/engine-schema.ts'

/** A statement on graphile-worker's tables in this schema. */
export function ofEngine(schema: string, sql: string): string {
  return sql.replaceAll('ENGINE', `"${schema}"`)
}

/**
 * Deletes the jobs whose try no longer waits, makes those available that ended workers had locked, and resets the ids.
 * Returns the number of deleted jobs. Keeps the names of jobs: each running worker remembers their ids.
 */
export async function cleanEngine(db: Metadata, schema: string, { dryRun = false } = {}): Promise<number> {
  const problem = await engineProblem(db.pool, schema, db.schema)
  if (problem?.isFatal || problem?.code === 'engine_old') throw new Error(problem.message)
  if (dryRun) return (await db.query(ofEngine(schema, `select ${DEAD}`))).rowCount ?? 0
  await db.query(ofEngine(schema, UNLOCK))
  const { rowCount } = await db.query(ofEngine(schema, `delete ${DEAD}`))
  await db.transaction(async (tx) => {
    // Otherwise a concurrent statement could use an id that the reset makes available again.
    await tx.query(
      ofEngine(schema, `set local lock_timeout = '5s'; lock ENGINE._private_tasks in share row exclusive mode`),
    )
    await tx.query(ofEngine(schema, RESET_IDS))
  })
  await db.pool.query(ofEngine(schema, 'vacuum (analyze) ENGINE._private_jobs'))
  return rowCount ?? 0
}

/** Matches a job `j` whose lock belongs to no living worker. A worker that has just started may not be known yet. */
export const IS_STALE = `(j.locked_at < now() - interval '5 minutes' and not exists (
  select from metadata.job w where w.state = 'running' and w.engine_id = j.locked_by))`

const UNLOCK = `
select ENGINE.force_unlock_workers(array(select distinct j.locked_by from ENGINE._private_jobs j where ${IS_STALE}))`

const DEAD = `
from ENGINE._private_jobs j where (j.locked_at is null or ${IS_STALE})
  and not exists (
    select from metadata.task_instance t where t.dag_run_id::text = j.payload ->> 'dagRunId'
      and t.task_id = j.payload ->> 'taskId' and t.try_number::text = j.payload ->> 'tryNumber' and ${HANDED_OVER})`

/** The engine uses up an id for each write that adds jobs, and the ids end at 2^31. */
const RESET_IDS = `
select setval(pg_get_serial_sequence('ENGINE._private_tasks', 'id'), coalesce(max(id), 1)) from ENGINE._private_tasks`
