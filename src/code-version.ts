import { createHash, type Hash } from 'node:crypto'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'

/** The extensions of code, and of files that code usually imports or reads. */
const SOURCES = new Set('.ts .tsx .mts .cts .js .jsx .mjs .cjs .json .sql .graphql'.split(' '))
/** Build output and reports, below the folders of the pipelines (a pipeline may be called `build`). */
const BUILT = new Set(['dist', 'build', 'coverage'])
/** If there are more files, only the first ones by path are hashed. If a file is larger, only its size is hashed. */
const MAX_FILES = 5_000
const MAX_FILE_BYTES = 1_000_000
const MAX_DEPTH = 20
const MAX_MS = 10_000

/**
 * A hash of the sources under this folder: their paths and contents, without `node_modules` and folders whose name
 * begins with a dot. 16 hex digits; null if it takes longer than 10 s or the folder cannot be read. Never rejects.
 */
export async function codeVersion(pipelinesDir: string, withinMs: number = MAX_MS): Promise<string | null> {
  const until = performance.now() + withinMs
  try {
    const files: string[] = []
    await collect(pipelinesDir, '', files, { until, seen: new Set(), depth: 0 })
    const hash = createHash('sha256')
    for (const file of files) {
      if (performance.now() > until) return null
      await add(hash, pipelinesDir, file)
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

async function add(hash: Hash, root: string, file: string): Promise<void> {
  const path = join(root, file)
  try {
    const { size } = await stat(path)
    const content = size > MAX_FILE_BYTES ? `${size} bytes` : await readFile(path)
    hash.update(`${file}\0${content.length}\0`).update(content)
  } catch {
    hash.update(`${file}\0missing\0`)
  }
}
