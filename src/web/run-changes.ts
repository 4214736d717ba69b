import type { Dag } from '../dag/dag.ts'
import type { ClearedRun } from '../operations/clear-runs.ts'
import { type DeletedDag, deleteDag } from '../operations/delete.ts'
import type { RunRow } from '../operations/list-runs.ts'
import { type Enqueued, enqueue } from '../operations/trigger.ts'
import type { Site, Viewer, WebContext } from './site.ts'

/** Queues a manual run, and logs which user queued it. See `enqueue`. */
export async function queueRun(
  site: Site,
  viewer: Viewer,
  dag: Dag,
  conf: Record<string, unknown>,
  logicalDate: Date = site.now(),
  wantedId?: string,
): Promise<Enqueued> {
  const { runId, isNew } = await enqueue(site.metadata, dag, { logicalDate, conf }, wantedId)
  if (isNew) site.log.info({ dag_id: dag.id, run_id: runId, user: viewer.name }, 'triggered on the page')
  return { runId, isNew }
}

/** Deletes a dag's record, and logs which user did. */
export async function deleteDagOn(c: WebContext, dagId: string, change: string): Promise<DeletedDag> {
  const { site, viewer } = c.var as { site: Site; viewer: Viewer }
  const deleted = await deleteDag(site.metadata, dagId)
  site.log.info({ dag_id: dagId, runs: deleted.runs, user: viewer.name }, change)
  return { ...deleted, isLoaded: deleted.isLoaded || site.dags.has(dagId) }
}

/** Logs which user cleared runs by a filter. */
export function logCleared(c: WebContext, dagId: string, runs: readonly ClearedRun[]): void {
  const { site, viewer } = c.var as { site: Site; viewer: Viewer }
  const cleared = runs.filter(({ error }) => error === null).map(({ runId }) => runId)
  site.log.info({ dag_id: dagId, runs: cleared.join(), user: viewer.name }, 'runs cleared on the page')
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
