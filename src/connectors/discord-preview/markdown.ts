import { visibleText } from '../../visible-text.ts'
import { timestampText } from './timestamp.ts'

/** A piece of text and its style. */
export interface Span {
  text: string
  bold?: boolean
  italic?: boolean
  struck?: boolean
  /** True for links, mentions and times, which Discord highlights. */
  marked?: boolean
  /** Only for a time, so that a page can show it in the reader's zone. Style `R` is relative: "in 3 hours". */
  time?: { at: Date; style: string }
}

export interface Clock {
  now: Date
  /** IANA name; default: the zone of the process. */
  timeZone?: string | undefined
}

/**
 * Parses the part of Discord's markdown that webhook messages use: bold, italic, strikethrough, code, links, mentions
 * and `<t:SECONDS:STYLE>`. The marks of headings, small print and quotes are removed.
 */
export function spansOf(text: string, clock: Clock): Span[] {
  return parse(visibleText(text).replace(/^(?:-# |#{1,3} |> )/gm, ''), {}, clock)
}

interface Rule {
  pattern: RegExp
  read: (match: RegExpExecArray, around: Omit<Span, 'text'>, clock: Clock) => Span[]
}

const rules: Rule[] = [
  { pattern: /<t:(-?\d+)(?::([tTdDfFR]))?>/, read: time },
  { pattern: /\[((?:\\.|[^\\\]\n])+)\]\(<?https?:\/\/[^\s)>]+>?\)/, read: inside({ marked: true }) },
  { pattern: /\*\*((?:\\.|[^\\])+?)\*\*/s, read: inside({ bold: true }) },
  { pattern: /~~((?:\\.|[^\\])+?)~~/s, read: inside({ struck: true }) },
  { pattern: /__((?:\\.|[^\\])+?)__/s, read: inside({}) },
  { pattern: /\*(?=\S)((?:\\.|[^\\])+?)\*/s, read: inside({ italic: true }) },
  { pattern: /(?<!\w)_(?=\S)((?:\\.|[^\\])+?)_(?!\w)/s, read: inside({ italic: true }) },
  { pattern: /`([^`\n]+)`/, read: verbatim },
  { pattern: /<@(&|!)?(\d+)>/, read: mention },
  // A mark after a backslash is plain text. This rule matches before the mark itself, so the mark opens nothing.
  { pattern: /\\([!-/:-@[-`{-~])/, read: verbatim },
]

function parse(text: string, around: Omit<Span, 'text'>, clock: Clock): Span[] {
  const found = rules.flatMap((rule) => {
    const match = rule.pattern.exec(text)
    return match === null ? [] : [{ rule, match }]
  })
  if (found.length === 0) return text === '' ? [] : [{ text, ...around }]
  const { rule, match } = found.reduce((one, other) => (other.match.index < one.match.index ? other : one))
  const before = text.slice(0, match.index)
  const after = text.slice(match.index + match[0].length)
  return [
    ...(before === '' ? [] : [{ text: before, ...around }]),
    ...rule.read(match, around, clock),
    ...parse(after, around, clock),
  ]
}

function inside(style: Omit<Span, 'text'>): Rule['read'] {
  return (match, around, clock) => parse(match[1] ?? '', { ...around, ...style }, clock)
}

function verbatim(match: RegExpExecArray, around: Omit<Span, 'text'>): Span[] {
  return [{ text: match[1] ?? '', ...around }]
}

function time(match: RegExpExecArray, around: Omit<Span, 'text'>, clock: Clock): Span[] {
  const [at, style] = [new Date(Number(match[1]) * 1000), match[2] ?? 'f']
  const text = timestampText(at, style, clock.now, clock.timeZone)
  const known = Number.isNaN(at.getTime()) ? {} : { time: { at, style } }
  return [{ text, ...around, marked: true, ...known }]
}

function mention(match: RegExpExecArray, around: Omit<Span, 'text'>): Span[] {
  return [{ text: match[1] === '&' ? '@role' : '@user', ...around, marked: true }]
}
