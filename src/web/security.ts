import type { MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { addressOf, networkKey } from './address.ts'
import { isHost, isOwnName } from './host.ts'
import { Shares } from './shares.ts'
import type { WebContext, WebEnv } from './site.ts'

/**
 * Scripts and styles of this site only, none inside a page; no page inside another one. Pictures may come from
 * elsewhere on boards alone, whose launches have some.
 */
function policy(images: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src ${images}`,
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

const STRICT = policy("'self'")
const WITH_PICTURES = policy("'self' https: data:")

export const protectiveHeaders: MiddlewareHandler = async (c, next) => {
  await next()
  const { headers } = c.res
  if (!headers.has('content-security-policy')) headers.set('content-security-policy', STRICT)
  headers.set('x-content-type-options', 'nosniff')
  headers.set('x-frame-options', 'DENY')
  // With no-referrer browsers would name no origin with our own forms either.
  headers.set('referrer-policy', 'same-origin')
  headers.set('cross-origin-opener-policy', 'same-origin')
  headers.set('cross-origin-resource-policy', 'same-origin')
  headers.set('permissions-policy', 'camera=(), geolocation=(), microphone=()')
  if (!headers.has('cache-control')) headers.set('cache-control', 'no-store')
}

export function allowPictures(c: WebContext): void {
  c.header('content-security-policy', WITH_PICTURES)
}

/**
 * A page elsewhere can have its name lead to 127.0.0.1 and then read what is open here (DNS rebinding). Such requests
 * carry that name: where only this machine is served, no other than its own is answered.
 */
export const ownHostOnly: MiddlewareHandler<WebEnv> = async (c, next) => {
  const { loopback, log } = c.var.site
  const host = c.req.header('host') ?? ''
  if (!isHost(host)) throw new HTTPException(400, { message: 'The Host header is not one' })
  if (!loopback || isOwnName(host)) return await next()
  log.warn({ host: host.slice(0, 100) }, 'refused a request by a name that is not of this machine')
  throw new HTTPException(421, { message: 'This address is served as localhost or 127.0.0.1 only' })
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * What changes something must come from our own pages, or from no page at all: browsers name the page's origin with
 * every such request, JSON ones too, and programs name none.
 */
export const sameOriginOnly: MiddlewareHandler<WebEnv> = async (c, next) => {
  if (SAFE.has(c.req.method)) return await next()
  const site = c.req.header('sec-fetch-site')
  const origin = c.req.header('origin')
  const own = origin === undefined || (URL.canParse(origin) && new URL(origin).host === c.req.header('host'))
  if (own && (site === undefined || site === 'same-origin' || site === 'none')) return await next()
  c.var.site.log.warn({ origin: origin?.slice(0, 100), path: c.req.path }, 'refused a request from a page elsewhere')
  throw new HTTPException(403, { message: 'This was asked for by a page that is not ours, and has been refused' })
}

/** Requests under way of one address, streams among them. */
const MOST_AT_ONCE = 300

/** A socket may ask many times at once, and behind a proxy every socket is the proxy's: what counts is who asks. */
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

/** Larger than any form here. */
const MOST_BYTES = 1_000_000

/** A body says how long it is, so that nothing of one that is too long is read. (hono's own limit fails on our requests.) */
export const smallBodiesOnly: MiddlewareHandler<WebEnv> = async (c, next) => {
  const length = Number(c.req.header('content-length') ?? 0)
  if (c.req.header('transfer-encoding') !== undefined)
    throw new HTTPException(411, { message: 'Say how long the body is (Content-Length)' })
  if (length > MOST_BYTES) throw new HTTPException(413, { message: 'Nothing here takes more than 1 MB' })
  await next()
}

/** Where a person goes on after a form, if it is a path of ours that a header can hold; never another site. */
export function ownPath(path: string, otherwise: string): string {
  return path.length <= LONGEST_PATH && /^\/(?![/\\])[!-[\]-~]*$/.test(path) ? path : otherwise
}

const LONGEST_PATH = 2_000

/** Whether the reader's own connection is encrypted, as far as it is known here. */
export function isHttps(c: WebContext): boolean {
  return c.var.site.trustProxy && c.req.header('x-forwarded-proto')?.split(',').at(-1)?.trim() === 'https'
}
