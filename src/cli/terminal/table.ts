import pc from 'picocolors'
import { humanDuration } from '../../duration.ts'
import { visibleJson } from '../../visible-text.ts'
import { columnsOf, printable, wrap } from './screen.ts'

export interface TableOptions {
  /** Titles of columns to do without, in this order, where the terminal is too narrow for all. */
  spare?: readonly string[]
  /** What stands in place of a table without rows. */
  empty?: string
  /** Default: those of the terminal; without end where there is none. */
  columns?: number
}

/**
 * Rows as a table as wide as its content; the header is dimmed on a terminal. On a terminal narrower than that the
 * widest columns are cut, but never the first, which names the row; in a pipe nothing is.
 */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  { spare = [], empty, columns = terminalColumns() }: TableOptions = {},
): string {
  if (rows.length === 0 && empty !== undefined) return empty
  const cells = [header, ...rows].map((row) => header.map((_, column) => oneLine(row[column] ?? '')))
  const natural = header.map((_, column) =>
    cells.reduce((width, row) => Math.max(width, columnsOf(row[column] ?? '')), 0),
  )
  const widths = fitting(
    natural,
    spare.map((title) => header.indexOf(title)),
    columns,
  )
  const line = (row: readonly string[]) =>
    row
      .flatMap((cell, column) =>
        widths[column] === 0 ? [] : [pad(cut(cell, widths[column] ?? 0), widths[column] ?? 0)],
      )
      .join(GAP)
      .trimEnd()
  const [title = '', ...lines] = cells.map(line)
  return [pc.dim(title), ...lines].join('\n')
}

/** Of the terminal; without end elsewhere. */
export function terminalColumns(): number {
  return process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY
}

const GAP = '  '
/** So much of a column still tells something; one that is narrower is cut only where nothing else helps. */
const READABLE = 24
const NARROWEST = 6

function oneLine(text: string): string {
  return printable(text).replaceAll(/\s+/g, ' ')
}

/** Widths that fit; 0 for a column that is left out. */
function fitting(natural: readonly number[], spare: readonly number[], columns: number): number[] {
  const widths = [...natural]
  narrow(widths, columns, READABLE)
  if (excess(widths, columns) <= 0) return widths
  const [first, ...others] = spare
  if (first !== undefined) return fitting(natural.with(first, 0), others, columns)
  narrow(widths, columns, NARROWEST)
  return widths
}

function excess(widths: readonly number[], columns: number): number {
  const shown = widths.filter((width) => width > 0)
  return shown.reduce((sum, width) => sum + width, 0) + GAP.length * (shown.length - 1) - columns
}

/** Takes from the widest, one by one, down to `least`. */
function narrow(widths: number[], columns: number, least: number): void {
  for (let over = excess(widths, columns); over > 0; over -= 1) {
    const widest = widths.reduce((one, width, other) => (other > 0 && width > (widths[one] ?? 0) ? other : one), 1)
    if ((widths[widest] ?? 0) <= least) return
    widths[widest] = (widths[widest] ?? 0) - 1
  }
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
      wrapped(value, columns - width).map((line, index) =>
        `${pad(index === 0 ? pc.dim(name) : '', width)}${line}`.trimEnd(),
      ),
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

/** `83 ms`: how long something went on that has ended, else nothing. */
export function took({ start_date, end_date }: { start_date: Date | null; end_date: Date | null }): string {
  return start_date === null || end_date === null ? '' : humanDuration(end_date.getTime() - start_date.getTime())
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** A sentence, wrapped at words on a terminal. What others wrote cannot move the cursor. */
export function say(text: string): void {
  print(wrapped(text).join('\n'))
}

/** A remark beside what was asked for: whoever reads on from standard output is not given it. */
export function note(text: string): void {
  const columns = process.stderr.isTTY ? process.stderr.columns || 80 : Number.POSITIVE_INFINITY
  process.stderr.write(`${wrapped(text, columns).join('\n')}\n`)
}

export function printJson(value: unknown): void {
  print(visibleJson(JSON.stringify(value, null, 2)))
}
