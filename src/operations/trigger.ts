import type { Dag } from '../dag/dag.ts'
import { type QueuedRun, queueRuns } from '../metadata/dag-runs.ts'
import { registerDag } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { newRunId } from '../runner/run-id.ts'
import { refuseMissingPools } from './pools.ts'

type Asked = Pick<QueuedRun, 'logicalDate' | 'conf'> & Partial<Pick<QueuedRun, 'runType'>>

/**
 * Queues a run of a dag, which is nobody's until a process that executes takes it up; those are told of it. `isNew` is
 * false where that tick has its run already, which no run by hand can meet.
 */
export async function enqueue(db: Metadata, dag: Dag, asked: Asked): Promise<{ runId: string; isNew: boolean }> {
  const { runType = 'manual', logicalDate, conf } = asked
  await refuseMissingPools(db, dag)
  const runId = newRunId(runType, logicalDate)
  const ids = { dagId: dag.id, dagVersionId: await registerDag(db, dag), runId }
  const queued = await queueRuns(db, [{ ...ids, runType, logicalDate, dataIntervalStart: logicalDate, conf }])
  return { runId, isNew: queued.length > 0 }
}
