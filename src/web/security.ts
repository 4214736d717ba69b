import type { MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { addressOf, networkKey } from './address.ts'
import { isHost, isOwnName } from './host.ts'
import { Shares } from './shares.ts'
import type { WebContext, WebEnv } from './site.ts'

/**
 * Allows scripts and styles from files of this site only, and no frames. Only boards may show pictures from other
 * sites, because the pictures of launches are on other sites.
 */
function policy(images: string, frames = "'none'"): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src ${images}`,
    "connect-src 'self'",
    `frame-src ${frames}`,
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

const STRICT = policy("'self'")
const PICTURES = "'self' https: data:"
const WITH_PICTURES = policy(PICTURES)

export const protectiveHeaders: MiddlewareHandler = async (c, next) => {
  await next()
  const { headers } = c.res
  if (!headers.has('content-security-policy')) headers.set('content-security-policy', STRICT)
  headers.set('x-content-type-options', 'nosniff')
  headers.set('x-frame-options', 'DENY')
  // With `no-referrer`, browsers would omit the origin of our own forms.
  headers.set('referrer-policy', 'same-origin')
  headers.set('cross-origin-opener-policy', 'same-origin')
  headers.set('cross-origin-resource-policy', 'same-origin')
  headers.set('permissions-policy', 'camera=(), geolocation=(), microphone=()')
  if (!headers.has('cache-control')) headers.set('cache-control', 'no-store')
}

export function allowPictures(c: WebContext): void {
  c.header('content-security-policy', WITH_PICTURES)
}

/** Allows a board's page to show videos of this site in a frame: `https://www.youtube-nocookie.com`. */
export function allowVideos(c: WebContext, site: string): void {
  c.header('content-security-policy', policy(PICTURES, site))
}

/**
 * Another site can point its name to 127.0.0.1 and then read this site (DNS rebinding). Such requests have that name in
 * `Host`, so on loopback T-minus answers only requests for the machine's own names.
 */
export const ownHostOnly: MiddlewareHandler<WebEnv> = async (c, next) => {
  const { loopback, log } = c.var.site
  const host = c.req.header('host') ?? ''
  if (!isHost(host)) throw new HTTPException(400, { message: 'The Host header is invalid' })
  if (!loopback || isOwnName(host)) return await next()
  log.warn({ host: host.slice(0, 100) }, 'refused a request: its Host is not a name of this machine')
  throw new HTTPException(421, { message: 'Use localhost or 127.0.0.1 as the address' })
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Requests that change something must come from our own pages or from programs. Browsers send the page's origin with
 * every such request, also with JSON. Programs send no origin.
 */
export const sameOriginOnly: MiddlewareHandler<WebEnv> = async (c, next) => {
  if (SAFE.has(c.req.method)) return await next()
  const site = c.req.header('sec-fetch-site')
  const origin = c.req.header('origin')
  const own = origin === undefined || (URL.canParse(origin) && new URL(origin).host === c.req.header('host'))
  if (own && (site === undefined || site === 'same-origin' || site === 'none')) return await next()
  c.var.site.log.warn({ origin: origin?.slice(0, 100), path: c.req.path }, 'refused a cross-site request')
  throw new HTTPException(403, { message: 'Refused: cross-site request' })
}

/** Parallel requests of one address, streams included. */
const MOST_AT_ONCE = 300

/** Limits parallel requests by address. A limit of sockets is not enough: one socket may carry many requests. */
export function fewAtOnce(): MiddlewareHandler<WebEnv> {
  const shares = new Shares()
  return async (c, next) => {
    const release = shares.take({ [networkKey(addressOf(c))]: MOST_AT_ONCE })
    if (release === undefined)
      throw new HTTPException(429, { message: 'Too many requests at once; try again in a moment' })
    c.env.outgoing.once('close', release)
    await next()
  }
}

/** All our forms are smaller. */
const MOST_BYTES = 1_000_000

/**
 * Requires Content-Length, so that a body that is too long is not read at all. (hono's own limit fails on our
 * requests.)
 */
export const smallBodiesOnly: MiddlewareHandler<WebEnv> = async (c, next) => {
  const length = Number(c.req.header('content-length') ?? 0)
  if (c.req.header('transfer-encoding') !== undefined)
    throw new HTTPException(411, { message: 'Send the length of the body (Content-Length)' })
  if (length > MOST_BYTES) throw new HTTPException(413, { message: 'The body is larger than 1 MB' })
  await next()
}

/** The path to redirect to after a form. Returns `otherwise` for another site or a path that no header can hold. */
export function ownPath(path: string, otherwise: string): string {
  return path.length <= LONGEST_PATH && /^\/(?![/\\])[!-[\]-~]*$/.test(path) ? path : otherwise
}

const LONGEST_PATH = 2_000

/** True if a trusted proxy says that the client's connection uses https. */
export function isHttps(c: WebContext): boolean {
  return c.var.site.trustProxy && c.req.header('x-forwarded-proto')?.split(',').at(-1)?.trim() === 'https'
}
