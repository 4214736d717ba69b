import type { Dag } from '../dag/dag.ts'
import { insertRuns, type NewDagRun, newRunId } from '../metadata/dag-runs.ts'
import { registerDag } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { refuseMissingPools } from './pools.ts'

type NewRun = Pick<NewDagRun, 'logicalDate'> & Partial<Pick<NewDagRun, 'conf' | 'runType'>>

/**
 * Queues a run of a dag and notifies the processes that execute runs. The run has no owner until a process claims it.
 * `isNew` is false if the tick already has a run, which cannot happen to a manual run.
 */
export async function enqueue(db: Metadata, dag: Dag, wanted: NewRun): Promise<{ runId: string; isNew: boolean }> {
  const { runType = 'manual', logicalDate, conf = {} } = wanted
  await refuseMissingPools(db, dag)
  const runId = newRunId(runType, logicalDate)
  const ids = { dagId: dag.id, dagVersionId: await registerDag(db, dag), runId }
  const queued = await insertRuns(db, null, [{ ...ids, runType, logicalDate, dataIntervalStart: logicalDate, conf }])
  return { runId, isNew: queued.length > 0 }
}
