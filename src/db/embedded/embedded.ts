import { join, resolve } from 'node:path'
import format from 'pg-format'
import { commandFor } from '../../command-for.ts'
import { TminusError } from '../../errors.ts'
import { Client } from '../client.ts'
import { createFolder, findFolder, OWN_OPTIONS, readPassword, type ServerFolder, SUPERUSER } from './folder.ts'
import { Stay } from './stay.ts'

export interface EmbeddedOptions {
  /** DATA_DIR, resolved from the current folder; the server lives in `<dataDir>/postgres`. */
  dataDir: string
  /** False: throws `embedded_missing` where no server was ever initialised. */
  create: boolean
  /** Created when missing. Default `tminus`. */
  database?: string
  /** More server settings, for when it is this call that starts it. */
  settings?: Record<string, string>
  /** Called while the server is down and does not come back: after the first attempt, then once a minute. */
  onLost?: (error: unknown) => void
  /** Called when it is back after `onLost`. */
  onBack?: () => void
}

export interface EmbeddedServer {
  /** For node-postgres and psql alike. It holds the password. */
  connectionString: string
  /** Where the server's files really are: not below `dataDir` when root's server cannot go there. */
  folder: string
  /**
   * Says that we need the server no longer: end the pools first. The last process to say so stops it, unless another
   * session (somebody's psql) is on it. Resolves when it is down; may be called twice. Throws `embedded_stop_failed`.
   */
  release(options?: { leaveRunning?: boolean }): Promise<void>
}

/**
 * PostgreSQL 17 from npm, one server for all processes of a data folder: initialised, started or joined, as needed.
 * One to two seconds the first time (a thousand files), 40 ms when stopped, 10 ms when running.
 *
 * Throws TminusError, none retryable: `embedded_missing`, `embedded_unsupported`, `embedded_package_missing`,
 * `embedded_unreachable`, `embedded_folder_foreign`, `embedded_initdb_failed`, `embedded_start_failed`,
 * `embedded_password`.
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const { settings = {}, database = 'tminus', onLost, onBack } = options
  const folder = findFolder(options.dataDir) ?? (await initialise(options))
  const password = await readPassword(folder)
  const stay = await Stay.begin({ folder, password, settings, onLost, onBack })
  let released: Promise<void> | undefined
  const release: EmbeddedServer['release'] = ({ leaveRunning = false } = {}) => {
    released ??= stay.end({ leaveRunning })
    return released
  }
  try {
    await ensureDatabase(urlOf('postgres', stay, password), database)
  } catch (error) {
    await release()
    throw error
  }
  return { connectionString: urlOf(database, stay, password), folder: folder.path, release }
}

async function initialise({ dataDir, create, settings }: EmbeddedOptions): Promise<ServerFolder> {
  if (create) return await createFolder(dataDir, { sync: settings?.fsync !== 'off' })
  const place = join(resolve(dataDir), 'postgres')
  throw new TminusError(
    `There is no database in ${place} yet; run ${commandFor('pipeline DAG')} or ${commandFor('start')} first`,
    { code: 'embedded_missing', retryable: false, fields: { folder: place } },
  )
}

/**
 * The host as a parameter is how libpq and node-postgres both take a socket folder. `sslmode` and
 * `options` outrank PGSSLMODE and PGOPTIONS of the environment, meant for another server.
 */
function urlOf(database: string, { postmaster }: Stay, password: string): string {
  const url = new URL(`postgresql://${SUPERUSER}:${password}@localhost:${postmaster.port}`)
  url.pathname = `/${encodeURIComponent(database)}`
  url.search = `host=${encodeURIComponent(postmaster.host)}&sslmode=disable&options=${encodeURIComponent(OWN_OPTIONS)}`
  return url.href
}

const DUPLICATE_DATABASE = '42P04'
const UNIQUE_VIOLATION = '23505'

async function ensureDatabase(connectionString: string, database: string): Promise<void> {
  const client = new Client({ connectionString, application_name: 'tminus' })
  await client.connect()
  try {
    const found = await client.query('select from pg_database where datname = $1', [database])
    if (found.rowCount === 0) await client.query(format('create database %I', database))
  } catch (error) {
    // Another process was quicker.
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== DUPLICATE_DATABASE && code !== UNIQUE_VIOLATION) throw error
  } finally {
    await client.end()
  }
}
