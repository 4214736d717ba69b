import { Hono } from 'hono'
import { addressOf, networkKey } from '../address.ts'
import { sessionOf } from '../auth/who.ts'
import { notFound } from '../problem.tsx'
import type { Limits } from '../shares.ts'
import type { WebContext, WebEnv } from '../site.ts'

/** `/live/<kind>/<key>?seen=<mark>`: an event each time the mark changes. */
export const liveRoutes = new Hono<WebEnv>().get('/live/:kind/:key{.+}', (c) => {
  const { site } = c.var
  const { kind, key } = c.req.param()
  if (!site.live.knows(kind)) throw notFound(`Nothing called '${kind}' can be followed.`)
  // A stream that nothing reads would never end.
  if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' })
  const seen = c.req.header('last-event-id') ?? c.req.query('seen') ?? ''
  return site.live.follow({ kind, key, seen, session: sessionOf(c), limits: limitsOf(c) })
})

/** Streams at once. Many users may share an address, that of a proxy for one. */
const OF_USER = 50
const OF_ADDRESS = 200

function limitsOf(c: WebContext): Limits {
  const { name } = c.var.viewer
  return { [`address:${networkKey(addressOf(c))}`]: OF_ADDRESS, ...(name !== null && { [`user:${name}`]: OF_USER }) }
}
