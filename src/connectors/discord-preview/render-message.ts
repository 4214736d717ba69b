import picocolors from 'picocolors'
import { columnsOf, wrap } from '../../terminal-text.ts'
import { visibleText } from '../../visible-text.ts'
import type { ButtonRow, Embed, EmbedField, Payload } from '../discord-message.ts'
import { type Clock, type Span, spansOf } from './markdown.ts'
import { timestampText } from './timestamp.ts'

export interface RenderOptions extends Clock {
  /** False: plain text, no escape codes. */
  color: boolean
  /** Columns of the terminal. Default 80; text uses at most 100. */
  width?: number | undefined
  /** Default: now. */
  postedAt?: Date
  editedAt?: Date | null
}

type Colors = ReturnType<typeof picocolors.createColors>

interface Page {
  colors: Colors
  clock: RenderOptions
  /** Columns for text, without the bar. */
  width: number
}

/** Renders a webhook message for a terminal, as its reader would see it. The text has no final line break. */
export function renderMessage(message: Payload, options: RenderOptions): string {
  const width = Math.max(24, Math.min(options.width ?? 80, 100) - 4)
  const page: Page = { colors: picocolors.createColors(options.color), clock: options, width }
  const lines = [
    sender(message, page),
    ...paragraph(message.content ?? '', page, {}),
    ...(message.embeds ?? []).flatMap((embed, index) => [...(index > 0 ? [''] : []), ...renderEmbed(embed, page)]),
    ...(message.components ?? []).map((row) => buttons(row, page)),
  ]
  return lines.map((line) => `  ${line}`.trimEnd()).join('\n')
}

function sender({ username }: Payload, { colors, clock }: Page): string {
  const name = colors.bold(plain(username || 'Webhook', clock))
  const badge = colors.isColorSupported ? colors.bgBlue(colors.white(' APP ')) : 'APP'
  const posted = timestampText(clock.postedAt ?? clock.now, 't', clock.now, clock.timeZone)
  return `${name} ${badge} ${colors.dim(clock.editedAt ? `${posted} (edited)` : posted)}`
}

/** The blocks of an embed, separated by blank lines, with a bar of its colour on the left. */
function renderEmbed(embed: Embed, page: Page): string[] {
  const { colors } = page
  const blocks = [
    [
      ...paragraph(embed.author?.name ?? '', page, {}),
      ...paragraph(embed.title ?? '', page, { bold: true, marked: embed.url !== undefined }),
    ],
    paragraph(embed.description ?? '', page, {}),
    ...fieldRows(embed, page),
    picture(embed, page),
    footer(embed, page),
  ]
  const bar = barColor(embed.color, colors)('▌')
  return blocks
    .filter((block) => block.length > 0)
    .flatMap((block, index) => (index > 0 ? ['', ...block] : block))
    .map((line) => `${bar} ${line}`.trimEnd())
}

function paragraph(text: string, page: Page, style: Omit<Span, 'text'>): string[] {
  if (text.trim() === '') return []
  return styledLines(text.trim(), page, page.width, style)
}

function styledLines(text: string, page: Page, width: number, style: Omit<Span, 'text'>): string[] {
  const spans = spansOf(text, page.clock).map((span) => ({ ...style, ...span }))
  return wrap(print(spans, page.colors), width, { breakWords: true })
}

/** Two adjacent inline fields share a row; any other field has a row of its own. */
function fieldRows(embed: Embed, page: Page): string[][] {
  const rows: EmbedField[][] = []
  for (const field of embed.fields ?? []) {
    const row = rows.at(-1)
    const joins = field.inline && row?.length === 1 && row[0]?.inline
    if (joins) row.push(field)
    else rows.push([field])
  }
  return rows.map((row) => (row.length === 1 ? single(row, page) : sideBySide(row, page)))
}

function single([field]: EmbedField[], page: Page): string[] {
  if (field === undefined) return []
  return cell(field, page, page.width)
}

