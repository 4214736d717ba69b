import { existsSync, realpathSync, statfsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, TminusError } from '../../errors.ts'
import { Client } from '../client.ts'
import { OWN_OPTIONS, problemIn, type ServerFolder, SUPERUSER } from './folder.ts'
import { isRunning, type Postmaster, readPostmaster } from './postmaster.ts'
import { logFile, type ServerStart, startServer, stopServer } from './server.ts'

/** The server, and how to start it. */
export interface MembershipOptions {
  folder: ServerFolder
  password: string
  settings: Record<string, string>
  /** Called after the first failed restart of the server, then once a minute until a restart succeeds. */
  onLost?: ((error: unknown) => void) | undefined
  /** Called when the server runs again after `onLost`. */
  onBack?: (() => void) | undefined
}

/** The session by which a process holds the shared advisory lock while it uses the server. */
interface LockSession {
  client: LockClient
  postmaster: Postmaster
}

/** @types/pg lacks these two methods. */
type LockClient = Client & { ref(): void; unref(): void }

/** The application name of these sessions; all other sessions keep the server running. */
const APPLICATION = 'tminus embedded'
/** An advisory lock exists per database, so all processes use the same database. */
const DATABASE = 'postgres'
const LOCK = `hashtextextended('${APPLICATION}', 0)`

/** How long to wait for a server that is ready but rejects connections. */
const PATIENCE_MS = 10_000
/** How long to wait for a server that is starting or stopping: after a crash it replays its log. */
const BUSY_PATIENCE_MS = 60_000
const LOOK_MS = 10
const RELAUNCH_MS = 100
/** The wait between two attempts to restart a dead server. */
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 10_000
const REPORT_EVERY_MS = 60_000
/** How long `leave` waits for a server that is starting, in order to stop it. */
const LEAVE_MS = 5_000

/**
 * A process's membership in the group that shares the server. Joining starts the server if necessary. A member restarts
 * the server if it dies. The last member to leave stops it.
 */
export class Membership {
  readonly #options: MembershipOptions
  /** The server at the time of joining; after a restart it listens at the same address. */
  readonly postmaster: Postmaster
  #session: LockSession | undefined
  #since = performance.now()
  readonly #leaving = new AbortController()
  #recovery: Promise<void> = Promise.resolve()

  private constructor(options: MembershipOptions, session: LockSession) {
    this.postmaster = session.postmaster
    // Stores the port, because on Windows the first start chooses it.
    this.#options = { ...options, settings: { ...options.settings, port: String(session.postmaster.port) } }
    this.#watch(session)
  }

  /** Throws `embedded_start_failed`, `embedded_password` and the errors of `startServer`. */
  static async join(options: MembershipOptions): Promise<Membership> {
    return new Membership(options, await openSession(options))
  }

