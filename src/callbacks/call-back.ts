import { runAs } from '../blame.ts'
import type { Callback, Dag, RunEnd } from '../dag/dag.ts'
import { humanDuration } from '../duration.ts'
import { TminusError } from '../errors.ts'
import type { DagRun } from '../metadata/dag-runs.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { Abort } from '../runner/abort.ts'
import { type Resources, untilAbandoned, withTools } from '../runner/execute.ts'
import { claimCallback } from './claim.ts'

const CALLBACK_TIMEOUT_MS = 30_000

/**
 * Calls the dag's `onFailure` or `onSuccess` for a run that ended, with a time limit. Throws the error that the
 * callback throws. A row is written before the call, so the callback runs at most once, even if this process dies in
 * between.
 */
export async function callBack(
  db: Metadata,
  resources: Resources,
  { dag, run }: { dag: Dag; run: DagRun },
  state: RunEnd['state'],
): Promise<void> {
  const callback = state === 'failed' ? dag.onFailure : dag.onSuccess
  const claimed = callback && (await claimCallback(db, run.dagRunId, state === 'failed' ? 'failure' : 'success'))
  if (!claimed) return
  const end = { dagId: dag.id, runId: run.runId, state, ...claimed }
  await runAs({ dagId: dag.id, part: 'callback' }, () => callWithLimit(dag, callback, end, resources))
}

async function callWithLimit(dag: Dag, callback: Callback, end: RunEnd, resources: Resources): Promise<void> {
  const abort = new Abort()
  const timer = setTimeout(() => abort.abort(tookTooLong()), CALLBACK_TIMEOUT_MS)
  await withTools(dag, abort, resources, async (tools) => {
    const context = Object.assign(tools, { log: resources.log(end) })
    await untilAbandoned(async () => callback(end, context), abort)
  }).finally(() => clearTimeout(timer))
}

function tookTooLong(): TminusError {
  return new TminusError(`it took longer than ${humanDuration(CALLBACK_TIMEOUT_MS)}`, { code: 'callback_timeout' })
}
