import pg, {
  type ClientBase,
  type ClientConfig,
  type Pool,
  type PoolClient,
  type QueryResult,
  type QueryResultRow,
} from 'pg'

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

export interface PoolOptions {
  /** Most connections at once. Default 10. */
  max?: number
  /** Shown in `pg_stat_activity`. */
  applicationName?: string
  /** SQL for each new connection, before anything else. */
  prepare?: string
  /** Called with the error of an idle connection that broke; the pool replaces it by itself. */
  onIdleError?: (error: Error) => void
}

/** Over a connection that waits nothing is sent: only this tells of one that was dropped on the way, by a NAT or a crash. */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 }

/** Opens a pool; nothing is sent before the first query. */
export function openPool(connectionString: string, options: PoolOptions = {}): Database {
  const { prepare } = options
  const pool = new pg.Pool({
    Client,
    connectionString,
    max: options.max ?? 10,
    application_name: options.applicationName ?? 'tminus',
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
    ...KEEP_ALIVE,
    types: { getTypeParser },
    ...(prepare !== undefined && { onConnect: async (client: ClientBase) => void (await client.query(prepare)) }),
  })
  pool.on('error', (error) => options.onIdleError?.(error))
  return pool
}

/**
 * node-postgres leaves a connection open that it gives up by itself, for want of a password; the process would stay
 * until the server hangs up, a minute later.
 */
class Client extends pg.Client {
  constructor(config?: ClientConfig) {
    super(config)
    this.connection.on('error', () => this.connection.stream.destroy())
  }
}

const INT8 = 20

/** Ids and counts fit a double long before they overflow it; everything else is pg's own parsing. */
const getTypeParser = ((oid: number, format?: 'text' | 'binary') =>
  oid === INT8 && format !== 'binary'
    ? Number
    : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser
