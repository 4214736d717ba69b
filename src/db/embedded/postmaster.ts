import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { basename, isAbsolute, join } from 'node:path'
import { type ServerFolder, unreachable } from './folder.ts'

/** The content of a server's `postmaster.pid`. */
export interface Postmaster {
  pid: number
  port: number
  /** The socket folder; on Windows an address. */
  host: string
  status: 'starting' | 'ready' | 'stopping' | 'standby' | ''
}

/**
 * Undefined if no server runs, or if its file is incomplete.
 * Lines: 1 pid, 4 port, 5 socket folder, 6 address, 8 status (PostgreSQL's utils/pidfile.h).
 */
export function readPostmaster(folder: ServerFolder): Postmaster | undefined {
  const lines = readLines(pidFile(folder))
  const [pid, , , port, socketFolder, address, , status] = lines
  if (!pid) return undefined
  return {
    pid: Number(pid),
    port: Number(port),
    host: socketFolder || address || '',
    status: (status ?? '') as Postmaster['status'],
  }
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.trim())
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw unreachable(path, error)
  }
}

/** True if that process is this folder's server. The system may have given its pid to another process. */
export function isRunning(folder: ServerFolder, { pid }: Pick<Postmaster, 'pid'>): boolean {
  return maySignal(pid) && isServerOf(folder, pid)
}

/** A process that we may not signal is not our server. */
function maySignal(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** False for another folder's server, for another program, and for a zombie (which has no command line). */
function isServerOf(folder: ServerFolder, pid: number): boolean {
  if (process.platform === 'win32') return true
  const { program, data } = commandOf(pid)
  if (basename(program) !== 'postgres') return false
  // PostgreSQL's current folder is its data folder. Root in a container may not be able to read the link.
  return isSameFolder(`/proc/${pid}/cwd`, folder.data) ?? isSameFolder(data, folder.data) ?? true
}

/** Undefined if unknown. */
function isSameFolder(path: string | undefined, real: string): boolean | undefined {
  if (path === undefined || !isAbsolute(path)) return undefined
  try {
    const [one, other] = [statSync(path), statSync(real)]
    return one.dev === other.dev && one.ino === other.ino
  } catch {
    return undefined
  }
}

interface Command {
  program: string
  /** The argument of -D, if present. */
  data?: string | undefined
}

function commandOf(pid: number): Command {
  try {
    if (!existsSync('/proc/self/cmdline'))
      return parseCommand(execFileSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }))
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return { program: args[0] ?? '', data: args.includes('-D') ? args[args.indexOf('-D') + 1] : undefined }
  } catch {
    return { program: '' }
  }
}

/** Parses a line of `ps`, in which spaces inside an argument look like spaces between arguments. */
export function parseCommand(line: string): Command {
  const [, program = '', data] = /^(.*?)(?: -D (.*?))?(?: -\w .*)?$/s.exec(line.trim()) ?? []
  return { program, data }
}

/** PostgreSQL writes to a lock file directly after creating it, so an older empty one is stale. */
const UNWRITTEN_MS = 5_000

/**
 * Removes lock files that would keep PostgreSQL from starting although no server of this folder holds them. PostgreSQL
 * ignores the lock of a process that has ended, but mistakes any living process of its user for a server.
 */
export function removeStale(folder: ServerFolder, socketFolder: string): void {
  for (const path of [join(socketFolder, '.s.PGSQL.5432.lock'), pidFile(folder)]) {
    const [text] = readLines(path)
    // Read again directly before removing it: another process may have started the server.
    if (text !== undefined && isStale(folder, path, text) && readLines(path)[0] === text) rmSync(path, { force: true })
  }
}

function isStale(folder: ServerFolder, path: string, text: string): boolean {
  const pid = Math.abs(Number(text))
  if (Number.isInteger(pid) && pid > 0) return maySignal(pid) && !isServerOf(folder, pid)
  const stats = statSync(path, { throwIfNoEntry: false })
  // If the time is in the future, the clock was set back.
  return stats !== undefined && Math.abs(Date.now() - stats.mtimeMs) > UNWRITTEN_MS
}

function pidFile(folder: ServerFolder): string {
  return join(folder.data, 'postmaster.pid')
}
