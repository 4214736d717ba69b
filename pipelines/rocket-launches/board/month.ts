import { isPrecise, type KnownLaunch } from '../../launches/launch.ts'
import { periodStart, precisionOf } from '../../launches/time.ts'

/** The years that the calendar has. The first launch of Launch Library is of 1957. */
const YEARS = { first: 1950, last: 2199 }
const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
/** How far the reader's zone may be from UTC. */
const ZONES = { ahead: 14 * HOUR_MS, behind: 12 * HOUR_MS }
/** Precisions of Launch Library: `net` is a placeholder in its week or month. */
export const WEEK = 6
const MONTH = 7

/** A time from `from` (inclusive) to `to` (exclusive). */
export interface Span {
  from: Date
  to: Date
}

/** True for `2026-12` and other months of the calendar. */
export function isMonth(text: string): boolean {
  const [, year] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text) ?? []
  return Number(year) >= YEARS.first && Number(year) <= YEARS.last
}

/** `2026-12`, in UTC. */
export function monthKey(at: Date): string {
  return at.toISOString().slice(0, 7)
}

/** The month before (-1) or after (1). Undefined if the calendar does not have it. */
export function monthBeside(month: string, step: -1 | 1): string | undefined {
  const { from } = spanOf(month)
  const beside = monthKey(new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + step)))
  return isMonth(beside) ? beside : undefined
}

/** A month, in UTC. */
export function spanOf(month: string): Span {
  const [year = 0, number = 0] = month.split('-').map(Number)
  return { from: new Date(Date.UTC(year, number - 1)), to: new Date(Date.UTC(year, number)) }
}

/** The weeks of a month, and the hours that may belong to them in the zone of a reader. */
export function spanAround(month: string): Span {
  const { from, to } = weeksOf(month)
  return { from: new Date(from.getTime() - ZONES.ahead), to: new Date(to.getTime() + ZONES.behind) }
}

/** From the Monday of the first week to the end of the last week's Sunday. */
function weeksOf(month: string): Span {
  const { from, to } = spanOf(month)
  const last = new Date(to.getTime() - DAY_MS)
  return { from: periodStart(from, WEEK), to: new Date(periodStart(last, WEEK).getTime() + 7 * DAY_MS) }
}

export interface Day {
  date: Date
  launches: KnownLaunch[]
}

export interface Week {
  /** Monday first. */
  days: Day[]
  /** The launches that are known only to this week. */
  open: KnownLaunch[]
}

export interface MonthLayout {
  weeks: Week[]
  /** The launches that are known only to this month. */
  open: KnownLaunch[]
  /** Launches shortly before and after the weeks. In the zone of a reader they may be in the first or last day. */
  before: KnownLaunch[]
  after: KnownLaunch[]
}

/** Places launches by what is known of their date, in UTC. Keeps their order. Launches of other times are left out. */
export function monthLayout(month: string, launches: readonly KnownLaunch[]): MonthLayout {
  const { from, to } = weeksOf(month)
  const around = spanAround(month)
  const layout: MonthLayout = { weeks: emptyWeeks(from, to), open: [], before: [], after: [] }
  for (const launch of launches) {
    const [precision, at] = [precisionOf(launch), launch.net]
    const days = Math.floor((at.getTime() - from.getTime()) / DAY_MS)
    const week = layout.weeks[Math.floor(days / 7)]
    if (precision === MONTH && monthKey(at) === month) layout.open.push(launch)
    if (precision >= MONTH) continue
    if (week && precision === WEEK) week.open.push(launch)
    else if (week) week.days[days % 7]?.launches.push(launch)
    else if (isPrecise(precision) && at >= around.from && at < around.to)
      layout[at < from ? 'before' : 'after'].push(launch)
  }
  return layout
}

function emptyWeeks(from: Date, to: Date): Week[] {
  const count = (to.getTime() - from.getTime()) / (7 * DAY_MS)
  return Array.from({ length: count }, (_, week) => ({
    days: Array.from({ length: 7 }, (_, day) => ({
      date: new Date(from.getTime() + (week * 7 + day) * DAY_MS),
      launches: [],
    })),
    open: [],
  }))
}
