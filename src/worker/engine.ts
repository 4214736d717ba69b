import type { PoolClient } from 'pg'
import { outsideTries } from '../blame.ts'
import { isOutage, retryDuringOutage } from '../db/outage.ts'
import { closePool, type Database } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import type { TryKey } from '../metadata/task-instances.ts'
import { withoutMigrationNotices } from './engine-connection.ts'
import { loadEngine } from './engine-schema.ts'

export interface EngineOptions {
  /** A pool that only the engine uses. It is closed with the engine. */
  pool: Database
  /**
   * A pool with one connection, which waits for notifications. It is closed with the engine. Undefined behind a pooler
   * in transaction mode.
   */
  listenPool: Database | undefined
  /** The schema of graphile-worker. */
  schema: string
  /** Names of the jobs that this engine executes, see `identifiersOf`. */
  identifiers: readonly string[]
  /** The number of jobs that the engine executes at a time. */
  concurrency: number
  /** Executes a job. When it resolves, the engine deletes the job. If it rejects, the engine repeats the job later. */
  handle(key: TryKey): Promise<void>
  /**
   * Called with the engine's id, which changes with each restart. The engine writes it into the jobs that it locks. It
   * locks no job before this resolves, so that other processes can unlock the jobs if this process dies.
   */
  onStarted(engineId: string): Promise<void>
  log: Logger
}

/** How often the engine looks for jobs: with notifications, and without them. */
const POLL_EVERY_MS = { listening: 5_000, deaf: 1_000 }
const RESTART_AFTER_MS = 1_000
const OUTAGE_MS = 3_600_000

type ConnectCallback = Parameters<Database['connect']>[0]
type Running = ReturnType<Awaited<ReturnType<typeof loadEngine>>['runTaskList']>

/**
 * graphile-worker. It wakes this process for jobs, and gives each job to one process. Only the claim of a try decides
 * whether the try starts. So a job that is lost, repeated or unlocked too early does no harm.
 */
export class Engine {
  readonly #options: EngineOptions
  #running: Running | undefined
  #idStored: Promise<void> | undefined
  #closed = false
  #restart: NodeJS.Timeout | undefined

  constructor(options: EngineOptions) {
    this.#options = options
    // The engine adds no error listener to its connections, and an error event without a listener ends the process.
    for (const pool of [options.pool, options.listenPool]) pool?.on('connect', (client) => client.on('error', () => {}))
  }

  async start(): Promise<void> {
    const { Logger: EngineLogger, runTaskList } = await loadEngine()
    const { listenPool, schema, identifiers, concurrency, handle, log } = this.#options
    const handler = (payload: unknown) => outsideTries(() => handle(payload as TryKey))
    const options = {
      schema,
      concurrency,
      noHandleSignals: true,
      pollInterval: listenPool === undefined ? POLL_EVERY_MS.deaf : POLL_EVERY_MS.listening,
      gracefulShutdownAbortTimeout: OUTAGE_MS,
      logger: new EngineLogger(() => () => {}),
    }
    const running = runTaskList(options, Object.fromEntries(identifiers.map((name) => [name, handler])), this.#pool())
    this.#running = running
    this.#idStored = this.#options.onStarted(running.id)
    running.promise
      .catch((error: Error) => log.error({ err: error }, 'graphile-worker failed; restarting it'))
      .then(() => {
        if (this.#closed) return
        this.#restart = setTimeout(() => void this.start(), RESTART_AFTER_MS)
      })
  }

  /** Takes no further jobs; resolves when the current ones are done. */
  async drain(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#restart)
    await Promise.resolve(this.#running?.gracefulShutdown()).catch(() => {})
  }

  async close(): Promise<void> {
    this.#closed = true
    const { pool, listenPool } = this.#options
    await Promise.all([closePool(pool), listenPool && closePool(listenPool)])
  }

  /** Unlocks the jobs of these engines, then looks for jobs. */
  async unlock(engineIds: readonly string[]): Promise<void> {
    const { pool, schema } = this.#options
    if (pool.ending) return
    await pool.query(`select "${schema}".force_unlock_workers($1::text[])`, [engineIds])
    this.#lookForJobs()
  }

  #lookForJobs(): void {
    if (!this.#closed) this.#running?.nudge(this.#options.concurrency)
  }

  /**
   * Connects as soon as the database answers: the engine itself would wait longer after each failure, up to a minute.
   * Missed notifications are not resent, so the engine looks for jobs once it listens.
   */
  async #listen(pool: Database, callback: ConnectCallback): Promise<void> {
    const connecting = retryDuringOutage(() => pool.connect(), { forMs: OUTAGE_MS })
    const client = await connecting.catch((error: Error) => callback(error, undefined, () => {}))
    if (!client) return
    callback(undefined, withoutMigrationNotices(client), () => client.release())
    // Its answer follows the answer to the engine's LISTEN.
    await client.query('select 1').catch(() => {})
    this.#lookForJobs()
  }

  /**
   * A failed statement would permanently end a slot of the engine, so each statement is repeated during an outage. The
   * first attempt may have succeeded without an answer. Then a job is locked, but no slot executes it.
   *
   * A try may end after `close`, and the engine does not handle the error of its last statement. So that statement does
   * nothing. The job stays locked until other processes unlock the jobs of this one.
   */
  #pool(): Database {
    const { pool, listenPool } = this.#options
    const query = async (...args: [never]) => {
      await this.#idStored
      let isRepeated = false
      const once = async () => {
        try {
          return pool.ending ? { rows: [], rowCount: 0 } : await pool.query(...args)
        } catch (error) {
          isRepeated ||= isOutage(error)
          throw error
        }
      }
      const result = await retryDuringOutage(once, { forMs: OUTAGE_MS })
      const own = this.#running?.id
      if (isRepeated && own !== undefined) await retryDuringOutage(() => this.unlock([own]), { forMs: OUTAGE_MS })
      return result
    }
    const listen = (callback: ConnectCallback) => void (listenPool && this.#listen(listenPool, callback))
    const lent = { query, release() {} } as unknown as PoolClient
    return new Proxy(pool, {
      get: (target, name) => {
        if (name === 'connect')
          return (callback?: ConnectCallback) => (callback === undefined ? Promise.resolve(lent) : listen(callback))
        const value = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}
