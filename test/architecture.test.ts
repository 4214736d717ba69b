import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

interface Import {
  /** As it is written. */
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

/** The part of the house a file stands in: `src/dag`, `src/config.ts`, `pipelines/rocket-launches`. */
const partOf = (path: string) => path.split('/').slice(0, 2).join('/')
const local = (path: string) => /^(src|pipelines)\//.test(path)

/** Open to everybody. `clock` and `secrets` hold an interface each and a pure function. */
const OPEN = [
  'src/command-for.ts',
  'src/errors.ts',
  'src/log.ts',
  'src/config.ts',
  'src/clock.ts',
  'src/duration.ts',
  'src/instant.ts',
  'src/secrets.ts',
  'src/terminal-text.ts',
  'src/visible-text.ts',
]

const WHOLE: Record<string, { code: string[]; types?: string[]; packages: string[] }> = {
  'src/dag': { code: [], types: ['src/db', 'src/connectors', 'src/commands.ts'], packages: ['zod', 'croner'] },
  'src/db': { code: [], packages: ['pg', 'pg-format'] },
  'src/connectors': { code: [], packages: ['undici', 'discord.js', 'zod', 'picocolors'] },
  'src/callbacks': { code: ['src/connectors', 'src/runner', 'src/metadata'], types: ['src/dag'], packages: [] },
  'src/metadata': { code: ['src/db', 'src/dag'], packages: ['pg-format', 'pg'] },
  'src/runner': { code: ['src/dag', 'src/metadata', 'src/db'], types: ['src/connectors'], packages: ['zod'] },
  'src/executors': { code: ['src/runner'], packages: ['graphile-worker'] },
  'src/operations': { code: ['src/scheduler', 'src/runner', 'src/metadata', 'src/dag', 'src/db'], packages: ['zod'] },
  'src/maintenance': {
    code: ['src/operations', 'src/metadata', 'src/db', 'src/dag'],
    types: ['src/commands.ts'],
    packages: ['pg-format'],
  },
  'src/scheduler': { code: ['src/runner', 'src/metadata', 'src/db', 'src/dag'], packages: ['croner', 'node-cron'] },
}

/** What of the web page a pipeline's board stands on comes by `tminus/web`. */
WHOLE['src/web'] = {
  code: [
    'src/runner',
    'src/metadata',
    'src/scheduler',
    'src/dag',
    'src/db',
    'src/version.ts',
    'src/load-dags.ts',
    'src/maintenance',
    'src/operations',
  ],
  types: ['src/commands.ts'],
  packages: ['hono', 'zod', 'croner', '@hono/node-server', '@dagrejs/dagre', 'prom-client'],
}

/** Where the parts are put together; the rest of `src/` lies below them. */
const WIRES = ['src/app.ts', 'src/cli']

describe('who may import whom', () => {
  test('every import of a file here is found, and names a file that is there', () => {
    const lost = sources.flatMap(({ path, imports }) =>
      imports.filter(({ to }) => local(to) && !existsSync(join(ROOT, to))).map(({ to }) => `${path} → ${to}`),
    )
    expect(lost).toEqual([])
    const words = (text: string) => text.match(/^import\s/gm)?.length ?? 0
    for (const { path, text, imports } of sources)
      expect([path, imports.length]).toEqual([path, expect.toSatisfy((n: number) => n >= words(text))])
  })

  test.each(Object.entries(WHOLE))('%s', (part, { code, types = [], packages }) => {
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

  test('src/ never imports pipelines/: what is there is found in a folder', () => {
    const wrong = sources
      .filter(({ path }) => path.startsWith('src/'))
      .flatMap(({ path, imports }) => imports.filter(({ to }) => to.startsWith('pipelines/')).map(() => path))
    expect(wrong).toEqual([])
    const importing = sources.filter(({ path, text }) => path.startsWith('src/') && /\bimport\((?!['"])/.test(text))
    expect(importing.map(({ path }) => path)).toEqual(['src/load-dags.ts'])
  })

  test("a pipeline imports 'tminus', node, packages, its own folder and other pipelines", () => {
    const wrong = sources
      .filter(({ path }) => path.startsWith('pipelines/'))
      .flatMap(({ path, imports }) =>
        imports
          .filter(({ name, to }) => name.startsWith('.') && !to.startsWith('pipelines/'))
          .map(({ name }) => `${path} → ${name}`),
      )
    expect(wrong).toEqual([])
  })

  test('every package imported is installed with ours', () => {
    const installed = [...Object.keys(MANIFEST.dependencies), ...Object.keys(MANIFEST.optionalDependencies)]
    const wrong = sources.flatMap(({ path, imports }) =>
      imports
        .filter(({ to, typeOnly }) => !local(to) && !to.startsWith('node:') && !typeOnly)
        .filter(({ to }) => !installed.some((name) => to === name || to.startsWith(`${name}/`)))
        .map(({ to }) => `${path} → ${to}`),
    )
    expect(wrong).toEqual([])
  })

  test('only app.ts and the command line put parts together', () => {
    const wrong = sources
      .filter(({ path }) => path.startsWith('src/') && !WIRES.includes(partOf(path)))
      .flatMap(({ path, imports }) =>
        imports.filter(({ to }) => WIRES.includes(partOf(to))).map(({ to }) => `${path} → ${to}`),
      )
    expect(wrong).toEqual([])
    const executors = sources.filter(({ imports }) => imports.some(({ to }) => partOf(to) === 'src/executors'))
    for (const { path } of executors) expect([...WIRES, 'src/executors']).toContain(partOf(path))
  })

  test('no file imports itself, by whatever detour (types aside)', () => {
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

describe('what a file may hold', () => {
  test('only config.ts reads the environment', () => {
    const reading = sources.filter(({ text }) => /process\.env\b|\bimport\.meta\.env\b/.test(text))
    expect(reading.map(({ path }) => path)).toEqual([
      'src/config.ts',
      // Not settings: what a server started by us must be given to start at all (PATH and the like).
      'src/db/embedded/folder.ts',
    ])
  })

  test('no hint names a command that exists only in the checkout: commandFor knows', () => {
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
