import { realpathSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { messageOf, TminusError } from '../errors.ts'
import { type ServerFolder, SUPERUSER } from './embedded-folder.ts'
import { isRunning, type Postmaster, readPostmaster, removeStale } from './embedded-postmaster.ts'
import { logFile, type ServerStart, startServer, stopServer } from './embedded-server.ts'

/** Which server, and how to start it. */
export interface StayOptions {
  folder: ServerFolder
  password: string
  settings: Record<string, string>
  /** Called when the server went away under us and could not be brought back. */
  onLost?: ((error: unknown) => void) | undefined
}

/** Our mark on the server: a session that holds the advisory lock, shared, for as long as we need the server. */
interface Hold {
  client: Client
  postmaster: Postmaster
}

/** The types of pg leave these two out. */
type Client = pg.Client & { ref(): void; unref(): void }

/** Name of those sessions; they alone do not count as somebody using the server. */
const APPLICATION = 'tminus embedded'
/** Advisory locks are a database's own, so all of us meet in one. */
const DATABASE = 'postgres'
const LOCK = `hashtextextended('${APPLICATION}', 0)`

/** How long a server that nobody starts or stops may refuse us. */
const PATIENCE_MS = 10_000
/** How long one that starts or stops may take: recovery after a crash replays its log. */
const BUSY_PATIENCE_MS = 60_000
/** How long a pid that is not PostgreSQL's may stand in `postmaster.pid`. */
const STALE_MS = 5000
const LOOK_MS = 10
const RELAUNCH_MS = 100

/**
 * A stay on the server: it starts the server if need be, brings it back if it dies, and the last one to end stops it.
 */
export class Stay {
  readonly #options: StayOptions
  #hold: Hold
  #since = Date.now()
  #ending = false
  #recovery: Promise<void> = Promise.resolve()

  private constructor(options: StayOptions, hold: Hold) {
    this.#options = options
    this.#hold = hold
    this.#watch()
  }

  /** Throws `embedded_start_failed`, `embedded_password` and those of `startServer`. */
  static async begin(options: StayOptions): Promise<Stay> {
    return new Stay(options, await takeHold(options))
  }

  get postmaster(): Postmaster {
    return this.#hold.postmaster
  }

  /** Ends the stay; without others on the server, stops it. */
  async end({ leaveRunning }: { leaveRunning: boolean }): Promise<void> {
    this.#ending = true
    await this.#recovery
    const { client, postmaster } = this.#hold
    client.ref()
    try {
      // Where even the question fails the server is down, or another is stopping it.
      const last = !leaveRunning && (await isLast(client).catch(() => false))
      if (last) await stopServer(this.#options.folder, postmaster)
    } finally {
      await client.end()
    }
  }

  /** Pools connect anew by themselves once a server that was killed is back: so we bring it back. */
  #watch(): void {
    const { client } = this.#hold
    client.unref()
    client.once('end', () => {
      if (!this.#ending) this.#recovery = this.#recover()
    })
  }

  async #recover(): Promise<void> {
    try {
      // One that dies again and again is not to keep the machine busy.
      if (Date.now() - this.#since < PATIENCE_MS) await sleep(1000)
      // Down, it may stay so; one that another process has brought back is still ours to stop, if we are the last.
      if (this.#ending && !isUp(this.#options.folder)) return
      this.#hold = await takeHold(this.#options)
      this.#since = Date.now()
      this.#watch()
    } catch (error) {
      this.#options.onLost?.(error)
    }
  }
}

function isUp(folder: ServerFolder): boolean {
  const postmaster = readPostmaster(folder)
  return postmaster !== undefined && isRunning(postmaster)
}

async function takeHold(options: StayOptions): Promise<Hold> {
  const { folder } = options
  const began = Date.now()
  let start: ServerStart | undefined
  for (;;) {
    const postmaster = readPostmaster(folder)
    const found = postmaster?.status === 'ready' ? await tryHold(options, postmaster) : 'not running'
    if (typeof found !== 'string') return found
    if (start?.exitCode() !== undefined) {
      refuseFailure(folder, start)
      start = undefined
      await sleep(RELAUNCH_MS)
    } else if (start === undefined && (postmaster === undefined || !isRunning(postmaster))) {
      start = await startServer(folder, options.settings)
    }
    checkPatience(folder, postmaster, Date.now() - began, found)
    await sleep(LOOK_MS)
  }
}

/** A hold, or why there is none yet. Throws `embedded_password`. */
async function tryHold(options: StayOptions, postmaster: Postmaster): Promise<Hold | string> {
  const client = new pg.Client({
    host: postmaster.host,
    port: postmaster.port,
    user: SUPERUSER,
    password: options.password,
    database: DATABASE,
    application_name: APPLICATION,
    ssl: false,
    connectionTimeoutMillis: 5000,
  }) as Client
  // What breaks the connection also ends it, and the end is what we watch.
  client.on('error', () => {})
  try {
    await client.connect()
    const refusal = await lockShared(client, options.folder, postmaster)
    if (refusal === undefined) return { client, postmaster }
    await client.end()
    return refusal
  } catch (error) {
    await client.end()
    refusePassword(error, options.folder)
    return messageOf(error)
  }
}

async function lockShared(client: Client, folder: ServerFolder, postmaster: Postmaster): Promise<string | undefined> {
  const { rows } = await client.query<{ data: string; locked: boolean }>(
    `select current_setting('data_directory') as data, pg_try_advisory_lock_shared(${LOCK}) as locked`,
  )
  const [row] = rows
  if (row === undefined || !isSame(row.data, folder.data)) return 'another server answers in its place'
  if (!row.locked) return 'another process is stopping it'
  // The stopper's own session dies before ours may: only the file, written first, tells that ours is about to.
  const now = readPostmaster(folder)
  return now?.pid === postmaster.pid && now.status === 'ready' ? undefined : 'it is stopping'
}

function isSame(path: string, real: string): boolean {
  try {
    return realpathSync(path) === real
  } catch {
    return false
  }
}

function refusePassword(error: unknown, folder: ServerFolder): void {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code !== '28P01' && code !== '28000') return
  throw new TminusError(
    `The embedded server refuses the password in ${folder.path}/password; put the right one there or choose another DATA_DIR`,
    { code: 'embedded_password', retryable: false, cause: error, fields: { folder: folder.path } },
  )
}

/** What a start says that came second to another, or too early after a crash: sessions of a killed server linger. */
const TRANSIENT = /lock file ".*" (already exists|is empty)|still in use|bogus data in lock file|Address already in use/

function refuseFailure(folder: ServerFolder, start: ServerStart): void {
  const output = start.output()
  if (start.exitCode() !== 0 && !TRANSIENT.test(output)) throw startFailed(folder, output)
}

function checkPatience(folder: ServerFolder, postmaster: Postmaster | undefined, waitedMs: number, why: string): void {
  const running = postmaster !== undefined && isRunning(postmaster)
  if (waitedMs > STALE_MS && postmaster !== undefined && !running) removeStale(folder, postmaster)
  const busy = running && postmaster.status !== 'ready'
  const patience = busy ? BUSY_PATIENCE_MS : PATIENCE_MS
  if (waitedMs > patience) throw startFailed(folder, `${why}, for ${patience / 1000} s`)
}

function startFailed(folder: ServerFolder, why: string): TminusError {
  return new TminusError(
    `The embedded server in ${folder.path} could not be started or reached (${why}); see ${logFile(folder)}, or set DATABASE_URL`,
    { code: 'embedded_start_failed', retryable: false, fields: { folder: folder.path } },
  )
}

/**
 * Whether nobody else is on the server. If so, the lock stays ours alone until the connection ends, which keeps
 * newcomers waiting until the server is down.
 */
async function isLast(client: Client): Promise<boolean> {
  await client.query(`select pg_advisory_unlock_shared(${LOCK})`)
  // A process that just ended, or was killed, may leave its sessions and their locks for a moment.
  for (let look = 1; look <= 3; look += 1) {
    if (await isAlone(client)) return true
    await sleep(50)
  }
  return false
}

async function isAlone(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(`select pg_try_advisory_lock(${LOCK}) as locked`)
  return rows[0]?.locked === true && (await countSessions(client)) === 0
}

async function countSessions(client: Client): Promise<number | undefined> {
  const { rows } = await client.query<{ sessions: number }>(
    `select count(*)::int as sessions from pg_stat_activity
     where backend_type in ('client backend', 'walsender') and application_name <> $1`,
    [APPLICATION],
  )
  return rows[0]?.sessions
}
