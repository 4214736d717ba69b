import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { compress } from 'hono/compress'
import { HTTPException } from 'hono/http-exception'
import { assets } from './assets.ts'
import { type LoadedBoard, mountBoards } from './boards.ts'
import { liveRoutes } from './live/routes.ts'
import { notFound, showError } from './problem.tsx'
import { ownHostOnly, protectiveHeaders, sameOriginOnly } from './security.ts'
import type { Site, WebEnv } from './site.ts'

/** Larger than any form here. */
const MOST_BYTES = 1_000_000

/** Every route, in the order in which a request meets them. */
export function buildApp(
  site: Site,
  boards: readonly LoadedBoard[],
  mount?: (app: Hono<WebEnv>) => void,
): Hono<WebEnv> {
  const app = new Hono<WebEnv>()
  app.onError(showError)
  app.notFound((c) => showError(notFound(`There is nothing at ${c.req.path}.`), c))
  app.use(async (c, next) => {
    c.set('site', site)
    await next()
  })
  app.use(protectiveHeaders, ownHostOnly, sameOriginOnly)
  app.use(bodyLimit({ maxSize: MOST_BYTES, onError: tooLarge }))
  app.use(compress())
  mount?.(app)
  app.route('/', assets)
  app.use(async (c, next) => {
    c.set('viewer', { name: null, role: 'admin' })
    await next()
  })
  app.route('/', liveRoutes)
  mountBoards(app, boards, site)
  return app
}

function tooLarge(): never {
  throw new HTTPException(413, { message: `Nothing here takes more than ${MOST_BYTES / 1_000_000} MB` })
}