function sideBySide(row: EmbedField[], page: Page): string[] {
  const gap = 2
  const column = Math.floor((page.width - gap) / 2)
  const [left = [], right = []] = row.map((field) => cell(field, page, column))
  const height = Math.max(left.length, right.length)
  return Array.from({ length: height }, (_, index) => {
    const line = left[index] ?? ''
    return `${line}${' '.repeat(Math.max(1, column + gap - columnsOf(line)))}${right[index] ?? ''}`
  })
}

function cell(field: EmbedField, page: Page, width: number): string[] {
  const name = styledLines(field.name, page, width, { bold: true })
  return [...name, ...styledLines(field.value, page, width, {})]
}

function picture(embed: Embed, { colors }: Page): string[] {
  return [embed.thumbnail, embed.image].flatMap((image) =>
    image === undefined ? [] : [`${colors.dim('▣ image')} ${colors.dim(visibleText(image.url))}`],
  )
}

function footer(embed: Embed, { colors, clock, width }: Page): string[] {
  const at =
    embed.timestamp === undefined ? '' : timestampText(new Date(embed.timestamp), 'f', clock.now, clock.timeZone)
  const text = [embed.footer?.text ?? '', at].filter((part) => part !== '').join(' • ')
  if (text === '') return []
  return wrap(visibleText(text), width, { breakWords: true }).map(colors.dim)
}

function buttons(row: ButtonRow, { colors, clock }: Page): string {
  const texts = row.components.map(({ label }) => ` ${plain(label, clock)} ↗ `)
  return texts.map((text) => (colors.isColorSupported ? colors.inverse(text) : `[${text}]`)).join(' ')
}

function plain(text: string, clock: Clock): string {
  return spansOf(text, clock)
    .map((span) => span.text)
    .join('')
    .replaceAll('\n', ' ')
}

function print(spans: readonly Span[], colors: Colors): string {
  return joinSameStyle(spans)
    .map((span) => applyStyle(span, colors))
    .join('')
}

/** Joins adjacent spans of the same style. */
function joinSameStyle(spans: readonly Span[]): Span[] {
  const style = ({ text, ...rest }: Span) => JSON.stringify(Object.entries(rest).sort())
  const joined: Span[] = []
  for (const span of spans) {
    const last = joined.at(-1)
    if (last !== undefined && style(last) === style(span))
      joined.splice(-1, 1, { ...last, text: last.text + span.text })
    else joined.push(span)
  }
  return joined
}

/** Without colours there is no strikethrough, so the marks are kept. */
function applyStyle({ text, bold, italic, struck, marked }: Span, colors: Colors): string {
  if (!colors.isColorSupported) return struck ? `~~${text}~~` : text
  const styles = [
    ...(bold ? [colors.bold] : []),
    ...(italic ? [colors.italic] : []),
    ...(struck ? [colors.strikethrough] : []),
    ...(marked ? [colors.cyan] : []),
  ]
  // Each line is coloured separately, because the bar of an embed is drawn between them.
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : styles.reduce((result, style) => style(result), line)))
    .join('\n')
}

/** The terminal colour closest to 0xRRGGBB, by hue. */
function barColor(color: number | undefined, colors: Colors): (text: string) => string {
  const [red, green, blue] = [16, 8, 0].map((shift) => (((color ?? 0) >> shift) & 255) / 255) as [
    number,
    number,
    number,
  ]
  const most = Math.max(red, green, blue)
  const spread = most - Math.min(red, green, blue)
  if (most === 0 || spread / most < 0.2) return colors.gray
  const sector =
    most === red ? (green - blue) / spread : most === green ? 2 + (blue - red) / spread : 4 + (red - green) / spread
  const hue = (sector * 60 + 360) % 360
  if (hue < 20 || hue >= 335) return colors.red
  if (hue < 70) return colors.yellow
  if (hue < 165) return colors.green
  if (hue < 195) return colors.cyan
  return hue < 260 ? colors.blue : colors.magenta
}
