import { CoalescedWork } from '../coalesced-work.ts'
import type { Dag } from '../dag/dag.ts'
import { logUnlessOutage } from '../db/outage.ts'
import { UsageError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { listUnserved, whyNotServed } from '../maintenance/not-served.ts'
import type { Metadata } from '../metadata/metadata.ts'

const LOOK_EVERY_MS = 2_000

interface Watched {
  db: Metadata
  dag: Dag
  runId: string
  log: Logger
}

/**
 * Throws a UsageError if no worker takes any task of this dag. If workers take only some of its tasks, logs a warning and
 * returns it: the run may not need the others, or a worker for them may start later.
 */
export async function refuseWithoutWorker({ db, dag, log }: Omit<Watched, 'runId'>): Promise<string | undefined> {
  const { reasons, isServed } = await whyNotServed(db, dag)
  const message = reasons[0]?.message
  if (message === undefined) return undefined
  if (!isServed) throw new UsageError(message, { code: 'no_worker' })
  log.warn(message)
  return message
}

/**
 * Logs once if tasks of a running run wait although no worker takes them, and once when workers take them again. Returns
 * a function that ends this.
 *
 * @param said the warning that was logged already
 */
export function watchWorkers({ db, dag, runId, log }: Watched, said: string | undefined): () => Promise<void> {
  const run = { dag_id: dag.id, run_id: runId, state: 'running' as const }
  let last = said
  const look = async () => {
    const why = (await listUnserved(db, new Map([[dag.id, dag]]), [run]))[0]?.message
    if (why !== undefined && why !== last) log.warn(why)
    if (why !== undefined) last = why
    else if (last !== undefined && (await whyNotServed(db, dag)).reasons.length === 0) {
      log.info(`workers take the tasks of dag '${dag.id}' again`)
      last = undefined
    }
  }
  const looking = new CoalescedWork(look, logUnlessOutage(log, 'looking for workers failed'))
  const timer = setInterval(() => looking.request(), LOOK_EVERY_MS)
  return async () => {
    clearInterval(timer)
    await looking.done()
  }
}
