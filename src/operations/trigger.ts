import type { Dag } from '../dag/dag.ts'
import { insertRuns, newDagRun, type Trigger } from '../metadata/dag-runs.ts'
import { registerDag } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { refuseMissingPools } from './pools.ts'

/**
 * Queues a run of a dag and notifies the processes that execute runs. The run has no owner until a process claims it.
 * `isNew` is false if the tick already has a run, which cannot happen to a manual run.
 */
export async function enqueue(db: Metadata, dag: Dag, trigger: Trigger): Promise<{ runId: string; isNew: boolean }> {
  await refuseMissingPools(db, dag)
  const run = newDagRun(dag.id, await registerDag(db, dag), trigger)
  const queued = await insertRuns(db, null, [run])
  return { runId: run.runId, isNew: queued.length > 0 }
}
