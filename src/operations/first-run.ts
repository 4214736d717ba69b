import type { Dag } from '../dag/dag.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { enqueue } from './trigger.ts'

/** The id of the run. If two processes start at the same moment, only one run of this id is queued. */
const FIRST_RUN_ID = 'first_start'

/** Queues a run of a dag that has never run and is not paused. Returns false if it queued none. */
export async function enqueueFirstRun(db: Metadata, dag: Dag, logicalDate: Date): Promise<boolean> {
  const { rows } = await db.query<{ known: boolean }>(
    `select exists (select from metadata.dag_run where dag_id = $1)
       or exists (select from metadata.dag where dag_id = $1 and is_paused) as known`,
    [dag.id],
  )
  if (rows[0]?.known) return false
  return (await enqueue(db, dag, { logicalDate, runType: 'manual', conf: {} }, FIRST_RUN_ID)).isNew
}
