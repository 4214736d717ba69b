import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect } from 'vitest'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/opt/google/chrome/chrome']

/** Path of the browser; undefined if none is installed. */
export const BROWSER = [process.env.CHROMIUM ?? '', ...PLACES].find((path) => path !== '' && existsSync(path))
if (BROWSER === undefined)
  console.warn('skipped: no Chromium was found (apt-get install chromium, or set CHROMIUM to its path)')

export async function openBrowser(): Promise<Browser> {
  return await chromium.launch({ executablePath: BROWSER ?? '', args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}

/** A browser for the tests of a file or of a `describe`. It is open once the first test runs. */
export function useBrowser(): { newContext: Browser['newContext'] } {
  let browser: Browser | undefined
  beforeAll(async () => {
    browser = await openBrowser()
  })
  afterAll(() => browser?.close())
  return {
    newContext: (options) => {
      if (browser === undefined) throw new Error('The browser is not open')
      return browser.newContext(options)
    },
  }
}

export const SCREENS = {
  'desktop-light': { viewport: { width: 1440, height: 900 }, colorScheme: 'light' },
  'desktop-dark': { viewport: { width: 1440, height: 900 }, colorScheme: 'dark' },
  'phone-light': { viewport: { width: 360, height: 780 }, colorScheme: 'light', hasTouch: true },
  'phone-dark': { viewport: { width: 360, height: 780 }, colorScheme: 'dark', hasTouch: true },
} as const

/** From a phone to a very wide screen. */
export const SIZES = {
  '390-light': { viewport: { width: 390, height: 800 }, colorScheme: 'light' },
  '390-dark': { viewport: { width: 390, height: 800 }, colorScheme: 'dark' },
  '1440-light': { viewport: { width: 1440, height: 900 }, colorScheme: 'light' },
  '1440-dark': { viewport: { width: 1440, height: 900 }, colorScheme: 'dark' },
  '2560-light': { viewport: { width: 2560, height: 1440 }, colorScheme: 'light' },
  '2560-dark': { viewport: { width: 2560, height: 1440 }, colorScheme: 'dark' },
} as const

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** The folder of the screenshots of the tested pages. */
export const RESULTS = fileURLToPath(new URL('../../test-results/', import.meta.url))
mkdirSync(RESULTS, { recursive: true })

/** Expects no violation of WCAG 2.2 AA or best practice, and nothing wider than the screen. */
export async function expectFit(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `${RESULTS}${name}.png`, fullPage: true })
  const wider = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
  expect([name, 'wider by', wider]).toEqual([name, 'wider by', 0])
  expect([name, await findingsOf(page)]).toEqual([name, []])
}

/** What axe finds against WCAG 2.2 AA and best practice. With `dark`: only the rules that depend on colours. */
export async function findingsOf(page: Page, scheme?: 'light' | 'dark'): Promise<string[]> {
  if (scheme !== undefined) await page.emulateMedia({ colorScheme: scheme })
  if (!(await page.evaluate('"axe" in globalThis'))) await page.evaluate(AXE)
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
  const runOnly = scheme === 'dark' ? OF_COLOURS : tags
  return await page.evaluate(`axe.run({ runOnly: ${JSON.stringify(runOnly)}, resultTypes: ['violations'] }).then(({ violations }) =>
    violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ').slice(0, 300)))`)
}

/** A page has the same elements in both schemes, so no other rule can find more in the second one. */
const OF_COLOURS = ['color-contrast', 'link-in-text-block']

/** A page that collects its console errors. */
export async function newPage(context: BrowserContext): Promise<{ page: Page; complaints: string[] }> {
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  return { page, complaints }
}
