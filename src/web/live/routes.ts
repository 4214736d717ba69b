import { Hono } from 'hono'
import { sessionOf } from '../auth/who.ts'
import { notFound } from '../problem.tsx'
import type { WebEnv } from '../site.ts'

/** `/live/<kind>/<key>?seen=<mark>`: an event each time the mark changes. */
export const liveRoutes = new Hono<WebEnv>().get('/live/:kind/:key{.+}', (c) => {
  const { site } = c.var
  const { kind, key } = c.req.param()
  if (!site.live.knows(kind)) throw notFound(`Nothing called '${kind}' can be followed.`)
  const seen = c.req.header('last-event-id') ?? c.req.query('seen') ?? ''
  return site.live.follow({ kind, key, seen, session: sessionOf(c) })
})
