import { UsageError } from '../errors.ts'

/** A date, whose beginning in UTC is meant, or an instant with its zone. Throws UsageError that names the option. */
export function parseInstant(option: string, text: string): Date {
  const date = new Date(text)
  const dayOnly = /^\d{4}-\d\d-\d\d$/.test(text)
  const known = dayOnly || /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/.test(text)
  // The 31st of February would be read as the 3rd of March.
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`)
  const there = !Number.isNaN(date.getTime()) && day.toISOString().startsWith(text.slice(0, 10))
  if (known && there) return date
  throw new UsageError(`${option} must be a date such as 2026-01-31, or an instant such as 2026-01-31T12:00:00Z`)
}
