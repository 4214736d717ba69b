import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, lstatSync, realpathSync, statSync } from 'node:fs'
import { lchown, mkdir, mkdtemp, open, readdir, readFile, realpath, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { messageOf, TminusError } from '../../errors.ts'
import { findBinaries } from './binaries.ts'
import { closedTo, ownerOf, runAs, type ServerUser, serverUser } from './user.ts'

/**
 * The folder of an initialised server. The files belong to the user that runs the server. Other users cannot read them.
 */
export interface ServerFolder {
  /** Real path. Contains `data`, `password`, `server.log`, `socket`, and `native-…` if the binaries were copied. */
  path: string
  data: string
  /** The user that runs the server; undefined: the user of this process. */
  user: ServerUser | undefined
}

/** The role that initdb creates and that we connect as. */
export const SUPERUSER = 'tminus'

/** Overrides PGOPTIONS of the environment, because that setting is for another server. */
export const OWN_OPTIONS = '-c jit=off'

/** A draft this old was left by a process that died. */
const ABANDONED_MS = 60 * 60_000

/** The server folder of `dataDir`; undefined if there is none. Throws `embedded_unreachable`. */
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

/** PostgreSQL must run as the owner of its data, and refuses to run as root. */
function ownerAsUser(data: string): ServerUser | undefined {
  if (process.platform === 'win32') return undefined
  const owner = ownerOf(data)
  if (owner.uid === 0) refuseOwner(data, 'it belongs to root', `chown -R nobody ${dirname(data)}`)
  if (process.getuid?.() !== 0) return undefined
  const closed = closedTo(data, owner)
  if (closed !== undefined) refuseOwner(data, `its owner cannot enter ${closed}`, `chmod o+x ${closed}`)
  return owner
}

function refuseOwner(data: string, why: string, command: string): never {
  throw new TminusError(
    `PostgreSQL cannot run in ${data}: ${why}; correct that (${command}) or choose another DATA_DIR`,
    { code: 'embedded_unreachable', retryable: false, fields: { folder: data } },
  )
}

/** Turns a system error (EACCES, EROFS, ENOSPC, …) into one that names the folder; returns other errors unchanged. */
export function unreachable(folder: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return error
  const isFull = 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
  const advice = isFull ? 'free disk space' : 'give this user access to it'
  return new TminusError(
    `The database folder ${folder} cannot be used (${error.message}); ${advice}, choose another DATA_DIR, or set DATABASE_URL`,
    { code: 'embedded_unreachable', retryable: false, cause: error, fields: { folder } },
  )
}

/**
 * Creates the folder as a private draft and publishes it in one step, so any number of processes may do this at once.
 * The first draft to be published is kept; the other processes remove theirs. About 0.5 s.
 *
 * Throws `embedded_unreachable`, `embedded_initdb_failed`, `embedded_folder_foreign` and the errors of `findBinaries`.
 */
export async function createFolder(dataDir: string, options: { sync: boolean }): Promise<ServerFolder> {
  const wanted = resolve(dataDir)
  try {
    await mkdir(wanted, { recursive: true })
    const parent = await realpath(wanted)
    const user = serverUser(parent)
    await changeOwner(parent, user)
    await removeOldDrafts(parent)
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

/**
 * Changes the owner of an empty folder from root to the server's user. Reads the content before the owner: another
 * process changes the owner before it puts anything into the folder.
 */
async function changeOwner(folder: string, user: ServerUser | undefined): Promise<void> {
  if (user === undefined) return
  const empty = (await readdir(folder)).length === 0
  const { uid } = await stat(folder)
  if (empty && uid === 0) await lchown(folder, user.uid, user.gid)
}

async function removeOldDrafts(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith('.postgres-')) continue
    const draft = join(parent, name)
    const stats = await stat(draft).catch(() => undefined)
    if (stats !== undefined && Date.now() - stats.mtimeMs > ABANDONED_MS)
      await rm(draft, { recursive: true, force: true })
  }
}

/**
 * Creates the draft next to its final place, so that a rename publishes it. If the server's user cannot enter that
 * place (a checkout below /root), the draft is created under /var, and a link publishes it.
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
  // PostgreSQL's own C.UTF-8 sorts and classifies letters the same way on every system.
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

/**
 * The server gets none of our environment, which contains secrets: the server continues after this process has ended.
 */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const names = ['PATH', 'SystemRoot', 'TEMP', 'TMP']
  const kept = names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))
  return { ...Object.fromEntries(kept), LC_ALL: 'C', TZ: 'UTC' }
}

function initdbFailed(error: Error & { stdout?: string; stderr?: string }): TminusError {
  const output = problemIn(`${error.stdout ?? ''}\n${error.stderr ?? ''}`) || messageOf(error)
  const nameless = output.includes('could not look up effective user ID')
  const advice = nameless
    ? 'run as a user that is in /etc/passwd, or set DATABASE_URL'
    : 'correct what it reports, choose another DATA_DIR, or set DATABASE_URL'
  return new TminusError(`initdb could not create the embedded database; ${advice}. It reported: ${output}`, {
    code: 'embedded_initdb_failed',
    retryable: false,
    cause: error,
  })
}

/** Messages to every session while the server starts or stops. */
const EXPECTED = /terminating connection|the database system is/
const HINT = /^(HINT|DETAIL|CONTEXT|STATEMENT):|^initdb: hint:/

/**
 * The error in the output of a PostgreSQL program, on one line: its fatal errors, else its last lines. Drops hints,
 * which suggest corrupted data when the disk is full.
 */
export function problemIn(output: string): string {
  const lines = output.split('\n').filter((line) => !line.startsWith('\t') && !HINT.test(line))
  const fatal = lines.filter((line) => /^(FATAL|PANIC):|: (error|fatal): /.test(line) && !EXPECTED.test(line))
  const shown = fatal.length > 0 ? [...new Set(fatal)].slice(-2) : lines.filter((line) => line.trim() !== '').slice(-6)
  return shown.map((line) => line.trim()).join(' | ')
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
