import { Callbacks } from './callbacks/callbacks.ts'
import { type Clock, openClock } from './clock.ts'
import { codeVersion } from './code-version.ts'
import {
  type Config,
  type DagSettings,
  type Environment,
  parseSettings,
  pipelinesDirOf,
  readEnvironment,
} from './config.ts'
import { openHttp } from './connectors/http.ts'
import type { Dag } from './dag/dag.ts'
import { type Databases, openDatabases, STATEMENT_MS, sessionUrlOf } from './databases.ts'
import { BY_INDEX, NO_IDLE_TRANSACTION } from './db/client.ts'
import { logUnlessOutage, retryDuringOutage } from './db/outage.ts'
import { closePool, openPool } from './db/pool.ts'
import { isSameServer } from './db/pooler.ts'
import { MOST, storableText } from './db/text.ts'
import { messageOf, UsageError } from './errors.ts'
import { type LoadedDags, loadDags, noDags, readSettingsOfAll } from './load-dags.ts'
import { type Logger, type LogTarget, openLog, openTaskLog } from './log.ts'
import { dropMetadata } from './maintenance/schema.ts'
import { refuseVersionGap } from './maintenance/versions.ts'
import { type Metadata, openMetadata } from './metadata/metadata.ts'
import { childRuns } from './operations/child-runs.ts'
import { Orphans } from './operations/orphans.ts'
import type { JobKind } from './processes/jobs.ts'
import type { Resources } from './runner/execute.ts'
import type { Executor } from './runner/executor.ts'
import type { JobListener } from './runner/process.ts'
import type { Runner, RunnerOptions } from './runner/runner.ts'
import { type Scrub, scrubber } from './secrets.ts'
import { scrubStderr } from './stderr.ts'
import { captureConsole } from './task-console.ts'
import { guardTasks } from './task-guard.ts'
import { VERSION } from './version.ts'
import type { Engine } from './worker/engine.ts'
import type { TaskWorker } from './worker/task-worker.ts'

/** The settings and pipelines of a process, loaded before it opens a database. */
export interface Setup {
  env: Environment
  config: Config
  settings: DagSettings
  loaded: LoadedDags
  clock: Clock
  scrub: Scrub
  log: Logger
}

/**
 * Reads the environment and the pipelines. Throws one UsageError that names every wrong setting, including the settings
 * of the dags that `wanted` picks. Without `wanted`, a dag with wrong settings becomes an import error, and the other
 * dags still load.
 *
 * @param options.withoutDags imports no pipeline, which saves time and runs no code of users
 */
export async function setUp(
  options: {
    wanted?: (dag: Dag, dags: ReadonlyMap<string, Dag>) => boolean
    env?: Environment
    logTo?: LogTarget
    withoutDags?: boolean
  } = {},
): Promise<Setup> {
  const env = options.env ?? readEnvironment()
  const loading = options.withoutDags ? noDags() : loadDags(pipelinesDirOf(env))
  const loaded = await loading.catch((error: Error) => {
    // Report a wrong folder together with the other wrong settings.
    parseSettings(env, [], [error.message])
    throw error
  })
  const scrub = scrubber(env, loaded.dags.values())
  scrubStderr(scrub)
  const { wanted } = options
  const { config, settings } = parseSettings(
    env,
    wanted ? [...loaded.dags.values()].filter((dag) => wanted(dag, loaded.dags)) : [],
  )
  if (!wanted) readSettingsOfAll(loaded, env, settings)
  for (const one of loaded.importErrors) one.message = scrub(one.message)
  const log = openLog({ ...config.log, scrub, ...(options.logTo && { to: options.logTo }) })
  return { env, config, settings, loaded, clock: openClock(config.clock), scrub, log }
}

export interface EndOptions {
  reason?: string
  /** How long it waits for aborted tasks, ms. Default 10 s. */
  abandonMs?: number
  /** Drops the runner's tables and their content. */
  drop?: boolean
}

/** A process that can own and execute runs. */
export interface App extends Databases {
  runner: Runner
  /** The id of this process's job row. The id changes if another process declares this one dead. */
  jobId(): number
  /** See `guardTasks`. */
  broken: Promise<string>
  /** Stops and records the running tasks, ends the job, then closes the databases. */
  end(state: 'success' | 'failed', options?: EndOptions): Promise<void>
}

/**
 * Opens the databases, registers the process and creates its runner. The process owns no run yet. It already listens
 * for notifications and reclaims the runs of dead processes.
 */
