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
  /** Global, so that a search can start anywhere. */
  pattern: RegExp
  read: (match: RegExpExecArray, around: Omit<Span, 'text'>, clock: Clock) => Span[]
}

const rules: Rule[] = [
  { pattern: /<t:(-?\d+)(?::([tTdDfFR]))?>/g, read: time },
  { pattern: /\[((?:\\.|[^\\\]\n])+)\]\(<?https?:\/\/[^\s)>]+>?\)/g, read: inside({ marked: true }) },
  { pattern: /\*\*((?:\\.|[^\\])+?)\*\*/gs, read: inside({ bold: true }) },
  { pattern: /~~((?:\\.|[^\\])+?)~~/gs, read: inside({ struck: true }) },
  { pattern: /__((?:\\.|[^\\])+?)__/gs, read: inside({}) },
  { pattern: /\*(?=\S)((?:\\.|[^\\])+?)\*/gs, read: inside({ italic: true }) },
  // An underscore after a backslash is no part of a word.
  { pattern: /(?<![^\W_]|(?<!\\)_)_(?=\S)((?:\\.|[^\\])+?)_(?!\w)/gs, read: inside({ italic: true }) },
  { pattern: /`([^`\n]+)`/g, read: verbatim },
  { pattern: /<@(&|!)?(\d+)>/g, read: mention },
  // A mark after a backslash is plain text. This rule matches before the mark itself, so the mark opens nothing.
  { pattern: /\\([!-/:-@[-`{-~])/g, read: verbatim },
]

function parse(text: string, around: Omit<Span, 'text'>, clock: Clock): Span[] {
  const spans: Span[] = []
  let at = 0
  const addPlain = (end: number) => end > at && spans.push({ text: text.slice(at, end), ...around })
  // Each rule with its next match. A search may read the whole text, so a rule is searched again only after its match.
  let open = rules.flatMap((rule) => nextMatch(rule, text, 0))
  while (open.length > 0) {
    const { rule, match } = open.reduce((one, other) => (other.match.index < one.match.index ? other : one))
    addPlain(match.index)
    spans.push(...rule.read(match, around, clock))
    at = match.index + match[0].length
    open = open.flatMap((one) => (one.match.index < at ? nextMatch(one.rule, text, at) : one))
  }
  addPlain(text.length)
  return spans
}

function nextMatch(rule: Rule, text: string, from: number): { rule: Rule; match: RegExpExecArray }[] {
  rule.pattern.lastIndex = from
  const match = rule.pattern.exec(text)
  return match === null ? [] : [{ rule, match }]
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
