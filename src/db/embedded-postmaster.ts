import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, unlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type ServerFolder, unreachable } from './embedded-folder.ts'

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
  const lines = readLines(join(folder.data, 'postmaster.pid'))
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

/**
 * Whether that server's process is there: its pid may have gone to another one. A dead process nobody waited for (a
 * zombie) has no command line.
 */
export function isRunning({ pid }: Postmaster): boolean {
  return maySignal(pid) && (process.platform === 'win32' || basename(programOf(pid)) === 'postgres')
}

/** A process we may not signal is not our server. */
function maySignal(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function programOf(pid: number): string {
  try {
    if (existsSync('/proc/self/cmdline')) return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? ''
    return execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}

/**
 * Removes what a dead server left behind where its pid went to another process, which keeps PostgreSQL from seeing
 * that it is dead. The files are read again at the last moment: a start may have made new ones.
 */
export function removeStale(folder: ServerFolder, dead: Postmaster): void {
  const socketLock = join(dead.host, `.s.PGSQL.${dead.port}.lock`)
  for (const path of [socketLock, join(folder.data, 'postmaster.pid')]) {
    const pid = Number(readLines(path)[0])
    if (pid === dead.pid && !isRunning(dead)) unlinkSync(path)
  }
}
