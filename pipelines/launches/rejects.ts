import { fail, type TminusError } from 'tminus'
import type { Parsed } from './parse-launch.ts'

/** The number of occurrences of each issue, by its text. */
export type Issues = Map<string, number>

/** Adds the issues of a page. */
export function addIssues(issues: Issues, page: readonly Parsed[]): void {
  for (const parsed of page) {
    if ('launch' in parsed) continue
    for (const { path, message } of parsed.issues) {
      // `vid_urls.0` and `vid_urls.1` count as one issue.
      const issue = `${path.replaceAll(/\b\d+\b/g, '*') || 'launch'}: ${message}`
      issues.set(issue, (issues.get(issue) ?? 0) + 1)
    }
  }
}

export interface ReadCounts {
  fetched: number
  rejected: number
}

/** Throws the error of `mostlyRejected`, if any. */
export function refuseMostlyRejected(counts: ReadCounts, issues: ReadonlyMap<string, number>): void {
  const error = mostlyRejected(counts, issues)
  if (error !== undefined) throw error
}

/**
 * A few rejected launches are normal. If at least 5 launches and more than a fifth of all launches are rejected, the
 * API has probably changed. Then this returns a TminusError `failed`, not retryable, that names the most frequent
 * issue.
 */
export function mostlyRejected(
  { fetched, rejected }: ReadCounts,
  issues: ReadonlyMap<string, number>,
): TminusError | undefined {
  if (rejected < 5 || rejected <= fetched * 0.2) return undefined
  const [issue, times] = [...issues].sort(([, a], [, b]) => b - a)[0] ?? ['cannot be stored', rejected]
  return fail(
    `${rejected} of ${fetched} launches could not be parsed, most often because of "${issue}" (${times} times). ` +
      'Check LAUNCH_LIBRARY_URL, or the API has changed; rocket_launch_rejects contains the launches',
  )
}
