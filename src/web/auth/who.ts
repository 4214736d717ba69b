import type { MiddlewareHandler } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { HTTPException } from 'hono/http-exception'
import { isHttps } from '../security.ts'
import type { WebContext, WebEnv } from '../site.ts'
import { readAsker } from './sessions.ts'

const COOKIE = 'tminus_session'

export function tokenOf(c: WebContext): string | undefined {
  const token = getCookie(c, COOKIE)
  return token !== undefined && /^[\w-]{43}$/.test(token) ? token : undefined
}

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
  else if (c.req.path !== '/login') return refuse(c)
  return await next()
}

function refuse(c: WebContext): Response {
  const isPage = c.req.method === 'GET' && !/^\/(api|live)\//.test(c.req.path)
  if (!isPage)
    throw new HTTPException(401, { message: 'Sign in at /login; the session cookie it gives is asked for here.' })
  const { pathname, search } = new URL(c.req.url)
  return c.redirect(pathname === '/' ? '/login' : `/login?${new URLSearchParams({ next: pathname + search })}`)
}
