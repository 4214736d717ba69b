import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { compress } from 'hono/compress'
import { HTTPException } from 'hono/http-exception'
import { assets } from './assets.ts'
import { type LoadedBoard, mountBoards } from './boards.ts'
import { liveRoutes } from './live/routes.ts'
import { aboutPages } from './pages/about-dag.tsx'
import { chartPages } from './pages/charts.tsx'
import { dagsPages } from './pages/dags.tsx'
import { graphPages } from './pages/graph.tsx'
import { gridPages } from './pages/grid.tsx'
import { operatePages } from './pages/operate.tsx'
import { operationsPages } from './pages/operations.tsx'
import { runPages } from './pages/run.tsx'
import { taskPages } from './pages/task.tsx'
import { triggerPages } from './pages/trigger.tsx'
import { notFound, showError } from './problem.tsx'
import { ownHostOnly, protectiveHeaders, sameOriginOnly } from './security.ts'
import type { Site, WebEnv } from './site.ts'

const PAGES = [
  liveRoutes,
  dagsPages,
  triggerPages,
  gridPages,
  graphPages,
  chartPages,
  aboutPages,
  runPages,
  taskPages,
  operatePages,
  operationsPages,
]

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
  for (const pages of PAGES) app.route('/', pages)
  mountBoards(app, boards, site)
  if (boards.length === 0) app.get('/', (c) => c.redirect('/dags'))
  return app
}

function tooLarge(): never {
  throw new HTTPException(413, { message: `Nothing here takes more than ${MOST_BYTES / 1_000_000} MB` })
}
