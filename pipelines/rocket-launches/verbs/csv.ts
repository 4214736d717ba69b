import { stringify } from 'csv-stringify/sync'
import { visibleJson, visibleText } from 'tminus'

/**
 * A CSV record (RFC 4180), terminated by CR LF. Null is an empty field; dates are ISO 8601 UTC; objects are JSON.
 *
 * Many people can edit the texts of Launch Library, and a spreadsheet would run some of them as formulas. So a text that
 * starts like a formula (= + - @, tab, CR) gets a ' before it. Numbers do not change.
 */
export function csvRecord(values: readonly unknown[]): string {
  return stringify([[...values]], {
    record_delimiter: 'windows',
    // Without this, csv-stringify does not quote a field with a single line feed when records end with CR LF.
    quoted_match: /[\r\n]/,
    escape_formulas: true,
    cast: {
      // Invisible characters are removed before the check for formulas, because they could hide the start of a formula.
      string: visibleText,
      date: (date) => date.toISOString(),
      object: (value) => visibleJson(JSON.stringify(value)),
      boolean: String,
    },
  })
}
