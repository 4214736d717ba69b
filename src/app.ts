import { callBack } from './callbacks/call-back.ts'
import { type Clock, openClock } from './clock.ts'
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
import { checkConnection } from './db/connect.ts'
import { type Database, openPool } from './db/pool.ts'
import { isSameDatabase, poolerProblem, poolingOf } from './db/pooler.ts'
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

/** What is known before anything is opened. */
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
 * Reads environment and pipelines. Throws UsageError with every wrong setting in it, those of the dags `wanted` picks
 * among them. Without `wanted` a dag whose settings are wrong is an import error, and stops no other.
 */
export async function setUp(
  options: { wanted?: (dag: Dag) => boolean; env?: Environment; logTo?: LogTarget } = {},
): Promise<Setup> {
  const env = options.env ?? readEnvironment()
  const loaded = await loadDags(pipelinesDirOf(env)).catch((error: Error) => {
    // A wrong folder is one wrong setting among others.
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

/** Both databases, opened and answering; the runner's tables up to date. */
export interface Databases {
  db: Database
  metadata: Metadata
  /** Holds a password. */
  metadataUrl: string
  /** For sessions and locks: the metadata database not through a pooler, as far as its address is known. */
  direct: Direct
  close(): Promise<void>
}

export interface Direct {
  pool: Database
  /** Holds a password. */
  url: string
  /** Which setting it comes from. */
  setting: string
}

export interface OpenOptions {
  /** Whether to make an embedded database, and the runner's tables, where there are none. */
  create: boolean
  /** Whatever state the runner's tables are in. */
  asFound?: boolean
  /** Whether to open DIRECT_DATABASE_URL too, where it is set. Default: where `create` is true. */
  direct?: boolean
}

export async function openDatabases(setup: Setup, options: OpenOptions): Promise<Databases> {
  const { config, log } = setup
  const { create, asFound } = options
  const closing = new Closing()
  try {
    const embeddedUrl =
      config.databaseUrl && config.metadataDatabaseUrl ? '' : await openEmbeddedUrl(config, closing, create, log)
    const url = config.databaseUrl ?? embeddedUrl
    const metadataUrl = config.metadataDatabaseUrl ?? url
    const setting = metadataUrl === url ? config.databaseSetting : 'METADATA_DATABASE_URL'
    const db = await openChecked(url, config.databaseSetting, closing, setup)
    const metadataPool = metadataUrl === url ? db : await openChecked(metadataUrl, setting, closing, setup)
    const known = { pool: metadataPool, url: metadataUrl, setting }
    const direct = (options.direct ?? create) ? await openDirect(known, closing, setup) : known
    if (create) await migrateMetadata(direct.pool, config.metadataSchema)
    else if (!asFound) await refuseUnmigrated(metadataPool, config.metadataSchema)
    return {
      db,
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

/** The launches' database alone, for what does not look at the runner's tables. Makes none. */
export async function openDatabase({
  config,
  log,
}: Pick<Setup, 'config' | 'log'>): Promise<Pick<Databases, 'db' | 'close'>> {
  const closing = new Closing()
  try {
    const url = config.databaseUrl ?? (await openEmbeddedUrl(config, closing, false, log))
    return {
      db: await openChecked(url, config.databaseSetting, closing, { config, log }),
      close: () => closing.close(),
    }
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
    onLost: (error) => log.error(`the database is down and is started again until it runs: ${messageOf(error)}`),
    onBack: () => log.info('the database is back'),
  })
  closing.add(() => embedded.release())
  return embedded.connectionString
}

/** Throws UsageError where it is another database than the metadata. */
async function openDirect(known: Direct, closing: Closing, setup: Setup): Promise<Direct> {
  const url = setup.config.directDatabaseUrl
  if (url === undefined) return known
  const setting = 'DIRECT_DATABASE_URL'
  const pool = await openChecked(url, setting, closing, setup)
  if (await isSameDatabase(pool, known.pool)) return { pool, url, setting }
  throw new UsageError(
    `${setting} leads to another database than ${known.setting}; set it to the same one, not through a pooler`,
  )
}

/** @param name the setting the address comes from */
async function openChecked(
  url: string,
  name: string,
  closing: Closing,
  { config, log }: Pick<Setup, 'config' | 'log'>,
): Promise<Database> {
  const onIdleError = (error: Error) => log.debug({ err: error }, 'a database connection broke')
  const pool = openPool(url, { onIdleError, unnamed: config.directDatabaseUrl !== undefined })
  closing.add(() => pool.end())
  await checkConnection(pool, name)
  return pool
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

/** A process that may own and execute runs. */
export interface App extends Databases {
  runner: Runner
  /** Of the row by which this process is known; another one once it was taken for dead. */
  jobId(): number
  /** What still runs is told to stop and written, the process signed off, the databases closed. */
  end(state: 'success' | 'failed', options?: EndOptions): Promise<void>
}

/**
 * Opens databases, registers the process and gives it a runner with a local executor. It owns nothing yet, but hears
 * the others, and takes over from those that died what `claim` tells it to.
 */
export async function openApp(
  setup: Setup,
  kind: JobKind,
  watch: Pick<RunnerOptions, 'onChange' | 'onLog'> = {},
): Promise<App> {
  const { config, loaded, log } = setup
  if (config.executor === 'distributed') throw new UsageError('EXECUTOR=distributed is not built yet; set it to local')
  // Loaded here: the page and most verbs execute nothing.
  const [{ Runner }, { Job }, { localExecutor }] = await Promise.all([
    import('./runner/runner.ts'),
    import('./runner/job.ts'),
    import('./executors/local.ts'),
  ])
  const databases = await openDatabases(setup, { create: true })
  const { metadata, metadataUrl } = databases
  const unnamed = config.directDatabaseUrl !== undefined
  const runnerPool = openPool(metadataUrl, { max: 4, settings: BY_INDEX, unnamed })
  const db = openMetadata(runnerPool, config.metadataSchema)
  const dags = [...loaded.dags.values()]
  const connectionString = await sessionUrl(databases, log)
  const job = new Job({ db: metadata, connectionString, kind, dags, log })
  try {
    await job.open()
    const resources = resourcesOf(setup, databases)
    const executor = localExecutor(config.concurrency, resources)
    const onEnd: RunnerOptions['onEnd'] = (run, state) => callBack(db, resources, run, state)
    const runner = new Runner({ db, job, dags: loaded.dags, executor, log, onEnd, ...watch })
    await job.attend(runner)
    const end = async (state: 'success' | 'failed', { reason, drop }: EndOptions = {}) => {
      const why = reason === undefined ? undefined : storableText(reason, MOST.reason)
      // A run cancelled from elsewhere is over before its tasks are; until then they use what is closed below.
      await runner.release(0, why ?? 'the process ended')
      await job.close(state, why ?? null)
      await runnerPool.end()
      if (drop) await dropMetadata(metadata)
      await databases.close()
    }
    return { ...databases, runner, jobId: () => job.id, end }
  } catch (error) {
    await job.close('failed', storableText(messageOf(error), MOST.reason)).catch(() => {})
    await runnerPool.end()
    await databases.close()
    throw error
  }
}

/** Where this process may keep a session; undefined where only a pooler in transaction mode is known. */
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

/** What was opened last is closed first; closing twice is one closing. */
class Closing {
  #steps: (() => unknown)[] = []
  #closed: Promise<void> | undefined

  add(step: () => unknown): void {
    this.#steps.push(step)
  }

  close(): Promise<void> {
    this.#closed ??= this.#run()
    return this.#closed
  }

  async #run(): Promise<void> {
    for (const step of this.#steps.reverse()) await step()
  }
}
