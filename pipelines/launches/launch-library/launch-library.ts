import { issueLines, TminusError } from 'tminus'
import type { Http } from 'tminus/connectors/http'
import { z } from 'zod'
import type { ApiVersion } from '../api-version.ts'
import { idsPage, PAGE_SIZE, previousPage, upcomingPage, versionOf } from './addresses.ts'
import { type Budget, QuotaExhausted } from './quota.ts'

/** One page of a list, with the launches as received. */
export interface Page {
  results: unknown[]
  /** The number of launches in the whole list. */
  count: number | null
  /** There is no next page. */
  last: boolean
  /** An error to throw after this page is stored, because its link to the next page is wrong. */
  wrongNext?: TminusError
}

export interface LaunchLibrary {
  readonly version: ApiVersion
  /**
   * Requests the upcoming launches and those of the last 24 hours, page by page. It uses the detailed mode, the only
   * one with webcasts. `since`: only launches that changed since then; with 2.0.0, which has no `last_updated`, it
   * throws RangeError.
   */
  upcoming(options?: { since?: Date }): AsyncGenerator<Page, void>
  /**
   * One page of past launches, ordered by `net`; both ends are inclusive. Versions before 2.4.0 use the normal mode.
   */
  previous(options?: { from?: Date; to?: Date; offset?: number }): Promise<Page>
  /** These launches (at most 100) in detailed mode. Unknown ids are missing from the answer. */
  byIds(ids: readonly string[]): Promise<Page>
}

export interface LaunchLibraryOptions {
  http: Http
  /** `LAUNCH_LIBRARY_URL`: ends with the version, as `https://ll.thespacedevs.com/2.3.0`. */
  baseUrl: string
  /** `LAUNCH_LIBRARY_TOKEN`; raises the limit of 15 calls an hour. */
  token: string | undefined
  signal: AbortSignal
  /** Each request takes one call from this quota. */
  budget: Pick<Budget, 'take' | 'recordRefusal'>
}

/**
 * The client of Launch Library 2 (https://ll.thespacedevs.com/docs). Each page costs one call of the quota. The client
 * never retries.
 *
 * All methods throw QuotaExhausted if no call is left, and TminusError otherwise. It is retryable if waiting can help
 * (no connection, 5xx), and not retryable if the address, the key or the shape of the answer is wrong.
 */
export function openLaunchLibrary(options: LaunchLibraryOptions): LaunchLibrary {
  const version = versionOf(options.baseUrl)
  const read = (url: URL) => readPage(url, options)
  return {
    version,
    upcoming: ({ since } = {}) => readAll(upcomingPage(options.baseUrl, since), read),
    previous: async (range = {}) => (await read(previousPage(options.baseUrl, range))).page,
    byIds: async (ids) => {
      if (ids.length > PAGE_SIZE) throw new RangeError(`One call returns at most ${PAGE_SIZE} launches`)
      if (ids.length === 0) return { results: [], count: 0, last: true }
      return (await read(idsPage(options.baseUrl, ids))).page
    },
  }
}

/** 10,000 launches, far more than Launch Library has ever listed as upcoming. */
const MAX_PAGES = 100

type Read = (url: URL) => Promise<{ page: Page; next: URL | undefined }>

async function* readAll(first: URL, read: Read): AsyncGenerator<Page, void> {
  const requested = new Set<string>()
  const received = new Set<string>()
  for (let url: URL | undefined = first; url !== undefined; ) {
    if (requested.has(url.href) || requested.size === MAX_PAGES) throw endlessList(url, requested.size)
    requested.add(url.href)
    const { page, next } = await read(url)
    if (isRepeated(page, received)) throw endlessList(url, requested.size)
    yield page
    if (page.wrongNext) throw page.wrongNext
    url = next
  }
}

/**
 * True for a page without any new launch. A last page with one known launch is allowed: if a launch was added to the
 * list in the meantime, the last launch moves to the next page.
 */
function isRepeated({ results, last }: Page, received: Set<string>): boolean {
  const keys = results.map((launch) => {
    const { id } = (launch ?? {}) as { id?: unknown }
    return typeof id === 'string' ? id : JSON.stringify(launch)
  })
  const repeated = keys.length > (last ? 1 : 0) && keys.every((key) => received.has(key))
  for (const key of keys) received.add(key)
  return repeated
}

