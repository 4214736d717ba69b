import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { columnsFor } from '../../src/web/pages/grid-table.tsx'
import { codesOf } from '../../src/web/task-codes.ts'
import { useDatabase } from '../support/database.ts'
import { aRun } from '../support/factories.ts'
import { BROWSER, expectFit, newPage, SIZES, useBrowser } from './browser.ts'
import { fortyTasks, placeSixtyRuns } from './forty-tasks.ts'
import { type OpenSite, openSite } from './site.ts'

const forty = fortyTasks('warehouse')
const database = useDatabase()
let site: OpenSite
let runs: number[]
beforeAll(async () => {
  site = await openSite(database, { dags: [forty] })
  runs = await placeSixtyRuns(database, forty)
})
afterAll(() => site.close())

const path = '/dags/warehouse'
const detailsOf = (text: string) => /<aside.*?<\/aside>/s.exec(text)?.[0] ?? ''

test('each column of the grid has the name of its run, and the newest run is the last column', async () => {
  const { text } = await site.get(path)
  const columns = [...text.matchAll(/class="run-bar" id="run-(\d+)".*?<span class="run-label">(.*?)<\/span><svg/gs)]
  const ids = columns.map(([, id]) => Number(id))
  expect(ids).toEqual(runs.slice(-ids.length))
  expect(columns.at(-1)?.[2]).toMatch(/<time[^>]*>7 Jan 11:00 UTC<\/time>/)
  expect(columns.find(([, id]) => Number(id) === runs[45])?.[2]?.replaceAll('<wbr/>', '')).toBe(
    'backfill-of-the-third-quarter-45',
  )
})

test('the grid of 40 tasks shows at least 40 runs and is under 150 kB', async () => {
  const { text } = await site.get(path)
  expect(text.match(/class="run-bar"/g)?.length).toBeGreaterThanOrEqual(40)
  expect(Buffer.byteLength(text)).toBeLessThan(150_000)
})

test('a grid of few tasks shows 60 runs', () => {
  const row = { id: 'extract_orders', open: false, depth: 0 }
  expect(columnsFor(Array(10).fill(row), '?')).toBe(60)
  expect(columnsFor(Array(40).fill(row), '?')).toBeGreaterThanOrEqual(40)
  expect(columnsFor(Array(5_000).fill(row), '?')).toBeGreaterThanOrEqual(5)
})

test('the details show the newest run first, then the run or task that the address names', async () => {
  const newest = detailsOf((await site.get(path)).text)
  expect(newest).toContain('is-default')
  expect(newest).toContain('7 Jan 11:00 UTC')
  const failed = runs[52]
  const ofRun = detailsOf((await site.get(`${path}?at=${failed}`)).text)
  expect(ofRun).not.toContain('is-default')
  expect(ofRun).toMatch(/1 <span class="state failed">/)
  expect(ofRun).toContain('3 of 400 rows have no price')
  const { text } = await site.get(`${path}?at=${failed}/check_orders`)
  expect(detailsOf(text)).toContain('Error: 3 of 400 rows have no price')
  expect(detailsOf(text)).toMatch(/href="\/dags\/warehouse\/runs\/[^"]*\/tasks\/check_orders">Log and tries/)
  expect(text.match(/<a class=failed [^>]* aria-current=true>/g)).toHaveLength(1)
})

test('an address that names a run of another dag, or none, shows the newest run', async () => {
  const other = await aRun(site.metadata, { dagId: 'other', runId: 'backfill-of-the-third-quarter-5' })
  for (const at of [String(other), '999999', 'x', '1/'.padEnd(900, 'x')]) {
    const { status, text } = await site.get(`${path}?at=${at}`)
    expect([at, status, detailsOf(text).includes('is-default')]).toEqual([at, 200, true])
  }
})

const leadsTo = async (cell = '') => (await site.get(path + cell.replaceAll('&amp;', '&'))).headers.get('location')

