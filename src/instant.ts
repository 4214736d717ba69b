const ISO = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d))?$/

/**
 * A date (`2026-01-31`, its first instant in UTC) or an instant with its zone (`2026-01-31T12:00:00Z`) of the years
 * 1900 to 9999. Undefined for any other text, and for a day that does not exist.
 */
export function readInstant(text: string): Date | undefined {
  const [, day = ''] = ISO.exec(text) ?? []
  const date = new Date(text)
  // The 31st of February would be read as the 3rd of March.
  const exists = isDate(new Date(`${day}T00:00:00Z`)) && new Date(`${day}T00:00:00Z`).toISOString().startsWith(day)
  return exists && isDate(date) ? date : undefined
}

/** A valid date of a year that ISO 8601 and Postgres write with four digits. */
export function isDate(value: unknown): value is Date {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) return false
  const year = value.getUTCFullYear()
  return year >= 1900 && year <= 9999
}
