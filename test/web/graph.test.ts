import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { pathsOf } from '../../src/web/graph-paths.ts'
import { useDatabase } from '../support/database.ts'
import { BROWSER, expectFit, newPage, SIZES, useBrowser } from './browser.ts'
import { fortyTasks, placeSixtyRuns } from './forty-tasks.ts'
import { type OpenSite, openSite } from './site.ts'

const run = () => {}
const forty = fortyTasks('warehouse')
const WIDE = 'W'.repeat(120)
/** `left` and `right` lead to `join`; `apart` is on no path with `left`. */
const diamond = dag('diamond', {}, ({ task }) => {
  const first = task('first', { run })
  const left = task('left', { upstream: { first }, run })
  const right = task('right', { upstream: { first }, run })
  task('join', { upstream: { left, right }, triggerRule: 'none_failed', run })
  task(WIDE, { upstream: { right }, run })
})
const database = useDatabase()
let site: OpenSite
beforeAll(async () => {
  site = await openSite(database, { dags: [forty, diamond] })
  await placeSixtyRuns(database, forty)
})
afterAll(() => site.close())

test('the graph of a dag shows only trigger rules other than the default, and each task links to its durations', async () => {
  const { text } = await site.get('/dags/diamond/graph')
  expect([...text.matchAll(/<text class="task-sub"[^>]*>([^<]*)/g)].map(([, sub]) => sub)).toEqual(['none failed'])
  expect(text).toContain('href="/dags/diamond/durations?search=join"')
  expect((await site.get('/dags/diamond/durations?search=join')).status).toBe(200)
  expect(text.match(/<a class="node/g)).toHaveLength(5)
})

test('a long name keeps both of its ends', async () => {
  const { text } = await site.get('/dags/warehouse/graph')
  expect(text).toMatch(/>load_orders_into_\w*…\w*_region_emea</)
})

test('each task and edge names the tasks whose paths it is on; long lists are left out', () => {
  const diamond = [
    [0, 1],
    [0, 2],
    [1, 3],
    [2, 3],
  ]
  const edges = diamond.map(([from = 0, to = 0]) => ({ from, to }))
  const sorted = (lists: readonly string[] = []) => lists.map((list) => list.split(' ').sort().join(''))
  expect(sorted(pathsOf(4, edges)?.nodes)).toEqual(['0123', '013', '023', '0123'])
  expect(sorted(pathsOf(4, edges)?.edges)).toEqual(['013', '023', '013', '023'])
  const chain = Array.from({ length: 99 }, (_, at) => ({ from: at, to: at + 1 }))
  expect(pathsOf(100, chain)).toBeUndefined()
})

const SHOWN = (['390-dark', '1440-light', '1440-dark', '2560-light'] as const).map(
  (name) => [name, SIZES[name]] as const,
)

describe.skipIf(BROWSER === undefined)('in a browser', () => {
  const browser = useBrowser()

  test.each(SHOWN)('fits, no name is wider than its box, and no button covers a task: %s', async (name, options) => {
    const context = await browser.newContext({ ...options, baseURL: site.url, bypassCSP: true })
    const { page, complaints } = await newPage(context)
    for (const [of, path] of [
      ['dag', '/dags/warehouse/graph'],
      ['run', '/dags/warehouse/runs/latest/graph'],
      ['diamond', '/dags/diamond/graph'],
    ] as const) {
      await page.goto(path)
      await page.locator('.moves').waitFor()
      const wider = await page.evaluate<string[]>(`[...document.querySelectorAll('.node text')].filter((text) =>
        text.getBBox().width > text.parentNode.width.baseVal.value).map((text) => text.textContent)`)
      expect([path, wider.filter((text) => !text.startsWith('WW'))]).toEqual([path, []])
      const below = await page.evaluate(`document.querySelector('#graph').getBoundingClientRect().top -
        document.querySelector('.graph-tools').getBoundingClientRect().bottom`)
      expect(below).toBeGreaterThanOrEqual(0)
      await expectFit(page, `graph-40-${of}-${name}`)
    }
    await page.locator('.node', { hasText: 'first' }).hover()
    await page.screenshot({ path: `test-results/graph-traced-${name}.png` })
    expect(complaints).toEqual([])
    await context.close()
  })

  test('the path of the task under the pointer, or with the keyboard focus, is highlighted', async () => {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, baseURL: site.url })
    const { page, complaints } = await newPage(context)
    await page.goto('/dags/diamond/graph')
    const traced = async () => (await page.locator('.node.on-path .task-name').allTextContents()).sort()
    await page.locator('.node', { hasText: 'left' }).hover()
    expect(await traced()).toEqual(['first', 'join', 'left'])
    expect(await page.locator('.edge.on-path').count()).toBe(2)
    await page.locator('h1').hover()
    expect(await traced()).toEqual([])
    await page.locator('[data-zoom="0"]').focus()
    await page.keyboard.press('Tab')
    expect(await traced()).toContain('first')
    expect(await page.locator('.node.on-path').count()).toBe(5)
    expect(complaints).toEqual([])
    await context.close()
  })

  test('a task that the keyboard reaches outside of the view is moved into it', async () => {
    const context = await browser.newContext({ viewport: { width: 390, height: 800 }, baseURL: site.url })
    const { page } = await newPage(context)
    await page.goto('/dags/warehouse/graph')
    await page.locator('[data-zoom="0"]').focus()
    for (let press = 0; press < 5; press++) await page.keyboard.press('Tab')
    const isInside = await page.evaluate(`(() => {
      const [node, graph] = [document.activeElement, document.querySelector('.graph')].map((one) => one.getBoundingClientRect())
      return document.activeElement.matches('.node') && node.left >= graph.left - 1 && node.right <= graph.right + 1
        && node.top >= graph.top - 1 && node.bottom <= graph.bottom + 1
    })()`)
    expect(isInside).toBe(true)
    await context.close()
  })

  test('without scripts the path of the task under the pointer or with the focus stands out', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false, baseURL: site.url })
    const page = await context.newPage()
    await page.goto('/dags/diamond/graph')
    const counts = () =>
      page.evaluate(`['.node', '.edge'].map((of) =>
        [...document.querySelectorAll('#graph > ' + of)].filter((one) => getComputedStyle(one).opacity !== '1').length)`)
    expect(await counts()).toEqual([0, 0])
    await page.locator('.node', { hasText: 'left' }).hover()
    expect(await counts()).toEqual([2, 3])
    await page.mouse.move(0, 0)
    await page.locator('.node', { hasText: 'first' }).focus()
    expect(await counts()).toEqual([0, 0])
    await page.locator('.node', { hasText: 'left' }).focus()
    expect(await counts()).toEqual([2, 3])
    await context.close()
  })
})