  /** Stops the server if no other member or session uses it, unless `leaveRunning`. */
  async leave({ leaveRunning }: { leaveRunning: boolean }): Promise<void> {
    this.#leaving.abort()
    await this.#recovery
    const session = this.#session ?? (await this.#reopen())
    if (session === undefined) return
    const { client, postmaster } = session
    client.ref()
    try {
      // If this query fails, the server is down or another process is stopping it.
      const last = !leaveRunning && (await isLast(client).catch(() => false))
      if (last) await stopServer(this.#options.folder, postmaster)
    } finally {
      await client.end()
    }
  }

  /** Connects to a server that another process restarted, to stop it if this is the last member. */
  async #reopen(): Promise<LockSession | undefined> {
    if (!isUp(this.#options.folder)) return undefined
    return await openSession(this.#options, AbortSignal.timeout(LEAVE_MS)).catch(() => undefined)
  }

  /** Restarts the server when the session ends; pools reconnect by themselves. */
  #watch(session: LockSession): void {
    this.#session = session
    session.client.unref()
    session.client.once('end', () => {
      if (this.#leaving.signal.aborted) return
      this.#session = undefined
      this.#recovery = this.#recover()
    })
  }

  /** Retries until the server runs or this member leaves. Its timers do not keep the process alive. */
  async #recover(): Promise<void> {
    const { onLost, onBack } = this.#options
    const { signal } = this.#leaving
    let reported: number | undefined
    // A server that dies again soon must not keep the machine busy.
    let wait = performance.now() - this.#since < PATIENCE_MS ? FIRST_WAIT_MS : 0
    while (!signal.aborted) {
      try {
        await sleep(wait, undefined, { signal, ref: false })
        this.#watch(await openSession(this.#options, signal))
        this.#since = performance.now()
        if (reported !== undefined) onBack?.()
        return
      } catch (error) {
        if (signal.aborted) return
        wait = Math.min(Math.max(2 * wait, FIRST_WAIT_MS), LONGEST_WAIT_MS)
        if (reported !== undefined && performance.now() - reported < REPORT_EVERY_MS) continue
        reported = performance.now()
        onLost?.(error)
      }
    }
  }
}

function isUp(folder: ServerFolder): boolean {
  const postmaster = readPostmaster(folder)
  return postmaster !== undefined && isRunning(folder, postmaster)
}

/** Opens the lock session; starts the server if it does not run. */
async function openSession(options: MembershipOptions, signal?: AbortSignal): Promise<LockSession> {
  const { folder } = options
  const began = performance.now()
  let start: ServerStart | undefined
  for (;;) {
    signal?.throwIfAborted()
    const postmaster = readPostmaster(folder)
    const found = postmaster?.status === 'ready' ? await trySession(options, postmaster) : 'not running'
    if (typeof found !== 'string') return found
    if (start?.exitCode() !== undefined) {
      refuseFailure(folder, start)
      start = undefined
      await sleep(RELAUNCH_MS)
    } else if (start === undefined && (postmaster === undefined || !isRunning(folder, postmaster))) {
      start = await startServer(folder, options.settings)
    }
    checkPatience(folder, postmaster, performance.now() - began, found)
    await sleep(LOOK_MS)
  }
}

/** The session, or the reason why a session is not possible yet. Throws `embedded_password`. */
async function trySession(options: MembershipOptions, postmaster: Postmaster): Promise<LockSession | string> {
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
  }) as LockClient
  // An error also ends the connection, and `#watch` handles the end.
  client.on('error', () => {})
  try {
    await client.connect()
    const refusal = await lockShared(client, options.folder, postmaster)
    if (refusal === undefined) return { client, postmaster }
    await client.end()
    return refusal
  } catch (error) {
    await client.end()
    // If the file is out of date, another server rejected the password.
    if (isRunning(options.folder, postmaster)) refusePassword(error, options.folder)
    return messageOf(error)
  }
}

async function lockShared(
  client: LockClient,
  folder: ServerFolder,
  postmaster: Postmaster,
): Promise<string | undefined> {
  const { rows } = await client.query<{ data: string; locked: boolean }>(
    `select current_setting('data_directory') as data, pg_try_advisory_lock_shared(${LOCK}) as locked`,
  )
  const [row] = rows
  if (row === undefined || !isSame(row.data, folder.data)) return 'another server answers at its address'
  if (!row.locked) return 'another process is stopping it'
  // A server that stops first updates this file, then ends sessions one by one. Our session may still be open.
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
    `The embedded server rejects the password in ${folder.path}/password; put the right one there or choose another DATA_DIR`,
    { code: 'embedded_password', retryable: false, cause: error, fields: { folder: folder.path } },
  )
}

/**
 * The output of a start that failed because another start was faster, or because old sessions were still ending after a
 * crash.
 */
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

/** One WAL segment has 16 MB. */
const LITTLE_ROOM_MB = 32

/** PostgreSQL does not always report a full disk. */
function roomIn({ path }: ServerFolder): string {
  const stats = existsSync(path) ? statfsSync(path) : undefined
  const free = stats && Math.floor((stats.bavail * stats.bsize) / 2 ** 20)
  return free !== undefined && free < LITTLE_ROOM_MB ? `; its disk has only ${free} MB left` : ''
}

/**
 * True if no other session uses the server. Then this session keeps the exclusive lock until it ends, so that new
 * members wait until the server has stopped.
 */
async function isLast(client: LockClient): Promise<boolean> {
  await client.query(`select pg_advisory_unlock_shared(${LOCK})`)
  // The sessions and locks of a process that ended, or was killed, may remain for a moment.
  for (let look = 1; look <= 3; look += 1) {
    if (await isAlone(client)) return true
    await sleep(50)
  }
  return false
}

async function isAlone(client: LockClient): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(`select pg_try_advisory_lock(${LOCK}) as locked`)
  return rows[0]?.locked === true && (await countSessions(client)) === 0
}

async function countSessions(client: LockClient): Promise<number | undefined> {
  const { rows } = await client.query<{ sessions: number }>(
    `select count(*)::int as sessions from pg_stat_activity
     where backend_type in ('client backend', 'walsender') and application_name <> $1`,
    [APPLICATION],
  )
  return rows[0]?.sessions
}
