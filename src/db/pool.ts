import { setTimeout as delay } from 'node:timers/promises'
import pg, { type ClientBase, type Pool, type PoolClient, type QueryResult, type QueryResultRow } from 'pg'
import { Client, type ClientOptions, KEEP_ALIVE } from './client.ts'

/** What a statement needs: the pool, or one connection inside a transaction. */
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
  /** Most connections at once. Default 10. */
  max?: number
  /** Shown in `pg_stat_activity`. */
  applicationName?: string
  /** Called with the error of an idle connection that broke; the pool replaces it by itself. */
  onIdleError?: (error: Error) => void
}

/** Opens a pool; nothing is sent before the first query. */
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
    onConnect: (client: ClientBase) => (client as Client).settle(),
    ...ofClient,
  })
  pool.on('error', (error) => onIdleError?.(error))
  return pool
}

/** Codes of a statement that was rolled back for the sake of another one: serialization_failure, deadlock_detected. */
const GAVE_WAY = new Set<unknown>(['40001', '40P01'])
const MOST_REPEATS = 20

/**
 * A pool whose `query` repeats a statement that had to give way to another one. It is a transaction of its own, so
 * nothing of it remains. Behind a pooler its isolation is the database's default, which may be serializable.
 */
class RepeatingPool extends pg.Pool {
  override query(...args: never[]): never {
    return this.#repeat(args) as never
  }

  async #repeat(args: never[]): Promise<unknown> {
    for (let left = MOST_REPEATS; ; left -= 1) {
      try {
        return await super.query(...(args as unknown as [string]))
      } catch (error) {
        if (left === 0 || !(error instanceof Error && 'code' in error && GAVE_WAY.has(error.code))) throw error
        await delay(Math.random() * 50)
      }
    }
  }
}

const INT8 = 20

/** Ids and counts fit a double long before they overflow it; everything else is pg's own parsing. */
const getTypeParser = ((oid: number, format?: 'text' | 'binary') =>
  oid === INT8 && format !== 'binary'
    ? Number
    : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser
