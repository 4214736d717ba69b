import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { constants, existsSync, lstatSync, readFileSync } from 'node:fs'
import { type FileHandle, lchown, mkdir, open } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { TminusError } from '../../errors.ts'
import { type Binaries, findBinaries } from './binaries.ts'
import { type ServerFolder, serverEnvironment, unreachable } from './folder.ts'
import { isRunning, type Postmaster, readPostmaster, removeStale } from './postmaster.ts'
import { runAs } from './user.ts'

/** A server that is starting. */
export interface ServerStart {
  /**
   * The exit code once the program has ended. The exit may be harmless: another process may have started the server
   * first.
   */
  exitCode(): number | undefined
  /** The log since the start. It includes the log of starts by other processes. */
  output(): string
}

const WINDOWS = process.platform === 'win32'

/** sun_path has 108 bytes on Linux and 104 on macOS, including the final zero. */
const SOCKET_PATH_BYTES = process.platform === 'darwin' ? 103 : 107

/** If the log is longer than this, a start empties it. */
const LOG_BYTES = 1024 * 1024

const STOP_MS = 60_000

/** Starts a server that outlives this process and does not receive the terminal's Ctrl-C. Does not wait for it. */
export async function startServer(folder: ServerFolder, settings: Record<string, string>): Promise<ServerStart> {
  try {
    const binaries = await findBinaries(folder.path, folder.user)
    const all = { ...SETTINGS, ...(await listenSettings(folder)), ...settings }
    const log = await openLog(folder)
    try {
      const { size } = await log.stat()
      const child = await spawnServer(binaries, folder, all, log)
      return { exitCode: () => exitCodeOf(child), output: () => logSince(folder, size) }
    } finally {
      await log.close()
    }
  } catch (error) {
    throw unreachable(folder.path, error)
  }
}

/** The client gets the errors of its statements; the log omits them, because their details contain data. */
const SETTINGS = {
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
  jit: 'off',
}

async function listenSettings(folder: ServerFolder): Promise<Record<string, string>> {
  if (WINDOWS) {
    return { listen_addresses: '127.0.0.1', port: String(await freePort()), unix_socket_directories: '' }
  }
  const socketFolder = await makeSocketFolder(folder)
  removeStale(folder, socketFolder)
  return {
    listen_addresses: '',
    port: '5432',
    unix_socket_directories: `"${socketFolder.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  await new Promise((closed) => server.close(closed))
  return address !== null && typeof address === 'object' ? address.port : 0
}

/**
 * The socket is in the server's folder. If that path is too long for a socket, or has a comma (psql splits at commas),
 * the socket is in a private folder in /tmp.
 */
async function makeSocketFolder(folder: ServerFolder): Promise<string> {
  const near = join(folder.path, 'socket')
  const fits = Buffer.byteLength(join(near, '.s.PGSQL.5432')) <= SOCKET_PATH_BYTES
  const digest = createHash('sha256').update(folder.path).digest('hex').slice(0, 16)
  const path = fits && !near.includes(',') ? near : join('/tmp', `tminus-${digest}`)
  await mkdir(path, { mode: 0o700 }).catch((error) => {
    if (error.code !== 'EEXIST') throw error
  })
  refuseShared(path, folder)
  if (folder.user !== undefined) await lchown(path, folder.user.uid, folder.user.gid)
  return path
}

/** Every user can write to /tmp, so another user may have created a folder with that name. */
function refuseShared(path: string, folder: ServerFolder): void {
  const stats = lstatSync(path)
  const owner = folder.user?.uid ?? process.getuid?.()
  // Root creates the folder and then changes its owner.
  const ours = stats.uid === owner || stats.uid === process.getuid?.()
  if (stats.isDirectory() && ours && (stats.mode & 0o077) === 0) return
  throw new TminusError(
    `${path} is not a private folder of this user; remove it or choose a DATA_DIR with a shorter path and no comma`,
    { code: 'embedded_unreachable', retryable: false, fields: { folder: path } },
  )
}

/** Does not follow links: this process may be root, and the folder belongs to another user. */
async function openLog(folder: ServerFolder): Promise<FileHandle> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0)
  const log = await open(logFile(folder), flags, 0o600)
  if (folder.user !== undefined) await log.chown(folder.user.uid, folder.user.gid)
  const { size } = await log.stat()
  if (size > LOG_BYTES) await log.truncate()
  return log
}

export function logFile(folder: ServerFolder): string {
  return join(folder.path, 'server.log')
}

async function spawnServer(
  binaries: Binaries,
  folder: ServerFolder,
  settings: Record<string, string>,
  log: FileHandle,
): Promise<ChildProcess> {
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const [program, args] = WINDOWS
    ? // pg_ctl drops administrator rights, because PostgreSQL refuses to run with them.
      [binaries.pgCtl, ['start', '-W', '-D', folder.data, '-l', logFile(folder), '-o', options.join(' ')]]
    : [binaries.postgres, ['-D', folder.data, ...options]]
  const child = spawn(program, args, {
    ...runAs(folder.user),
    cwd: folder.path,
    env: serverEnvironment(),
    detached: true,
    windowsHide: true,
    stdio: WINDOWS ? 'ignore' : ['ignore', log.fd, log.fd],
  })
  await new Promise((spawned, failed) => child.once('spawn', spawned).once('error', failed))
  child.unref()
  return child
}

function exitCodeOf(child: ChildProcess): number | undefined {
  // On Windows the child is pg_ctl, which ends at once.
  if (WINDOWS && child.exitCode === 0) return undefined
  // A signal killed the program, so this is not an error of the server.
  return child.exitCode ?? (child.signalCode === null ? undefined : 0)
}

function logSince(folder: ServerFolder, offset: number): string {
  const text = existsSync(logFile(folder)) ? readFileSync(logFile(folder)).subarray(offset).toString('utf8') : ''
  return text.replaceAll(/^\S+ \S+ UTC \[\d+\] /gm, '')
}

/** Fast shutdown: ends every session, writes all data to disk, and resolves when the server has ended. */
export async function stopServer(folder: ServerFolder, postmaster: Postmaster): Promise<void> {
  if (WINDOWS) {
    const { pgCtl } = await findBinaries(folder.path, folder.user)
    await promisify(execFile)(pgCtl, ['stop', '-D', folder.data, '-m', 'fast'], {
      env: serverEnvironment(),
      windowsHide: true,
    })
    return
  }
  if (isRunning(folder, postmaster)) process.kill(postmaster.pid, 'SIGINT')
  const deadline = performance.now() + STOP_MS
  while (isRunning(folder, postmaster) && readPostmaster(folder)?.pid === postmaster.pid) {
    if (performance.now() > deadline) throw stillStopping(folder, postmaster)
    await sleep(5)
  }
}

function stillStopping(folder: ServerFolder, postmaster: Postmaster): TminusError {
  return new TminusError(
    `The embedded server (pid ${postmaster.pid}) is still stopping after ${STOP_MS / 1000} s; see ${logFile(folder)}`,
    { code: 'embedded_stop_failed', retryable: false, fields: { pid: postmaster.pid } },
  )
}
