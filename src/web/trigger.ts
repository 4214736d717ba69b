import type { Dag } from '../dag/dag.ts'
import { enqueue } from '../operations/trigger.ts'
import type { Site, Viewer } from './site.ts'

/** Queues a manual run and logs the user. Returns the run's id. */
export async function queueRun(
  site: Site,
  viewer: Viewer,
  dag: Dag,
  conf: Record<string, unknown>,
  logicalDate: Date = site.now(),
): Promise<string> {
  const { runId } = await enqueue(site.metadata, dag, { logicalDate, conf })
  site.log.info({ dag_id: dag.id, run_id: runId, user: viewer.name }, 'triggered on the page')
  return runId
}
