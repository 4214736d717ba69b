import { Hono } from 'hono'
import type { WebEnv } from '../site.ts'

/** `/live/<kind>/<key>?seen=<mark>`: an event each time the mark changes. */
export const liveRoutes = new Hono<WebEnv>().get('/live/:kind/:key{.+}', (c) => {
  const { kind, key } = c.req.param()
  const seen = c.req.header('last-event-id') ?? c.req.query('seen') ?? ''
  return c.var.site.live.follow(kind, key, seen)
})
