import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, lstatSync, realpathSync, statSync } from 'node:fs'
import { lchown, mkdir, mkdtemp, open, readdir, readFile, realpath, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { messageOf, TminusError } from '../../errors.ts'
import { findBinaries } from './binaries.ts'
import { closedTo, ownerOf, runAs, type ServerUser, serverUser } from './user.ts'

/** An initialised server's folder. All in it belongs to the user that runs the server, and is closed to others. */
export interface ServerFolder {
  /** Real path. In it: `data`, `password`, `server.log`, `socket`, and `native-…` where a copy was needed. */
  path: string
  data: string
  /** Whom the server runs as; undefined is ourselves. */
  user: ServerUser | undefined
}

/** The role initdb makes, and the one we connect as. */
export const SUPERUSER = 'tminus'

/** An address without options would get those of PGOPTIONS, meant for another server. */
export const OWN_OPTIONS = '-c jit=off'

/** A draft this old belongs to a process that died over it. */
const ABANDONED_MS = 60 * 60_000

/** The folder of `dataDir`'s server, undefined while there is none. Throws `embedded_unreachable`. */
export function findFolder(dataDir: string): ServerFolder | undefined {
  const place = join(resolve(dataDir), 'postgres')
  try {
    const marker = statSync(join(place, 'data', 'PG_VERSION'), { throwIfNoEntry: false })
    if (marker === undefined) return undefined
    const path = realpathSync(place)
    const data = join(path, 'data')
    return { path, data, user: ownerAsUser(data) }
  } catch (error) {
    throw unreachable(place, error)
  }
}

/** PostgreSQL runs as the owner of its data, and not as root. */
function ownerAsUser(data: string): ServerUser | undefined {
  if (process.platform === 'win32') return undefined
  const owner = ownerOf(data)
  if (owner.uid === 0) refuseOwner(data, 'it belongs to root', `chown -R nobody ${dirname(data)}`)
  if (process.getuid?.() !== 0) return undefined
  const closed = closedTo(data, owner)
  if (closed !== undefined) refuseOwner(data, `its owner cannot pass ${closed}`, `chmod o+x ${closed}`)
  return owner
}

function refuseOwner(data: string, why: string, command: string): never {
  throw new TminusError(`PostgreSQL cannot run in ${data}: ${why}; mend it (${command}) or choose another DATA_DIR`, {
    code: 'embedded_unreachable',
    retryable: false,
    fields: { folder: data },
  })
}

/** Names the folder where the system said no (EACCES, EROFS, ENOSPC, …); other errors pass unchanged. */
export function unreachable(folder: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return error
  const isFull = 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
  const mend = isFull ? 'free some of its disk' : 'give it to this user'
  return new TminusError(
    `The database folder ${folder} cannot be used (${error.message}); ${mend}, choose another DATA_DIR, or set DATABASE_URL`,
    { code: 'embedded_unreachable', retryable: false, cause: error, fields: { folder } },
  )
}

/**
 * Makes the folder in private and publishes it in one step, so any number of processes may do it at once: the first
 * one's stays, the others remove theirs. About 0.5 s.
 *
 * Throws `embedded_unreachable`, `embedded_initdb_failed`, `embedded_folder_foreign` and those of `findBinaries`.
 */
export async function createFolder(dataDir: string, options: { sync: boolean }): Promise<ServerFolder> {
  const wanted = resolve(dataDir)
  try {
    await mkdir(wanted, { recursive: true })
    const parent = await realpath(wanted)
    const user = serverUser(parent)
    await handOver(parent, user)
    await sweepDrafts(parent)
    const draft = await makeDraft(parent, user)
    try {
      await initialise(draft, user, options)
      await publish(draft, join(parent, 'postgres'))
    } catch (error) {
      await rm(draft, { recursive: true, force: true })
      if (!(error instanceof AlreadyThere)) throw error
    }
  } catch (error) {
    throw unreachable(wanted, error)
  }
  return findFolder(dataDir) ?? refuseForeign(join(wanted, 'postgres'))
}

/** Emptiness is looked at before the owner: another process hands the folder over before putting anything in it. */
async function handOver(folder: string, user: ServerUser | undefined): Promise<void> {
  if (user === undefined) return
  const empty = (await readdir(folder)).length === 0
  const { uid } = await stat(folder)
  if (empty && uid === 0) await lchown(folder, user.uid, user.gid)
}

async function sweepDrafts(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith('.postgres-')) continue
    const draft = join(parent, name)
    const stats = await stat(draft).catch(() => undefined)
    if (stats !== undefined && Date.now() - stats.mtimeMs > ABANDONED_MS)
      await rm(draft, { recursive: true, force: true })
  }
}