export async function openApp(
  setup: Setup,
  kind: JobKind,
  watch: Pick<RunnerOptions, 'onChange' | 'onLog'> = {},
): Promise<App> {
  const { config, loaded, log } = setup
  const isLocal = config.executor === 'local'
  // Imported here, not at the top, because the page and most verbs execute no tasks.
  const { Runner } = await import('./runner/runner.ts')
  const opened = await openProcess(setup, kind)
  const { db, job, resources } = opened
  const executor = isLocal ? opened.executor : await openDistributed(setup, opened)
  const callbacks = new Callbacks({ db, resources, log })
  const orphans = new Orphans({ db, log, dags: loaded.dags.values() })
  const onEnd: RunnerOptions['onEnd'] = (run, state) => callbacks.ended(run, state).finally(() => orphans.look(state))
  const onChange: RunnerOptions['onChange'] = (run, change) => {
    callbacks.changed(run, change)
    watch.onChange?.(run, change)
  }
  const runner = new Runner({ db, job, dags: loaded.dags, executor, log, onEnd, ...watch, onChange })
  return await opened.listen(runner, async () => {
    const end = async (state: 'success' | 'failed', options: EndOptions = {}) => {
      const why = storableReason(options.reason)
      // If another process cancels a run, the run ends before its tasks. Those tasks still use the databases, which are
      // closed below.
      await runner.release(0, why ?? 'the process ended', options.abandonMs)
      await orphans.close()
      await callbacks.close()
      if (!isLocal) await executor.close()
      await opened.close(state, options)
    }
    // The process of one run, and a page, execute no runs without an owner.
    const ownerless = kind === 'start' || kind === 'scheduler'
    callbacks.watchLate(loaded.dags.values(), () => ({ jobId: job.id, ownerless }))
    orphans.watch()
    return { ...opened.databases, runner, jobId: () => job.id, broken: opened.broken, end }
  })
}

async function openDistributed({ config, log }: Setup, { db, job, executor }: Process): Promise<Executor> {
  const [{ distributedExecutor }, { handOverTo }, { readReports }] = await Promise.all([
    import('./executors/distributed.ts'),
    import('./worker/hand-over.ts'),
    import('./worker/reports.ts'),
  ])
  return distributedExecutor({
    isolates: executor.isolates,
    handOver: handOverTo(config.workerSchema),
    readReports: () => readReports(db, job.id),
    failed: logUnlessOutage(log, 'reading the reports of workers failed'),
  })
}

/** A process that executes tries for the owners of runs. */
export interface WorkerApp {
  /** The queues that it serves. */
  queues: readonly string[]
  worker: TaskWorker
  /** See `guardTasks`. */
  broken: Promise<string>
  /**
   * Takes no further tries, waits up to `graceMs` for the running ones, and releases the rest. Returns their number.
   */
  end(state: 'success' | 'failed', graceMs: number, options: EndOptions & { reason: string }): Promise<number>
}

export async function openWorker(setup: Setup): Promise<WorkerApp> {
  const { config, loaded, log } = setup
  if (config.executor === 'local')
    throw new UsageError('A worker needs EXECUTOR=distributed; set it for this process and for the scheduler')
  const [{ TaskWorker }, { Engine }, { identifiersOf, queuesOf }] = await Promise.all([
    import('./worker/task-worker.ts'),
    import('./worker/engine.ts'),
    import('./worker/hand-over.ts'),
  ])
  const dags = [...loaded.dags.values()]
  const queues = config.workerQueues ?? queuesOf(dags)
  const opened = await openProcess(setup, 'worker', queues)
  const { db, job, executor, sessionUrl, unnamed } = opened
  const ofEngine = { timeoutMs: STATEMENT_MS.runner, applicationName: 'tminus engine', unnamed }
  const engine: Engine = new Engine({
    // A lock that is lost in a crash of Postgres does no harm, because the claim decides.
    pool: openPool(opened.databases.metadataUrl, { ...ofEngine, max: 3, settings: { synchronous_commit: 'off' } }),
    listenPool: sessionUrl === undefined ? undefined : openPool(sessionUrl, { ...ofEngine, max: 1 }),
    schema: config.workerSchema,
    identifiers: identifiersOf(dags, queues),
    concurrency: config.concurrency,
    handle: (key) => worker.handle(key),
    onStarted: (engineId) => worker.setEngineId(engineId),
    log,
  })
  const unlock = (engineIds: readonly string[]) => engine.unlock(engineIds)
  const worker: TaskWorker = new TaskWorker({ db, job, dags: loaded.dags, executor, unlock, log })
  return await opened.listen(worker, async () => {
    await engine.start()
    const end: WorkerApp['end'] = async (state, graceMs, options) => {
      const draining = engine.drain()
      const left = await worker.drain(graceMs, storableReason(options.reason) ?? '', options.abandonMs ?? 0)
      if (worker.executing === 0) await draining
      await opened.close(state, options, () => engine.close())
      return left
    }
    return { queues, worker, broken: opened.broken, end }
  })
}

