import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import launchHistory from '../pipelines/launch-history/dag.ts'
import { initializeSchema } from '../pipelines/launches/initialize-schema.ts'
import rocketLaunches from '../pipelines/rocket-launches/dag.ts'
import { parseSettings } from '../src/config.ts'
import type { Dag } from '../src/dag/dag.ts'
import { openEmbedded } from '../src/db/embedded/embedded.ts'
import { type Database, openPool } from '../src/db/pool.ts'
import { openLog } from '../src/log.ts'
import { migrateMetadata } from '../src/maintenance/schema.ts'
import { type Metadata, openMetadata } from '../src/metadata/metadata.ts'
import { createUser } from '../src/web/auth/users.ts'
import { openWeb } from '../src/web/server.ts'
import { openBrowser, RESULTS, SIZES } from '../test/web/browser.ts'
import { pictureOf } from './launch-pages.ts'
import { ENV, NOW, placeRecordedLaunches } from './recorded-launches.ts'
import { placeSampleRuns, QUIET_DAGS, SAMPLE_DAGS } from './sample-runs.ts'

/**
 * `npm run pages`: takes a picture of every page, with sample runs and recorded launches, into `test-results/pages/`.
 * `npm run pages -- grid 390` takes only the pages and sizes that contain these words. The clock is fixed, so that the
 * same sources give the same pictures.
 */
const FOLDER = join(RESULTS, 'pages')
const PASSWORD = 'correct horse battery'
const CODE = fileURLToPath(new URL('sample-dags.ts', import.meta.url))

interface Shot {
  path: string
  /** Is also taken on a very wide screen. */
  wide?: boolean
  /** Without what is below the screen. */
  isOneScreen?: boolean
  /** What a reader does before the picture. */
  after?: (page: Page) => Promise<unknown>
}

/** The run of that many hours ago. */
function runOf(dagId: string, hours: number, type = 'scheduled'): string {
  const at = new Date(Math.floor(NOW.getTime() / 3_600_000 - hours) * 3_600_000)
  return `/dags/${dagId}/runs/${type}__${at.toISOString()}`
}

const FAILED = runOf('import-orders', 2)
const RUNNING = runOf('warehouse', 1)
const LOG = `${FAILED}/tasks/check_prices`

const IMPORT_ERRORS = [
  { folder: 'broken-export', message: "Cannot find package 'csv-parse' imported from /srv/pipelines/export/dag.ts" },
  { folder: 'prices', message: "Dag 'prices': task 'load' has the upstream 'fetch', which is not a task of this dag" },
]

