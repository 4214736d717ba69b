import { existsSync, realpathSync, statfsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, TminusError } from '../../errors.ts'
import { Client } from '../client.ts'
import { OWN_OPTIONS, problemIn, type ServerFolder, SUPERUSER } from './folder.ts'
import { isRunning, type Postmaster, readPostmaster } from './postmaster.ts'
import { logFile, type ServerStart, startServer, stopServer } from './server.ts'

/** Which server, and how to start it. */
export interface StayOptions {
  folder: ServerFolder
  password: string
  settings: Record<string, string>
  /** Called while the server is down and does not come back: after the first attempt, then once a minute. */
  onLost?: ((error: unknown) => void) | undefined
  /** Called when it is back after `onLost`. */
  onBack?: (() => void) | undefined
}

/** Our mark on the server: a session that holds the advisory lock, shared, for as long as we need the server. */
interface Hold {
  client: HoldClient
  postmaster: Postmaster
}

/** The types of pg leave these two out. */
type HoldClient = Client & { ref(): void; unref(): void }

/** Name of those sessions; they alone do not count as somebody using the server. */
const APPLICATION = 'tminus embedded'
/** Advisory locks are a database's own, so all of us meet in one. */
const DATABASE = 'postgres'
const LOCK = `hashtextextended('${APPLICATION}', 0)`

/** How long a server that is neither starting nor stopping may refuse us. */
const PATIENCE_MS = 10_000
/** How long one that starts or stops may take: recovery after a crash replays its log. */
const BUSY_PATIENCE_MS = 60_000
const LOOK_MS = 10
const RELAUNCH_MS = 100
/** Between two attempts to bring a dead server back. */
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 10_000
const REPORT_EVERY_MS = 60_000
/** How long the end of a stay may wait for a server that is just starting, to stop it. */
const END_MS = 5_000

/**
 * A stay on the server: it starts the server if need be, brings it back if it dies, and the last one to end stops it.
 */
export class Stay {
  readonly #options: StayOptions
  /** Of the server as it was first joined; one that is brought back listens at the same address. */
  readonly postmaster: Postmaster
  #hold: Hold | undefined
  #since = Date.now()
  readonly #ending = new AbortController()
  #recovery: Promise<void> = Promise.resolve()

  private constructor(options: StayOptions, hold: Hold) {
    this.postmaster = hold.postmaster
    // On Windows the port is any free one.
    this.#options = { ...options, settings: { ...options.settings, port: String(hold.postmaster.port) } }
    this.#watch(hold)
  }

  /** Throws `embedded_start_failed`, `embedded_password` and those of `startServer`. */
  static async begin(options: StayOptions): Promise<Stay> {
    return new Stay(options, await takeHold(options))
  }

