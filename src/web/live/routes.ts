import { Hono } from 'hono'
import { addressOf, networkKey } from '../address.ts'
import { sessionKeyOf } from '../auth/viewer.ts'
import { whyNotStorable } from '../form.ts'
import { notFound } from '../problem.tsx'
import type { Limits } from '../shares.ts'
import type { WebContext, WebEnv } from '../site.ts'

/** `/live/<kind>/<key>?seen=<mark>`: sends an event each time the mark changes. */
export const liveRoutes = new Hono<WebEnv>().get('/live/:kind/:key{.+}', (c) => {
  const { site } = c.var
  const { kind, key } = c.req.param()
  if (!site.live.knows(kind)) throw notFound(`Unknown kind of live page: '${kind}'.`)
  // The keys of all followers are in one statement, so a key that Postgres refuses would stop all their pages.
  if (whyNotStorable(key) !== undefined) throw notFound('There is no live page with this key.')
  // The answer to HEAD has no body, so a stream would never end.
  if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' })
  const seen = c.req.header('last-event-id') ?? c.req.query('seen') ?? ''
  return site.live.follow({ kind, key, seen, session: sessionKeyOf(c), limits: limitsOf(c) })
})

/** Streams at once. Many users may share an address, such as a proxy's. */
const OF_USER = 50
const OF_ADDRESS = 200

function limitsOf(c: WebContext): Limits {
  const { name } = c.var.viewer
  return { [`address:${networkKey(addressOf(c))}`]: OF_ADDRESS, ...(name !== null && { [`user:${name}`]: OF_USER }) }
}
