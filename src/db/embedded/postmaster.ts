import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { basename, isAbsolute, join } from 'node:path'
import { type ServerFolder, unreachable } from './folder.ts'

/** What a server says of itself in `postmaster.pid`. */
export interface Postmaster {
  pid: number
  port: number
  /** Socket folder; on Windows an address. */
  host: string
  status: 'starting' | 'ready' | 'stopping' | 'standby' | ''
}

/**
 * Undefined where no server runs or its file is half written.
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

/** Whether the process of that file is this folder's server: its pid may have gone to another process. */
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

/** False for a server of another folder, for another program, and for a zombie, which has no command line. */
function isServerOf(folder: ServerFolder, pid: number): boolean {
  if (process.platform === 'win32') return true
  const { program, data } = commandOf(pid)
  if (basename(program) !== 'postgres') return false
  // PostgreSQL's current folder is its data folder. Root in a container may not see it.
  return isSameFolder(`/proc/${pid}/cwd`, folder.data) ?? isSameFolder(data, folder.data) ?? true
}

/** Undefined where that cannot be known. */
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
  /** The data folder it was started with, where it was named. */
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

/** Of a line of `ps`, which does not tell a space inside an argument from one between two. */
export function parseCommand(line: string): Command {
  const [, program = '', data] = /^(.*?)(?: -D (.*?))?(?: -\w .*)?$/s.exec(line.trim()) ?? []
  return { program, data }
}

/** PostgreSQL writes a lock file as soon as it has made it. */
const UNWRITTEN_MS = 5_000

/**
 * Removes lock files that keep PostgreSQL from starting though no server of this folder holds them: it takes any living
 * process of its user for one. It recognises by itself a process that is gone.
 */
export function removeStale(folder: ServerFolder, socketFolder: string): void {
  for (const path of [join(socketFolder, '.s.PGSQL.5432.lock'), pidFile(folder)]) {
    const [text] = readLines(path)
    // Read again at the last moment: another process may have started the server.
    if (text !== undefined && isStale(folder, path, text) && readLines(path)[0] === text) rmSync(path, { force: true })
  }
}

function isStale(folder: ServerFolder, path: string, text: string): boolean {
  const pid = Math.abs(Number(text))
  if (Number.isInteger(pid) && pid > 0) return maySignal(pid) && !isServerOf(folder, pid)
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats !== undefined && Date.now() - stats.mtimeMs > UNWRITTEN_MS
}

function pidFile(folder: ServerFolder): string {
  return join(folder.data, 'postmaster.pid')
}
