import type { Setup } from '../app.ts'
import { commandFor } from '../command-for.ts'
import { UsageError } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { type DagRunDetails, listRuns, showRun } from '../operations/list-runs.ts'
import { didYouMean } from './closest.ts'
import { findDag } from './find-dag.ts'

/** How many of the newest runs a misspelt run id is compared with. */
const NEWEST = 200

/**
 * Finds a stored run, even if the dag's folder is gone. The id `latest` is the newest run. Throws a UsageError that
 * suggests the run with the most similar id.
 */
export async function findRun(
  metadata: Metadata,
  { loaded }: Setup,
  dagId: string,
  runId: string,
): Promise<DagRunDetails> {
  const run = await showRun(metadata, dagId, runId)
  if (run !== undefined) return run
  const known = (await listRuns(metadata, dagId, NEWEST)).map(({ run_id }) => run_id)
  if (known.length > 0) throw noSuchRun(dagId, runId, known)
  findDag(loaded, dagId)
  throw new UsageError(`Dag '${dagId}' has no run yet; ${commandFor(`pipeline ${dagId}`)} starts one`)
}

function noSuchRun(dagId: string, runId: string, known: readonly string[]): UsageError {
  const near = didYouMean(runId, known) || ';'
  return new UsageError(`Dag '${dagId}' has no run '${runId}'${near} ${commandFor(`dags runs ${dagId}`)} lists them`)
}

/** Returns one task of the run. Throws a UsageError that lists the run's tasks if there is no such task. */
export function findTask(run: DagRunDetails, taskId: string): DagRunDetails['task_instances'][number] {
  const found = run.task_instances.find(({ task_id }) => task_id === taskId)
  if (found !== undefined) return found
  const known = run.task_instances.map(({ task_id }) => task_id)
  const near = didYouMean(taskId, known) || '.'
  throw new UsageError(`Run '${run.run_id}' has no task '${taskId}'${near} Known: ${known.join(', ')}`)
}
