import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { chmod, mkdtemp, readdir, realpath, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const [MEMORY, DISK] = ['/dev/shm', tmpdir()]

/** A folder for a test, removed after it together with the servers that still run in it. */
export async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await scratchFolder()
  try {
    await chmod(folder, 0o755)
    await work(folder)
  } finally {
    await removeFolder(folder)
  }
}

/** In memory if possible, because a server makes a thousand files. Its name contains the pid of its process. */
export async function scratchFolder(on?: 'disk'): Promise<string> {
  const parent = on !== 'disk' && (await isRoomy(MEMORY)) ? MEMORY : DISK
  return await realpath(await mkdtemp(join(parent, `tminus-test-${process.pid}-`)))
}

/** Docker's /dev/shm has 64 MB, and runs no programs. */
async function isRoomy(memory: string): Promise<boolean> {
  if (!existsSync(memory) || !existsSync('/proc/mounts')) return false
  const mount = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .find((line) => line.split(' ')[1] === memory)
  const { bavail, bsize } = await statfs(memory)
  return mount !== undefined && !mount.includes('noexec') && bavail * bsize > 2e9
}

/** Removes the folders of processes that were killed, and ends the servers in them. */
export async function sweep(): Promise<void> {
  for (const parent of [MEMORY, DISK]) {
    for (const name of existsSync(parent) ? await readdir(parent) : []) {
      const pid = Number(/^tminus-test-(\d+)-/.exec(name)?.[1])
      // Files of another user cannot be removed.
      if (pid && !isAlive(pid)) await removeFolder(join(parent, name)).catch(ignoreForeign)
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function ignoreForeign(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EACCES' && error.code !== 'EPERM') throw error
}

/** Removes the folder, and ends the servers that still run in it. */
export async function removeFolder(folder: string): Promise<void> {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.name === 'postmaster.pid') await killServer(path)
    if (entry.name !== 'postgres' || !entry.isSymbolicLink()) continue
    const target = readlinkSync(path)
    await killServer(join(target, 'data', 'postmaster.pid'))
    if (target.startsWith('/var/')) await rm(target, { recursive: true, force: true })
  }
  await rm(folder, { recursive: true, force: true })
}

async function killServer(pidFile: string): Promise<void> {
  if (!existsSync(pidFile)) return
  const pid = pidIn(pidFile)
  if (isPostgres(pid)) process.kill(pid, 'SIGQUIT')
  while (isPostgres(pid)) await sleep(10)
}

/** A dead server whose parent did not wait for it still has a pid, but no arguments. */
export function isPostgres(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' })
  return stdout.includes('bin/postgres')
}

export function serverPid(folder: string): number {
  return pidIn(join(folder, 'data', 'postmaster.pid'))
}

function pidIn(pidFile: string): number {
  return Number(readFileSync(pidFile, 'utf8').split('\n')[0])
}
