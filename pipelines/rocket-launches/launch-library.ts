import { TminusError } from 'tminus'
import type { Http } from 'tminus/connectors/http'
import { z } from 'zod'
import { API_VERSIONS, type ApiVersion, apiVersion } from './launch.ts'

/** One page of a list, its launches as received. */
export interface Page {
  results: unknown[]
  /** How many the whole list holds. */
  count: number | null
}

export interface ListRequest {
  http: Http
  /** `LAUNCH_LIBRARY_URL`: up to and with the version, `https://ll.thespacedevs.com/2.3.0`. */
  baseUrl: string
  /** `LAUNCH_LIBRARY_TOKEN`; raises the limit of 15 calls an hour. */
  token: string | undefined
  signal: AbortSignal
  /** Launches a page; the API gives 100 at most. */
  limit?: number
}

/**
 * Every upcoming launch, and those of the last 24 hours, page after page; each page is one call of the quota.
 *
 * Throws TminusError: retryable where waiting helps (no connection, 5xx, 429 with `fields.retryAfterMs`), not where
 * the address, the key or the API's shape is wrong.
 */
export async function* upcomingPages({ limit = 100, ...request }: ListRequest): AsyncGenerator<Page, void> {
  let next: URL | undefined = upcomingUrl(request.baseUrl)
  next.searchParams.set('limit', String(limit))
  const asked = new Set<string>()
  while (next !== undefined) {
    if (asked.has(next.href) || asked.size === MAX_PAGES) throw endless(next, asked.size)
    asked.add(next.href)
    const url: URL = next
    const { results, count, next: following } = readEnvelope(url, await ask(url, request))
    yield { results, count: count ?? null }
    next = following ? followed(url, following) : undefined
  }
}

const HINT = 'check LAUNCH_LIBRARY_URL'

/** Of 100 launches each: more than Launch Library has ever had upcoming, by far. */
const MAX_PAGES = 100

const UPCOMING: Record<ApiVersion, string> = {
  '2.0.0': 'launch/upcoming/',
  '2.2.0': 'launch/upcoming/',
  '2.3.0': 'launches/upcoming/',
}

/** The list's address. Throws TminusError where the base names no version that is known here. */
export function upcomingUrl(baseUrl: string): URL {
  const version = apiVersion(baseUrl)
  if (version === undefined) {
    throw new TminusError(`LAUNCH_LIBRARY_URL must end with a version of the API: ${API_VERSIONS.join(', ')}`, {
      code: 'launch_library_version',
      retryable: false,
    })
  }
  return new URL(UPCOMING[version], baseUrl.replace(/\/*$/, '/'))
}

async function ask(url: URL, { http, token, signal }: ListRequest): Promise<unknown> {
  const headers: Record<string, string> = token ? { authorization: `Token ${token}` } : {}
  try {
    return await http.getJson(url, { headers, signal, hint: HINT })
  } catch (error) {
    throw (error instanceof TminusError && refused(error, token)) || error
  }
}

/** What Launch Library means by 429 (quota) and 401/403 (key); undefined for every other failure. */
function refused(error: TminusError, token: string | undefined): TminusError | undefined {
  const { status, detail } = error.fields
  if (status === 429) {
    const retryAfterMs = error.fields.retryAfterMs ?? announcedWait(detail)
    const wait = typeof retryAfterMs === 'number' ? ` for ${minutes(retryAfterMs)} more` : ' for now'
    return new TminusError(
      `Launch Library takes no further call${wait}: its hourly quota is used up; wait${token ? '' : ', or set LAUNCH_LIBRARY_TOKEN'}`,
      { code: 'launch_library_throttled', cause: error, fields: { ...error.fields, retryAfterMs } },
    )
  }
  if (status !== 401 && status !== 403) return undefined
  return new TminusError(
    token
      ? `Launch Library refuses the key (${status}); check LAUNCH_LIBRARY_TOKEN`
      : `Launch Library wants a key (${status}); set LAUNCH_LIBRARY_TOKEN, or check LAUNCH_LIBRARY_URL`,
    { code: 'launch_library_key', retryable: false, cause: error, fields: error.fields },
  )
}

/** "Request was throttled. Expected available in 625 seconds." */
function announcedWait(detail: unknown): number | undefined {
  const [, seconds] = /available in (\d+) second/.exec(String(detail)) ?? []
  return seconds === undefined ? undefined : Number(seconds) * 1_000
}

function minutes(ms: number): string {
  return ms < 90_000 ? `${Math.ceil(ms / 1_000)} s` : `${Math.ceil(ms / 60_000)} min`
}

const Envelope = z.object({
  results: z.array(z.unknown()),
  count: z.int().nonnegative().nullish(),
  next: z.string().nullish(),
})

function readEnvelope(url: URL, answer: unknown): z.output<typeof Envelope> {
  const parsed = Envelope.safeParse(answer)
  if (parsed.success) return parsed.data
  const wrong = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'answer'}: ${message}`)
  throw new TminusError(
    `${url.host}${url.pathname} did not answer with a list of launches, or the API changed its shape (${wrong[0]}); ${HINT}`,
    { code: 'launch_library_shape', retryable: false, fields: { issues: wrong.join('; ') } },
  )
}

/** A key is sent along, so only the list that was asked for is followed. */
function followed(from: URL, next: string): URL {
  const to = URL.canParse(next, from.href) ? new URL(next, from) : undefined
  const inside = to?.origin === from.origin && withSlash(to.pathname) === withSlash(from.pathname)
  if (to !== undefined && inside && to.username === '' && to.password === '') return to
  throw new TminusError(`The next page of ${from.host}${from.pathname} lies elsewhere and is not followed; ${HINT}`, {
    code: 'launch_library_next',
    retryable: false,
    fields: { host: from.host },
  })
}

function withSlash(path: string): string {
  return path.endsWith('/') ? path : `${path}/`
}

function endless(url: URL, pages: number): TminusError {
  return new TminusError(
    `The list at ${url.host}${url.pathname} has no end: after ${pages} pages it names another one; ${HINT}`,
    { code: 'launch_library_endless', retryable: false, fields: { host: url.host, pages } },
  )
}
