import type { Queryable } from 'tminus/db'
import { csvRecord } from '../verbs/csv.ts'
import { type FiguresRange, type ProviderSlips, slipsByProvider, type Tally, tallies } from './figures-query.ts'
import { OUTCOMES } from './outcomes.ts'

export interface Figures {
  months: readonly Tally[]
  rockets: readonly Tally[]
  providers: readonly Tally[]
  slips: readonly ProviderSlips[]
}

export const NO_FIGURES: Figures = { months: [], rockets: [], providers: [], slips: [] }

/** The periods that the page offers, in years. */
export const YEARS: readonly number[] = [1, 3, 5]

/** Whole months in UTC, the present one included. */
export function figuresRange(now: Date, wanted: string | undefined): FiguresRange {
  const years = YEARS.find((count) => String(count) === wanted) ?? 3
  return { start: monthsBefore(now, years * 12 - 1), now, years }
}

function monthsBefore(now: Date, count: number): Date {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - count))
}

export async function readFigures(db: Queryable, range: FiguresRange): Promise<Figures> {
  const [months, rockets, providers, slips] = await Promise.all([
    tallies(db, range, 'month'),
    tallies(db, range, 'rocket'),
    tallies(db, range, 'provider'),
    slipsByProvider(db, range),
  ])
  return { months: withEmptyMonths(months, range), rockets, providers, slips }
}

/** Adds the months without a launch, from the first launch on, but at least a year. */
function withEmptyMonths(months: readonly Tally[], { start, now }: FiguresRange): Tally[] {
  const [first] = months
  if (first === undefined) return []
  const known = new Map(months.map((month) => [month.key, month]))
  const yearAgo = monthsBefore(now, 11)
  const all: Tally[] = []
  for (let back = 0; ; back++) {
    const month = monthsBefore(now, back)
    const key = month.toISOString().slice(0, 7)
    if (month < start || (month < yearAgo && key < first.key)) return all.reverse()
    all.push(known.get(key) ?? { key, launches: 0, success: 0, partial: 0, failure: 0, open: 0 })
  }
}

const KEYS = { months: 'month', rockets: 'rocket', providers: 'provider', slips: 'provider' }
export type FiguresName = keyof Figures

export function isFiguresName(name: string): name is FiguresName {
  return Object.hasOwn(KEYS, name)
}

/** One table of the page with all its rows. The delays are in whole seconds. */
export function figuresCsv(figures: Figures, name: FiguresName): string {
  const records =
    name === 'slips'
      ? [
          ['provider', 'launches', 'slipped', 'slips', 'median_delay_seconds', 'longest_delay_seconds'],
          ...figures.slips.map((one) => [
            one.provider,
            one.launches,
            one.slipped,
            one.slips,
            seconds(one.median_ms),
            seconds(one.longest_ms),
          ]),
        ]
      : [
          [KEYS[name], 'launches', ...OUTCOMES],
          ...figures[name].map((one) => [one.key, one.launches, ...OUTCOMES.map((outcome) => one[outcome])]),
        ]
  return records.map(csvRecord).join('')
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms / 1_000)
}
