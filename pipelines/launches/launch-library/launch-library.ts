import { TminusError } from 'tminus'
import type { Http } from 'tminus/connectors/http'
import { z } from 'zod'
import type { ApiVersion } from '../api-version.ts'
import { idsPage, PAGE_SIZE, previousPage, upcomingPage, versionOf } from './addresses.ts'
import { type Budget, QuotaSpent } from './quota.ts'

/** One page of a list, its launches as received. */
export interface Page {
  results: unknown[]
  /** How many the whole list holds. */
  count: number | null
  /** No page follows. */
  last: boolean
  /** What to throw once this page is stored: the next one it names is not a page of this list. */
  wrongNext?: TminusError
}

export interface LaunchLibrary {
  readonly version: ApiVersion
  /**
   * Every upcoming launch and those of the last 24 hours, page after page, in detailed mode: it alone tells webcasts.
   * With `since` only those changed since; 2.0.0 does not know when: RangeError.
   */
  upcoming(options?: { since?: Date }): AsyncGenerator<Page, void>
  /** One page of the launches that were, by `net`, earliest first; both ends included. In normal mode before 2.4.0. */
  previous(options?: { from?: Date; to?: Date; offset?: number }): Promise<Page>
  /** These launches, at most 100, in detailed mode; those it does not know are missing from a page that is the last. */
  byIds(ids: readonly string[]): Promise<Page>
}

export interface LaunchLibraryOptions {
  http: Http
  /** `LAUNCH_LIBRARY_URL`: up to and with the version, `https://ll.thespacedevs.com/2.3.0`. */
  baseUrl: string
  /** `LAUNCH_LIBRARY_TOKEN`; raises the limit of 15 calls an hour. */
  token: string | undefined
  signal: AbortSignal
  /** Gives, or refuses, each single call. */
  budget: Pick<Budget, 'take' | 'refused'>
}

/**
 * Launch Library 2 (https://ll.thespacedevs.com/docs). Each page is one call of the quota; nothing is tried twice.
 *
 * Everything throws QuotaSpent where the quota gives no call, and TminusError: retryable where waiting helps (no
 * connection, 5xx), not where the address, the key or the API's shape is wrong.
 */
export function openLaunchLibrary(options: LaunchLibraryOptions): LaunchLibrary {
  const version = versionOf(options.baseUrl)
  const read = (url: URL) => readPage(url, options)
  return {
    version,
    upcoming: ({ since } = {}) => readAll(upcomingPage(options.baseUrl, since), read),
    previous: async (range = {}) => (await read(previousPage(options.baseUrl, range))).page,
    byIds: async (ids) => {
      if (ids.length > PAGE_SIZE) throw new RangeError(`At most ${PAGE_SIZE} launches can be asked for in one call`)
      if (ids.length === 0) return { results: [], count: 0, last: true }
      return (await read(idsPage(options.baseUrl, ids))).page
    },
  }
}

/** Of 100 launches each: more than Launch Library has ever had upcoming, by far. */
const MAX_PAGES = 100

type Read = (url: URL) => Promise<{ page: Page; next: URL | undefined }>

async function* readAll(first: URL, read: Read): AsyncGenerator<Page, void> {
  const asked = new Set<string>()
  const received = new Set<string>()
  for (let url: URL | undefined = first; url !== undefined; ) {
    if (asked.has(url.href) || asked.size === MAX_PAGES) throw endless(url, asked.size)
    asked.add(url.href)
    const { page, next } = await read(url)
    if (isRepeated(page, received)) throw endless(url, asked.size)
    yield page
    if (page.wrongNext) throw page.wrongNext
    url = next
  }
}

/**
 * A page that holds nothing new. One launch alone on the last page may be new or not: it was moved there by another
 * one that came to the list meanwhile.
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
  const following = followed(url, next)
  return following ? { page, next: following } : { page: { ...page, wrongNext: elsewhere(url) }, next: undefined }
}

const HINT = 'check LAUNCH_LIBRARY_URL'

async function ask(url: URL, { http, token, signal, budget }: LaunchLibraryOptions): Promise<unknown> {
  const headers: Record<string, string> = token ? { authorization: `Token ${token}` } : {}
  await budget.take()
  try {
    return await http.getJson(url, { headers, signal, hint: HINT })
  } catch (error) {
    if (!(error instanceof TminusError)) throw error
    if (error.fields.status !== 429) throw keyRefused(error, token) ?? error
    const until = await budget.refused(waitIn(error))
    throw new QuotaSpent(until, { token: token !== undefined, cause: error })
  }
}

/** What Launch Library means by 401 and 403; undefined for every other failure. */
function keyRefused(error: TminusError, token: string | undefined): TminusError | undefined {
  const { status } = error.fields
  if (status !== 401 && status !== 403) return undefined
  return new TminusError(
    token
      ? `Launch Library refuses the key (${status}); check LAUNCH_LIBRARY_TOKEN`
      : `Launch Library wants a key (${status}); set LAUNCH_LIBRARY_TOKEN, or check LAUNCH_LIBRARY_URL`,
    { code: 'launch_library_key', retryable: false, cause: error, fields: error.fields },
  )
}

/** Milliseconds, by `Retry-After` or "Request was throttled. Expected available in 625 seconds." */
function waitIn({ fields: { retryAfterMs, detail } }: TminusError): number | undefined {
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
  const wrong = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'answer'}: ${message}`)
  throw new TminusError(
    `${url.host}${url.pathname} did not answer with a list of launches, or the API changed its shape (${wrong[0]}); ${HINT}`,
    { code: 'launch_library_shape', retryable: false, fields: { issues: wrong.join('; ') } },
  )
}

/**
 * The query of `next`, asked of the address that was asked before: a cache or proxy in front may name another host, or
 * leave out the port, and a key is sent along. Undefined where its path is another one.
 */
function followed(from: URL, next: string): URL | undefined {
  const to = URL.canParse(next, from.href) ? new URL(next, from) : undefined
  if (to === undefined || withSlash(to.pathname) !== withSlash(from.pathname)) return undefined
  const url = new URL(from)
  url.search = to.search
  return url
}

function elsewhere(from: URL): TminusError {
  return new TminusError(`The next page of ${from.host}${from.pathname} lies elsewhere and is not followed; ${HINT}`, {
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
    `The list at ${url.host}${url.pathname} has no end: page ${pages} repeats another one, or more follow; ${HINT}`,
    { code: 'launch_library_endless', retryable: false, fields: { host: url.host, pages } },
  )
}
