import type { WebContext } from 'tminus/web'
import { isMonth, monthKey } from './month.ts'

/** Launch Library's status ids by their names in addresses. */
export const STATUSES: Readonly<Record<string, number>> = {
  go: 1,
  tbd: 2,
  success: 3,
  failure: 4,
  hold: 5,
  'in-flight': 6,
  partial: 7,
  tbc: 8,
  deployed: 9,
}

/** Addresses contain the first characters of a location, so that a page with many links stays small. */
export const LOCATION_LENGTH = 100
/** The most locations of an address and of the map. Launch Library has about 60, of all times. */
export const MOST_PLACES = 100

/** The most characters of a value in an address. */
export const LONGEST_VALUE = 200

/** The content of a list on the board. */
export interface LaunchFilter {
  /** False: upcoming launches, nearest first. True: past launches, latest first. */
  past: boolean
  /** `2026-12`: the launches of this month that are known to the month or better, past or upcoming. Empty: any time. */
  month: string
  /** Words that must all occur in name, mission, provider, rocket, pad or location. Ignores case and accents. */
  search: string
  /** The provider's full name; empty: all providers. */
  provider: string
  /** The rocket's name; empty: all rockets. */
  rocket: string
  /** The last part of the location; empty: all. */
  country: string
  /** Launch Library's name of the orbit; empty: all. */
  orbit: string
  /** A key of `STATUSES`; empty: all. */
  status: string
  /** Full names of locations, each cut to `LOCATION_LENGTH`; empty: all. */
  locations: readonly string[]
  /** True: only launches whose time is known to the second, minute or hour. */
  exact: boolean
}

/** The filter that an address names: `?provider=SpaceX&status=go`. Control characters become spaces: Postgres refuses NUL. */
export function filterOf(c: WebContext): LaunchFilter {
  const text = (name: string) => clean(c.req.query(name) ?? '')
  const month = monthOf(c)
  return {
    past: month === '' && text('show') === 'past',
    month,
    search: text('q'),
    provider: text('provider'),
    rocket: text('rocket'),
    country: text('country'),
    orbit: text('orbit'),
    locations: locationsOf(c),
    status: Object.hasOwn(STATUSES, text('status')) ? text('status') : '',
    exact: text('time') === 'exact',
  }
}

function clean(text: string): string {
  return text
    .replace(/\p{Cc}/gu, ' ')
    .trim()
    .slice(0, LONGEST_VALUE)
}

/** Twice the names of all places that the map shows as one circle on the smallest screen. */
const LONGEST_LOCATIONS = 2_000

/** Each link of a page repeats them, so the first ones that are not too long together. */
function locationsOf(c: WebContext): string[] {
  const named = (c.req.queries('location') ?? []).slice(0, MOST_PLACES).map(locationParam)
  const all = [...new Set(named)].filter(Boolean)
  const lengthOf = (locations: readonly string[]) =>
    new URLSearchParams(locations.map((location): [string, string] => ['location', location])).toString().length
  const most = all.findIndex((_, index) => lengthOf(all.slice(0, index + 1)) > LONGEST_LOCATIONS)
  return most < 0 ? all : all.slice(0, most)
}

/** A location as addresses have it. */
export function locationParam(location: string): string {
  return clean(location.slice(0, LOCATION_LENGTH))
}

/** The month that an address names, else the present month. Empty without the parameter. */
function monthOf(c: WebContext): string {
  const month = c.req.query('month')
  if (month === undefined) return ''
  return isMonth(month) ? month : monthKey(c.var.board.now())
}

/** The parameters of an address that name a filter. */
export function paramsOf(filter: LaunchFilter): [string, string][] {
  const { past, month, search, exact, provider, rocket, country, orbit, status, locations } = filter
  const params = Object.entries({
    show: past ? 'past' : '',
    month,
    q: search,
    provider,
    rocket,
    country,
    orbit,
    status,
    time: exact ? 'exact' : '',
  })
  const places = locations.map((location): [string, string] => ['location', location])
  return [...params.filter(([, value]) => value !== ''), ...places]
}

/** The query of an address: `?q=falcon&page=2`. */
export function queryOf(filter: LaunchFilter, page: number): string {
  const query = new URLSearchParams(paramsOf(filter))
  if (page > 1) query.set('page', String(page))
  return query.size === 0 ? '' : `?${query}`
}

const ALL: LaunchFilter = {
  past: false,
  month: '',
  search: '',
  exact: false,
  provider: '',
  rocket: '',
  country: '',
  orbit: '',
  status: '',
  locations: [],
}

/** The whole list or month of a filter. */
export function unfiltered({ past, month }: LaunchFilter): LaunchFilter {
  return { ...ALL, past, month }
}

/** The upcoming launches from a location. */
export function fromLocation(location: string): LaunchFilter {
  return { ...ALL, locations: [locationParam(location)] }
}

/** True if the filter leaves out launches of its list or month. */
export function isNarrow(filter: LaunchFilter): boolean {
  return paramsOf({ ...filter, past: false, month: '' }).length > 0
}
