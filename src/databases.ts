import { Closing } from './closing.ts'
import { commandFor } from './command-for.ts'
import type { Config } from './config.ts'
import { NO_IDLE_TRANSACTION } from './db/client.ts'
import { checkConnection } from './db/connect.ts'
import { retryDuringOutage } from './db/outage.ts'
import { closePool, type Database, openPool, type PoolOptions } from './db/pool.ts'
import { isSameDatabase, poolerProblem, poolingOf } from './db/pooler.ts'
import { messageOf, TminusError, UsageError } from './errors.ts'
import type { Logger } from './log.ts'
import { migrateMetadata, pendingMetadata } from './maintenance/schema.ts'
import { type Metadata, openMetadata } from './metadata/metadata.ts'

/** The parts of a process that are needed to open a database. */
interface Needs {
  config: Config
  log: Logger
}

/** Both databases, open and reachable, with the runner's tables up to date. */
export interface Databases {
  db: Database
  /** The address of `db`; contains the password. */
  url: string
  metadata: Metadata
  /** Contains the password. */
  metadataUrl: string
  /** The pool for sessions and locks. It bypasses the pooler of the metadata database if a direct address is known. */
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

/** How long a statement may take. Only the execution timeout limits a task's statements. */
export const STATEMENT_MS = { runner: 20_000, metadata: 60_000, maintenance: 600_000 }

export interface OpenOptions {
  /** Create the embedded database and the runner's tables if they are missing. Wait for a server that restarts. */
  create: boolean
  /** Accept the runner's tables in any state. */
  asFound?: boolean
  /** Statements may take 10 minutes instead of one minute. */
  slow?: boolean
  /** Also open DIRECT_DATABASE_URL if it is set. Default: the value of `create`. */
  direct?: boolean
}

export async function openDatabases(setup: Needs, options: OpenOptions): Promise<Databases> {
  const { config, log } = setup
  const { create, asFound, slow } = options
  const closing = new Closing()
  try {
    const embeddedUrl =
      config.databaseUrl && config.metadataDatabaseUrl ? '' : await openEmbeddedUrl(config, closing, create, log)
    const url = config.databaseUrl ?? embeddedUrl
    const metadataUrl = config.metadataDatabaseUrl ?? url
    const setting = metadataUrl === url ? config.databaseSetting : 'METADATA_DATABASE_URL'
    const timeoutMs = slow ? STATEMENT_MS.maintenance : STATEMENT_MS.metadata
    // Without tasks, for example in a process that only serves pages, each statement has a limit.
    const db = openOwn(url, closing, setup, create ? {} : { timeoutMs })
    const patience: Patience = create ? { onWait: sayOnce(log) } : { forMs: 0 }
    if (metadataUrl !== url) await checkConnection(db, config.databaseSetting, patience.onWait)
    // A separate pool. So tasks that use all connections of `db` do not delay the runner's statements.
    const ofMetadata = { max: 4, timeoutMs, settings: NO_IDLE_TRANSACTION }
    const metadataPool = openOwn(metadataUrl, closing, setup, ofMetadata)
    await checkConnection(metadataPool, setting, patience.onWait)
    const known = { pool: metadataPool, url: metadataUrl, setting }
    const direct = (options.direct ?? create) ? await openDirect(known, closing, setup, patience) : known
    if (create) await retryDuringOutage(() => migrate(direct.url, setup), patience)
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
export async function openDatabase({ config, log }: Needs): Promise<Pick<Databases, 'db' | 'close'>> {
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

/** How long the steps of a start wait for a database that has answered before. */
type Patience = NonNullable<Parameters<typeof retryDuringOutage>[1]>

function sayOnce(log: Logger): (error: Error) => void {
  let isSaid = false
  return ({ message }) => {
    if (!isSaid) log.warn(`the database is unreachable (${message}); trying again`)
    isSaid = true
  }
}

/** Throws UsageError if the direct address leads to a different database than the metadata address. */
async function openDirect(known: Direct, closing: Closing, setup: Needs, patience: Patience): Promise<Direct> {
  const url = setup.config.directDatabaseUrl
  if (url === undefined) return known
  const setting = 'DIRECT_DATABASE_URL'
  const pool = openOwn(url, closing, setup, { max: 2, timeoutMs: STATEMENT_MS.metadata })
  await checkConnection(pool, setting, patience.onWait)
  if (await retryDuringOutage(() => isSameDatabase(pool, known.pool), patience)) return { pool, url, setting }
  throw new UsageError(
    `${setting} and ${known.setting} lead to different databases; set ${setting} to the same database, without the pooler`,
  )
}

function openOwn(url: string, closing: Closing, { config, log }: Needs, options: PoolOptions = {}): Database {
  const onIdleError = (error: Error) => log.debug({ err: error }, 'a database connection broke')
  const pool = openPool(url, { onIdleError, unnamed: config.directDatabaseUrl !== undefined, ...options })
  closing.add(() => closePool(pool))
  return pool
}

async function migrate(url: string, { config }: Needs): Promise<void> {
  const pool = openPool(url, { max: 2, timeoutMs: STATEMENT_MS.maintenance })
  try {
    await migrateMetadata(pool, config.metadataSchema)
    if (config.executor === 'local') return
    await (await import('./worker/engine-schema.ts')).migrateEngine(pool, config.workerSchema, config.metadataSchema)
  } finally {
    await closePool(pool)
  }
}

async function refuseUnmigrated(pool: Database, schema: string): Promise<void> {
  const pending = await pendingMetadata(pool, schema)
  if (pending.length === 0) return
  throw new TminusError(
    `The runner's tables in schema "${schema}" are not up to date; run ${commandFor('db migrate')}`,
    { code: 'not_migrated', retryable: false },
  )
}

/** The address for this process's session; undefined if the only known address is a pooler in transaction mode. */
export async function sessionUrlOf({ direct }: Databases, log: Logger): Promise<string | undefined> {
  if ((await poolingOf(direct.pool)) !== 'transaction') return direct.url
  log.warn(poolerProblem(direct.setting))
  return undefined
}
