import { Hono } from 'hono'
import { setCookie } from 'hono/cookie'
import { chosen, DISPLAY_COOKIE, displayOf } from '../display.tsx'
import { readForm } from '../form.ts'
import { isHttps, ownPath } from '../security.ts'
import type { WebEnv } from '../site.ts'

const YEAR_S = 365 * 86_400

/** Keeps what a reader chose in the footer. Also for readers who have not signed in. */
export const displayPages = new Hono<WebEnv>()

displayPages.post('/display', async (c) => {
  const field = await readForm(c)
  const now = displayOf(c)
  const { zone, theme } = chosen(field('zone') || now.zone, field('theme') || now.theme)
  setCookie(c, DISPLAY_COOKIE, `${zone}.${theme}`, {
    ...{ path: '/', httpOnly: true, sameSite: 'Lax', maxAge: YEAR_S },
    secure: isHttps(c),
  })
  return c.redirect(ownPath(field('back'), '/'), 303)
})
