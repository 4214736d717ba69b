import { isPrecise, type Launch } from './launch.ts'
import type { Words } from './words/en.ts'

/** The ids of precisions that this file compares with, as Launch Library numbers them; other ids lie between these. */
const PRECISION = {
  hour: 2,
  morning: 3,
  afternoon: 4,
  day: 5,
  week: 6,
  month: 7,
  quarter1: 8,
  quarter4: 11,
  half1: 12,
  half2: 13,
  fiscalYear: 15,
  decade: 16,
} as const

/** The precision of a launch; a month if it is unknown. */
export function precisionOf({ net_precision }: Pick<Launch, 'net_precision'>): number {
  return net_precision ?? PRECISION.month
}

/**
 * The start of the period of `net`: a precise net itself, else the first instant (UTC) of its day, week, month,
 * quarter, half, year or decade. If a placeholder moves within its period, the result does not change.
 */
export function periodStart(net: Date, precision: number): Date {
  if (isPrecise(precision)) return net
  const year = net.getUTCFullYear()
  const month = net.getUTCMonth()
  const day = net.getUTCDate()
  if (precision <= PRECISION.day) return utc(year, month, day)
  if (precision === PRECISION.week) return utc(year, month, day - ((net.getUTCDay() + 6) % 7))
  if (precision === PRECISION.month) return utc(year, month, 1)
  if (precision <= PRECISION.quarter4) return utc(year, 3 * (precision - PRECISION.quarter1), 1)
  if (precision <= PRECISION.half2) return utc(year, 6 * (precision - PRECISION.half1), 1)
  return utc(precision === PRECISION.decade ? year - (year % 10) : year, 0, 1)
}

/**
 * The period of `net`, in ms since 1970; `end` is exclusive. A precise time is its own start and end. A morning counts
 * as a whole day, because the time zone of the launch site is unknown.
 */
export function periodOf(net: Date, precision: number): { start: number; end: number } {
  const from = periodStart(net, precision)
  if (isPrecise(precision)) return { start: from.getTime(), end: from.getTime() }
  const [years, months, days] = lengthOf(precision)
  const end = utc(from.getUTCFullYear() + years, from.getUTCMonth() + months, from.getUTCDate() + days)
  return { start: from.getTime(), end: end.getTime() }
}

/**
 * The end of the period of `net`, never before `net`. After this instant, the launch is past. The column `period_end`
 * (SQL function `launch_period_end`) has the same value. The end is `net` itself if it is known to the second or
 * minute, or if its precision is unknown (in a row that the older Airflow version wrote).
 */
export function periodEnd(net: Date, precision: number | null): Date {
  if (precision === null) return net
  if (precision === PRECISION.hour) return new Date(net.getTime() + HOUR_MS)
  return new Date(Math.max(net.getTime(), periodOf(net, precision).end))
}

const HOUR_MS = 3_600_000

/** The length of a period: years, months, days. */
function lengthOf(precision: number): [number, number, number] {
  if (precision <= PRECISION.day) return [0, 0, 1]
  if (precision === PRECISION.week) return [0, 0, 7]
  if (precision === PRECISION.month) return [0, 1, 0]
  if (precision <= PRECISION.quarter4) return [0, 3, 0]
  if (precision <= PRECISION.half2) return [0, 6, 0]
  return [precision === PRECISION.decade ? 10 : 1, 0, 0]
}

/**
 * The class of a precision; 0 is the finest. Second, minute and hour are one class; day, morning and afternoon another.
 * Year and fiscal year are also one class. Unknown ids belong to this class.
 */
export function precisionClass(precision: number): number {
  if (isPrecise(precision)) return 0
  if (precision === PRECISION.decade) return COARSEST.length + 2
  const index = COARSEST.findIndex((coarsest) => precision <= coarsest)
  return 1 + (index < 0 ? COARSEST.length : index)
}

/** The coarsest precision of each class between a precise time and a year. */
const COARSEST = [PRECISION.day, PRECISION.week, PRECISION.month, PRECISION.quarter4, PRECISION.half2]

/** Not `Date.UTC`, which reads the years 0 to 99 as 1900 to 1999. */
function utc(year: number, month: number, day: number): Date {
  const date = new Date(0)
  date.setUTCFullYear(year, month, day)
  return date
}

/** A placeholder in words: "NET December 2026", "Q1 2027", "second half of 2027". */
export function coarseTime(net: Date, precision: number, words: Words): string {
  const { when } = words
  const start = periodStart(net, precision)
  const year = start.getUTCFullYear()
  if (precision === PRECISION.morning) return when.morning(dateText(start, words))
  if (precision === PRECISION.afternoon) return when.afternoon(dateText(start, words))
  if (precision <= PRECISION.day) return when.day(dateText(start, words))
  if (precision === PRECISION.week) return when.week(dateText(start, words))
  if (precision === PRECISION.month) return when.month(start.getUTCMonth() + 1, year)
  if (precision <= PRECISION.quarter4) return when.quarter(precision - PRECISION.quarter1 + 1, year)
  if (precision <= PRECISION.half2) return when.half(precision - PRECISION.half1 + 1, year)
  if (precision === PRECISION.fiscalYear) return when.fiscalYear(year)
  return precision === PRECISION.decade ? when.decade(year) : when.year(year)
}

/** "12 December 2026", in UTC. */
export function dateText(date: Date, words: Words): string {
  return words.date(date.getUTCDate(), date.getUTCMonth() + 1, date.getUTCFullYear())
}

/** "12 December 2026, 14:05 UTC" */
export function timeText(date: Date, words: Words): string {
  const two = (value: number) => String(value).padStart(2, '0')
  return words.time(dateText(date, words), `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`)
}

const DAY_MS = 86_400_000
const WEEK_MS = 7 * DAY_MS

/** Units of time: name, length in ms, and the length of the next larger unit. */
const UNITS = [
  ['day', DAY_MS, WEEK_MS],
  ['hour', 3_600_000, DAY_MS],
  ['minute', 60_000, 3_600_000],
  ['second', 1_000, 60_000],
] as const

/**
 * "2 days 3 hours", "15 minutes": the two largest units, rounded down. From a week on: days, rounded to the nearest.
 */
export function amountText(ms: number, words: Words): string {
  if (ms >= WEEK_MS) return words.amount(Math.round(ms / DAY_MS), 'day')
  const [day, hour, minute, second] = UNITS.map(([unit, size, within]) => {
    const count = Math.floor((ms % within) / size)
    return count > 0 ? words.amount(count, unit) : ''
  })
  const pair = day ? [day, hour] : hour ? [hour, minute] : [minute || second]
  return pair.filter(Boolean).join(' ')
}
