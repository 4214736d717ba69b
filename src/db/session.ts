import { setTimeout as delay } from 'node:timers/promises'
import type { QueryResult } from 'pg'
import format from 'pg-format'
import { Client, KEEP_ALIVE, NO_LIMITS } from './client.ts'
import { noAnswer, settlesWithin } from './deadline.ts'
import { type Database, destroyConnections } from './pool.ts'

export interface SessionOptions {
  /**
   * Undefined behind a pooler in transaction mode, which cannot keep a session. Without a session, `onConnected` is
   * called every second.
   */
  connectionString: string | undefined
  channel: string
  /** The two numbers of the advisory lock to hold; called for each new connection. */
  lock: () => readonly [number, number] | undefined
  onNotify: (payload: string) => void
  /**
   * Pools to the same server. If the server is silent or was replaced, the connections of these pools are destroyed.
   */
  pools: readonly Database[]
  /** Called after each connection. Earlier notifications may have been missed. Null: no session is possible. */
  onConnected: (backendPid: number | null) => void
  onLost: (error: Error) => void
}

/**
 * Ends the session of the lock's holder. Each process has its own lock, so the holder is its own earlier connection.
 */
const END_HOLDER = `select pg_terminate_backend(pid) from pg_locks
  where locktype = 'advisory' and classid = %s::bigint::oid and objid = %s::bigint::oid and granted
    and database = (select oid from pg_database where datname = current_database()) and pid <> pg_backend_pid()`

/**
 * `server` identifies the connection. It changes when an address of the client or server changes, or when another
 * server answers.
 */
const IDENTIFY = `select pg_backend_pid() as pid, concat_ws(' ', inet_client_addr(), inet_server_addr(), inet_server_port(),
  pg_postmaster_start_time()) as server`

/** An idle connection does not report that its network has failed. */
const PROBE_EVERY_MS = 5_000
/** The time limit for an answer to a probe, and for a whole attempt to connect. */
const ANSWER_MS = 5_000
const FIRST_WAIT_MS = 50
const LONGEST_WAIT_MS = 1_000
const POLL_EVERY_MS = 1_000

/**
 * One permanent connection for LISTEN and the advisory lock that marks this process as alive. Reconnects until `close`.
 */
export class Session {
  readonly #options: SessionOptions
  #client: Client | undefined
  #server: string | undefined
  #closed = false
  #reconnecting = false
  #polling: NodeJS.Timeout | undefined

  constructor(options: SessionOptions) {
    this.#options = options
  }

  /** Resolves once connected; throws if the first attempt fails. */
  async open(): Promise<void> {
    const { connectionString, onConnected } = this.#options
    if (connectionString === undefined) this.#polling = setInterval(() => onConnected(null), POLL_EVERY_MS)
    else await this.#connect(connectionString)
  }

  /** Replaces the connection because `lock` now returns other numbers. */
  renew(): void {
    const client = this.#client
    this.#client = undefined
    client?.end().catch(() => {})
    void this.#reconnect()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#polling)
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => {})
  }

  async #connect(connectionString: string): Promise<void> {
    const client = new Client({
      connectionString,
      application_name: 'tminus session',
      settings: NO_LIMITS,
      ...KEEP_ALIVE,
    })
    client.on('error', (error) => this.#lost(client, error))
    client.on('end', () => this.#lost(client, new Error('the session ended')))
    client.on('notification', ({ payload = '' }) => this.#options.onNotify(payload))
    try {
      const connecting = this.#prepare(client)
      if (!(await settlesWithin(ANSWER_MS, connecting))) client.destroy(noAnswer(ANSWER_MS))
      const backendPid = await connecting
      this.#client = client
      void this.#probe(client)
      this.#options.onConnected(backendPid)
    } catch (error) {
      await client.end().catch(() => {})
      throw error
    }
  }

  /** Connects, locks and listens; returns the process id of the server's backend. */
  async #prepare(client: Client): Promise<number> {
    const { channel, lock } = this.#options
    await client.connect()
    await client.settle()
    const key = lock()
    // The server may still have the previous connection, which holds the lock. One message for all, because other
    // processes declare this one dead if it takes long.
    const locking =
      key === undefined ? [] : [format(END_HOLDER, ...key), format('select pg_advisory_lock(%s, %s)', ...key)]
    const answers = await client.query([...locking, format('listen %I', channel), IDENTIFY].join('; '))
    const { rows } = [answers].flat().at(-1) as QueryResult<{ pid: number; server: string }>
    if (this.#closed || String(lock()) !== String(key)) throw new Error('the session was closed or renewed meanwhile')
    const [{ pid, server } = { pid: 0, server: '' }] = rows
    if (this.#server !== undefined && this.#server !== server)
      this.#destroyPools(new Error('connection terminated: the server was replaced'))
    this.#server = server
    return pid
  }

  async #probe(client: Client): Promise<void> {
    while (this.#client === client) {
      await delay(PROBE_EVERY_MS, undefined, { ref: false })
      if (this.#client !== client || (await settlesWithin(ANSWER_MS, client.query('select 1')))) continue
      const error = noAnswer(ANSWER_MS)
      this.#destroyPools(error)
      client.destroy(error)
    }
  }

  #destroyPools(error: Error): void {
    for (const pool of this.#options.pools) destroyConnections(pool, error)
  }

  #lost(client: Client, error: Error): void {
    if (this.#client !== client) return
    this.#client = undefined
    this.#options.onLost(error)
    void this.#reconnect()
  }

  async #reconnect(): Promise<void> {
    const { connectionString } = this.#options
    if (this.#reconnecting || connectionString === undefined) return
    this.#reconnecting = true
    // The first attempt does not wait: without the lock, other processes would declare this one dead.
    for (let wait = FIRST_WAIT_MS; !this.#closed; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      const connected = await this.#connect(connectionString).then(
        () => true,
        () => delay(wait, false),
      )
      if (connected) break
    }
    this.#reconnecting = false
  }
}
