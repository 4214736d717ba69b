import { openWorker, setUp, type WorkerApp } from '../../app.ts'
import { BROKEN } from '../../task-guard.ts'
import { queuesOf } from '../../worker/hand-over.ts'
import { closest } from '../closest.ts'
import { type Parent, REPLACED } from '../reload/parent.ts'
import { exitCodeOf, type ReloadOptions, reasonOf, reloading, stopWords } from '../reload/reloading.ts'
import { settingsWarnings } from '../settings-warnings.ts'
import { endEarly, GRACE_MS, onStopSignal, type StopSignal } from '../signals.ts'

/** Time limit for tasks to end after they are aborted at the end of the grace time. */
const ABORTED_MS = 2_000

/** `worker`: executes tasks until a signal arrives. */
export async function worker(options: ReloadOptions): Promise<number> {
  return await reloading('worker', options, execute)
}

async function execute(parent: Parent | undefined): Promise<number> {
  const setup = await setUp()
  const stopped = new Promise<StopSignal>((resolve) => onStopSignal(resolve))
  const { config, loaded, log } = setup
  await parent?.accepts(loaded, log)
  for (const message of settingsWarnings(setup)) log.warn(message)
  const opening = openWorker(setup)
  const early = await Promise.race([stopped, opening.then(() => undefined)])
  if (early !== undefined)
    return await endEarly(
      early,
      opening.then((opened) => opened.end('success', 0, { reason: early })),
    )
  const app = await opening
  for (const { folder, message } of loaded.importErrors)
    log.error({ folder }, `a pipeline could not be loaded: ${message}`)
  for (const message of queueWarnings(app.queues, queuesOf(loaded.dags.values()))) log.warn(message)
  const from = app.queues.length === 0 ? '' : `, from queue ${app.queues.join(', ')}`
  log.info(`executing tasks of ${loaded.dags.size} dags${from}, at most ${config.concurrency} at a time`)
  // Both processes execute tries until the old one has finished its own.
  void parent?.takeOver().then(() => parent.runs())
  const broken = app.broken.then(() => undefined)
  const why = await Promise.race([stopped, broken, ...(parent ? [parent.replaced] : [])])
  if (why === undefined) return await endBroken(app)
  parent?.yielded()
  log.info(why === REPLACED ? stopWords(why) : `${why}: finishing the running tasks; a second signal ends at once`)
  const left = await app.end('success', GRACE_MS, { reason: reasonOf(why), abandonMs: ABORTED_MS })
  return left > 0 ? exitCodeOf(why) : 0
}

/** Without this warning, a misspelt queue would only show by tasks that wait. */
function queueWarnings(served: readonly string[], used: readonly string[]): string[] {
  return served
    .filter((queue) => !used.includes(queue))
    .map((queue) => {
      const near = closest(queue, used)
      const hint = near === undefined ? `the loaded dags use ${used.join(', ') || 'none'}` : `did you mean '${near}'?`
      return `no loaded dag uses queue '${queue}' of WORKER_QUEUES; ${hint}`
    })
}

/** Ends the process after an error that belongs to no task. */
async function endBroken(app: WorkerApp): Promise<number> {
  await app.end('failed', BROKEN.graceMs, { reason: await app.broken, abandonMs: BROKEN.abandonMs })
  return BROKEN.exitCode
}
