/** The launches that the Launch Library stand-in serves. */
export interface Served {
  upcoming: () => readonly unknown[]
  archive: () => readonly unknown[]
  now: () => Date
}

/** Filters, order and page of a list (see https://ll.thespacedevs.com/docs). */
export interface Query {
  ids: string[]
  providers: string[]
  locations: string[]
  netFrom: number
  netTo: number
  updatedFrom: number
  ordering: string | undefined
  mode: string | undefined
  /** Default 10, at most 100. */
  limit: number
  offset: number
}

type Errors = { errors: Record<string, string[]> }

/** Reads a query string. Like the API, it ignores unknown parameters and a wrong `limit` or `offset`. */
export function readQuery(given: Record<string, string>): Query | Errors {
  const dates = ['net__gte', 'net__lte', 'last_updated__gte'].filter((name) => given[name] !== undefined)
  const wrong = dates.filter((name) => Number.isNaN(Date.parse(given[name] ?? '')))
  if (wrong.length > 0) {
    return { errors: Object.fromEntries(wrong.map((name) => [name, ['Enter a valid date/time.']])) }
  }
  return {
    ids: listOf(given.id),
    providers: listOf(given.lsp__id),
    locations: listOf(given.location__ids),
    netFrom: dateOf(given.net__gte, Number.NEGATIVE_INFINITY),
    netTo: dateOf(given.net__lte, Number.POSITIVE_INFINITY),
    updatedFrom: dateOf(given.last_updated__gte, Number.NEGATIVE_INFINITY),
    ordering: given.ordering,
    mode: given.mode,
    limit: Math.min(100, wholeNumber(given.limit) || 10),
    offset: wholeNumber(given.offset),
  }
}

function listOf(text: string | undefined): string[] {
  return text === undefined || text === '' ? [] : text.split(',')
}

function dateOf(text: string | undefined, otherwise: number): number {
  return text === undefined ? otherwise : Date.parse(text)
}

function wholeNumber(text: string | undefined): number {
  return /^\d+$/.test(text ?? '') ? Number(text) : 0
}

/**
 * The launches of a list that match the query. Upcoming launches keep the order of `served.upcoming()`; previous
 * launches start with the latest.
 */
export function selectLaunches(served: Served, list: 'upcoming' | 'previous' | 'all', query: Query): unknown[] {
  const all = [...served.upcoming(), ...(list === 'upcoming' ? [] : served.archive())]
  const now = served.now().getTime()
  const listed = list === 'previous' ? all.filter((launch) => timeOf(launch, 'net') <= now) : all
  const found = listed.filter((launch) => passes(launch, query))
  const ordering = query.ordering ?? (list === 'previous' ? '-net' : undefined)
  return ordering === undefined ? found : order(found, ordering)
}

function passes(launch: unknown, query: Query): boolean {
  const among = (wanted: string[], value: unknown) => wanted.length === 0 || wanted.includes(String(value))
  const net = timeOf(launch, 'net')
  return (
    among(query.ids, at(launch, 'id')) &&
    among(query.providers, at(launch, 'launch_service_provider', 'id')) &&
    among(query.locations, at(launch, 'pad', 'location', 'id')) &&
    !(net < query.netFrom || net > query.netTo) &&
    !(timeOf(launch, 'last_updated') < query.updatedFrom)
  )
}

function order(launches: unknown[], ordering: string): unknown[] {
  const field = ordering.replace(/^-/, '')
  const sign = ordering.startsWith('-') ? -1 : 1
  const keyed = launches.map((launch) => ({ launch, key: keyOf(at(launch, field)) }))
  return keyed.sort((one, other) => sign * compare(one.key, other.key)).map(({ launch }) => launch)
}

/** The sort key: dates in any notation compare by instant. */
function keyOf(value: unknown): string | number {
  const text = String(value ?? '')
  return /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : text
}

function compare(one: string | number, other: string | number): number {
  return one < other ? -1 : one > other ? 1 : 0
}

/** The date in ms. NaN if the launch has none (2.0.0 has no `last_updated`): it then passes every filter. */
function timeOf(launch: unknown, field: string): number {
  return Date.parse(String(at(launch, field)))
}

/** Fields that only the detailed mode has, in 2.3.0 and in the versions before. */
const DETAILS = ['vid_urls', 'info_urls', 'vidURLs', 'infoURLs', 'updates', 'timeline', 'mission_patches']

/**
 * The launch in the requested mode. The normal mode omits the details. A sample launch has no links of its own. In
 * detailed mode, it gets the links of its mission.
 */
export function shown(launch: unknown, mode: string | undefined): unknown {
  if (typeof launch !== 'object' || launch === null) return launch
  if (mode !== 'detailed') {
    const kept = Object.entries(launch).filter(([key]) => !DETAILS.includes(key))
    return { ...Object.fromEntries(kept), ...('response_mode' in launch && { response_mode: 'normal' }) }
  }
  if (at(launch, 'response_mode') !== 'normal') return launch
  const links = (key: string) => at(launch, key) ?? at(launch, 'mission', key) ?? []
  return { ...launch, response_mode: 'detailed', vid_urls: links('vid_urls'), info_urls: links('info_urls') }
}

function at(value: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>(
    (part, key) => (typeof part === 'object' && part !== null ? (part as Record<string, unknown>)[key] : undefined),
    value,
  )
}
