import type { Dag } from '../dag/dag.ts'
import { insertRuns } from '../metadata/dag-runs.ts'
import { registerDag } from '../metadata/dags.ts'
import { newRunId } from '../runner/run-id.ts'
import type { Site, Viewer } from './site.ts'

/** Queues a run by hand, which is nobody's until a process that executes takes it up. Returns its id. */
export async function queueRun(
  site: Site,
  viewer: Viewer,
  dag: Dag,
  conf: Record<string, unknown>,
  logicalDate: Date = site.now(),
): Promise<string> {
  const { metadata } = site
  const run = {
    dagId: dag.id,
    dagVersionId: await registerDag(metadata, dag),
    runId: newRunId('manual', logicalDate),
    runType: 'manual' as const,
    logicalDate,
    dataIntervalStart: logicalDate,
    dataIntervalEnd: logicalDate,
    conf,
  }
  await insertRuns(metadata, 0, [{ run, taskIds: dag.graph.taskIds, started: new Set(), owned: false }])
  site.log.info({ dag_id: dag.id, run_id: run.runId, user: viewer.name }, 'triggered on the page')
  return run.runId
}
