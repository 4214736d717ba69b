import { setTimeout as delay } from 'node:timers/promises'
import format from 'pg-format'
import { Client, KEEP_ALIVE, NO_LIMITS } from './client.ts'

export interface SessionOptions {
  /** Undefined behind a pooler in transaction mode, which cannot keep a session. Then `onConnected` is called every second. */
  connectionString: string | undefined
  channel: string
  /** The two numbers of the advisory lock to hold; called for each new connection. */
  lock: () => readonly [number, number] | undefined
  onNotify: (payload: string) => void
  /** Called after each connection. Earlier notifications may have been missed. Null: no session can be kept. */
  onConnected: (backendPid: number | null) => void
  onLost: (error: Error) => void
}

/** Ends the session that holds the lock. Each process has its own lock, so the holder is its own earlier connection. */
const END_HOLDER = `select pg_terminate_backend(pid) from pg_locks
  where locktype = 'advisory' and classid = $1::bigint::oid and objid = $2::bigint::oid and granted
    and database = (select oid from pg_database where datname = current_database()) and pid <> pg_backend_pid()`

const FIRST_WAIT_MS = 50
const LONGEST_WAIT_MS = 1_000
const POLL_EVERY_MS = 1_000

/** One permanent connection for LISTEN and the advisory lock that marks this process as alive. Reconnects until `close`. */
export class Session {
  readonly #options: SessionOptions
  #client: Client | undefined
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
    const { channel, lock, onNotify, onConnected } = this.#options
    const client = new Client({
      connectionString,
      application_name: 'tminus session',
      connectionTimeoutMillis: 10_000,
      settings: NO_LIMITS,
      ...KEEP_ALIVE,
    })
    client.on('error', (error) => this.#lost(client, error))
    client.on('end', () => this.#lost(client, new Error('the session ended')))
    client.on('notification', ({ payload = '' }) => onNotify(payload))
    try {
      await client.connect()
      await client.settle()
      const key = lock()
      // The server may still keep the previous connection, and with it the lock that the next query waits for.
      if (key !== undefined) await client.query(END_HOLDER, [...key])
      if (key !== undefined) await client.query('select pg_advisory_lock($1, $2)', [...key])
      await client.query(format('listen %I', channel))
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
      if (this.#closed || String(lock()) !== String(key)) throw new Error('the session was closed or renewed meanwhile')
      this.#client = client
      onConnected(rows[0]?.pid ?? 0)
    } catch (error) {
      await client.end().catch(() => {})
      throw error
    }
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
