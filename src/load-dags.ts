import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type DagSettings, type Environment, readDagSettings } from './config.ts'
import { type Dag, isDag } from './dag/dag.ts'
import { invalid } from './dag/invalid.ts'
import { messageOf, UsageError } from './errors.ts'
import { guardedImport, holdGuard } from './load-guard.ts'

export interface LoadedDags {
  dags: Map<string, Dag>
  /** The file of each dag, by dag id. */
  files: Map<string, string>
  /** Folders with a dag that failed to load, with the reason. The other dags still load, also those of the same file. */
  importErrors: ImportError[]
}

export interface ImportError {
  folder: string
  message: string
  /** Set if the dag was imported, but its settings or its `after` are wrong, or another folder uses its id. */
  dag?: Dag
}

/** Imports `<folder>/dag.ts` (or `.js`) of every folder in PIPELINES_DIR. Throws UsageError if that is not a folder. */
export async function loadDags(pipelinesDir: string): Promise<LoadedDags> {
  const root = resolve(pipelinesDir)
  const loaded = await noDags()
  const found = new Map<string, { dag: Dag; folder: string; file: string }[]>()
  const folders = await findDags(root)
  const release = holdGuard()
  for (const { folder, file } of folders) {
    try {
      for (const dag of await importDags(file)) {
        if (dag instanceof Error) loaded.importErrors.push({ folder, message: dag.message })
        else found.set(dag.id, [...(found.get(dag.id) ?? []), { dag, folder, file }])
      }
    } catch (error) {
      loaded.importErrors.push({ folder, message: messageOf(error) })
    }
  }
  release()
  for (const [dagId, [only, ...others]] of found) {
    if (only === undefined) continue
    if (others.length > 0) loaded.importErrors.push(...duplicates(dagId, [only, ...others]))
    else {
      loaded.dags.set(dagId, only.dag)
      loaded.files.set(dagId, only.file)
    }
  }
  refuseWrongAfter(loaded)
  return loaded
}

export async function noDags(): Promise<LoadedDags> {
  return { dags: new Map(), files: new Map(), importErrors: [] }
}

/** Parses the settings of every dag into `settings`. A dag with wrong settings becomes an import error. */
export function readSettingsOfAll(
  { dags, files, importErrors }: LoadedDags,
  env: Environment,
  settings: DagSettings,
): void {
  for (const dag of [...dags.values()]) {
    const read = readDagSettings(env, dag)
    if ('settings' in read) settings.set(dag.id, read.settings)
    else refuse({ dags, files, importErrors }, dag, read.issues.join('; '))
  }
}

/** A dag that was imported becomes an import error. */
function refuse({ dags, files, importErrors }: LoadedDags, dag: Dag, problem: string): void {
  const folder = basename(dirname(files.get(dag.id) ?? dag.id))
  importErrors.push({ folder, message: invalid(dag.id, problem).message, dag })
  dags.delete(dag.id)
}

/** Refuses the dags of a cycle, which would start each other without end, and a name of a task that does not exist. */
function refuseWrongAfter(loaded: LoadedDags): void {
  const problems = new Map<Dag, string>()
  const edges = edgesOf(loaded.dags)
  for (const dag of loaded.dags.values()) {
    for (const source of sourcesOf(dag)) {
      const path = pathTo(source.dag, dag.id, edges)
      const cycle = `after forms a cycle: ${[...path, dag.id].join(' → ')}; each of these dags would start the next one`
      for (const id of path) problems.set(loaded.dags.get(id) ?? dag, cycle)
      const other = loaded.dags.get(source.dag)
      if (source.task !== '' && other !== undefined && !other.tasks.has(source.task))
        problems.set(dag, `after names the task '${source.task}', which dag '${other.id}' does not have`)
    }
  }
  for (const [dag, problem] of problems) refuse(loaded, dag, problem)
}

const sourcesOf = ({ after = { all: [] } }: Dag) => ('any' in after ? after.any : after.all)

