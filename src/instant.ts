const ISO = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d))?$/

/**
 * Parses a date (`2026-01-31`: midnight UTC) or an instant with a zone (`2026-01-31T12:00:00Z`), years 1900 to 9999.
 * Undefined for any other text and for a day that does not exist.
 */
export function readInstant(text: string): Date | undefined {
  const [, day = ''] = ISO.exec(text) ?? []
  const date = new Date(text)
  // JavaScript reads the 31st of February as the 3rd of March.
  const exists = isDate(new Date(`${day}T00:00:00Z`)) && new Date(`${day}T00:00:00Z`).toISOString().startsWith(day)
  return exists && isDate(date) ? date : undefined
}

/** A valid Date in the years 1900 to 9999, which ISO 8601 and Postgres write with four digits. */
export function isDate(value: unknown): value is Date {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) return false
  const year = value.getUTCFullYear()
  return year >= 1900 && year <= 9999
}