type Process = Awaited<ReturnType<typeof openProcess>>

/** The parts that each process with tasks or runs needs: its job row, its databases and its local executor. */
async function openProcess(setup: Setup, kind: JobKind, queues?: readonly string[]) {
  const { config, loaded, log } = setup
  const hashing = codeVersion(config.pipelinesDir)
  const [{ Job }, { Lease }, { localExecutor }, { isolatedExecutor }, { Children }] = await Promise.all([
    import('./processes/job.ts'),
    import('./processes/lease.ts'),
    import('./executors/local.ts'),
    import('./executors/isolated.ts'),
    import('./worker/children.ts'),
  ])
  const databases = await openDatabases(setup, { create: true })
  const { metadata, metadataUrl, url: databaseUrl } = databases
  const unnamed = config.directDatabaseUrl !== undefined
  const settings = { ...BY_INDEX, ...NO_IDLE_TRANSACTION }
  const runnerPool = openPool(metadataUrl, { max: 4, timeoutMs: STATEMENT_MS.runner, settings, unnamed })
  const db = openMetadata(runnerPool, config.metadataSchema)
  const dags = [...loaded.dags.values()]
  const connectionString = await retryDuringOutage(() => sessionUrlOf(databases, log))
  const version = await hashing
  const pools = [runnerPool, metadata.pool, ...(isSameServer(databases.db, metadata.pool) ? [databases.db] : [])]
  const address = { connectionString: connectionString ?? metadataUrl, schema: config.metadataSchema, unnamed }
  const lease = new Lease({ ...address, kind, log })
  const slots = config.executor === 'local' || kind === 'worker' ? { slots: config.concurrency } : {}
  const code = { dags, codeVersion: version, version: VERSION, queues, ...slots }
  const job = new Job({ db: metadata, connectionString, pools, kind, ...code, lease, log })
  const { env, clock, scrub } = setup
  const shared = { codeVersion: version, pipelinesDir: config.pipelinesDir, env, databaseUrl, unnamed }
  const children = new Children({ slots: config.concurrency, loaded, shared, now: clock.now, scrub, log })
  const { broken, unguard } = guardTasks(setup)
  const restoreConsole = captureConsole()
  const resources = resourcesOf(setup, databases, db)
  const executor = isolatedExecutor(localExecutor(config.concurrency, resources), config.isolation, children)
  const closeDatabases = async () => {
    await closePool(runnerPool)
    await databases.close()
  }
  const close = async (state: 'success' | 'failed', { reason, drop }: EndOptions, first = async () => {}) => {
    await executor.close()
    await job.close(state, storableReason(reason) ?? null)
    await first()
    await closePool(runnerPool)
    if (drop) await dropMetadata(metadata)
    await databases.close()
    restoreConsole()
    unguard()
  }
  /** Registers the process, then calls `opened`. If `opened` fails, closes everything. */
  const listen = async <T>(listener: JobListener, opened: () => Promise<T>): Promise<T> => {
    try {
      await job.open()
      // Again, because another version may have started at the same moment.
      await retryDuringOutage(() => refuseVersionGap(metadata))
      await job.listen(listener)
      return await opened()
    } catch (error) {
      unguard()
      await job.close('failed', storableText(messageOf(error), MOST.reason)).catch(() => {})
      await closeDatabases()
      throw error
    }
  }
  return { databases, db, job, resources, executor, broken, close, listen, sessionUrl: connectionString, unnamed }
}

function storableReason(reason: string | undefined): string | undefined {
  return reason === undefined ? undefined : storableText(reason, MOST.reason)
}

function resourcesOf(setup: Setup, { db }: Databases, metadata: Metadata): Resources {
  const { settings, clock, scrub, log, loaded } = setup
  return {
    db,
    childRun: childRuns({ db: metadata, dags: loaded.dags, now: clock.now }),
    openHttp: (signal) => openHttp({ userAgent: `tminus/${VERSION}`, signal }),
    settingsOf: (dag) => settings.get(dag.id) ?? {},
    now: clock.now,
    log: ({ dagId, runId }) => openTaskLog(log.child({ dag_id: dagId, run_id: runId })),
    scrub,
  }
}
