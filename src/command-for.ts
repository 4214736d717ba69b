import { existsSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where this copy of T-minus is installed. It decides which command line runs it. */
export type Place = 'checkout' | 'project' | 'container'

/** Scripts of package.json: the checkout runs these as `npm run NAME`. */
const SCRIPTS = ['pipeline', 'demo', 'scheduler', 'web', 'worker']

/** In containers, docker-compose.scale.yml starts these together. */
const SPLIT = ['scheduler', 'web', 'worker']

const HERE = fileURLToPath(import.meta.url)

export interface CommandOptions {
  /** Print only the verb's own output; npm prints a banner otherwise. */
  silent?: boolean
  /** The app cannot start before this command has run, so `docker compose exec` cannot run it. */
  beforeStart?: boolean
  place?: Place
}

/**
 * The command line for a verb, used in hints. `db migrate` becomes `npm run cli -- db migrate` in the checkout,
 * `npx tminus db migrate` in a project that installed the package, and `docker compose exec app tminus db migrate` in
 * the image.
 */
export function commandFor(line: string, options: CommandOptions = {}): string {
  const { silent = false, beforeStart = false, place = PLACE } = options
  if (place === 'project') return `npx tminus ${line}`
  if (place === 'container') {
    if (line === 'start') return 'docker compose up -d'
    if (SPLIT.includes(line)) return 'docker compose -f docker-compose.yml -f docker-compose.scale.yml up -d'
    return beforeStart
      ? `docker compose run --rm --entrypoint tminus app ${line}`
      : `docker compose exec app tminus ${line}`
  }
  if (line === 'start') return 'npm start'
  const run = silent ? 'npm run -s' : 'npm run'
  return SCRIPTS.includes(line.split(' ')[0] ?? '') ? `${run} ${line}` : `${run} cli -- ${line}`
}

/** The image contains a build without its sources, outside node_modules. */
export function placeOf(file: string): Place {
  if (file.includes(`${sep}node_modules${sep}`)) return 'project'
  const root = join(dirname(file), file.endsWith('.ts') ? '..' : '../..')
  return existsSync(join(root, 'src/cli/main.ts')) ? 'checkout' : 'container'
}

export const PLACE = placeOf(HERE)
