import { claimCallback } from '../metadata/callbacks.ts'
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
  const [kind, callback] =
    state === 'failed' ? (['failure', dag.onFailure] as const) : (['success', dag.onSuccess] as const)
  const claimed = callback && (await claimCallback(db, run.dagRunId, kind))
  if (claimed) await executor.callBack(dag, callback, { dagId: dag.id, runId: run.runId, state, ...claimed })
}
