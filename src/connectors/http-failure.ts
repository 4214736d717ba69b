import { STATUS_CODES } from 'node:http'
import { TminusError } from '../errors.ts'
import { visibleText } from '../visible-text.ts'

/** The target of a request and its name in messages, without query and user info. */
export interface Place {
  url: URL
  /** Host (with port) and path. */
  name: string
  /** Advice for the reader if the address looks wrong. */
  hint: string
}

/** Throws TminusError `http_address` unless it is an http(s) address without user name and password. */
export function placeOf(address: string | URL, { hint = 'check the address' }: { hint?: string }): Place {
  const url = URL.canParse(String(address)) ? new URL(address) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new TminusError(`Expected an http or https URL without user name and password; ${hint}`, {
      code: 'http_address',
      retryable: false,
    })
  }
  return { url, name: `${url.host}${url.pathname}`, hint }
}

type Verdict = readonly [code: string, retryable: boolean, sentence: string]

/** Turns an error of undici, the socket or the name server into a sentence. Returns a TminusError unchanged. */
export function failure(
  place: Place,
  error: unknown,
  exchange: { answered: boolean; idleMs: number; connectTimeoutMs: number },
): TminusError {
  if (error instanceof TminusError) return error
  const reported = codeOf(error)
  const [code, retryable, sentence] =
    connecting(place, reported, exchange.connectTimeoutMs) ??
    exchanging(place, reported, exchange.idleMs, exchange.answered) ??
    (['http_failed', true, `The request to ${place.name} failed (${reported})`] as const)
  return new TminusError(sentence, { code, retryable, cause: error, fields: { host: place.url.host, reported } })
}

/** The code of the error. If several addresses of a host failed, the code of the first address. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return error instanceof Error ? error.name : 'unknown'
}

function connecting({ url, hint }: Place, reported: string, timeoutMs: number): Verdict | undefined {
  switch (reported) {
    case 'ECONNREFUSED':
      return ['http_refused', true, `Nothing listens at ${url.host} (connection refused); ${hint}`]
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return ['http_timeout', true, `${url.host} accepted no connection within ${seconds(timeoutMs)}; try again later`]
    case 'EAI_AGAIN':
      return ['http_dns', true, `The name server did not answer for ${url.hostname}; check the network`]
    case 'ENOTFOUND':
      return ['http_dns', false, `There is no host named ${url.hostname}; ${hint} and the network`]
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ENETDOWN':
    case 'EADDRNOTAVAIL':
      return ['http_unreachable', true, `No network route leads to ${url.host} (${reported}); check the network`]
  }
  if (reported === 'EPROTO' || reported.startsWith('ERR_SSL_'))
    return ['http_tls', false, `${url.host} does not speak TLS (${reported}); for plain HTTP write http://: ${hint}`]
  return /CERT|SIGNATURE|_TLS_/.test(reported)
    ? ['http_tls', false, `The certificate of ${url.host} cannot be trusted (${reported}); ${hint}`]
    : undefined
}

function exchanging(place: Place, reported: string, idleMs: number, answered: boolean): Verdict | undefined {
  switch (reported) {
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return ['http_timeout', true, `${place.name} sent nothing for ${seconds(idleMs)}; try again later`]
    case 'UND_ERR_SOCKET':
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
    case 'ECONNRESET':
    case 'EPIPE':
    case 'HPE_INVALID_EOF_STATE':
      return answered
        ? ['http_cut_short', true, `The answer of ${place.name} was cut short; try again`]
        : ['http_reset', true, `${place.name} closed the connection without an answer; try again`]
    case 'UND_ERR_DESTROYED':
    case 'UND_ERR_CLOSED':
    case 'UND_ERR_ABORTED':
      return ['http_aborted', true, `The request to ${place.name} was aborted`]
  }
  return /^(HPE_|HTTPParserError$|UND_ERR_HEADERS_OVERFLOW$)/.test(reported)
    ? ['http_protocol', false, `The server at ${place.name} is not a web server (${reported}); ${place.hint}`]
    : undefined
}

export function tookTooLong(place: Place, timeoutMs: number, cause: unknown): TminusError {
  return new TminusError(`${place.name} did not finish its answer within ${seconds(timeoutMs)}; try again later`, {
    code: 'http_timeout',
    cause,
    fields: { host: place.url.host },
  })
}

export function aborted(place: Place, reason: unknown): TminusError {
  return new TminusError(`The request to ${place.name} was aborted`, { code: 'http_aborted', cause: reason })
}

export function tooLarge(place: Place, maxBytes: number): TminusError {
  return new TminusError(`The answer of ${place.name} is larger than ${bytes(maxBytes)}; ${place.hint}`, {
    code: 'http_too_large',
    retryable: false,
  })
}

export function encodingUnknown(place: Place, coding: string): TminusError {
  return new TminusError(
    `${place.name} answered with the encoding '${coding.slice(0, 40)}', but only br and gzip are supported; ${place.hint}`,
    { code: 'http_encoding', retryable: false },
  )
}

/** The message for an error of zlib: the text is too large, the data is incomplete, or it is not compressed. */
export function encodingWrong(place: Place, coding: string, maxBytes: number, error: unknown): TminusError {
  if (error instanceof TminusError) return error
  const reported = codeOf(error)
  if (reported === 'ERR_BUFFER_TOO_LARGE') return tooLarge(place, maxBytes)
  const cut = reported === 'Z_BUF_ERROR' || reported === 'ERR_BROTLI_DECODER_ERROR_NEEDS_MORE_INPUT'
  return cut
    ? new TminusError(`The answer of ${place.name} was cut short; try again`, { code: 'http_cut_short', cause: error })
    : new TminusError(`The answer of ${place.name} is marked as ${coding} but is not; ${place.hint}`, {
        code: 'http_encoding',
        retryable: false,
        cause: error,
      })
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** The error for an answer whose status is not 2xx. */
export function notSuccess(
  place: Place,
  status: number,
  headers: Headers,
  body: Buffer,
  sent: Readonly<Record<string, string>>,
): TminusError {
  const retryable = status >= 500 || status === 408 || status === 429
  const waitMs = status === 429 || status === 503 ? retryAfterMs(headers['retry-after']) : undefined
  const detail = detailIn(body, sent)
  const moved = status < 400 ? redirectTo(place, headers.location) : ''
  const explained = detail === undefined ? '' : ` ("${detail}")`
  const later = waitMs === undefined ? 'try again later' : `try again in ${seconds(waitMs)}`
  return new TminusError(
    `${place.name} answered ${status} ${STATUS_CODES[status] ?? ''}`.trim() +
      `${moved}${explained}; ${retryable ? later : place.hint}`,
    {
      code: status < 400 ? 'http_redirect' : 'http_status',
      retryable,
      fields: { host: place.url.host, status, retryAfterMs: waitMs, detail },
    },
  )
}

/** A longer wait is a mistake, and too long for a timer (2^31 ms) or a Date. */
const LONGEST_WAIT_MS = 24 * 3_600_000

/** Milliseconds from now, at most a day, of a `Retry-After` in seconds or as a date (RFC 9110, 10.2.3). */
export function retryAfterMs(value: string | string[] | undefined, now = Date.now()): number | undefined {
  const text = String(value ?? '').trim()
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1_000, LONGEST_WAIT_MS)
  const at = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.min(Math.max(0, at - now), LONGEST_WAIT_MS)
}

