import { callBack } from './callbacks/call-back.ts'
import { type Clock, openClock } from './clock.ts'
import { Closing } from './closing.ts'
import { codeVersion } from './code-version.ts'
import { commandFor } from './command-for.ts'
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
import { NO_IDLE_TRANSACTION } from './db/client.ts'
import { checkConnection } from './db/connect.ts'
import { closePool, type Database, openPool, type PoolOptions } from './db/pool.ts'
import { isSameDatabase, isSameServer, poolerProblem, poolingOf } from './db/pooler.ts'
import { MOST, storableText } from './db/text.ts'
import { messageOf, TminusError, UsageError } from './errors.ts'
import { type LoadedDags, loadDags, readSettingsOfAll } from './load-dags.ts'
import { type Logger, type LogTarget, openLog } from './log.ts'
import { dropMetadata, migrateMetadata, pendingMetadata } from './maintenance/schema.ts'
import type { JobKind } from './metadata/jobs.ts'
import { BY_INDEX, type Metadata, openMetadata } from './metadata/metadata.ts'
import type { Resources } from './runner/execute.ts'
import type { Runner, RunnerOptions } from './runner/runner.ts'
import { type Scrub, scrubber } from './secrets.ts'
import { scrubStderr } from './stderr.ts'
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

/** Both databases, open and reachable, with the runner's tables up to date. */
export interface Databases {
  db: Database
  /** Of `db`; contains the password. */
  url: string
  metadata: Metadata
  /** Contains the password. */
  metadataUrl: string
  /** For sessions and locks: bypasses the pooler in front of the metadata database, where a direct address is known. */
  direct: Direct
  close(): Promise<void>
}

export interface Direct {
  pool: Database
  /** Contains the password. */
  url: string
  /** The setting that this address comes from. */
  setting: string
}

/** How long a statement may take. Those of tasks have no limit but their execution timeout. */
const STATEMENT_MS = { runner: 20_000, metadata: 60_000, maintenance: 600_000 }

export interface OpenOptions {
  /** Create the embedded database and the runner's tables if they are missing. */
  create: boolean
  /** Accept the runner's tables in any state. */
  asFound?: boolean
  /** Statements may take 10 minutes instead of one. */
  slow?: boolean
  /** Also open DIRECT_DATABASE_URL if it is set. Default: the value of `create`. */
  direct?: boolean
}

export async function openDatabases(setup: Setup, options: OpenOptions): Promise<Databases> {
  const { config, log } = setup
  const { create, asFound, slow } = options
  const closing = new Closing()
  try {
    const embeddedUrl =
      config.databaseUrl && config.metadataDatabaseUrl ? '' : await openEmbeddedUrl(config, closing, create, log)
    const url = config.databaseUrl ?? embeddedUrl
    const metadataUrl = config.metadataDatabaseUrl ?? url
    const setting = metadataUrl === url ? config.databaseSetting : 'METADATA_DATABASE_URL'
    const db = openOwn(url, closing, setup)
    if (metadataUrl !== url) await checkConnection(db, config.databaseSetting)
    // A pool of its own, so that tasks that use all connections of `db` delay none of the runner's statements.
    const ofMetadata = {
      max: 4,
      timeoutMs: slow ? STATEMENT_MS.maintenance : STATEMENT_MS.metadata,
      settings: NO_IDLE_TRANSACTION,
    }
    const metadataPool = openOwn(metadataUrl, closing, setup, ofMetadata)
    await checkConnection(metadataPool, setting)
    const known = { pool: metadataPool, url: metadataUrl, setting }
    const direct = (options.direct ?? create) ? await openDirect(known, closing, setup) : known
    if (create) await migrate(direct.url, setup)
    else if (!asFound) await refuseUnmigrated(metadataPool, config.metadataSchema)
    return {
      db,
      url,
      metadata: openMetadata(metadataPool, config.metadataSchema),
      metadataUrl,
      direct,
      close: () => closing.close(),
    }
  } catch (error) {
    await closing.close()
    throw error
  }
}

/** Opens only DATABASE_URL, for callers that do not use the runner's tables. Does not create a database. */
export async function openDatabase({
  config,
  log,
}: Pick<Setup, 'config' | 'log'>): Promise<Pick<Databases, 'db' | 'close'>> {
  const closing = new Closing()
  try {
    const url = config.databaseUrl ?? (await openEmbeddedUrl(config, closing, false, log))
    const db = openOwn(url, closing, { config, log }, { timeoutMs: STATEMENT_MS.maintenance })
    await checkConnection(db, config.databaseSetting)
    return { db, close: () => closing.close() }
  } catch (error) {
    await closing.close()
    throw error
  }
}

