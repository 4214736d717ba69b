import { TminusError } from 'tminus'
import { API_VERSIONS, type ApiVersion, apiVersion } from '../api-version.ts'

/** Launches per page: the maximum that the API allows. */
export const PAGE_SIZE = 100

type Query = Record<string, string | number | undefined>

/** The lists of a version: a path below the base URL, and the query that selects the list. */
interface Lists {
  /** Upcoming launches and those of the last 24 hours, in detailed mode. */
  upcoming: [path: string, query: Query]
  /** Past launches. */
  previous: [path: string, query: Query]
  /** All launches, in detailed mode. */
  all: [path: string, query: Query]
  throttle: string
}

const byPath = (launches: string): Lists => ({
  upcoming: [`${launches}/upcoming/`, { mode: 'detailed' }],
  previous: [`${launches}/previous/`, {}],
  all: [`${launches}/`, { mode: 'detailed' }],
  throttle: 'api-throttle/',
})

const LISTS: Record<ApiVersion, Lists> = {
  '2.0.0': byPath('launch'),
  '2.2.0': byPath('launch'),
  '2.3.0': byPath('launches'),
  // 2.4.0 has one list for each mode. Filters select upcoming and previous launches.
  '2.4.0': {
    upcoming: ['launches/detailed/', { upcoming_with_recent: 'true' }],
    previous: ['launches/detailed/', { previous: 'true' }],
    all: ['launches/detailed/', {}],
    throttle: 'api-throttle/status/',
  },
}

/** The version in `LAUNCH_LIBRARY_URL`. Throws TminusError for an unknown version. */
export function versionOf(baseUrl: string): ApiVersion {
  const version = apiVersion(baseUrl)
  if (version !== undefined) return version
  throw new TminusError(`LAUNCH_LIBRARY_URL must end with a version of the API: ${API_VERSIONS.join(', ')}`, {
    code: 'launch_library_version',
    retryable: false,
  })
}

/** The address of the upcoming list, without query: its key in `rocket_launch_sync`. Throws like `versionOf`. */
export function upcomingUrl(baseUrl: string): URL {
  const [path] = listsOf(baseUrl).upcoming
  return below(baseUrl, path)
}

/** The first page of the upcoming list. `since`: only launches that changed since then; with 2.0.0 it throws RangeError. */
export function upcomingPage(baseUrl: string, since: Date | undefined): URL {
  if (since !== undefined && versionOf(baseUrl) === '2.0.0') throw new RangeError('API 2.0.0 has no last_updated')
  return page(baseUrl, listsOf(baseUrl).upcoming, { last_updated__gte: since?.toISOString() })
}

export function previousPage(baseUrl: string, { from, to, offset }: { from?: Date; to?: Date; offset?: number }): URL {
  return page(baseUrl, listsOf(baseUrl).previous, {
    ordering: 'net',
    net__gte: from?.toISOString(),
    net__lte: to?.toISOString(),
    offset: offset || undefined,
  })
}

export function idsPage(baseUrl: string, ids: readonly string[]): URL {
  return page(baseUrl, listsOf(baseUrl).all, { id: ids.join(',') })
}

export function throttleUrl(baseUrl: string): URL {
  return below(baseUrl, listsOf(baseUrl).throttle)
}

function listsOf(baseUrl: string): Lists {
  return LISTS[versionOf(baseUrl)]
}

function page(baseUrl: string, [path, fixed]: [string, Query], query: Query): URL {
  const url = below(baseUrl, path)
  for (const [name, value] of Object.entries({ limit: PAGE_SIZE, ...fixed, ...query }))
    if (value !== undefined) url.searchParams.set(name, String(value))
  return url
}

function below(baseUrl: string, path: string): URL {
  return new URL(path, baseUrl.replace(/\/*$/, '/'))
}