/** Names the target only if it is on the same host: an address on another host may contain secrets. */
function redirectTo({ url }: Place, location: string | string[] | undefined): string {
  if (typeof location !== 'string' || !URL.canParse(location, url.href)) return ''
  const target = new URL(location, url)
  return target.host === url.host
    ? `, a redirect to ${target.protocol}//${target.host}${target.pathname}, which is not followed`
    : ', a redirect to another host, which is not followed'
}

/** The `detail` of a JSON error body, unless it repeats a header that we sent. */
function detailIn(body: Buffer, sent: Readonly<Record<string, string>>): string | undefined {
  if (body.length === 0 || body.length > 65_536) return undefined
  try {
    const { detail } = JSON.parse(body.toString()) as { detail?: unknown }
    if (typeof detail !== 'string') return undefined
    const secrets = Object.values(sent).flatMap((value) => value.split(' '))
    if (secrets.some((secret) => secret.length > 5 && detail.includes(secret))) return undefined
    return visibleText(detail).replaceAll(/\s+/g, ' ').slice(0, 200)
  } catch {
    return undefined
  }
}

export function notJson(place: Place, text: string, cause: unknown): TminusError {
  const start = text.trimStart().slice(0, 1)
  const got = start === '' ? 'an empty body' : start === '<' ? 'a web page (HTML)' : 'another format'
  const broken = start === '{' || start === '['
  return new TminusError(
    broken
      ? `The answer of ${place.name} is invalid JSON; ${place.hint}`
      : `${place.name} answered with ${got} instead of JSON; ${place.hint}`,
    { code: 'http_not_json', retryable: false, cause, fields: { host: place.url.host } },
  )
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`
}

function bytes(count: number): string {
  return count >= 1024 * 1024 ? `${Math.round(count / 1024 / 1024)} MiB` : `${count} bytes`
}
