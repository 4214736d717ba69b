const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Columns a text takes in a terminal: emoji and East Asian characters two, joined and combining ones none. */
export function columnsOf(text: string): number {
  let columns = 0
  for (const { segment } of segmenter.segment(text)) columns += graphemeColumns(segment)
  return columns
}

/** Emoji_Presentation, or text turned into an emoji by U+FE0F; then the wide blocks of Unicode's East Asian Width. */
function graphemeColumns(grapheme: string): number {
  if (/^[\p{Cc}\p{Cf}\p{Mn}]+$/u.test(grapheme)) return 0
  if (/\p{Emoji_Presentation}|\uFE0F/u.test(grapheme)) return 2
  return /^[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{20000}-\u{3FFFD}]/u.test(
    grapheme,
  )
    ? 2
    : 1
}

/** A piece of text; what else it holds (its style) stays with each part of it. */
interface Piece {
  readonly text: string
}

export function lineColumns(line: readonly Piece[]): number {
  return line.reduce((sum, span) => sum + columnsOf(span.text), 0)
}

/** Breaks text at spaces into lines of at most `width` columns; an address is never broken, any longer word is. */
export function wrap<P extends Piece>(spans: readonly P[], width: number): P[][] {
  const lines: P[][] = []
  let line: P[] = []
  let room = width
  const end = () => {
    lines.push(trimEnd(line))
    line = []
    room = width
  }
  for (const piece of spans.flatMap((span) => pieces(span, width))) {
    const columns = columnsOf(piece.text)
    if (piece.text === '\n') {
      end()
      continue
    }
    if (columns > room && line.length > 0 && piece.text.trim() !== '') end()
    if (line.length === 0 && piece.text.trim() === '') continue
    line.push(piece)
    room -= columns
  }
  end()
  return lines
}

/** Words, blanks and line ends, each with the style of its span. */
function pieces<P extends Piece>(span: P, width: number): P[] {
  const words = span.text.match(/\n|[^\S\n\u00A0\u202F]+|[\S\u00A0\u202F]+/g) ?? []
  return words.flatMap((word) => chop(word, width)).map((text) => ({ ...span, text }))
}

function chop(word: string, width: number): string[] {
  if (columnsOf(word) <= width || /^https?:\/\//.test(word)) return [word]
  const parts = ['']
  for (const { segment } of segmenter.segment(word)) {
    const last = parts.length - 1
    const longer = `${parts[last]}${segment}`
    if (columnsOf(longer) > width) parts.push(segment)
    else parts[last] = longer
  }
  return parts
}

function trimEnd<P extends Piece>(line: P[]): P[] {
  const last = line.findLastIndex((span) => span.text.trim() !== '')
  return line.slice(0, last + 1)
}
