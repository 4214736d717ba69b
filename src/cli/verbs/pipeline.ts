import { type App, type EndOptions, openApp, type Setup, setUp } from '../../app.ts'
import type { Environment } from '../../config.ts'
import type { Dag } from '../../dag/dag.ts'
import type { RunResult } from '../../metadata/transitions.ts'
import { withChildren } from '../../operations/child-runs.ts'
import { showRun } from '../../operations/list-runs.ts'
import { poolsOf, refuseMissingPools, setPool } from '../../operations/pools.ts'
import { BROKEN } from '../../task-guard.ts'
import { findDag, parseConf } from '../find-dag.ts'
import { settingsWarnings } from '../settings-warnings.ts'
import { EXIT_OF, onStopSignal, type StopSignal } from '../signals.ts'
import { staleCode } from '../stale-code.ts'
import { openProgress } from '../terminal/progress.ts'
import { Screen } from '../terminal/screen.ts'
import { printJson } from '../terminal/table.ts'
import { refuseWithoutWorker, watchWorkers } from '../watch-workers.ts'

export interface PipelineOptions {
  conf?: string
  json?: boolean
  /** Print only log lines. */
  quiet?: boolean
  /** False: try each task once. */
  retry?: boolean
  /** Records the run in this schema, and drops it at the end. */
  scratchSchema?: string
  /** Replaces the environment of the process and `.env`. */
  env?: Environment
}

/** Time limit for the run to end after Ctrl-C; its tasks have 10 s. */
const INTERRUPTED_MS = 15_000
const SCRATCH_SLOTS = 1_000

/** `pipeline <dag>`: one run, which this process owns from start to end. */
export async function pipeline(dagId: string, options: PipelineOptions): Promise<number> {
  const screen = options.json ? undefined : new Screen()
  const setup = await setUp({
    wanted: (dag, dags) => withChildren(dags, dagId).has(dag.id),
    // If log lines and live lines share a terminal, the log lines must be printed above the live lines.
    logTo: screen?.live && process.stderr.isTTY ? screen.stream() : process.stderr,
    ...(options.env && { env: options.env }),
  })
  // No worker knows the scratch schema.
  if (options.scratchSchema !== undefined)
    Object.assign(setup.config, { metadataSchema: options.scratchSchema, executor: 'local' })
  if (options.env === undefined) for (const message of settingsWarnings(setup)) setup.log.warn(message)
  const dag = findDag(setup.loaded, dagId)
  const conf = parseConf(dag, options.conf)
  const progress = openProgress(dag, {
    screen: options.quiet ? undefined : screen,
    debug: setup.config.log.level === 'debug',
  })
  const app = await openApp(setup, 'pipeline', { onChange: progress.onChange, onLog: progress.onLog })
  let stopped: (EndOptions & { reason: string; exitCode: number }) | undefined
  const stop = (how: NonNullable<typeof stopped>) => {
    stopped = how
    progress.stopping()
    void app.runner.stop(how.reason)
  }
  const onSignal = (signal: StopSignal) => stop({ reason: 'interrupted', exitCode: EXIT_OF[signal] })
  const ignore = onStopSignal(onSignal, INTERRUPTED_MS)
  void app.broken.then((reason) => stop({ reason, ...BROKEN }))
  let result: RunResult | undefined
  let unwatch = async () => {}
  try {
    // No other run is in the scratch schema, so its pools need no limit.
    if (options.scratchSchema) for (const pool of poolsOf(dag)) await setPool(app.metadata, pool, SCRATCH_SLOTS, null)
    else await refuseMissingPools(app.metadata, dag)
    const isDistributed = setup.config.executor === 'distributed'
    const watched = { db: app.metadata, dag, log: setup.log }
    const warned = isDistributed ? await refuseWithoutWorker(watched) : undefined
    if (!options.json && options.env === undefined) await warnStale(app.metadata, setup)
    // First adopts the unfinished runs of these dags that another process began.
    await app.runner.claim({ dagIds: [...withChildren(setup.loaded.dags, dagId)], onlyBegun: true })
    const logicalDate = setup.clock.now()
    const run = await app.runner.run(options.retry === false ? withoutRetries(dag) : dag, { logicalDate, conf })
    progress.started(run)
    if (isDistributed) unwatch = watchWorkers({ ...watched, runId: run.run.runId }, warned)
    if (stopped) await app.runner.stop(stopped.reason)
    result = await run.finished
    await app.runner.idle()
    await app.runner.drained()
    progress.finished(result)
    if (options.json) await printRun(app.metadata, dag, run.run.runId)
  } finally {
    await unwatch()
    progress.close()
    await app.end(result ? 'success' : 'failed', { ...stopped, drop: options.scratchSchema !== undefined })
    ignore()
  }
  if (stopped) return stopped.exitCode
  return result.state === 'success' ? 0 : 1
}

/** This run executes the code that the folder contains. The scheduled runs do not. */
async function warnStale(metadata: App['metadata'], setup: Setup): Promise<void> {
  const stale = await staleCode(metadata, setup)
  if (stale !== undefined) setup.log.warn(stale)
}

/** The same dag, but each task is tried once. */
export function withoutRetries(dag: Dag): Dag {
  return { ...dag, tasks: new Map([...dag.tasks].map(([id, task]) => [id, { ...task, retries: 0 }])) }
}

async function printRun(metadata: Parameters<typeof showRun>[0], dag: Dag, runId: string): Promise<void> {
  printJson(await showRun(metadata, dag.id, runId))
}