/** The names of the pictures. */
const RUNNER_PAGES: Record<string, string | Shot> = {
  pipelines: '/dags',
  runs: '/runs',
  'runs-failed': '/runs?state=failed&dag=import-orders&within=1d',
  'runs-none': '/runs?dag=nothing',
  grid: { path: '/dags/warehouse', wide: true },
  'grid-details': { path: '/dags/warehouse?at=172/check_orders', wide: true },
  'grid-failing': '/dags/import-orders',
  'grid-groups': '/dags/refresh-pages?open=prepare',
  'grid-no-runs': '/dags/close-of-quarter',
  graph: '/dags/warehouse/graph',
  'graph-failing': '/dags/import-orders/graph',
  'graph-groups': '/dags/refresh-pages/graph?open=prepare',
  durations: '/dags/warehouse/durations',
  'durations-none': '/dags/close-of-quarter/durations',
  code: '/dags/import-orders/code',
  about: '/dags/import-orders/details',
  'run-failed': { path: FAILED, wide: true },
  'run-running': RUNNING,
  'run-queued': runOf('warehouse', 0),
  'run-success': runOf('warehouse', 8),
  'run-mapped': runOf('refresh-pages', 1),
  'run-noted': runOf('import-orders', 4, 'manual'),
  'run-backfill': runOf('import-orders', 21, 'backfill'),
  'run-graph': `${FAILED}/graph`,
  'run-graph-forty': `${RUNNING}/graph`,
  gantt: `${RUNNING}/gantt`,
  'gantt-failed': `${FAILED}/gantt`,
  'gantt-mapped': `${runOf('refresh-pages', 3)}/gantt`,
  task: LOG,
  'task-first-try': `${LOG}?try=1`,
  'task-never-started': `${FAILED}/tasks/publish`,
  'log-full-screen': { path: LOG, isOneScreen: true, after: (page) => page.getByLabel('Full screen').check() },
  'log-line': { path: LOG, after: (page) => page.locator('.line a').nth(40).click() },
  'log-search': `${LOG}?search=slow`,
  trigger: '/dags/import-orders/trigger',
  'trigger-json': { path: '/dags/import-orders/trigger', after: (page) => page.getByText('JSON').first().click() },
  clear: `${FAILED}/clear?only_failed=yes`,
  'clear-runs': '/dags/import-orders/clear?state=failed',
  mark: `${FAILED}/mark?task=check_prices`,
  cancel: `${RUNNING}/cancel`,
  note: `${FAILED}/note`,
  'delete-run': `${FAILED}/delete`,
  'delete-dag': '/dags/import-orders/delete',
  pools: '/pools',
  jobs: '/jobs',
  health: '/status',
  account: '/account',
  'not-loaded': '/dags/broken-export',
  'not-found': '/nope',
}
/** On a site without pipelines. */
const EMPTY_PAGES = {
  'empty-pipelines': '/dags',
  'empty-runs': '/runs',
  'empty-pools': '/pools',
  'empty-jobs': '/jobs',
}
/** Seen by a viewer, who may change nothing. */
const VIEWER_PAGES = { 'viewer-pipelines': '/dags', 'viewer-run': FAILED, 'viewer-refused': '/dags/warehouse/trigger' }
const ADMIN_PAGES = { users: '/users', 'account-signed-in': '/account' }

fixClock()
const wanted = process.argv.slice(2)
const words = wanted.filter((word) => !/^\d/.test(word))
const sizes = wanted.filter((word) => /^\d/.test(word))
const dataDir = await mkdtemp(join(tmpdir(), 'tminus-pages-'))
const server = await openEmbedded({ dataDir, create: true, settings: { fsync: 'off' } })
const browser = await openBrowser()
try {
  await mkdir(FOLDER, { recursive: true })
  const db = await openDatabase(server.connectionString)
  const metadata = openMetadata(db, 'metadata')
  await placeSampleRuns(metadata, NOW)
  const site = await openSite(db, metadata, [...SAMPLE_DAGS, ...QUIET_DAGS, rocketLaunches, launchHistory])
  await take(browser, site.url, RUNNER_PAGES)
  // The recordings take a minute to store.
  const isRunnerOnly =
    words.length > 0 && words.every((word) => Object.keys(RUNNER_PAGES).some((name) => name.includes(word)))
  const launchPages = isRunnerOnly ? undefined : await placeRecordedLaunches(db)
  if (launchPages) {
    const { board = '', launch = '', ...rest } = launchPages
    await take(browser, site.url, { board: { path: board, wide: true }, launch: { path: launch, wide: true }, ...rest })
    await take(browser, site.url, { 'ko-board': board, 'ko-launch': launch }, { locale: 'ko-KR' })
  }
  const otherPool = openPool(server.connectionString)
  const empty = await openSite(otherPool, openMetadata(otherPool, 'empty'), [])
  await take(browser, empty.url, EMPTY_PAGES)
  for (const role of ['viewer', 'admin'] as const) await createUser(metadata, role, role, PASSWORD)
  await take(browser, site.url, { login: '/login' })
  await take(browser, site.url, VIEWER_PAGES, { user: 'viewer' })
  await take(browser, site.url, ADMIN_PAGES, { user: 'admin' })
  await Promise.all([site.close(), empty.close()])
  await Promise.all([db.end(), otherPool.end()])
} finally {
  await browser.close()
  await server.release()
  await rm(dataDir, { recursive: true, force: true })
}

