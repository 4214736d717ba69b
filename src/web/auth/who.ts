import type { MiddlewareHandler } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { HTTPException } from 'hono/http-exception'
import { addressOf } from '../address.ts'
import { problemJson } from '../problem.tsx'
import { isHttps } from '../security.ts'
import type { WebContext, WebEnv } from '../site.ts'
import { useCalendarToken } from './calendar-tokens.ts'
import { hashToken, readAsker } from './sessions.ts'
import { calendarTry, noteTry } from './throttle.ts'

const COOKIE = 'tminus_session'

export function tokenOf(c: WebContext): string | undefined {
  const token = getCookie(c, COOKIE)
  return token !== undefined && TOKEN.test(token) ? token : undefined
}

const TOKEN = /^[\w-]{43}$/

/** Kept by the browser, unseen by scripts, sent along by no page elsewhere that posts. */
export function keepToken(c: WebContext, token: string): void {
  const maxAge = 30 * 24 * 60 * 60
  setCookie(c, COOKIE, token, { httpOnly: true, sameSite: 'Lax', path: '/', secure: isHttps(c), maxAge })
}

export function dropToken(c: WebContext): void {
  deleteCookie(c, COOKIE, { path: '/' })
}

/** Finds out who asks; whoever has to sign in first is led there. */
export const knowViewer: MiddlewareHandler<WebEnv> = async (c, next) => {
  const { site } = c.var
  const { users, user_name, role } = await readAsker(site.metadata, tokenOf(c))
  if (user_name !== null && role !== null) c.set('viewer', { name: user_name, role })
  else if (!users && site.loopback) c.set('viewer', { name: null, role: 'admin' })
  else if (isCalendar(c)) {
    const refused = await judgeCalendarToken(c)
    if (refused !== undefined) return refused
  } else if (c.req.path !== '/login') return refuse(c)
  return await next()
}

/** By which `openSessions` knows the session of whoever was let in. */
export function sessionOf(c: WebContext): string {
  const token = c.var.viewer.name === null ? undefined : tokenOf(c)
  return token === undefined ? '' : hashToken(token).toString('hex')
}

/** A token opens these paths alone, and alone for reading. */
function isCalendar(c: WebContext): boolean {
  const { site } = c.var as WebEnv['Variables']
  return (
    READING.has(c.req.method) && site.calendars.some(({ path, also }) => c.req.path === path || c.req.path === also)
  )
}

const READING = new Set(['GET', 'HEAD'])

/**
 * Calendar programs have no session: the token in their address is judged, before what came from there until now. So a
 * program left with a withdrawn one, which keeps asking, shuts out none of those who come from the same address.
 */
async function judgeCalendarToken(c: WebContext): Promise<Response | undefined> {
  const { metadata, log } = c.var.site
  const token = c.req.query('token') ?? ''
  const name = TOKEN.test(token) ? await useCalendarToken(metadata, token) : undefined
  if (name !== undefined) {
    c.set('viewer', { name, role: 'viewer' })
    return undefined
  }
  const address = addressOf(c)
  const wait = await noteTry(metadata, calendarTry(address))
  if (wait === 0) log.warn({ address, path: c.req.path }, 'a calendar was refused: no token, or not one of ours')
  else c.header('retry-after', String(wait))
  const detail = 'The token of this address is missing, mistyped or withdrawn. Your account page makes another address.'
  if (wait > 0) return problemJson(c, { status: 429, title: 'Too many tries', detail })
  return problemJson(c, { status: 401, title: 'Sign in first', detail })
}

function refuse(c: WebContext): Response {
  // A part that its page fetches anew (https://htmx.org/reference/#response_headers): the page as a whole is led there.
  const isPart = c.req.header('hx-request') !== undefined
  if (isPart) c.header('hx-refresh', 'true')
  const isPage = c.req.method === 'GET' && !isPart && !/^\/(api|live)\//.test(c.req.path)
  if (!isPage)
    throw new HTTPException(401, { message: 'Sign in at /login; the session cookie it gives is asked for here.' })
  const { pathname, search } = new URL(c.req.url)
  return c.redirect(pathname === '/' ? '/login' : `/login?${new URLSearchParams({ next: pathname + search })}`)
}
