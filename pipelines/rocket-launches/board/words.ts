import { truncate } from 'tminus/connectors/discord'
import { isPrecise } from '../../launches/launch.ts'
import { singleLine } from '../../launches/launch-facts.ts'
import { coarseTime, precisionOf } from '../../launches/time.ts'
import { EN } from '../../launches/words/en.ts'
import type { BoardLaunch } from './query.ts'

/** The text on one line, cut to a limit, so that a page of fifty launches stays small. */
export function brief(text: string | null | undefined, longest = 160): string {
  return truncate(singleLine(text ?? null) ?? '', longest).replace(/[\s,;:]+…$/, '…')
}

/** True if T-0 is a time, so that a countdown is possible. False: `net` is a placeholder, and pages show its period. */
export function isTimed({ net_precision }: Pick<BoardLaunch, 'net_precision'>): boolean {
  return isPrecise(net_precision)
}

/** `NET December 2026`, `Q1 2027`: the period of a launch without a time. */
export function periodText({ net, net_precision }: Pick<BoardLaunch, 'net' | 'net_precision'>): string {
  return coarseTime(net, precisionOf({ net_precision }), EN)
}

const month = new Intl.DateTimeFormat('en-GB', { month: 'long', year: 'numeric', timeZone: 'UTC' })

/** The heading above the launch in a list: its month in UTC, or a longer period if only that is known. */
export function headingOf(launch: Pick<BoardLaunch, 'net' | 'net_precision'>, past: boolean): string {
  const precision = precisionOf(launch)
  if (past || precision <= 7) return month.format(launch.net)
  const text = periodText(launch).replace(/^(NET|in) /, '')
  return text.charAt(0).toUpperCase() + text.slice(1)
}

const day = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short', timeZone: 'UTC' })

/** `Sat 21 Nov`. The page's script changes it to the reader's zone. */
export function dayText(net: Date): string {
  return day.format(net).replace(',', '')
}

export function clockText(net: Date): string {
  return `${net.toISOString().slice(11, 16)} UTC`
}

/** `['NET', 'December 2026']`, `['Sat 21 Nov', 'time open']`: for the narrow column of a list. */
export function shortPeriod(launch: Pick<BoardLaunch, 'net' | 'net_precision'>): [string, string] {
  const precision = precisionOf(launch)
  if (precision > 5) {
    const text = periodText(launch).replace(
      /^(first|second) half of/,
      (_, half) => `${half === 'first' ? '1st' : '2nd'} half`,
    )
    const [, lead = '', rest = ''] = /^(NET week of|NET|in the|1st half|2nd half|fiscal year)? ?(.*)$/.exec(text) ?? []
    return lead === '' ? [rest, ''] : [lead.charAt(0).toUpperCase() + lead.slice(1), rest]
  }
  const parts: Readonly<Record<number, string>> = { 3: 'morning', 4: 'afternoon' }
  return [dayText(launch.net), parts[precision] ?? 'time open']
}

/** `in 3 days`, `12 min ago`: in the largest unit, rounded down. `board.js` must show the same. */
export function relativeText(at: Date, now: Date): string {
  const ms = at.getTime() - now.getTime()
  const s = Math.floor(Math.abs(ms) / 1_000)
  const [count, unit] =
    s >= 86_400
      ? [Math.floor(s / 86_400), 'day']
      : s >= 3_600
        ? [Math.floor(s / 3_600), 'hour']
        : [Math.floor(s / 60), 'min']
  const amount = `${count} ${unit}${count === 1 || unit === 'min' ? '' : 's'}`
  if (s < 60) return 'now'
  return ms < 0 ? `${amount} ago` : `in ${amount}`
}

/** `[days, hours, minutes, seconds]` to T-0 or since then, and whether T-0 has passed. */
export function countdownOf(net: Date, now: Date): { past: boolean; parts: [number, number, number, number] } {
  const ms = net.getTime() - now.getTime()
  const s = Math.floor(Math.abs(ms) / 1_000)
  return { past: ms < 0, parts: [Math.floor(s / 86_400), Math.floor(s / 3_600) % 24, Math.floor(s / 60) % 60, s % 60] }
}
