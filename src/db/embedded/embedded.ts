import { join, resolve } from 'node:path'
import format from 'pg-format'
import { commandFor } from '../../command-for.ts'
import { TminusError } from '../../errors.ts'
import { Client } from '../client.ts'
import { createFolder, findFolder, OWN_OPTIONS, readPassword, type ServerFolder, SUPERUSER } from './folder.ts'
import { Membership } from './membership.ts'

export interface EmbeddedOptions {
  /** DATA_DIR, relative to the current folder; the server's files are in `<dataDir>/postgres`. */
  dataDir: string
  /** False: throws `embedded_missing` if no server was initialised there. */
  create: boolean
  /** Created if missing. Default `tminus`. */
  database?: string
  /** More server settings; they apply only if this call starts the server. */
  settings?: Record<string, string>
  /** Called after the first failed restart of the server, then once a minute until a restart succeeds. */
  onLost?: (error: unknown) => void
  /** Called when the server runs again after `onLost`. */
  onBack?: () => void
}

export interface EmbeddedServer {
  /** The address, for node-postgres and psql. Contains the password. */
  connectionString: string
  /** The real path of the server's files. The path is outside `dataDir` if the server's user cannot enter `dataDir`. */
  folder: string
  /**
   * Declares that this process no longer uses the server; end the pools first. The last process that releases the
   * server stops it, unless another session (such as psql) is connected. Resolves when the server is stopped. The
   * second call returns the result of the first. Throws `embedded_stop_failed`.
   */
  release(options?: { leaveRunning?: boolean }): Promise<void>
}

/**
 * Opens PostgreSQL 17 from npm. All processes of a data folder share one server. This call initialises the server (1 to
 * 2 s: a thousand files), starts it (40 ms) or connects to it (10 ms), as needed.
 *
 * Throws TminusError, none retryable: `embedded_missing`, `embedded_unsupported`, `embedded_package_missing`,
 * `embedded_unreachable`, `embedded_folder_foreign`, `embedded_initdb_failed`, `embedded_start_failed`,
 * `embedded_password`.
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const { settings = {}, database = 'tminus', onLost, onBack } = options
  const folder = findFolder(options.dataDir) ?? (await initialise(options))
  const password = await readPassword(folder)
  const membership = await Membership.join({ folder, password, settings, onLost, onBack })
  let released: Promise<void> | undefined
  const release: EmbeddedServer['release'] = ({ leaveRunning = false } = {}) => {
    released ??= membership.leave({ leaveRunning })
    return released
  }
  try {
    await ensureDatabase(urlOf('postgres', membership, password), database)
  } catch (error) {
    await release()
    throw error
  }
  return { connectionString: urlOf(database, membership, password), folder: folder.path, release }
}

async function initialise({ dataDir, create, settings }: EmbeddedOptions): Promise<ServerFolder> {
  if (create) return await createFolder(dataDir, { sync: settings?.fsync !== 'off' })
  const place = join(resolve(dataDir), 'postgres')
  throw new TminusError(
    `No database exists in ${place} yet; run ${commandFor('pipeline DAG')} or ${commandFor('start')} first`,
    { code: 'embedded_missing', retryable: false, fields: { folder: place } },
  )
}

/**
 * libpq and node-postgres both accept a socket folder as the parameter `host`. `sslmode` and `options` override
 * PGSSLMODE and PGOPTIONS of the environment, which are for another server.
 */
function urlOf(database: string, { postmaster }: Membership, password: string): string {
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
    // Another process may have created the folder in the meantime.
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== DUPLICATE_DATABASE && code !== UNIQUE_VIOLATION) throw error
  } finally {
    await client.end()
  }
}
