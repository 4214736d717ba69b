import { Abort, untilAbandoned } from '../abort.ts'
import { runAs } from '../blame.ts'
import type { Dag } from '../dag/dag.ts'
import { humanDuration } from '../duration.ts'
import { TminusError } from '../errors.ts'
import { type Resources, withTools } from '../runner/execute.ts'
import type { Callback } from './events.ts'

const CALLBACK_TIMEOUT_MS = 30_000

/** Calls a callback of the dag with a time limit. Throws what the callback throws. */
export async function callWithLimit<Event extends { dagId: string; runId: string }>(
  dag: Dag,
  callback: Callback<Event>,
  event: Event,
  resources: Resources,
): Promise<void> {
  const abort = new Abort()
  const timer = setTimeout(() => abort.abort(tookTooLong()), CALLBACK_TIMEOUT_MS)
  const call = () =>
    withTools(dag, abort, resources, async (tools) => {
      const context = Object.assign(tools, { log: resources.log(event) })
      await untilAbandoned(async () => callback(event, context), abort)
    })
  await runAs({ dagId: dag.id, part: 'callback' }, call).finally(() => clearTimeout(timer))
}

function tookTooLong(): TminusError {
  return new TminusError(`it took longer than ${humanDuration(CALLBACK_TIMEOUT_MS)}`, { code: 'callback_timeout' })
}
