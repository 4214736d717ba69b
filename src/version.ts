import { readFileSync } from 'node:fs'

/** The package's version. package.json is one folder above the source and two above the build. */
export const VERSION: string = read('../package.json') ?? read('../../package.json') ?? '0.0.0'

/**
 * Returns how many minor versions `version` is ahead of `other`; negative if it is behind. Infinite if the major versions
 * differ.
 */
export function minorsAhead(version: string, other: string): number {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [otherMajor = 0, otherMinor = 0] = other.split('.').map(Number)
  return major === otherMajor ? minor - otherMinor : (major - otherMajor) * Number.POSITIVE_INFINITY
}

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
