import { readFileSync } from 'node:fs'

/** The package's version. package.json is one folder above the source and two above the build. */
export const VERSION: string = read('../package.json') ?? read('../../package.json') ?? '0.0.0'

function read(path: string): string | undefined {
  try {
    const content = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as {
      name?: string
      version?: string
    }
    return content.name === 'tminus' ? content.version : undefined
  } catch {
    return undefined
  }
}
