import { visibleJson, visibleText } from 'tminus'

/**
 * A record of CSV by RFC 4180: ended by CR LF; a field with a comma, a quote or a line break in quotes, its quotes
 * doubled. Null is an empty field; dates are ISO 8601 UTC; objects are JSON.
 *
 * A text that begins as a formula does for a spreadsheet (= + - @, tab, CR) gets a ' before it: the launches come from
 * a list that many can edit, and the file is opened by a click. Numbers are left as they are. (csv-stringify 6.9.0 does
 * the same, but leaves a lone line feed without quotes where records end by CR LF.)
 */
export function csvRecord(values: readonly unknown[]): string {
  return `${values.map(field).join(',')}\r\n`
}

function field(value: unknown): string {
  const text = typeof value === 'string' ? shown(value) : plain(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Made visible first: a formula may hide behind a character that is not seen. */
function shown(text: string): string {
  return visibleText(text).replace(/^(?=[=+\-@\t\r])/, "'")
}

function plain(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'object' ? visibleJson(JSON.stringify(value)) : String(value)
}
