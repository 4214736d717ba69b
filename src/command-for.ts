import { existsSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where this copy of T-minus lies, which decides what a person types to run it. */
export type Place = 'checkout' | 'project' | 'container'

/** `npm run NAME` of the checkout. */
const SCRIPTS = ['pipeline', 'demo', 'scheduler', 'web', 'worker']

const HERE = fileURLToPath(import.meta.url)

export interface CommandOptions {
  /** Nothing but the verb's own output is to be printed. */
  silent?: boolean
  /** The process that says so cannot start without it, so nothing can be executed in its container. */
  beforeStart?: boolean
  place?: Place
}

/**
 * The command line that runs a verb of T-minus from here, for hints: `db migrate` → `npm run cli -- db migrate` in the
 * checkout, `npx tminus db migrate` where the package is installed, `docker compose exec app tminus db migrate` in the
 * image.
 */
export function commandFor(line: string, options: CommandOptions = {}): string {
  const { silent = false, beforeStart = false, place = PLACE } = options
  if (place === 'project') return `npx tminus ${line}`
  if (place === 'container') {
    if (line === 'start') return 'docker compose up -d'
    return beforeStart
      ? `docker compose run --rm --entrypoint tminus app ${line}`
      : `docker compose exec app tminus ${line}`
  }
  if (line === 'start') return 'npm start'
  const run = silent ? 'npm run -s' : 'npm run'
  return SCRIPTS.includes(line.split(' ')[0] ?? '') ? `${run} ${line}` : `${run} cli -- ${line}`
}

/** The image holds a build without its sources, in no node_modules. */
export function placeOf(file: string): Place {
  if (file.includes(`${sep}node_modules${sep}`)) return 'project'
  const root = join(dirname(file), file.endsWith('.ts') ? '..' : '../..')
  return existsSync(join(root, 'src/cli/main.ts')) ? 'checkout' : 'container'
}

export const PLACE = placeOf(HERE)