test('a cell leads to the address with the id of its task; an unknown code leads to the run', async () => {
  const { text } = await site.get(path)
  const [, row = ''] = /<th scope="row"[^>]*>check_<wbr\/>orders<\/th>(.*?)<\/tr>/s.exec(text) ?? []
  const [, cell] = new RegExp(`href="([?]at=${runs[51]}[^"]*)"`).exec(row) ?? []
  expect(await leadsTo(cell)).toBe(`?at=${runs[51]}%2Fcheck_orders`)
  expect(await leadsTo('?at=7.zzzz')).toBe('?at=7')
})

test('of two tasks with the same code one has no code', () => {
  const ids = Array.from({ length: 12_000 }, (_, n) => `task_${n}`)
  const { codeOf, taskOf } = codesOf(ids)
  const shared = ids.filter((id) => codeOf(id) === undefined)
  expect(shared.length).toBeGreaterThan(0)
  expect(ids.every((id) => shared.includes(id) || taskOf(codeOf(id) ?? '') === id)).toBe(true)
})

test('a choice keeps the filter and the open groups', async () => {
  const { text } = await site.get(`${path}?state=failed&open=*&at=${runs[52]}`)
  const [, cell] = new RegExp(`<a class=failed href="([^"]*at=${runs[52]}[.][^"]*)"`).exec(text) ?? []
  expect(await leadsTo(cell)).toBe(`?state=failed&at=${runs[52]}%2Fcheck_orders&open=*`)
  expect(detailsOf(text)).toContain('href="?state=failed&amp;open=*">Close')
})

describe.skipIf(BROWSER === undefined)('in a browser', () => {
  const browser = useBrowser()

  /** True if the reader sees the middle of the element without scrolling the grid. */
  const isVisible = (page: Page, selector: string) =>
    page.evaluate(`(() => {
      const element = document.querySelector('${selector}')
      const { left, right, top, bottom } = element.getBoundingClientRect()
      return element.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2))
    })()`)

  test.each(Object.entries(SIZES))('fits, and shows the newest run: %s', async (name, options) => {
    const context = await browser.newContext({ ...options, baseURL: site.url, bypassCSP: true })
    const { page, complaints } = await newPage(context)
    await page.goto(path)
    expect(await isVisible(page, `#run-${runs.at(-1)}`)).toBe(true)
    await expectFit(page, `grid-40-${name}`)
    await page.goto(`${path}?at=${runs[52]}/check_orders`)
    await expectFit(page, `grid-40-task-${name}`)
    await page.goto(`${path}?at=${runs[52]}`)
    await page.screenshot({ path: `test-results/grid-40-run-${name}.png` })
    expect(complaints).toEqual([])
    await context.close()
  })

  test('a click on a cell shows its task beside the grid, and the page does not scroll', async () => {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, baseURL: site.url })
    const { page, complaints } = await newPage(context)
    await page.goto(path)
    await page.locator('tr:last-child .success').last().scrollIntoViewIfNeeded()
    const before = await page.evaluate('scrollY')
    await page.locator('.grid tr:last-child a:not([class])').last().click()
    await page.locator('.grid-details h2').getByText('publish_prices').waitFor()
    expect(await page.evaluate('scrollY')).toBe(before)
    expect(page.url()).toMatch(/at=\d+%2Fpublish_prices$/)
    await page.goBack()
    await page.locator('.grid-details.is-default').waitFor()
    expect(complaints).toEqual([])
    await context.close()
  })

  test('without scripts a click on a cell shows its task', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false, baseURL: site.url })
    const page = await context.newPage()
    await page.goto(path)
    await page.locator('.grid td .failed').first().click()
    await page.locator('.grid-details h2').getByText('check_orders').waitFor()
    await page.getByRole('link', { name: 'Log and tries' }).click()
    await page.waitForURL(/tasks\/check_orders$/)
    await context.close()
  })
})
