import type { Dag } from '../dag/dag.ts'
import { UsageError } from '../errors.ts'
import { insertRuns, newDagRun, type Trigger } from '../metadata/dag-runs.ts'
import { registerDag } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { refuseMissingPools } from './pools.ts'

export interface Enqueued {
  runId: string
  /** False if the run exists already, and nothing was queued. */
  isNew: boolean
}

/**
 * Queues a run of a dag and notifies the processes that execute runs. The run has no owner until a process claims it.
 *
 * @param runId the id of the run, which also is an idempotency key: a second run of this id is not queued. Throws
 * UsageError for a wrong id. Default: a new id
 */
export async function enqueue(db: Metadata, dag: Dag, trigger: Trigger, runId?: string): Promise<Enqueued> {
  if (runId !== undefined) checkRunId(runId)
  await refuseMissingPools(db, dag)
  const run = newDagRun(dag.id, await registerDag(db, dag), trigger)
  if (runId !== undefined) run.runId = runId
  const queued = await insertRuns(db, null, [run])
  return { runId: run.runId, isNew: queued.length > 0 }
}

/** As in Airflow, only the scheduler and backfills use the ids of ticks. */
function checkRunId(runId: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.~:+-]{0,249}$/.test(runId))
    throw new UsageError(`'${runId}' is not a run id: use 1 to 250 letters, digits, '_', '.', '~', ':', '+' and '-'`)
  if (runId === 'latest' || /^(scheduled|backfill)__/.test(runId))
    throw new UsageError(`The run id '${runId}' is reserved; choose another one`)
}
