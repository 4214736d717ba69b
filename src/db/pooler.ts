import { within } from '../clock.ts'
import { Client } from './client.ts'
import type { Connection, Database, Queryable } from './pool.ts'

/** The kind of pooler between this process and the server. */
export type Pooling =
  /** No pooler. */
  | 'none'
  /** Each client keeps one server connection. */
  | 'session'
  /**
   * Each transaction may use a different server connection. So another client could get the lock or LISTEN of this
   * process.
   */
  | 'transaction'

/** A busy pooler in transaction mode may look like session mode for a moment, so test several times. */
const ROUNDS = 3
/** A pooler in session mode that has no second connection makes its client wait. */
const PATIENCE_MS = 2_000

/** Detects the pooler. Sends no extra query if there is no pooler. */
export async function poolingOf(db: Database): Promise<Pooling> {
  const first = await db.connect()
  try {
    if (!(first as unknown as Client).pooled) return 'none'
    const second = await connectWithin(PATIENCE_MS, db.connect())
    if (second === undefined) return 'session'
    try {
      for (let round = 0; round < ROUNDS; round += 1) if (await isShared(first, second)) return 'transaction'
      return 'session'
    } finally {
      second.release()
    }
  } finally {
    first.release()
  }
}

/** True if `first` changes its server connection, or shares it with `second`. */
async function isShared(first: Connection, second: Connection): Promise<boolean> {
  const own = await pidOf(first)
  if (own !== (await pidOf(first))) return true
  try {
    await second.query('begin')
    // Asks `second` first: if both share a server connection, `first` would wait for the transaction of `second`.
    return own === (await pidOf(second)) || own !== (await pidOf(first))
  } finally {
    await second.query('rollback')
  }
}

async function pidOf(db: Queryable): Promise<number | undefined> {
  const { rows } = await db.query<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]?.pid
}

/** Returns undefined if the pool needs longer than `ms`. A connection that arrives later is released. */
async function connectWithin(ms: number, connecting: Promise<Connection>): Promise<Connection | undefined> {
  const connection = await within(ms, connecting)
  if (connection === undefined) connecting.then((unused) => unused.release()).catch(() => {})
  return connection
}

/** @param name the setting with the pooler's address */
export function poolerProblem(name: string): string {
  return `${name} leads to a pooler in transaction mode, which does not support LISTEN and advisory locks; set DIRECT_DATABASE_URL to the address of the server itself (until then each process polls for work once a second, and a dead process is detected after 30 s)`
}

/** True if two pools have the same host and port. Needs no connection. */
export function isSameServer(one: Database, other: Database): boolean {
  const [first, second] = [one, other].map(({ options }) => new Client(options))
  return first?.host === second?.host && first?.port === second?.port
}

/** True if two addresses lead to the same database of the same server. */
export async function isSameDatabase(one: Queryable, other: Queryable): Promise<boolean> {
  const [first, second] = await Promise.all([one, other].map(identityOf))
  return first === second
}

async function identityOf(db: Queryable): Promise<string | undefined> {
  const { rows } = await db.query<{ identity: string }>(
    `select concat_ws(' ', oid, pg_postmaster_start_time()) as identity from pg_database where datname = current_database()`,
  )
  return rows[0]?.identity
}
