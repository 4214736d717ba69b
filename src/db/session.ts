import { setTimeout as delay } from 'node:timers/promises'
import format from 'pg-format'
import { Client, KEEP_ALIVE, NO_LIMITS } from './client.ts'

export interface SessionOptions {
  /** Undefined where no session can be kept, behind a pooler in transaction mode: then `onConnected` is called once a second. */
  connectionString: string | undefined
  channel: string
  /** Two numbers of the advisory lock to hold; asked anew at each connection. */
  lock: () => readonly [number, number] | undefined
  onNotify: (payload: string) => void
  /** Called at each connection; notifications may have been missed before it. Null: there is none. */
  onConnected: (backendPid: number | null) => void
  onLost: (error: Error) => void
}

/** Of this lock only: a number is a process's own, so whoever holds it is an earlier connection of it. */
const END_HOLDER = `select pg_terminate_backend(pid) from pg_locks
  where locktype = 'advisory' and classid = $1::bigint::oid and objid = $2::bigint::oid and granted
    and database = (select oid from pg_database where datname = current_database()) and pid <> pg_backend_pid()`

const FIRST_WAIT_MS = 50
const LONGEST_WAIT_MS = 1_000
const POLL_EVERY_MS = 1_000

/**
 * One connection kept for what belongs to a connection: an advisory lock that says "this process lives", and LISTEN.
 * Lost, it is made again until `close`.
 */
export class Session {
  readonly #options: SessionOptions
  #client: Client | undefined
  #closed = false
  #reconnecting = false
  #polling: NodeJS.Timeout | undefined

  constructor(options: SessionOptions) {
    this.#options = options
  }

  /** Resolves with the first connection; throws when that cannot be made. */
  async open(): Promise<void> {
    const { connectionString, onConnected } = this.#options
    if (connectionString === undefined) this.#polling = setInterval(() => onConnected(null), POLL_EVERY_MS)
    else await this.#connect(connectionString)
  }

  /** Gives this connection up for a new one: the lock has another number from here on. */
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
      // The server may not have heard that the connection before this one is gone; its lock would be waited for.
      if (key !== undefined) await client.query(END_HOLDER, [...key])
      if (key !== undefined) await client.query('select pg_advisory_lock($1, $2)', [...key])
      await client.query(format('listen %I', channel))
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
      if (this.#closed || String(lock()) !== String(key)) throw new Error('closed or renewed meanwhile')
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
    // At once the first time: whoever looks meanwhile would take this process for dead.
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
