import { createHash, type Hash } from 'node:crypto'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { dirname, extname, join, relative, resolve, sep } from 'node:path'

/** The extensions of code, and of files that code usually imports or reads. */
const SOURCES = new Set('.ts .tsx .mts .cts .js .jsx .mjs .cjs .json .toml .sql .graphql'.split(' '))
/** Build output and reports, below the folders of the pipelines (a pipeline may be called `build`). */
const BUILT = new Set(['dist', 'build', 'coverage'])
/** If there are more files, only the first ones by path are hashed. If a file is larger, only its size is hashed. */
const MAX_FILES = 5_000
const MAX_FILE_BYTES = 1_000_000
const MAX_DEPTH = 20
const MAX_MS = 10_000

/**
 * A hash of the sources under this folder, without `node_modules` and folders whose name begins with a dot, and of the
 * files elsewhere that they import by a relative path: their paths and contents. 16 hex digits; null if it takes longer
 * than 10 s or the folder cannot be read. Never rejects.
 */
export async function codeVersion(pipelinesDir: string, withinMs: number = MAX_MS): Promise<string | null> {
  const until = performance.now() + withinMs
  try {
    const root = await realpath(pipelinesDir)
    const files: string[] = []
    await collect(root, '', files, { until, seen: new Set(), depth: 0 })
    const hash = createHash('sha256')
    const outside = new Set<string>()
    // The list grows by the files outside that are found.
    for (const file of files) {
      if (performance.now() > until) return null
      const content = await add(hash, root, file)
      for (const imported of await importsOutside(root, file, content)) {
        if (outside.has(imported) || files.length >= MAX_FILES) continue
        outside.add(imported)
        files.push(relative(root, imported))
      }
    }
    return files.length === 0 ? null : hash.digest('hex').slice(0, 16)
  } catch {
    return null
  }
}

interface Walk {
  until: number
  /** The real paths of the folders so far, because a link may lead back to one of these folders. */
  seen: Set<string>
  depth: number
}

/** Adds the relative paths of the sources in a folder, sorted, so that each machine has the same order. */
async function collect(root: string, folder: string, files: string[], walk: Walk): Promise<void> {
  const { until, seen, depth } = walk
  const real = await realpath(join(root, folder))
  if (depth > MAX_DEPTH || seen.has(real)) return
  seen.add(real)
  for (const name of (await readdir(real)).sort()) {
    if (files.length >= MAX_FILES) return
    if (performance.now() > until) throw new Error('the folder is too large')
    if (name.startsWith('.') || name === 'node_modules' || (depth > 0 && BUILT.has(name))) continue
    const path = folder === '' ? name : `${folder}/${name}`
    // The file may have been removed in the meantime, or be a broken link.
    const found = await stat(join(root, path)).catch(() => undefined)
    if (found?.isDirectory()) await collect(root, path, files, { until, seen, depth: depth + 1 }).catch(ignoreMissing)
    else if (found?.isFile() && SOURCES.has(extname(name))) files.push(path)
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code === undefined) throw error
}

/** Returns the content; empty if the file is too large or cannot be read. */
async function add(hash: Hash, root: string, file: string): Promise<string> {
  const path = join(root, file)
  const name = file.replaceAll(sep, '/')
  try {
    const { size } = await stat(path)
    const content = size > MAX_FILE_BYTES ? `${size} bytes` : await readFile(path)
    hash.update(`${name}\0${content.length}\0`).update(content)
    return content.toString()
  } catch {
    hash.update(`${name}\0missing\0`)
    return ''
  }
}

/** The relative paths of static and dynamic imports, and of `require`. A match in a comment does no harm. */
const IMPORTS = /\b(?:from|import|require)\s*\(?\s*['"](\.\.?\/[^'"\n]+)['"]/g
const CODE = /\.[mc]?[jt]sx?$/

/** The absolute paths of the files outside of `root` that this file imports by a relative path. */
async function importsOutside(root: string, file: string, content: string): Promise<string[]> {
  if (!CODE.test(file)) return []
  // Below the root, `./x` stays there.
  const names = [...content.matchAll(IMPORTS)].map(([, name = '']) => name)
  const leaving = names.filter((name) => name.startsWith('../') || file.startsWith('..'))
  if (leaving.length === 0) return []
  // Node resolves imports from the real place of a linked file.
  const folder = dirname(await realpath(join(root, file)))
  const paths = leaving.map((name) => resolve(folder, name)).filter((path) => !path.startsWith(root + sep))
  const found = await Promise.all(paths.map(findSource))
  return found.filter((path) => path !== undefined && !path.includes(`${sep}node_modules${sep}`)) as string[]
}

/** An import may name the compiled file (`.js` for `.ts`) or omit the extension. */
async function findSource(path: string): Promise<string | undefined> {
  const compiled = path.replace(/\.([mc]?)js(x?)$/, '.$1ts$2')
  const extended = ['.ts', '.tsx', '.js', '.json', '/index.ts', '/index.js'].map((end) => path + end)
  for (const candidate of new Set([path, compiled, ...extended])) {
    const found = await stat(candidate).catch(() => undefined)
    if (found?.isFile()) return candidate
  }
  return undefined
}