/** By the id of each dag: the dags that get a run when it succeeds or when a task of it runs. */
function edgesOf(dags: ReadonlyMap<string, Dag>): Map<string, string[]> {
  const edges = new Map(
    [...dags].map(([id, { tasks }]) => [id, [...tasks.values()].flatMap(({ child }) => child?.dag ?? [])]),
  )
  for (const dag of dags.values()) for (const source of sourcesOf(dag)) edges.get(source.dag)?.push(dag.id)
  return edges
}

/** The shortest path from a dag to another one, both included; empty if there is none. */
function pathTo(to: string, from: string, edges: ReadonlyMap<string, readonly string[]>): string[] {
  const before = new Map<string, string | undefined>([[from, undefined]])
  // A map also iterates over what is added meanwhile.
  for (const [id] of before) for (const next of edges.get(id) ?? []) if (!before.has(next)) before.set(next, id)
  const path: string[] = []
  for (let id: string | undefined = before.has(to) ? to : undefined; id !== undefined; id = before.get(id))
    path.unshift(id)
  return path
}

/** Import errors of dags with the same id, usually copies. T-minus cannot know which one is right, so none runs. */
function duplicates(dagId: string, found: readonly { folder: string; dag: Dag }[]): ImportError[] {
  const folders = new Map(found.map((one) => [one.folder, one]))
  const all = [...folders.keys()].join(' and ')
  const defined = folders.size === 1 ? 'defines several dags with the id' : 'define the same dag id'
  const message = `${all} ${defined} '${dagId}'; give each dag its own id`
  return [...folders.values()].map(({ folder, dag }) => ({ folder, message, dag }))
}

async function findDags(root: string): Promise<{ folder: string; file: string }[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch((cause: Error) => {
    throw new UsageError(`PIPELINES_DIR: cannot read ${root}; set it to a folder of pipelines`, { cause })
  })
  const found: { folder: string; file: string }[] = []
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!(await isFolder(root, entry))) continue
    const names = await readdir(join(root, entry.name))
    const name = ['dag.ts', 'dag.js'].find((candidate) => names.includes(candidate))
    if (name !== undefined) found.push({ folder: entry.name, file: join(root, entry.name, name) })
  }
  return found
}

/** Follows a link; a broken link is not a folder. */
async function isFolder(root: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory()
  return await stat(join(root, entry.name)).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

/**
 * Imports the dags of one file, with the guard of `load-guard.ts`. Its default export is a dag or an array. An element of
 * the array is a dag, or a function that returns one. A wrong element is returned as an error in its place. Throws an
 * error if the whole file is wrong.
 */
export async function importDags(file: string): Promise<(Dag | Error)[]> {
  // A build of T-minus also loads pipelines written in TypeScript.
  if (file.endsWith('.ts') && import.meta.url.endsWith('.js')) (await import('tsx/esm/api')).register()
  const module = await guardedImport(
    file,
    async () => (await import(pathToFileURL(file).href)) as { default?: unknown },
  )
  if (isDag(module.default)) return [guardedDag(module.default, file)]
  if (!Array.isArray(module.default) || module.default.length === 0)
    throw new Error('its default export is not a dag; write `export default dag(…)`, or an array of dags')
  const dags: (Dag | Error)[] = []
  for (const [index, element] of module.default.entries()) dags.push(await dagOf(element, index, file))
  return dags
}

async function dagOf(element: unknown, index: number, file: string): Promise<Dag | Error> {
  const whose = `dag ${index + 1} of its array`
  try {
    const dag =
      typeof element === 'function' ? await guardedImport(`${file}: ${whose}`, async () => element()) : element
    return isDag(dag) ? guardedDag(dag, file) : new Error(`${whose} is not a dag; write dag(…), or () => dag(…)`)
  } catch (cause) {
    return new Error(`${whose}: ${messageOf(cause)}`, { cause })
  }
}

/** The dag's board and verbs are imported later, and need the same guard. */
function guardedDag(dag: Dag, file: string): Dag {
  const { board, commands } = dag
  return {
    ...dag,
    ...(board && { board: () => guardedImport(`${file}: its board`, board) }),
    ...(commands && { commands: () => guardedImport(`${file}: its commands`, commands) }),
  }
}
