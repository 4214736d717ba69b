import { type App, openApp, type Setup, setUp } from '../../app.ts'
import type { Environment } from '../../config.ts'
import { retryDuringOutage } from '../../db/outage.ts'
import { messageOf } from '../../errors.ts'
import type { LogLine, RunChange } from '../../metadata/transitions.ts'
import { After } from '../../operations/after.ts'
import { afterWords, isAutomatic, missingSources } from '../../operations/after-words.ts'
import { noTickWords, readNextRuns } from '../../operations/next-runs.ts'
import type { RunView } from '../../runner/owned-run.ts'
import { Scheduler } from '../../scheduler/scheduler.ts'
import { BROKEN } from '../../task-guard.ts'
import { queueFirstRuns } from '../first-runs.ts'
import type { Parent } from '../reload/parent.ts'
import { exitCodeOf, type ReloadOptions, reasonOf, reloading, stopWords } from '../reload/reloading.ts'
import { settingsWarnings } from '../settings-warnings.ts'
import { endEarly, GRACE_MS, onStopSignal, type StopSignal } from '../signals.ts'
import { Watch } from '../watch.ts'

/** Time limit for tasks to end after they are aborted at the end of the grace time. */
const ABORTED_MS = 2_000

/** `start` and `scheduler`: run every dag on its schedule until a signal arrives. */
export async function start(kind: 'start' | 'scheduler', options: ReloadOptions): Promise<number> {
  return await reloading(kind, options, (parent) => serve(kind, { parent }))
}

export interface Serving {
  parent?: Parent | undefined
  /** Replaces the environment of the process and `.env`. */
  env?: Environment
  /** Called with the address of the page once it answers. */
  onPage?: (url: string) => void
  /** Stops like a signal. */
  until?: Promise<StopSignal>
}

export async function serve(kind: 'start' | 'scheduler', { parent, env, onPage, until }: Serving): Promise<number> {
  const setup = await setUp(env && { env })
  const stopped = new Promise<StopSignal>((resolve) => {
    onStopSignal(resolve)
    void until?.then(resolve)
  })
  const stopping = new AbortController()
  void stopped.then(() => stopping.abort())
  const { loaded, clock, log } = setup
  await parent?.accepts(loaded, log)
  // Warn before opening a database, because a wrong setting may name the wrong database.
  if (env === undefined) for (const message of settingsWarnings(setup)) log.warn(message)
  const watch = new Watch(setup, kind, parent)
  const opening = openApp(setup, kind, watch.hooks(logRuns(setup)))
  const early = await Promise.race([stopped, opening.then(() => undefined)])
  const endedEarly = (signal: StopSignal) =>
    endEarly(
      signal,
      opening.then((opened) => opened.end('success', { reason: signal })),
    )
  if (early !== undefined) return await endedEarly(early)
  const app = await opening
  for (const { folder, message } of loaded.importErrors)
    log.error({ folder }, `a pipeline could not be loaded: ${message}`)
  for (const { dagId, message } of missingSources(loaded.dags)) log.warn({ dag_id: dagId }, message)
  const scheduler = new Scheduler({ db: app.metadata, dags: loaded.dags.values(), clock, log })
  const after = new After({ db: app.metadata, dags: loaded.dags.values(), log })
  const stopStarting = () => Promise.all([scheduler.stop(), after.stop()])
  const watching = watch.open(app, scheduler).catch(async (error: unknown) => {
    await app.end('failed', { reason: messageOf(error) })
    throw error
  })
  const waiting = await Promise.race([watching, ...(parent ? [stopped] : [])])
  if (waiting !== undefined) return await endedEarly(waiting)
  if (watch.url !== undefined) onPage?.(watch.url)
  await app.runner.claim({ dagIds: [...loaded.dags.keys()], onlyBegun: false })
  await queueFirstRuns(app.metadata, setup, stopping.signal)
  scheduler.start()
  after.start()
  await logNextRuns(app, setup, stopping.signal)
  const broken = app.broken.then(() => undefined)
  const why = await Promise.race([stopped, broken, ...(parent ? [parent.replaced] : [])])
  if (why === undefined) return await endBroken(app, () => Promise.all([stopStarting(), watch.close()]))
  log.info(stopWords(why))
  const releasing = app.runner.release(GRACE_MS, `${reasonOf(why)}: released`, ABORTED_MS)
  const [left] = await Promise.all([releasing, stopStarting(), watch.close()])
  await app.end('success', { reason: reasonOf(why), abandonMs: 0 })
  return left > 0 ? exitCodeOf(why) : 0
}

async function logNextRuns({ metadata }: App, { loaded, clock, log }: Setup, signal: AbortSignal): Promise<void> {
  const read = () => readNextRuns(metadata, [...loaded.dags.values()], clock.now())
  const runs = await retryDuringOutage(read, { signal }).catch((error: unknown) => {
    if (signal.aborted) return []
    throw error
  })
  for (const [dagId, { paused, next }] of runs) {
    const dag = loaded.dags.get(dagId)
    if (dag && isAutomatic(dag) && !paused)
      log.info({ dag_id: dagId, next: next[0] ?? afterWords(dag) ?? noTickWords(dag) }, 'scheduled')
  }
}

/**
 * Ends the process after an error that belongs to no task. Runs are released first, because the process may be killed
 * before the other steps.
 */
async function endBroken(app: App, stop: () => Promise<unknown>): Promise<number> {
  const reason = await app.broken
  const stopping = stop()
  await app.runner.release(BROKEN.graceMs, reason, BROKEN.abandonMs)
  await stopping
  await app.end('failed', { reason, ...BROKEN })
  return BROKEN.exitCode
}

function logRuns({ log }: Setup) {
  /** The running runs by their row id. The log lines of a task name the run with it. */
  const runs = new Map<number, { dag_id: string; run_id: string }>()
  return {
    onChange: ({ run }: RunView, { transitions, run: end }: RunChange) => {
      runs.set(run.dagRunId, { dag_id: run.dagId, run_id: run.runId })
      for (const { taskId, to, tryNumber, reason } of transitions) {
        if (to === 'queued') continue
        const level = to === 'failed' || to === 'upstream_failed' ? 'error' : to === 'up_for_retry' ? 'warn' : 'info'
        log[level](
          { dag_id: run.dagId, run_id: run.runId, task_id: taskId, try_number: tryNumber, ...(reason && { reason }) },
          to,
        )
      }
      if (end === null) return
      runs.delete(run.dagRunId)
      log[end.state === 'failed' ? 'error' : 'info']({ dag_id: run.dagId, run_id: run.runId }, `run ${end.state}`)
    },
    onLog: ({ dagRunId, taskId, tryNumber, level, message, fields }: LogLine) =>
      log[level]({ ...runs.get(dagRunId), task_id: taskId, try_number: tryNumber, ...fields }, message),
  }
}
