import { truncate } from 'tminus/connectors/discord'
import { isPrecise } from '../../launches/launch.ts'
import { singleLine } from '../../launches/launch-facts.ts'
import { coarseTime, precisionOf } from '../../launches/time.ts'
import type { BoardLaunch } from './query.ts'
import type { Reader } from './reader.ts'

/** The text on one line, cut to a limit, so that a page of fifty launches stays small. */
export function brief(text: string | null | undefined, longest = 160): string {
  return truncate(singleLine(text ?? null) ?? '', longest).replace(/[\s,;:]+…$/, '…')
}

/** The paragraphs of a text. An empty line separates them, or a line break of Windows. */
export function paragraphsOf(text: string): string[] {
  // No pattern starts with `\s*`: a long run of spaces would take a time that grows with its square.
  return text
    .split(/\n\s*\n|\r\n/)
    .map((paragraph) => paragraph.trim())
    .filter((paragraph) => paragraph !== '')
}

/** True if T-0 is a time, so that a countdown is possible. False: `net` is a placeholder, and pages show its period. */
export function isTimed({ net_precision }: Pick<BoardLaunch, 'net_precision'>): boolean {
  return isPrecise(net_precision)
}

/** `NET December 2026`, `Q1 2027`: the period of a launch without a time. */
export function periodText({ net, net_precision }: Pick<BoardLaunch, 'net' | 'net_precision'>, reader: Reader): string {
  return coarseTime(net, precisionOf({ net_precision }), reader.words)
}

/** `December 2026` */
export function monthText(at: Date, reader: Reader): string {
  return formatOf(reader, { month: 'long', year: 'numeric' }).format(at)
}

/** `[rocket, mission]`: Launch Library names a launch `rocket | mission`. A name of another form is a mission. */
export function nameParts(name: string | null, longest: number): [rocket: string, mission: string] {
  const text = brief(name, longest)
  const [, rocket = '', mission = text] = /^(.+?) \| (.+)$/.exec(text) ?? []
  return [rocket, mission]
}

/** The heading above the launch in a list: its month in UTC, or a longer period if only that is known. */
export function headingOf(launch: Pick<BoardLaunch, 'net' | 'net_precision'>, past: boolean, reader: Reader): string {
  const precision = precisionOf(launch)
  if (past || precision <= 7) return monthText(launch.net, reader)
  const text = periodText(launch, reader).replace(/^(NET|in) /, '')
  return text.charAt(0).toUpperCase() + text.slice(1)
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** A format in UTC, made once for each language: it costs more to make than to use. */
function formatOf({ locale }: Reader, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale} ${Object.entries(options)}`
  const format = formats.get(key) ?? new Intl.DateTimeFormat(locale, { ...options, timeZone: 'UTC' })
  formats.set(key, format)
  return format
}

const DAY = { weekday: 'short', day: 'numeric', month: 'short' } as const

/** `Sat 21 Nov`. The page's script changes it to the reader's zone. */
export function dayText(net: Date, reader: Reader, withYear = false): string {
  return formatOf(reader, withYear ? { ...DAY, year: 'numeric' } : DAY)
    .format(net)
    .replace(',', '')
}

/** `21 Nov` */
export function dateText(date: Date, reader: Reader): string {
  return formatOf(reader, { day: 'numeric', month: 'short' }).format(date)
}

/** `Nov`, or `Nov 2026` */
export function shortMonthText(date: Date, reader: Reader, withYear = false): string {
  return formatOf(reader, { month: 'short', ...(withYear && { year: 'numeric' }) }).format(date)
}

/** `Sat` */
export function weekdayText(date: Date, reader: Reader): string {
  return formatOf(reader, { weekday: 'short' }).format(date)
}

export function clockText(net: Date): string {
  return `${net.toISOString().slice(11, 16)} UTC`
}

/** `['NET', 'December 2026']`, `['Sat 21 Nov', 'time open']`: for the narrow column of a list. */
export function shortPeriod(launch: Pick<BoardLaunch, 'net' | 'net_precision'>, reader: Reader): [string, string] {
  const { board } = reader
  const precision = precisionOf(launch)
  if (precision > 5) {
    const text = periodText(launch, reader).replace(
      /^(first|second) half of/,
      (_, half) => `${half === 'first' ? '1st' : '2nd'} half`,
    )
    const [, lead = '', rest = ''] = /^(NET week of|NET|in the|1st half|2nd half|fiscal year)? ?(.*)$/.exec(text) ?? []
    return lead === '' ? [rest, ''] : [lead.charAt(0).toUpperCase() + lead.slice(1), rest]
  }
  const parts: Readonly<Record<number, string>> = { 3: board.morning, 4: board.afternoon }
  return [dayText(launch.net, reader), parts[precision] ?? board.timeOpen]
}

/** `in 3 days`, `12 min ago`: in the largest unit, rounded down. `board.js` must show the same. */
export function relativeText(at: Date, now: Date, { board }: Reader): string {
  const ms = at.getTime() - now.getTime()
  const s = Math.floor(Math.abs(ms) / 1_000)
  if (s < 60) return board.now
  if (s < 3_600) return board.away(Math.floor(s / 60), 'min', ms < 0)
  return s < 86_400
    ? board.away(Math.floor(s / 3_600), 'hour', ms < 0)
    : board.away(Math.floor(s / 86_400), 'day', ms < 0)
}

/** `[days, hours, minutes, seconds]` to T-0 or since then, and whether T-0 has passed. */
export function countdownOf(net: Date, now: Date): { past: boolean; parts: [number, number, number, number] } {
  const ms = net.getTime() - now.getTime()
  const s = Math.floor(Math.abs(ms) / 1_000)
  return { past: ms < 0, parts: [Math.floor(s / 86_400), Math.floor(s / 3_600) % 24, Math.floor(s / 60) % 60, s % 60] }
}
