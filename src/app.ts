import { callBack } from './callbacks/call-back.ts'
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
import type { TaskLog } from './dag/task.ts'
import { type Databases, openDatabases, STATEMENT_MS } from './databases.ts'
import { NO_IDLE_TRANSACTION } from './db/client.ts'
import { closePool, openPool } from './db/pool.ts'
import { isSameServer, poolerProblem, poolingOf } from './db/pooler.ts'
import { MOST, storableText } from './db/text.ts'
import { messageOf, UsageError } from './errors.ts'
import { type LoadedDags, loadDags, readSettingsOfAll } from './load-dags.ts'
import { type Logger, type LogTarget, openLog } from './log.ts'
import { dropMetadata } from './maintenance/schema.ts'
import type { JobKind } from './metadata/jobs.ts'
import { BY_INDEX, openMetadata } from './metadata/metadata.ts'
import type { Resources } from './runner/execute.ts'
import type { Runner, RunnerOptions } from './runner/runner.ts'
import { type Scrub, scrubber } from './secrets.ts'
import { scrubStderr } from './stderr.ts'
import { guardTasks } from './task-guard.ts'
import { VERSION } from './version.ts'

/** What a process knows before it opens a database. */
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
 * Reads the environment and the pipelines. Throws one UsageError that names every wrong setting, including those of
 * the dags that `wanted` picks. Without `wanted`, a dag with wrong settings becomes an import error, and the other
 * dags still load.
 */
export async function setUp(
  options: { wanted?: (dag: Dag) => boolean; env?: Environment; logTo?: LogTarget } = {},
): Promise<Setup> {
  const env = options.env ?? readEnvironment()
  const loaded = await loadDags(pipelinesDirOf(env)).catch((error: Error) => {
    // Report a wrong folder together with the other wrong settings.
    parseSettings(env, [], [error.message])
    throw error
  })
  const scrub = scrubber(env, loaded.dags.values())
  scrubStderr(scrub)
  const { wanted } = options
  const { config, settings } = parseSettings(env, wanted ? [...loaded.dags.values()].filter(wanted) : [])
  if (!wanted) readSettingsOfAll(loaded, env, settings)
  for (const one of loaded.importErrors) one.message = scrub(one.message)
  const log = openLog({ ...config.log, scrub, ...(options.logTo && { to: options.logTo }) })
  return { env, config, settings, loaded, clock: openClock(config.clock), scrub, log }
}

export interface EndOptions {
  reason?: string
  /** How long it waits for aborted tasks, ms. Default 10 s. */
  abandonMs?: number
  /** Drops the runner's tables with all they hold. */
  drop?: boolean
}

/** A process that can own and execute runs. */
export interface App extends Databases {
  runner: Runner
  /** The id of this process's job row. It changes if another process declares this one dead. */
  jobId(): number
  /** See `guardTasks`. */
  broken: Promise<string>
  /** Stops and records the running tasks, ends the job, then closes the databases. */
  end(state: 'success' | 'failed', options?: EndOptions): Promise<void>
}

/**
 * Opens the databases, registers the process and creates its runner with a local executor. The process owns no run yet.
 * It already listens for notifications and reclaims the runs of dead processes.
 */
export async function openApp(
  setup: Setup,
  kind: JobKind,
  watch: Pick<RunnerOptions, 'onChange' | 'onLog'> = {},
): Promise<App> {
  const { config, loaded, log } = setup
  if (config.executor === 'distributed') throw new UsageError('EXECUTOR=distributed is not built yet; set it to local')
  const hashing = codeVersion(config.pipelinesDir)
  // Imported here because the page and most verbs execute nothing.
  const [{ Runner }, { Job }, { Lease }, { localExecutor }, { isolatedExecutor }, { Children }] = await Promise.all([
    import('./runner/runner.ts'),
    import('./runner/job.ts'),
    import('./worker/lease.ts'),
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
  const connectionString = await sessionUrl(databases, log)
  const version = await hashing
  const pools = [runnerPool, metadata.pool, ...(isSameServer(databases.db, metadata.pool) ? [databases.db] : [])]
  const address = { connectionString: connectionString ?? metadataUrl, schema: config.metadataSchema, unnamed }
  const lease = new Lease({ ...address, kind, log })
  const job = new Job({ db: metadata, connectionString, pools, kind, dags, codeVersion: version, lease, log })
  const { env, clock, scrub } = setup
  const shared = { codeVersion: version, pipelinesDir: config.pipelinesDir, env, databaseUrl, unnamed }
  const children = new Children({ slots: config.concurrency, loaded, shared, now: clock.now, scrub, log })
  const { broken, unguard } = guardTasks(setup)
  try {
    await job.open()
    const resources = resourcesOf(setup, databases)
    const executor = isolatedExecutor(localExecutor(config.concurrency, resources), config.isolation, children)
    const onEnd: RunnerOptions['onEnd'] = (run, state) => callBack(db, resources, run, state)
    const runner = new Runner({ db, job, dags: loaded.dags, executor, log, onEnd, ...watch })
    await job.listen(runner)
    const end = async (state: 'success' | 'failed', { reason, drop, abandonMs }: EndOptions = {}) => {
      const why = reason === undefined ? undefined : storableText(reason, MOST.reason)
      // A run that another process cancelled ends before its tasks do; those tasks still use the databases closed below.
      await runner.release(0, why ?? 'the process ended', abandonMs)
      await executor.close()
      await job.close(state, why ?? null)
      await closePool(runnerPool)
      if (drop) await dropMetadata(metadata)
      await databases.close()
      unguard()
    }
    return { ...databases, runner, jobId: () => job.id, broken, end }
  } catch (error) {
    unguard()
    await job.close('failed', storableText(messageOf(error), MOST.reason)).catch(() => {})
    await closePool(runnerPool)
    await databases.close()
    throw error
  }
}

/** The address for this process's session; undefined if the only known address is a pooler in transaction mode. */
async function sessionUrl({ direct }: Databases, log: Logger): Promise<string | undefined> {
  if ((await poolingOf(direct.pool)) !== 'transaction') return direct.url
  log.warn(poolerProblem(direct.setting))
  return undefined
}

function resourcesOf({ settings, clock, scrub, log }: Setup, { db }: Databases): Resources {
  return {
    db,
    openHttp: (signal) => openHttp({ userAgent: `tminus/${VERSION}`, signal }),
    settingsOf: (dag) => settings.get(dag.id) ?? {},
    now: clock.now,
    log: ({ dagId, runId }) => processLog(log.child({ dag_id: dagId, run_id: runId })),
    scrub,
  }
}

function processLog(log: Logger): TaskLog {
  const line = (level: 'debug' | 'info' | 'warn' | 'error') => (message: string, fields?: Record<string, unknown>) =>
    log[level](fields ?? {}, message)
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
}
