import type { MiddlewareHandler } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { HTTPException } from 'hono/http-exception'
import { addressOf } from '../address.ts'
import { problemJson } from '../problem.tsx'
import { isHttps } from '../security.ts'
import type { WebContext, WebEnv } from '../site.ts'
import { useCalendarToken } from './calendar-tokens.ts'
import { hashToken, readSessionUser } from './sessions.ts'
import { calendarGuess, countTry } from './throttle.ts'

const COOKIE = 'tminus_session'

export function tokenOf(c: WebContext): string | undefined {
  const token = getCookie(c, COOKIE)
  return token !== undefined && TOKEN.test(token) ? token : undefined
}

const TOKEN = /^[\w-]{43}$/

/** Stores the token in the browser. Scripts cannot read it, and POST requests from other sites do not send it. */
export function setTokenCookie(c: WebContext, token: string): void {
  const maxAge = 30 * 24 * 60 * 60
  setCookie(c, COOKIE, token, { httpOnly: true, sameSite: 'Lax', path: '/', secure: isHttps(c), maxAge })
}

export function deleteTokenCookie(c: WebContext): void {
  deleteCookie(c, COOKIE, { path: '/' })
}

/** Sets `c.var.viewer`. Redirects to the login if the request needs one. */
export const identifyViewer: MiddlewareHandler<WebEnv> = async (c, next) => {
  const { site } = c.var
  const { users, user_name, role } = await readSessionUser(site.metadata, tokenOf(c))
  if (user_name !== null && role !== null) c.set('viewer', { name: user_name, role })
  else if (!users && site.loopback) c.set('viewer', { name: null, role: 'admin' })
  else if (isCalendar(c)) {
    const refused = await checkCalendarToken(c)
    if (refused !== undefined) return refused
  } else if (c.req.path !== '/login') return refuse(c)
  return await next()
}

/** The key of the viewer's session for `openSessions`; '' without a session. */
export function sessionKeyOf(c: WebContext): string {
  const token = c.var.viewer.name === null ? undefined : tokenOf(c)
  return token === undefined ? '' : hashToken(token).toString('hex')
}

/** A calendar token grants only these paths, and only for reading. */
function isCalendar(c: WebContext): boolean {
  const { site } = c.var as WebEnv['Variables']
  return (
    READ_METHODS.has(c.req.method) &&
    site.calendars.some(({ path, also }) => c.req.path === path || c.req.path === also)
  )
}

const READ_METHODS = new Set(['GET', 'HEAD'])

/**
 * Calendar programs have no session, so this checks the token in their address. This check comes before the check of
 * earlier failures, because a program that repeats a revoked token must not block valid tokens from the same address.
 */
async function checkCalendarToken(c: WebContext): Promise<Response | undefined> {
  const { metadata, log } = c.var.site
  const token = c.req.query('token') ?? ''
  const name = TOKEN.test(token) ? await useCalendarToken(metadata, token) : undefined
  if (name !== undefined) {
    c.set('viewer', { name, role: 'viewer' })
    return undefined
  }
  const address = addressOf(c)
  const wait = await countTry(metadata, calendarGuess(address))
  if (wait === 0)
    log.warn({ address, path: c.req.path }, 'a calendar request was refused: the token is missing or unknown')
  else c.header('retry-after', String(wait))
  const detail = 'The token in this address is missing, mistyped or revoked. Create a new address on your account page.'
  if (wait > 0) return problemJson(c, { status: 429, title: 'Too many tries', detail })
  return problemJson(c, { status: 401, title: 'Sign in first', detail })
}

function refuse(c: WebContext): Response {
  // If htmx requested a part of a page, the browser reloads the whole page
  // (https://htmx.org/reference/#response_headers).
  const isPart = c.req.header('hx-request') !== undefined
  if (isPart) c.header('hx-refresh', 'true')
  const isPage = c.req.method === 'GET' && !isPart && !/^\/(api|live)\//.test(c.req.path)
  if (!isPage)
    throw new HTTPException(401, { message: 'Sign in at /login and send the session cookie that you get there.' })
  const { pathname, search } = new URL(c.req.url)
  return c.redirect(pathname === '/' ? '/login' : `/login?${new URLSearchParams({ next: pathname + search })}`)
}
