import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { picture } from '../pipelines/rocket-launches/demo/picture.ts'
import { openStage, type Stage } from '../pipelines/rocket-launches/demo/stage.ts'
import { pipeline } from '../src/cli/verbs/pipeline.ts'
import { openEmbedded } from '../src/db/embedded/embedded.ts'
import { openPool } from '../src/db/pool.ts'
import { openMetadata } from '../src/metadata/metadata.ts'
import { insertJob } from '../src/processes/jobs.ts'
import { openBoard } from '../test/pipelines/rocket-launches/board/board-site.ts'
import { channelPage } from './channel-page.ts'

/**
 * `npm run images`: draws the pictures of the README from the demo's story. The clock is fixed, so that the same sources
 * give the same pictures. Needs Chromium (`CHROMIUM` is its path if it is elsewhere).
 */
const MINUTE = 60_000
const STARTS_AT = new Date('2026-11-21T08:43:00Z')
/** The board shows this instant: 47 minutes before the new T-0. */
const BOARD_AT = new Date('2026-11-21T15:12:24Z')
/** Only https pictures are on a page. This host does not exist: `newPage` answers for it. */
const ORIGIN = 'https://pictures.test'
const IMAGES = fileURLToPath(new URL('../docs/images/', import.meta.url))
/** Levels of each colour in the pictures of a page: a smooth gradient makes a PNG twice as large. */
const LEVELS = 32
const CHROMIUM = [
  process.env.CHROMIUM ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
]

const dataDir = await mkdtemp(join(tmpdir(), 'tminus-images-'))
const database = await openEmbedded({ dataDir, create: true, database: 'tminus' })
const browser = await chromium.launch({
  executablePath: CHROMIUM.find(existsSync) ?? '',
  args: ['--no-sandbox', '--disable-lcd-text'],
})
try {
  await mkdir(IMAGES, { recursive: true })
  const stage = await playStory(database.connectionString)
  await drawChannel(browser, stage)
  await drawBoard(browser, database.connectionString)
  await stage.close()
} finally {
  await browser.close()
  await database.release()
  await rm(dataDir, { recursive: true, force: true })
}

/** A card, then a slip of two hours, then the reminder an hour before the new T-0. */
async function playStory(databaseUrl: string): Promise<Stage> {
  const pipelines = fileURLToPath(new URL('../pipelines', import.meta.url))
  const env = { DATABASE_URL: databaseUrl, PIPELINES_DIR: pipelines, DATA_DIR: dataDir, DISCORD_USERNAME: 'T-minus' }
  const run = async (settings: Readonly<Record<string, string>>) => {
    const code = await pipeline('rocket-launches', { env: { ...env, ...settings } })
    if (code !== 0) throw new Error(`The run ended with exit code ${code}`)
    return code
  }
  const stage = await openStage({ run }, { startsAt: STARTS_AT, origin: ORIGIN })
  await stage.run()
  stage.advanceTo(25 * MINUTE)
  stage.slip(120 * MINUTE)
  await stage.run()
  stage.advanceTo(60 * MINUTE)
  await stage.run()
  return stage
}

async function drawChannel(browser: Browser, stage: Stage): Promise<void> {
  const page = await newPage(browser, { viewport: { width: 520, height: 400 } })
  await page.setContent(channelPage(stage.messages, stage.now()), { waitUntil: 'networkidle' })
  await save(page, 'discord.png', true)
}

async function drawBoard(browser: Browser, databaseUrl: string): Promise<void> {
  const pool = openPool(databaseUrl, { max: 4 })
  // Without a running process, the board shows a warning.
  await insertJob(openMetadata(pool, 'metadata'), 'start')
  const site = await openBoard(pool, () => BOARD_AT)
  try {
    const page = await newPage(browser, { viewport: { width: 1160, height: 1038 }, colorScheme: 'dark' })
    await page.clock.setFixedTime(BOARD_AT)
    await page.goto(`${site.url}/`, { waitUntil: 'load' })
    await save(page, 'board.png', false)
  } finally {
    await site.close()
    await pool.end()
  }
}

/** Saves a screenshot, with `LEVELS` levels of each colour in its pictures. */
async function save(page: Page, name: string, fullPage: boolean): Promise<void> {
  const levels = Array.from({ length: LEVELS }, (_, index) => index / (LEVELS - 1)).join(' ')
  const channels = ['R', 'G', 'B'].map((name) => `<feFunc${name} type="discrete" tableValues="${levels}"/>`).join('')
  const transfer = `<feComponentTransfer color-interpolation-filters="sRGB">${channels}</feComponentTransfer>`
  const filter = `<svg width="0" height="0" style="position: absolute"><filter id="levels">${transfer}</filter></svg>`
  await page.evaluate(`document.body.insertAdjacentHTML('beforeend', ${JSON.stringify(filter)})
    for (const image of document.images) image.style.filter = 'url(#levels)'`)
  await page.screenshot({ path: join(IMAGES, name), fullPage })
}

async function newPage(browser: Browser, options: BrowserContextOptions): Promise<Page> {
  const context = await browser.newContext({ ...options, timezoneId: 'UTC', locale: 'en-GB' })
  await context.route(`${ORIGIN}/**`, (route) => {
    const [, name = ''] = /images\/(\w+)\.png/.exec(route.request().url()) ?? []
    const body = picture(name)
    return body ? route.fulfill({ body, contentType: 'image/png' }) : route.abort()
  })
  return await context.newPage()
}
