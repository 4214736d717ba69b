import { setTimeout as delay } from 'node:timers/promises'
import pg, { type ClientBase, type Pool, type PoolClient, type QueryResult, type QueryResultRow } from 'pg'
import { boundToTry } from '../blame.ts'
import { Client, type ClientOptions, KEEP_ALIVE } from './client.ts'

/** Runs statements: the pool, or one connection inside a transaction. */
export interface Queryable {
  query<R extends QueryResultRow = QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<R>>
  query<R extends QueryResultRow = QueryResultRow>(statement: {
    name?: string
    text: string
    values?: unknown[]
  }): Promise<QueryResult<R>>
}

/** A pool of connections to one database. `bigint` columns arrive as numbers, `timestamptz` as Date. */
export type Database = Pool
export type Connection = PoolClient

export interface PoolOptions extends Pick<ClientOptions, 'settings' | 'unnamed'> {
  /** Maximum number of connections. Default 10. */
  max?: number
  /** Shown in `pg_stat_activity`. */
  applicationName?: string
  /** Called with the error of an idle connection that broke; the pool replaces that connection. */
  onIdleError?: (error: Error) => void
}

/** Opens a pool. It connects with the first query. */
export function openPool(connectionString: string, options: PoolOptions = {}): Database {
  const { max = 10, applicationName = 'tminus', onIdleError, ...ofClient } = options
  const pool = new RepeatingPool({
    Client,
    connectionString,
    max,
    application_name: applicationName,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
    ...KEEP_ALIVE,
    types: { getTypeParser },
    onConnect: (client: ClientBase) => ofOurs(client).settle(),
    ...ofClient,
  })
  pool.on('error', (error) => onIdleError?.(error))
  pool.on('release', (_error, client) => ofOurs(client).giveBack())
  return pool
}

/** Postgres rolled the statement back because of a concurrent one: serialization_failure, deadlock_detected. */
const CONFLICT = new Set<unknown>(['40001', '40P01'])
const MOST_REPEATS = 20

/**
 * A pool whose `query` repeats a statement that failed in a conflict with another one. Each statement is its own
 * transaction, so the failed one left nothing behind. Behind a pooler, the database's default isolation applies, which
 * may be serializable.
 */
class RepeatingPool extends pg.Pool {
  /** An error in a callback, or in an event of the connection, counts as an error of the try that asked for it. */
  override connect(): Promise<PoolClient>
  override connect(callback: ConnectCallback): void
  override connect(callback?: ConnectCallback): Promise<PoolClient> | undefined {
    if (callback === undefined) return this.#connect()
    super.connect(lending(callback))
    return undefined
  }

  async #connect(): Promise<PoolClient> {
    const client = await super.connect()
    ofOurs(client).lend()
    return client
  }

  override query(...args: never[]): never {
    return this.#repeat(args) as never
  }

  async #repeat(args: never[]): Promise<unknown> {
    for (let left = MOST_REPEATS; ; left -= 1) {
      try {
        return await super.query(...(args as unknown as [string]))
      } catch (error) {
        if (left === 0 || !(error instanceof Error && 'code' in error && CONFLICT.has(error.code))) throw error
        await delay(Math.random() * 50)
      }
    }
  }
}

type ConnectCallback = (
  error: Error | undefined,
  client: PoolClient | undefined,
  done: (release?: unknown) => void,
) => void

function lending(callback: ConnectCallback): ConnectCallback {
  return boundToTry((error: Error | undefined, client: PoolClient | undefined, done: () => void) => {
    if (client) ofOurs(client).lend()
    callback(error, client, done)
  })
}

function ofOurs(client: ClientBase): Client {
  return client as unknown as Client
}

const INT8 = 20

/** Returns bigint as a number: ids and counts stay far below 2^53. pg parses all other types. */
const getTypeParser = ((oid: number, format?: 'text' | 'binary') =>
  oid === INT8 && format !== 'binary'
    ? Number
    : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser
