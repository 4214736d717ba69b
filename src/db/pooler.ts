import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from './client.ts'
import type { Connection, Database, Queryable } from './pool.ts'

/** What a statement may expect of the connection that the one before it used. */
export type Pooling =
  /** No pooler: it is the server's own. */
  | 'none'
  /** A pooler that gives each client a connection for itself. */
  | 'session'
  /** A pooler that may use another one for each transaction: a lock or LISTEN would be left to another client. */
  | 'transaction'

/** A pooler in transaction mode gives one server connection to two clients; a busy one may hide it for a moment. */
const ROUNDS = 3
/** A pooler in session mode that has no second connection to give keeps its client waiting. */
const PATIENCE_MS = 2_000

/** Asks nothing where there is no pooler. */
export async function poolingOf(db: Database): Promise<Pooling> {
  const first = await db.connect()
  try {
    if (!(first as unknown as Client).pooled) return 'none'
    const second = await within(PATIENCE_MS, db.connect())
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

/** Whether the first one's server connection changes, or is one that the second one gets. */
async function isShared(first: Connection, second: Connection): Promise<boolean> {
  const own = await pidOf(first)
  if (own !== (await pidOf(first))) return true
  try {
    await second.query('begin')
    // In this order: where both are the same, the first one would wait for the second one's transaction.
    return own === (await pidOf(second)) || own !== (await pidOf(first))
  } finally {
    await second.query('rollback')
  }
}

async function pidOf(db: Queryable): Promise<number | undefined> {
  const { rows } = await db.query<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]?.pid
}

/** Undefined where it takes longer; what comes later is given back. */
async function within(ms: number, connecting: Promise<Connection>): Promise<Connection | undefined> {
  const there = new AbortController()
  const late = delay(ms, undefined, there).catch(() => undefined)
  const connection = await Promise.race([connecting, late]).finally(() => there.abort())
  if (connection === undefined) connecting.then((unused) => unused.release()).catch(() => {})
  return connection
}

/** @param name the setting with the pooler's address */
export function poolerProblem(name: string): string {
  return `${name} leads through a pooler in transaction mode, which cannot keep a LISTEN or a lock; set DIRECT_DATABASE_URL to the address of the server itself (until then each process looks for work once a second, and a dead process is noticed after 30 s)`
}

/** Whether two addresses lead to one database of one server. */
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
