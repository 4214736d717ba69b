import pc from 'picocolors'
import { columnsOf, printable, wrap } from './screen.ts'

/**
 * Rows as a table as wide as its content; the header is dimmed on a terminal. On a terminal narrower than that the
 * widest columns are cut, but never the first, which names the row; in a pipe nothing is.
 */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number = terminalColumns(),
): string {
  const cells = rows.map((row) => header.map((_, column) => oneLine(row[column] ?? '')))
  const widths = header.map((title, column) =>
    cells.reduce((width, row) => Math.max(width, columnsOf(row[column] ?? '')), columnsOf(title)),
  )
  const shown = narrowed(widths, header, columns)
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => pad(cut(cell, shown[column] ?? 0), shown[column] ?? 0))
      .join(GAP)
      .trimEnd()
  return [pc.dim(line(header)), ...cells.map(line)].join('\n')
}

/** Of the terminal; without end elsewhere. */
export function terminalColumns(): number {
  return process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY
}

const GAP = '  '
/** No column is cut below it, or below its title. */
const NARROWEST = 6

function oneLine(text: string): string {
  return printable(text.replaceAll(/\s+/g, ' '))
}

function narrowed(widths: readonly number[], header: readonly string[], columns: number): number[] {
  const fitted = [...widths]
  const least = header.map((title) => Math.max(NARROWEST, columnsOf(title)))
  const spare = (column: number) => (column === 0 ? 0 : (fitted[column] ?? 0) - (least[column] ?? 0))
  let over = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1) - columns
  for (; over > 0; over -= 1) {
    const cuttable = fitted.map((_, column) => column).filter((column) => spare(column) > 0)
    if (cuttable.length === 0) break
    const widest = cuttable.reduce((one, other) => ((fitted[other] ?? 0) > (fitted[one] ?? 0) ? other : one))
    fitted[widest] = (fitted[widest] ?? 0) - 1
  }
  return fitted
}

function cut(text: string, width: number): string {
  if (columnsOf(text) <= width) return text
  let kept = ''
  for (const { segment } of graphemes.segment(text)) {
    if (columnsOf(kept + segment) > width - 1) break
    kept += segment
  }
  return `${kept.trimEnd()}…`
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - columnsOf(text)))
}

/** Names and values, one below the other; a long value is wrapped under its beginning. */
export function fields(
  given: readonly (readonly [string, string | null])[],
  columns: number = terminalColumns(),
): string {
  const shown = given.flatMap(([name, value]) => (value === null || value === '' ? [] : [{ name, value }]))
  const width = Math.max(...shown.map(({ name }) => columnsOf(name))) + GAP.length
  return shown
    .flatMap(({ name, value }) =>
      wrapped(value, columns - width).map((line, index) => `${pad(index === 0 ? pc.dim(name) : '', width)}${line}`),
    )
    .join('\n')
}

/** Lines of what others wrote. */
export function wrapped(text: string, columns: number = terminalColumns()): string[] {
  return wrap(printable(text.replaceAll(/\r\n?/g, '\n')), columns)
}

/** `2026-11-21 05:00:00Z`, or nothing. */
export function instant(date: Date | null): string {
  return date === null
    ? ''
    : date
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z')
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2))
}
