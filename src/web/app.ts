import { Hono } from 'hono'
import { compress } from 'hono/compress'
import { api } from './api/api.ts'
import { assets } from './assets.ts'
import { readAttention } from './attention.tsx'
import { accountPages } from './auth/account.tsx'
import { loginPages } from './auth/login.tsx'
import { userPages } from './auth/user-pages.tsx'
import { identifyViewer } from './auth/viewer.ts'
import { type LoadedBoard, mountBoards } from './boards.ts'
import { readCodeNotice } from './code-notice.tsx'
import { liveRoutes } from './live/routes.ts'
import { aboutPages } from './pages/about-dag.tsx'
import { clearRunsPages } from './pages/clear-runs.tsx'
import { dagsPages } from './pages/dags.tsx'
import { deletePages } from './pages/delete.tsx'
import { displayPages } from './pages/display.ts'
import { durationPages } from './pages/durations.tsx'
import { ganttPages } from './pages/gantt.tsx'
import { graphPages } from './pages/graph.tsx'
import { gridPages } from './pages/grid.tsx'
import { jobPages } from './pages/jobs.tsx'
import { markPages } from './pages/mark.tsx'
import { operatePages } from './pages/operate.tsx'
import { operationsPages } from './pages/operations.tsx'
import { runPages } from './pages/run.tsx'
import { allRunsPages } from './pages/runs.tsx'
import { taskPages } from './pages/task.tsx'
import { triggerPages } from './pages/trigger.tsx'
import { notFound, showError } from './problem.tsx'
import { fewAtOnce, ownHostOnly, protectiveHeaders, sameOriginOnly, smallBodiesOnly } from './security.ts'
import type { Site, WebEnv } from './site.ts'
import { visiblePages } from './visible-pages.ts'

const PAGES = [
  liveRoutes,
  loginPages,
  accountPages,
  userPages,
  dagsPages,
  allRunsPages,
  triggerPages,
  gridPages,
  graphPages,
  durationPages,
  ganttPages,
  aboutPages,
  runPages,
  taskPages,
  operatePages,
  clearRunsPages,
  deletePages,
  markPages,
  jobPages,
  operationsPages,
  api,
]

/** All routes, in the order in which they are matched. */
export function buildApp(
  site: Site,
  boards: readonly LoadedBoard[],
  mount?: (app: Hono<WebEnv>) => void,
): Hono<WebEnv> {
  const app = new Hono<WebEnv>()
  app.onError(showError)
  app.notFound((c) => showError(notFound(`No page at ${c.req.path}.`), c))
  app.use(async (c, next) => {
    c.set('site', site)
    await next()
  })
  app.use(protectiveHeaders, ownHostOnly, fewAtOnce(), sameOriginOnly, smallBodiesOnly)
  app.use(compress())
  app.use(visiblePages)
  mount?.(app)
  app.route('/', assets)
  app.route('/', displayPages)
  app.use(identifyViewer, readCodeNotice, readAttention())
  for (const pages of PAGES) app.route('/', pages)
  mountBoards(app, boards, site)
  if (boards.length === 0) app.get('/', (c) => c.redirect('/dags'))
  return app
}