/** The pages show the durations of unfinished tasks by the clock of this process. */
function fixClock(): void {
  const Real = Date
  globalThis.Date = class extends Real {
    constructor(...values: []) {
      super(...(values.length > 0 ? values : ([NOW.getTime()] as unknown as [])))
    }
    static override now = () => NOW.getTime()
  } as DateConstructor
}

/** A database with all tables, whose statements find `clock.now()` before the server's own `now()`. */
async function openDatabase(url: string): Promise<Database> {
  const first = openPool(url)
  await migrateMetadata(first, 'metadata')
  await migrateMetadata(first, 'empty')
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  await initializeSchema({}, { db: first, log })
  await first.query(`create schema clock;
    create function clock.now() returns timestamptz language sql stable as $$ select timestamptz '${NOW.toISOString()}' $$;
    alter database tminus set search_path = clock, pg_catalog, public`)
  await first.end()
  return openPool(url)
}

async function openSite(db: Database, metadata: Metadata, dags: readonly Dag[]) {
  const scrub = (text: string) => text
  const { settings } = parseSettings(ENV, dags)
  const importErrors = dags.length === 0 ? [] : IMPORT_ERRORS
  return await openWeb({
    metadata,
    db,
    loaded: {
      dags: new Map(dags.map((dag) => [dag.id, dag])),
      files: new Map([['import-orders', CODE]]),
      importErrors,
    },
    web: { host: '127.0.0.1', port: 0, trustProxy: false },
    settingsOf: (dagId) => settings.get(dagId) ?? {},
    now: () => NOW,
    scrub,
    log: openLog({ level: 'error', format: 'json', scrub }),
  })
}

interface Reader {
  /** Signed in with this name. */
  user?: string
  locale?: string
}

async function take(
  browser: Browser,
  url: string,
  pages: Record<string, string | Shot>,
  { user, locale = 'en-GB' }: Reader = {},
): Promise<void> {
  for (const [size, options] of Object.entries(SIZES)) {
    const names = Object.entries(pages).filter(([name, page]) => isWanted(name, size, page))
    if (names.length === 0) continue
    const context = await browser.newContext({ ...options, baseURL: url, timezoneId: 'UTC', locale })
    await context.route(/^https:/, (route) =>
      route.fulfill({ body: pictureOf(route.request().url()) ?? '', contentType: 'image/png' }),
    )
    if (user) await signIn(context, user)
    for (const [name, page] of names)
      await shoot(context, `${name}-${size}`, typeof page === 'string' ? { path: page } : page)
    await context.close()
  }
}

function isWanted(name: string, size: string, page: string | Shot): boolean {
  const isUsual = ['390-light', '1440-light', '1440-dark'].includes(size)
  const isWide = size.startsWith('2560') && typeof page !== 'string' && page.wide === true
  return (
    (sizes.length === 0 ? isUsual || isWide : sizes.some((word) => size.startsWith(word))) &&
    (words.length === 0 || words.some((word) => name.includes(word)))
  )
}

/** In the browser, whose own clock says how long the cookie is valid. */
async function signIn(context: BrowserContext, name: string): Promise<void> {
  const page = await context.newPage()
  await page.goto('/login')
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Sign out' }).waitFor()
  await page.close()
}

async function shoot(context: BrowserContext, name: string, { path, after, isOneScreen = false }: Shot): Promise<void> {
  const page = await context.newPage()
  await page.clock.setFixedTime(NOW)
  await page.goto(path, { waitUntil: 'load' })
  await after?.(page)
  await page.screenshot({ path: join(FOLDER, `${name}.png`), fullPage: !isOneScreen })
  console.log(`${name}.png`)
  await page.close()
}
