import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

interface Import {
  /** As written. */
  name: string
  /** A file of this checkout (`src/dag/dag.ts`), or the name of a package. */
  to: string
  typeOnly: boolean
  dynamic: boolean
}

interface Source {
  path: string
  text: string
  imports: Import[]
}

const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
/** `tminus/…` as package.json's exports resolve it. */
const EXPORTS: Record<string, string> = Object.fromEntries(
  Object.entries(MANIFEST.exports as object).flatMap(([name, target]) =>
    target['tminus-source'] ? [[`tminus${name.slice(1)}`, normalize(target['tminus-source'])]] : [],
  ),
)

const STATEMENT =
  /^(?<verb>import|export)\s+(?:(?<type>type)\s+)?(?:(?<names>[^'"()]*?)\s+from\s+)?(?<quote>['"])(?<static>[^'"]+)\k<quote>|\bimport\((?<open>['"])(?<dynamic>[^'"]+)\k<open>\)/gm

function read(path: string): Source {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const imports = [...text.matchAll(STATEMENT)].map(({ groups = {} }): Import => {
    const name = groups.static ?? groups.dynamic ?? ''
    const named = /^\{(.*)\}$/s
      .exec(groups.names?.trim() ?? '')?.[1]
      ?.split(',')
      .filter((one) => one.trim())
    const onlyTypes = named?.every((one) => one.trim().startsWith('type '))
    const to = name.startsWith('.') ? join(dirname(path), name) : (EXPORTS[name] ?? name)
    return {
      name,
      to,
      typeOnly: groups.type !== undefined || onlyTypes === true,
      dynamic: groups.dynamic !== undefined,
    }
  })
  return { path, text, imports }
}

const sources = ['src', 'pipelines'].flatMap((top) =>
  readdirSync(join(ROOT, top), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => read(join(top, name))),
)

/** `src/dag`, `src/config.ts`, `pipelines/rocket-launches`. */
const partOf = (path: string) => path.split('/').slice(0, 2).join('/')
const local = (path: string) => /^(src|pipelines)\//.test(path)

/** A row of the import table in src/README.md: parts, their imports, their imports of types only, their packages. */
type Row = readonly [parts: string[], code: string[], types: string[], packages: string[]]

function readTable(): Row[] {
  const readme = readFileSync(join(ROOT, 'src/README.md'), 'utf8')
  const [, section = ''] = /^## Who may import whom$(.*?)^## /ms.exec(readme) ?? []
  const rows = section.split('\n').filter((line) => line.startsWith('|'))
  const named = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
  const placed = (cell?: string) => named(cell).map((name) => join('src', name))
  return rows.slice(2).map((row) => {
    const [, parts, code, types, packages] = row.split('|')
    return [placed(parts), placed(code), placed(types), named(packages)]
  })
}

const TABLE = readTable()
/** The files that every part may import. Their row has no imports of its own. */
const OPEN = TABLE.find(([parts]) => parts.includes('src/errors.ts'))?.[0] ?? []
const FOLDERS = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory())

/** Only these may import every part. */
const WIRES = ['src/app.ts', 'src/databases.ts', 'src/cli']

describe('who may import whom', () => {
  test('every import of a local file names an existing file', () => {
    const lost = sources.flatMap(({ path, imports }) =>
      imports.filter(({ to }) => local(to) && !existsSync(join(ROOT, to))).map(({ to }) => `${path} → ${to}`),
    )
    expect(lost).toEqual([])
    const words = (text: string) => text.match(/^import\s/gm)?.length ?? 0
    for (const { path, text, imports } of sources)
      expect([path, imports.length]).toEqual([path, expect.toSatisfy((n: number) => n >= words(text))])
  })

  test('the import table has a row for every folder of src/', () => {
    const listed = TABLE.flatMap(([parts]) => parts)
    expect(
      FOLDERS.map(({ name }) => `src/${name}`).filter((folder) => ![...listed, ...WIRES].includes(folder)),
    ).toEqual([])
    expect(listed.filter((part) => !existsSync(join(ROOT, part)))).toEqual([])
    expect(OPEN).toHaveLength(18)
  })

  const folders = TABLE.flatMap(([parts, ...rest]) => parts.map((part) => [part, ...rest] as const))
  test.each(folders.filter(([part]) => !OPEN.includes(part)))('%s', (part, code, types, packages) => {
    const own = sources.filter(({ path }) => partOf(path) === part)
    expect(own).not.toEqual([])
    const allowed = (one: Import) => {
      if (!local(one.to))
        return (
          one.to.startsWith('node:') ||
          packages.some((name) => one.to === name || one.to.startsWith(`${name}/`)) ||
          one.typeOnly
        )
      const to = partOf(one.to)
      return [part, ...OPEN, ...code].includes(to) || (one.typeOnly && types.includes(to))
    }
    const wrong = own.flatMap(({ path, imports }) =>
      imports.filter((one) => !allowed(one)).map(({ to }) => `${path} → ${to}`),
    )
    expect(wrong).toEqual([])
  })

  test('src/ never imports pipelines/, except load-dags.ts, which imports what it finds', () => {
    const wrong = sources
      .filter(({ path }) => path.startsWith('src/'))
      .flatMap(({ path, imports }) => imports.filter(({ to }) => to.startsWith('pipelines/')).map(() => path))
    expect(wrong).toEqual([])
    const importing = sources.filter(({ path, text }) => path.startsWith('src/') && /\bimport\((?!['"])/.test(text))
    expect(importing.map(({ path }) => path)).toEqual(['src/load-dags.ts'])
  })

  test("a pipeline imports only 'tminus', node, packages and pipelines", () => {
    const wrong = sources
      .filter(({ path }) => path.startsWith('pipelines/'))
      .flatMap(({ path, imports }) =>
        imports
          .filter(({ name, to }) => name.startsWith('.') && !to.startsWith('pipelines/'))
          .map(({ name }) => `${path} → ${name}`),
      )
    expect(wrong).toEqual([])
  })

  test('every imported package is a dependency', () => {
    const installed = [...Object.keys(MANIFEST.dependencies), ...Object.keys(MANIFEST.optionalDependencies)]
    const wrong = sources.flatMap(({ path, imports }) =>
      imports
        .filter(({ to, typeOnly }) => !local(to) && !to.startsWith('node:') && !typeOnly)
        .filter(({ to }) => !installed.some((name) => to === name || to.startsWith(`${name}/`)))
        .map(({ to }) => `${path} → ${to}`),
    )
    expect(wrong).toEqual([])
  })

  test('only app.ts and the command line wire parts together', () => {
    const wrong = sources
      .filter(({ path }) => path.startsWith('src/') && !WIRES.includes(partOf(path)))
      .flatMap(({ path, imports }) =>
        imports.filter(({ to }) => WIRES.includes(partOf(to))).map(({ to }) => `${path} → ${to}`),
      )
    expect(wrong).toEqual([])
    const executors = sources.filter(({ imports }) => imports.some(({ to }) => partOf(to) === 'src/executors'))
    for (const { path } of executors) expect([...WIRES, 'src/executors']).toContain(partOf(path))
  })

  test('there are no import cycles (types excluded)', () => {
    const edges = new Map(
      sources.map(({ path, imports }) => [
        path,
        imports.filter(({ to, typeOnly, dynamic }) => local(to) && !typeOnly && !dynamic).map(({ to }) => to),
      ]),
    )
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (path: string, trail: string[]): void => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
      if (trail.includes(path) || done.has(path)) return
      for (const next of edges.get(path) ?? []) visit(next, [...trail, path])
      done.add(path)
    }
    for (const path of edges.keys()) visit(path, [])
    expect(cycles).toEqual([])
  })
})

describe('content of a file', () => {
  test('only config.ts reads the environment', () => {
    const reading = sources.filter(({ text }) => /process\.env\b|\bimport\.meta\.env\b/.test(text))
    expect(reading.map(({ path }) => path)).toEqual([
      'src/config.ts',
      // Not settings: the variables that a server needs in order to start, such as PATH.
      'src/db/embedded/folder.ts',
    ])
  })

  test('no hint names a command literally: commandFor builds it', () => {
    const hint = /npm (?:run|start)|npx tminus|docker compose/
    const lines = sources
      .filter(({ path }) => !['src/command-for.ts', 'src/cli/page-words.ts'].includes(path))
      .flatMap(({ path, text }) => text.split('\n').map((line) => ({ path, line: line.trim() })))
    expect(lines.filter(({ line }) => hint.test(line) && !/^(?:\/?\*|\/\/)/.test(line))).toEqual([])
  })

  test('no file is longer than 300 lines', () => {
    const long = sources
      .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > 300)
    expect(long.map(({ path }) => path)).toEqual([])
  })

  test('the runner can be read in an afternoon: under 3,000 lines of code', () => {
    const core = ['src/dag', 'src/runner', 'src/executors', 'src/metadata', 'src/scheduler']
    const code = sources
      .filter(({ path }) => core.includes(partOf(path)))
      .map(({ text }) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, ''))
      .map((text) => text.split('\n').filter((line) => line.trim() !== '').length)
    const total = code.reduce((sum, lines) => sum + lines, 0)
    expect(total).toBeGreaterThan(1_000)
    expect(total).toBeLessThan(3_000)
  })
})