  /** Ends the stay; without others on the server, stops it. */
  async end({ leaveRunning }: { leaveRunning: boolean }): Promise<void> {
    this.#ending.abort()
    await this.#recovery
    const hold = this.#hold ?? (await this.#findAgain())
    if (hold === undefined) return
    const { client, postmaster } = hold
    client.ref()
    try {
      // Where even the question fails the server is down, or another is stopping it.
      const last = !leaveRunning && (await isLast(client).catch(() => false))
      if (last) await stopServer(this.#options.folder, postmaster)
    } finally {
      await client.end()
    }
  }

  /** A server that is down may stay so; one that is being brought back is still ours to stop, if we are the last. */
  async #findAgain(): Promise<Hold | undefined> {
    if (!isUp(this.#options.folder)) return undefined
    return await takeHold(this.#options, AbortSignal.timeout(END_MS)).catch(() => undefined)
  }

  /** Pools connect anew by themselves once a server that was killed is back: so we bring it back. */
  #watch(hold: Hold): void {
    this.#hold = hold
    hold.client.unref()
    hold.client.once('end', () => {
      if (this.#ending.signal.aborted) return
      this.#hold = undefined
      this.#recovery = this.#recover()
    })
  }

  /** Tries until the server is back or the stay ends. What it waits for keeps no process alive. */
  async #recover(): Promise<void> {
    const { onLost, onBack } = this.#options
    const { signal } = this.#ending
    let reported: number | undefined
    // One that dies again and again is not to keep the machine busy.
    let wait = Date.now() - this.#since < PATIENCE_MS ? FIRST_WAIT_MS : 0
    while (!signal.aborted) {
      try {
        await sleep(wait, undefined, { signal, ref: false })
        this.#watch(await takeHold(this.#options, signal))
        this.#since = Date.now()
        if (reported !== undefined) onBack?.()
        return
      } catch (error) {
        if (signal.aborted) return
        wait = Math.min(Math.max(2 * wait, FIRST_WAIT_MS), LONGEST_WAIT_MS)
        if (reported !== undefined && Date.now() - reported < REPORT_EVERY_MS) continue
        reported = Date.now()
        onLost?.(error)
      }
    }
  }
}

function isUp(folder: ServerFolder): boolean {
  const postmaster = readPostmaster(folder)
  return postmaster !== undefined && isRunning(folder, postmaster)
}

async function takeHold(options: StayOptions, signal?: AbortSignal): Promise<Hold> {
  const { folder } = options
  const began = Date.now()
  let start: ServerStart | undefined
  for (;;) {
    signal?.throwIfAborted()
    const postmaster = readPostmaster(folder)
    const found = postmaster?.status === 'ready' ? await tryHold(options, postmaster) : 'not running'
    if (typeof found !== 'string') return found
    if (start?.exitCode() !== undefined) {
      refuseFailure(folder, start)
      start = undefined
      await sleep(RELAUNCH_MS)
    } else if (start === undefined && (postmaster === undefined || !isRunning(folder, postmaster))) {
      start = await startServer(folder, options.settings)
    }
    checkPatience(folder, postmaster, Date.now() - began, found)
    await sleep(LOOK_MS)
  }
}

/** A hold, or why there is none yet. Throws `embedded_password`. */
async function tryHold(options: StayOptions, postmaster: Postmaster): Promise<Hold | string> {
  const client = new Client({
    host: postmaster.host,
    port: postmaster.port,
    user: SUPERUSER,
    password: options.password,
    database: DATABASE,
    application_name: APPLICATION,
    ssl: false,
    options: OWN_OPTIONS,
    connectionTimeoutMillis: 5000,
    query_timeout: 5000,
  }) as HoldClient
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
    // Where the file is stale, it is another server that refuses it.
    if (isRunning(options.folder, postmaster)) refusePassword(error, options.folder)
    return messageOf(error)
  }
}

async function lockShared(
  client: HoldClient,
  folder: ServerFolder,
  postmaster: Postmaster,
): Promise<string | undefined> {
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
  if (start.exitCode() !== 0 && !TRANSIENT.test(output)) throw startFailed(folder, problemIn(output))
}

function checkPatience(folder: ServerFolder, postmaster: Postmaster | undefined, waitedMs: number, why: string): void {
  const running = postmaster !== undefined && isRunning(folder, postmaster)
  const busy = running && postmaster.status !== 'ready'
  const patience = busy ? BUSY_PATIENCE_MS : PATIENCE_MS
  if (waitedMs > patience) throw startFailed(folder, `${why}, for ${patience / 1000} s`)
}

function startFailed(folder: ServerFolder, why: string): TminusError {
  return new TminusError(
    `The embedded server in ${folder.path} could not be started or reached (${why}${roomIn(folder)}); see ${logFile(folder)}, or set DATABASE_URL`,
    { code: 'embedded_start_failed', retryable: false, fields: { folder: folder.path } },
  )
}

/** A segment of its log has 16 MB. */
const LITTLE_ROOM_MB = 32

/** PostgreSQL does not always say that its disk is full. */
function roomIn({ path }: ServerFolder): string {
  const stats = existsSync(path) ? statfsSync(path) : undefined
  const free = stats && Math.floor((stats.bavail * stats.bsize) / 2 ** 20)
  return free !== undefined && free < LITTLE_ROOM_MB ? `; its disk has only ${free} MB left` : ''
}

/**
 * Whether nobody else is on the server. If so, the lock stays ours alone until the connection ends, which keeps
 * newcomers waiting until the server is down.
 */
async function isLast(client: HoldClient): Promise<boolean> {
  await client.query(`select pg_advisory_unlock_shared(${LOCK})`)
  // A process that just ended, or was killed, may leave its sessions and their locks for a moment.
  for (let look = 1; look <= 3; look += 1) {
    if (await isAlone(client)) return true
    await sleep(50)
  }
  return false
}

async function isAlone(client: HoldClient): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(`select pg_try_advisory_lock(${LOCK}) as locked`)
  return rows[0]?.locked === true && (await countSessions(client)) === 0
}

async function countSessions(client: HoldClient): Promise<number | undefined> {
  const { rows } = await client.query<{ sessions: number }>(
    `select count(*)::int as sessions from pg_stat_activity
     where backend_type in ('client backend', 'walsender') and application_name <> $1`,
    [APPLICATION],
  )
  return rows[0]?.sessions
}
