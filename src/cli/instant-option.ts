import { UsageError } from '../errors.ts'
import { readInstant } from '../instant.ts'

/** Reads a date (its first instant in UTC) or an instant with a zone. Throws UsageError that names the option. */
export function parseInstant(option: string, text: string): Date {
  const date = readInstant(text)
  if (date !== undefined) return date
  throw new UsageError(`${option} must be a date such as 2026-01-31, or an instant such as 2026-01-31T12:00:00Z`)
}