/**
 * Beside its later place, so that a rename publishes it; under /var where the server's user cannot come near that
 * place (a checkout below /root): then a link publishes it.
 */
async function makeDraft(parent: string, user: ServerUser | undefined): Promise<string> {
  const system = ['/var/lib', '/var/db'].find((folder) => existsSync(folder)) ?? parent
  const draft = await mkdtemp(
    closedTo(parent, user) === undefined ? join(parent, '.postgres-') : join(system, 'tminus-'),
  )
  if (user !== undefined) await lchown(draft, user.uid, user.gid)
  return draft
}

async function initialise(folder: string, user: ServerUser | undefined, { sync }: { sync: boolean }): Promise<void> {
  const { initdb } = await findBinaries(folder, user)
  const passwordFile = join(folder, 'password')
  await writePassword(passwordFile, user)
  const args = ['-D', join(folder, 'data'), '-U', SUPERUSER, '-A', 'scram-sha-256', '--pwfile', passwordFile]
  // PostgreSQL's own C.UTF-8: the same order and the same letters on every system.
  args.push('--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8')
  args.push('--no-instructions', ...(sync ? [] : ['--no-sync']))
  await promisify(execFile)(initdb, args, {
    ...runAs(user),
    cwd: folder,
    env: serverEnvironment(),
    windowsHide: true,
  }).catch((error) => {
    throw initdbFailed(error)
  })
}

async function writePassword(path: string, user: ServerUser | undefined): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(`${randomBytes(24).toString('base64url')}\n`)
    if (user !== undefined) await file.chown(user.uid, user.gid)
  } finally {
    await file.close()
  }
}

/** The server outlives us and our environment holds secrets: it gets none of it. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const names = ['PATH', 'SystemRoot', 'TEMP', 'TMP']
  const kept = names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))
  return { ...Object.fromEntries(kept), LC_ALL: 'C', TZ: 'UTC' }
}

function initdbFailed(error: Error & { stdout?: string; stderr?: string }): TminusError {
  const output = problemIn(`${error.stdout ?? ''}\n${error.stderr ?? ''}`) || messageOf(error)
  const nameless = output.includes('could not look up effective user ID')
  const advice = nameless
    ? 'run as a user that /etc/passwd knows, or set DATABASE_URL'
    : 'mend what it names, choose another DATA_DIR, or set DATABASE_URL'
  return new TminusError(`initdb could not make the embedded database; ${advice}. It said: ${output}`, {
    code: 'embedded_initdb_failed',
    retryable: false,
    cause: error,
  })
}

/** Said to every session of a server that stops, or has not yet started. */
const EXPECTED = /terminating connection|the database system is/
const HINT = /^(HINT|DETAIL|CONTEXT|STATEMENT):|^initdb: hint:/

/**
 * What a program of PostgreSQL says is wrong, on one line: the fatal errors, else the last lines. Without hints, which
 * speak of corrupted data where a disk is full.
 */
export function problemIn(output: string): string {
  const lines = output.split('\n').filter((line) => !line.startsWith('\t') && !HINT.test(line))
  const fatal = lines.filter((line) => /^(FATAL|PANIC):|: (error|fatal): /.test(line) && !EXPECTED.test(line))
  const told = fatal.length > 0 ? [...new Set(fatal)].slice(-2) : lines.filter((line) => line.trim() !== '').slice(-6)
  return told.map((line) => line.trim()).join(' | ')
}

class AlreadyThere extends Error {}

async function publish(draft: string, place: string): Promise<void> {
  try {
    await (dirname(draft) === dirname(place) ? rename(draft, place) : symlink(draft, place))
  } catch (error) {
    if (lstatSync(place, { throwIfNoEntry: false }) !== undefined) throw new AlreadyThere()
    throw error
  }
}

function refuseForeign(place: string): never {
  throw new TminusError(`${place} is not the folder of an embedded server; move it away or choose another DATA_DIR`, {
    code: 'embedded_folder_foreign',
    retryable: false,
    fields: { folder: place },
  })
}

export async function readPassword(folder: ServerFolder): Promise<string> {
  try {
    return (await readFile(join(folder.path, 'password'), 'utf8')).trim()
  } catch (error) {
    throw unreachable(folder.path, error)
  }
}