async function openEmbeddedUrl({ dataDir }: Config, closing: Closing, create: boolean, log: Logger): Promise<string> {
  const { openEmbedded } = await import('./db/embedded/embedded.ts')
  const embedded = await openEmbedded({
    dataDir,
    create,
    onLost: (error) => log.error(`the embedded database is down; restarting it until it runs: ${messageOf(error)}`),
    onBack: () => log.info('the embedded database is running again'),
  })
  closing.add(() => embedded.release())
  return embedded.connectionString
}

/** Throws UsageError if the direct address leads to a different database than the metadata address. */
async function openDirect(known: Direct, closing: Closing, setup: Setup): Promise<Direct> {
  const url = setup.config.directDatabaseUrl
  if (url === undefined) return known
  const setting = 'DIRECT_DATABASE_URL'
  const pool = openOwn(url, closing, setup, { max: 2, timeoutMs: STATEMENT_MS.metadata })
  await checkConnection(pool, setting)
  if (await isSameDatabase(pool, known.pool)) return { pool, url, setting }
  throw new UsageError(
    `${setting} and ${known.setting} lead to different databases; set ${setting} to the same database, without the pooler`,
  )
}

type Logged = Pick<Setup, 'config' | 'log'>

function openOwn(url: string, closing: Closing, { config, log }: Logged, options: PoolOptions = {}): Database {
  const onIdleError = (error: Error) => log.debug({ err: error }, 'a database connection broke')
  const pool = openPool(url, { onIdleError, unnamed: config.directDatabaseUrl !== undefined, ...options })
  closing.add(() => closePool(pool))
  return pool
}

async function migrate(url: string, { config }: Setup): Promise<void> {
  const pool = openPool(url, { max: 1, timeoutMs: STATEMENT_MS.maintenance })
  await migrateMetadata(pool, config.metadataSchema).finally(() => closePool(pool))
}

async function refuseUnmigrated(pool: Database, schema: string): Promise<void> {
  const pending = await pendingMetadata(pool, schema)
  if (pending.length === 0) return
  throw new TminusError(
    `The runner's tables in schema "${schema}" are not up to date; run ${commandFor('db migrate')}`,
    { code: 'not_migrated', retryable: false },
  )
}

export interface EndOptions {
  reason?: string
  /** Drops the runner's tables with all they hold. */
  drop?: boolean
}

/** A process that can own and execute runs. */
export interface App extends Databases {
  runner: Runner
  /** The id of this process's job row. It changes if another process declares this one dead. */
  jobId(): number
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
  const [{ Runner }, { Job }, { localExecutor }, { isolatedExecutor }, { Children }] = await Promise.all([
    import('./runner/runner.ts'),
    import('./runner/job.ts'),
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
  const job = new Job({ db: metadata, connectionString, pools, kind, dags, codeVersion: version, log })
  const { env, clock, scrub } = setup
  const shared = { codeVersion: version, pipelinesDir: config.pipelinesDir, env, databaseUrl, unnamed }
  const children = new Children({ slots: config.concurrency, loaded, shared, now: clock.now, scrub, log })
  try {
    await job.open()
    const resources = resourcesOf(setup, databases)
    const executor = isolatedExecutor(localExecutor(config.concurrency, resources), config.isolation, children)
    const onEnd: RunnerOptions['onEnd'] = (run, state) => callBack(db, resources, run, state)
    const runner = new Runner({ db, job, dags: loaded.dags, executor, log, onEnd, ...watch })
    await job.listen(runner)
    const end = async (state: 'success' | 'failed', { reason, drop }: EndOptions = {}) => {
      const why = reason === undefined ? undefined : storableText(reason, MOST.reason)
      // A run that another process cancelled ends before its tasks do; those tasks still use the databases closed below.
      await runner.release(0, why ?? 'the process ended')
      await executor.close()
      await job.close(state, why ?? null)
      await closePool(runnerPool)
      if (drop) await dropMetadata(metadata)
      await databases.close()
    }
    return { ...databases, runner, jobId: () => job.id, end }
  } catch (error) {
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
