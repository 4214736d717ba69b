import type { Dag } from '../dag/dag.ts'
import type { RunRow } from '../operations/list-runs.ts'
import { enqueue } from '../operations/trigger.ts'
import type { Site, Viewer, WebContext } from './site.ts'

/** Queues a manual run, and logs which user queued it. Returns the run's id. */
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

/** The run's key for `operations/`. */
export function keyOf({ dag_id, run_id }: RunRow) {
  return { dagId: dag_id, runId: run_id }
}

/** Logs which user changed which tasks of a run. */
export function logChange(c: WebContext, run: RunRow, change: string, taskIds: readonly string[]): void {
  const { site, viewer } = c.var as { site: Site; viewer: Viewer }
  site.log.info({ dag_id: run.dag_id, run_id: run.run_id, tasks: taskIds.join(), user: viewer.name }, change)
}
