import type { RunEnd } from '../dag/dag.ts'
import { claimCallback, failedTasks } from '../metadata/callbacks.ts'
import type { OwnedRun, RunResult } from './owned-run.ts'
import type { RunnerOptions } from './runner.ts'

/**
 * Calls the dag's `onFailure` or `onSuccess` for a run that ended. A row is written first, so nobody calls twice: a
 * process that dies in between has called once at the most.
 */
export async function callBack(
  { dag, run }: OwnedRun,
  { state }: RunResult,
  { db, executor }: Pick<RunnerOptions, 'db' | 'executor'>,
): Promise<void> {
  if (state !== 'success' && state !== 'failed') return
  const callback = state === 'failed' ? dag.onFailure : dag.onSuccess
  if (callback === undefined) return
  const kind = state === 'failed' ? 'failure' : 'success'
  const claimed = await claimCallback(db, run.dagRunId, kind)
  if (claimed === undefined) return
  const failed = state === 'failed' ? await failedTasks(db, run.dagRunId) : []
  const end: RunEnd = { dagId: dag.id, runId: run.runId, state, failed, recovered: claimed.recovered }
  await executor.callBack(dag, callback, end)
}
