import { setTimeout as delay } from 'node:timers/promises'
import pg, { type ClientBase, type Pool, type PoolClient, type QueryResult, type QueryResultRow } from 'pg'
import { boundToTry, currentCode } from '../blame.ts'
import { TminusError } from '../errors.ts'
import { type ActiveStatement, Client, type ClientOptions, KEEP_ALIVE } from './client.ts'
import { noAnswer, STEP_MS, settlesWithin } from './deadline.ts'

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
  /**
   * How long a statement may take, ms. After that its connection is destroyed, and the statement fails as in an outage.
   * Default: no limit.
   */
  timeoutMs?: number
  /** Shown in `pg_stat_activity`. */
  applicationName?: string
  /** Called with the error of an idle connection that broke; the pool replaces that connection. */
  onIdleError?: (error: Error) => void
}

/** Opens a pool. The pool connects at the first query. */
export function openPool(connectionString: string, options: PoolOptions = {}): Database {
  const { max = 10, timeoutMs, applicationName = 'tminus', onIdleError, ...ofClient } = options
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
  watchConnections(pool, timeoutMs)
  return pool
}

/**
 * Destroys connections whose statement takes too long. pg's own limit would not close the connection: a transaction
 * would then wait for its rollback on that connection. Takes connections back from ended tries if other callers wait
 * for a connection.
 */
function watchConnections(pool: Database, ms = Number.POSITIVE_INFINITY): void {
  const steps = new WeakMap<ActiveStatement, number>()
  const check = () => {
    for (const client of clientsOf(pool)) {
      if (client.isLeftBehind && pool.waitingCount > 0) takeBack(client)
      const statement = client.activeStatement
      if (!statement) continue
      const waited = (steps.get(statement) ?? 0) + 1
      steps.set(statement, waited)
      if (waited * STEP_MS > ms) client.destroy(noAnswer(ms))
    }
    if (pool.ended) clearInterval(timer)
  }
  const timer = setInterval(check, STEP_MS).unref()
}

/** First the statement on the connection fails, so that a `pool.query` releases the connection. */
function takeBack(client: Client): void {
  client.destroy(new Error('the connection was closed because the try that used it has ended'))
  setImmediate(() => client.isLeftBehind && (client as unknown as PoolClient).release(true))
}

/** Destroys every connection, busy or idle. Statements on them fail with `error`; the pool opens new connections. */
export function destroyConnections(pool: Database, error: Error): void {
  for (const client of clientsOf(pool)) client.destroy(error)
}

/** True if two pools have the same address, so that one check is enough for both. */
export function hasSameAddress(one: Database, other: Database): boolean {
  return one.options.connectionString === other.options.connectionString
}

const CLOSE_MS = 1_000

/** Ends the pool. A connection that is still busy after 1 s, for example of an abandoned task, is destroyed. */
export async function closePool(pool: Database): Promise<void> {
  if (pool.ending) return
  if (!(await settlesWithin(CLOSE_MS, pool.end()))) destroyConnections(pool, new Error('connection terminated'))
}

/** This includes connections that are still being opened. */
function clientsOf(pool: Database): readonly Client[] {
  return [...(pool as unknown as { _clients: Client[] })._clients]
}

/** Postgres rolled the statement back because of a concurrent statement: serialization_failure, deadlock_detected. */
const CONFLICT = new Set<unknown>(['40001', '40P01'])
const MOST_REPEATS = 20

/**
 * A pool whose `query` repeats a statement that failed in a conflict with another statement. Each statement is its own
 * transaction, so a failed statement has changed nothing. Behind a pooler, the database's default isolation applies,
 * which may be serializable.
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

  /** All tasks share one pool, so a task that ends the pool would end it for all tasks. */
  override end(): Promise<void>
  override end(callback: () => void): void
  override end(callback?: () => void): Promise<void> | void {
    if (currentCode() !== undefined)
      throw new TminusError(
        'a task must not end context.db, because other tasks use it; release your connections instead',
        { code: 'database_shared' },
      )
    return callback ? super.end(callback) : super.end()
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
