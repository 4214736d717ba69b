import { UsageError } from '../errors.ts'
import { readInstant } from '../instant.ts'

/** Reads a date (its first instant in UTC) or an instant with a zone. Throws UsageError that names the option. */
export function parseInstant(option: string, text: string): Date {
  const date = readInstant(text)
  if (date !== undefined) return date
  throw new UsageError(`${option} must be a date such as 2026-01-31, or an instant such as 2026-01-31T12:00:00Z`)
}

/** Reads a whole number from 1. Throws UsageError that names the option. @param most the largest value, if it has a limit */
export function parseCount(option: string, text: string, most?: number): number {
  if (/^[1-9]\d{0,5}$/.test(text) && Number(text) <= (most ?? 999_999)) return Number(text)
  throw new UsageError(`${option} must be a whole number from 1${most === undefined ? '' : ` to ${most}`}`)
}