async function readPage(url: URL, options: LaunchLibraryOptions): ReturnType<Read> {
  const { results, count, next } = readEnvelope(url, await ask(url, options))
  const page: Page = { results, count: count ?? null, last: !next }
  if (!next) return { page, next: undefined }
  const following = nextPageUrl(url, next)
  return following ? { page, next: following } : { page: { ...page, wrongNext: foreignNext(url) }, next: undefined }
}

const HINT = 'check LAUNCH_LIBRARY_URL'

async function ask(url: URL, { http, token, signal, budget }: LaunchLibraryOptions): Promise<unknown> {
  const headers: Record<string, string> = token ? { authorization: `Token ${token}` } : {}
  await budget.take()
  try {
    return await http.getJson(url, { headers, signal, hint: HINT })
  } catch (error) {
    if (!(error instanceof TminusError)) throw error
    if (error.fields.status !== 429) throw keyError(error, token) ?? error
    const until = await budget.recordRefusal(retryAfterOf(error))
    throw new QuotaExhausted(until, { token: token !== undefined, cause: error })
  }
}

/** The error for 401 and 403; undefined for other errors. */
function keyError(error: TminusError, token: string | undefined): TminusError | undefined {
  const { status } = error.fields
  if (status !== 401 && status !== 403) return undefined
  return new TminusError(
    token
      ? `Launch Library rejected the key (${status}); check LAUNCH_LIBRARY_TOKEN`
      : `Launch Library requires a key (${status}); set LAUNCH_LIBRARY_TOKEN, or check LAUNCH_LIBRARY_URL`,
    { code: 'launch_library_key', retryable: false, cause: error, fields: error.fields },
  )
}

/** Milliseconds from `Retry-After`, or from "Request was throttled. Expected available in 625 seconds." */
function retryAfterOf({ fields: { retryAfterMs, detail } }: TminusError): number | undefined {
  if (typeof retryAfterMs === 'number') return retryAfterMs
  const [, seconds] = /available in (\d+) second/.exec(String(detail)) ?? []
  return seconds === undefined ? undefined : Number(seconds) * 1_000
}

const Envelope = z.object({
  results: z.array(z.unknown()),
  count: z.int().nonnegative().nullish(),
  next: z.string().nullish(),
})

function readEnvelope(url: URL, answer: unknown): z.output<typeof Envelope> {
  const parsed = Envelope.safeParse(answer)
  if (parsed.success) return parsed.data
  const wrong = issueLines(parsed.error.issues, 'answer')
  throw new TminusError(`The answer of ${url.host}${url.pathname} is not a list of launches (${wrong[0]}); ${HINT}`, {
    code: 'launch_library_shape',
    retryable: false,
    fields: { issues: wrong.join('; ') },
  })
}

/**
 * The URL of the next page: the query of `next` at the address of the current page. A cache or proxy may put another
 * host into `next`, or omit the port. The API key must not be sent to another host. Undefined if the path of `next`
 * differs.
 */
function nextPageUrl(from: URL, next: string): URL | undefined {
  const to = URL.canParse(next, from.href) ? new URL(next, from) : undefined
  if (to === undefined || withSlash(to.pathname) !== withSlash(from.pathname)) return undefined
  const url = new URL(from)
  url.search = to.search
  return url
}

function foreignNext(from: URL): TminusError {
  return new TminusError(
    `The link to the next page of ${from.host}${from.pathname} has another path, so it is not followed; ${HINT}`,
    { code: 'launch_library_next', retryable: false, fields: { host: from.host } },
  )
}

function withSlash(path: string): string {
  return path.endsWith('/') ? path : `${path}/`
}

function endlessList(url: URL, pages: number): TminusError {
  return new TminusError(
    `The list at ${url.host}${url.pathname} does not end: page ${pages} repeats an earlier one, or there are more pages; ${HINT}`,
    { code: 'launch_library_endless', retryable: false, fields: { host: url.host, pages } },
  )
}
