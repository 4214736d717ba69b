import type { Hono } from 'hono'
import type { Page } from 'playwright-core'
import launches from '../../pipelines/rocket-launches/dag.ts'
import { buildApp } from '../../src/web/app.ts'
import { loadBoards } from '../../src/web/boards.ts'
import type { Site, WebEnv } from '../../src/web/site.ts'
import { silent } from '../support/runner.ts'
import { NEXT_ID, NOW } from './whole-site.ts'

/** One page to look at: a path, or a path and what to do on the page first. */
export type Visit = string | { path: string; act: (page: Page) => Promise<unknown> }

const IMPORT = '/dags/import-orders'
const REFRESH = '/dags/refresh-pages'
const WAREHOUSE = '/dags/warehouse'
const FAILED = runOf(IMPORT, 2)
const RUNNING = runOf(WAREHOUSE, 1)
const LOG = `${FAILED}/tasks/check_prices`

/** All pages of the site, by route, as the whole site (`openWholeSite`) has them. */
export const PAGES: Readonly<Record<string, readonly Visit[]>> = {
  '/': ['/', '/?show=past&status=failure', '/?q=xyzzy', `/?month=${NOW.toISOString().slice(0, 7)}`],
  '/map': ['/map', '/map?show=past', '/map?q=xyzzy'],
  '/launches/:id': [`/launches/${NEXT_ID}`],
  '/figures': ['/figures'],
  '/outbox': ['/outbox'],
  '/outbox/:id/resend': ['/outbox/6/resend'],
  '/outbox/:id/forget': ['/outbox/1/forget'],
  '/rejects': ['/rejects'],
  '/dags': ['/dags', '/dags?search=nothing'],
  '/runs': ['/runs?state=failed&from=2026-01-01T00:00', '/runs?dag=nothing'],
  '/dags/:dag': [`${REFRESH}?open=prepare`, `${WAREHOUSE}?at=57/check_orders`, '/dags/after-import', '/dags/nothing'],
  '/dags/:dag/graph': [`${REFRESH}/graph?open=prepare`, `${WAREHOUSE}/graph`],
  '/dags/:dag/durations': [`${WAREHOUSE}/durations`],
  '/dags/:dag/code': [`${IMPORT}/code`],
  '/dags/:dag/details': [`${IMPORT}/details`],
  '/dags/:dag/trigger': [`${IMPORT}/trigger`, { path: `${IMPORT}/trigger`, act: press('JSON', 'Params as JSON') }],
  '/dags/:dag/clear': [`${IMPORT}/clear?state=failed`],
  '/dags/:dag/delete': [`${IMPORT}/delete`],
  '/dags/:dag/runs/:run': [FAILED, RUNNING, `${runOf(REFRESH, 3)}?search=render_page%5B1`],
  '/dags/:dag/runs/:run/graph': [`${FAILED}/graph`],
  '/dags/:dag/runs/:run/gantt': [`${RUNNING}/gantt`],
  '/dags/:dag/runs/:run/clear': [`${FAILED}/clear?task=fetch_orders&downstream=yes`],
  '/dags/:dag/runs/:run/mark': [`${FAILED}/mark?task=check_prices`],
  '/dags/:dag/runs/:run/cancel': [`${RUNNING}/cancel`],
  '/dags/:dag/runs/:run/note': [`${FAILED}/note`],
  '/dags/:dag/runs/:run/delete': [`${FAILED}/delete`],
  '/dags/:dag/runs/:run/tasks/:task': [
    LOG,
    {
      path: `${LOG}?search=waiting`,
      act: (page) => page.locator('summary', { hasText: 'more like this' }).first().click(),
    },
    { path: LOG, act: (page) => page.getByLabel('Full screen').check() },
    `${runOf(REFRESH, 3)}/tasks/render_page%5B7%5D`,
    `${FAILED}/tasks/publish`,
  ],
  '/pools': ['/pools'],
  '/jobs': ['/jobs'],
  '/status': ['/status'],
  '/account': [
    '/account',
    { path: '/account', act: press(/^Create a calendar address|^Replace the address/, 'Subscribe to /launches.ics') },
  ],
  '/users': ['/users', { path: '/users', act: (page) => page.getByText('Delete', { exact: true }).first().click() }],
  '/login': ['/login'],
}

/** The path of the scheduled run of so many hours ago. */
function runOf(dag: string, hours: number): string {
  return `${dag}/runs/scheduled__${new Date((Math.floor(NOW.getTime() / 3_600_000) - hours) * 3_600_000).toISOString()}`
}

/** Routes that answer a program, a file, or the address of a page. */
export const NO_PAGES = [
  ...[
    '/assets/:name',
    '/board.css',
    '/board.js',
    '/world.svg',
    '/live/:kind/:key{.+}',
    '/runs/:id{[0-9]{1,15}}/:task?',
  ],
  ...['/launches.json', '/launches.ics', '/launches.atom', '/figures/:file{[a-z]+\\.csv}'],
  '/dags/:dag/runs/:run/tasks/:task/log.txt',
]

/** Presses a button, and waits for a field of the page that follows. */
function press(name: string | RegExp, field: string) {
  return async (page: Page) => {
    await page.getByRole('button', { name }).click()
    await page.getByLabel(field).waitFor()
    await page.waitForLoadState()
  }
}

/** The routes of the site with the launch pages. */
export async function openRoutes(): Promise<Hono<WebEnv>> {
  return buildApp({ settingsOf: () => ({}) } as unknown as Site, await loadBoards([launches], silent))
}

/** The route that answers a request; undefined if it would be answered with "not found". */
export function routeOf(app: Hono<WebEnv>, method: string, path: string): string | undefined {
  const [handlers] = app.router.match(method, path)
  return handlers.map(([[, route]]) => route).find((route) => route.method === method)?.path
}
