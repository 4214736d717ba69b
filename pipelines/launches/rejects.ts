import { fail, type TminusError } from 'tminus'
import type { Parsed } from './parse-launch.ts'

/** How often each issue came, by its words. */
export type Issues = Map<string, number>

/** Counts what is wrong with the launches of a page. */
export function addIssues(issues: Issues, page: readonly Parsed[]): void {
  for (const parsed of page) {
    if ('launch' in parsed) continue
    for (const { path, message } of parsed.issues) {
      // The same issue in another element of a list is the same issue.
      const issue = `${path.replaceAll(/\b\d+\b/g, '*') || 'launch'}: ${message}`
      issues.set(issue, (issues.get(issue) ?? 0) + 1)
    }
  }
}

export interface ReadCounts {
  fetched: number
  rejected: number
}

/** Throws what `mostlyRejected` finds. */
export function refuseMostlyRejected(counts: ReadCounts, issues: ReadonlyMap<string, number>): void {
  const error = mostlyRejected(counts, issues)
  if (error !== undefined) throw error
}

/**
 * A few odd launches are set aside; many (5, and more than a fifth) mean that the API is another one than we think:
 * then a TminusError `failed`, not retryable, that names the commonest issue.
 */
export function mostlyRejected(
  { fetched, rejected }: ReadCounts,
  issues: ReadonlyMap<string, number>,
): TminusError | undefined {
  if (rejected < 5 || rejected <= fetched * 0.2) return undefined
  const [commonest, times] = [...issues].sort(([, a], [, b]) => b - a)[0] ?? ['cannot be stored', rejected]
  return fail(
    `${rejected} of ${fetched} launches could not be read, most often because of "${commonest}" (${times} times): ` +
      'the API changed, or LAUNCH_LIBRARY_URL is not Launch Library; they are kept in rocket_launch_rejects',
  )
}
