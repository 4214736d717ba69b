import stringWidth from 'string-width'
import wrapAnsi from 'wrap-ansi'

/**
 * The number of columns that a text needs in a terminal: two for emoji and East Asian characters, none for colour
 * codes.
 */
export function columnsOf(text: string): number {
  return stringWidth(text)
}

/**
 * Breaks text at spaces into lines of at most `columns`. Each line has its own colour codes and the indentation of the
 * line it was cut from.
 *
 * A longer word stays whole, because a terminal copies a path or an address in one piece that way. With `breakWords`
 * only addresses stay whole.
 */
export function wrap(text: string, columns: number, { breakWords = false } = {}): string[] {
  const lines = text.split('\n')
  if (columns === Number.POSITIVE_INFINITY) return lines
  return lines.flatMap((line) => {
    const indent = /^ */.exec(line)?.[0] ?? ''
    const room = Math.max(1, columns - indent.length)
    const wrapped = wrapAnsi(line, room).split('\n')
    const fitted = breakWords ? wrapped.flatMap((part) => breakLongWord(part, room)) : wrapped
    return fitted.map((part) => indent + part)
  })
}

function breakLongWord(line: string, columns: number): string[] {
  if (columnsOf(line) <= columns || /https?:\/\//.test(line)) return [line]
  return wrapAnsi(line, columns, { hard: true }).split('\n')
}
