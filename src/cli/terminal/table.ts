import pc from 'picocolors'
import { humanDuration } from '../../duration.ts'
import { columnsOf, wrap } from '../../terminal-text.ts'
import { visibleJson } from '../../visible-text.ts'
import { printable, terminalColumns } from './screen.ts'

export interface TableOptions {
  /** Titles of the columns to hide, in this order, when the terminal is too narrow. */
  spare?: readonly string[]
  /** Printed instead of a table that has no rows. */
  empty?: string
  /** Default: the terminal's width; no limit in a pipe. */
  columns?: number
}

/**
 * Formats rows as a table as wide as its content, with a dimmed header. On a narrower terminal it cuts the widest
 * columns, but never the first one, which names the row. In a pipe it cuts nothing.
 *
 * (cli-table3 0.6.5 only pads and joins the cells here: it does not fit a table to the terminal, so this file would
 * still compute the widths. It also counts widths differently, by string-width 4.)
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

const GAP = '  '
/** Columns are first cut to this width. */
const READABLE = 24
/** When no more columns can be hidden, columns are cut further, to this width. */
const NARROWEST = 6

function oneLine(text: string): string {
  return printable(text).replaceAll(/\s+/g, ' ')
}

/** Widths that fit the terminal; 0 means that the column is hidden. */
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

/** Narrows the widest column by one until all columns fit, or until none is wider than `least`. */
function narrow(widths: number[], columns: number, least: number): void {
  for (let over = excess(widths, columns); over > 0; over -= 1) {
    const widest = widths.reduce((one, width, other) => (other > 0 && width > (widths[one] ?? 0) ? other : one), 1)
    if ((widths[widest] ?? 0) <= least) return
    widths[widest] = (widths[widest] ?? 0) - 1
  }
}

/**
 * (slice-ansi 8.0.0 and cli-truncate 5.2.0, the last versions for Node 20, cannot be used: if they cut within an emoji
 * such as ☀️, the result is one column too wide.)
 */
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

/** Names and values, one pair a line. A long value continues below its first line. */
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

/** Wraps text that other people wrote. */
export function wrapped(text: string, columns: number = terminalColumns()): string[] {
  return wrap(printable(text.replaceAll(/\r\n?/g, '\n')), columns)
}

/** For example `2026-11-21 05:00:00Z`; an empty text for null. */
export function instant(date: Date | null): string {
  return date === null
    ? ''
    : date
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z')
}

/** A duration, for example `83 ms`; an empty text if the task or run has not ended. */
export function took({ start_date, end_date }: { start_date: Date | null; end_date: Date | null }): string {
  return start_date === null || end_date === null ? '' : humanDuration(end_date.getTime() - start_date.getTime())
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Prints a sentence, wrapped at words on a terminal. Control characters in it are made harmless. */
export function say(text: string): void {
  print(wrapped(text).join('\n'))
}

/** Writes a remark to standard error, so that it does not mix with the answer on standard output. */
export function note(text: string): void {
  process.stderr.write(`${wrapped(text, terminalColumns(process.stderr)).join('\n')}\n`)
}

/** Prints the answer of a verb: as JSON for `-o json`, else as text. Returns the exit code 0. */
export function answer(output: string, value: unknown, text: () => string): number {
  if (output === 'json') printJson(value)
  else print(text())
  return 0
}

export function printJson(value: unknown): void {
  print(visibleJson(JSON.stringify(value, null, 2)))
}
