import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useDatabase } from '../support/database.ts'
import { aRun } from '../support/factories.ts'
import { BROWSER, newPage, openBrowser } from './browser.ts'
import { type OpenSite, openSite } from './site.ts'

const database = useDatabase()
let site: OpenSite
/** The ids of the lines, oldest first. */
let lines: number[]
beforeAll(async () => {
  site = await openSite(database)
  const run = await aRun(site.metadata, { dagId: 'etl', tasks: { load: 'success', poll: 'success' } })
  const { rows } = await database.pool.query<{ line: number }>(
    `insert into metadata.task_log (dag_run_id, task_id, try_number, logged_at, level, message)
     select $1, 'load', 1, now(), case when n % 2 = 0 then 'info' else 'debug' end, 'line number ' || n from generate_series(1, 2000) n
     returning line`,
    [run],
  )
  lines = rows.map(({ line }) => line)
  const messages = [...'abb', ...'cccc', 'd'].map((text) => `message ${text} ${'which is long '.repeat(30)}`)
  await database.pool.query(
    `insert into metadata.task_log (dag_run_id, task_id, try_number, logged_at, level, message)
     select $1, 'poll', 1, now(), 'info', message from unnest($2::text[]) message`,
    [run, messages],
  )
})
afterAll(() => site.close())

const load = '/dags/etl/runs/run/tasks/load'
const poll = '/dags/etl/runs/run/tasks/poll'
const numbers = (html: string) => [...html.matchAll(/>line number (\d+)</g)].map(([, n]) => Number(n))

describe('the link of a line', () => {
  test('shows the line and those around it, however old it is', async () => {
    const { text } = await site.get(`${load}?try=1&line=${lines[599]}`)
    const shown = numbers(text)
    expect([shown[0], shown.at(-1), shown.length]).toEqual([401, 800, 400])
    const [linked = ''] = /<li class="line \w+ linked">.*?<\/li>/.exec(text) ?? []
    expect(linked).toContain('line number 600')
    expect(linked).toContain(`href="?try=1&amp;line=${lines[599]}#L${lines[599]}"`)
  })

  test.each([0, 1999])('shows the end of the log at line %i', async (index) => {
    const shown = numbers((await site.get(`${load}?try=1&line=${lines[index]}`)).text)
    expect(shown).toContain(index + 1)
    expect(shown).toHaveLength(index === 0 ? 201 : 200)
  })

  test.each(['0', '999999999999999', 'x'])('with line=%s shows lines or says that there are none', async (line) => {
    expect((await site.get(`${load}?try=1&line=${line}`)).status).toBe(200)
  })
})

test('three or more equal lines in a row are folded', async () => {
  const { text } = await site.get(poll)
  const folds = [...text.matchAll(/<summary>(\d+) more like this/g)]
  expect(folds.map(([, count]) => count)).toEqual(['3'])
  expect([...text.matchAll(/<li class="line info">/g)]).toHaveLength(8)
})

describe.skipIf(BROWSER === undefined)('in a browser', () => {
  test('the keyboard goes from line to line, opens full screen and leaves it', async () => {
    const browser = await openBrowser()
    const { page } = await newPage(await browser.newContext({ baseURL: site.url }))
    await page.goto(`${load}?try=1&line=${lines[599]}#L${lines[599]}`)
    const focused = () => page.evaluate('document.activeElement.id')
    await page.locator('.linked > a').focus()
    await page.keyboard.press('ArrowDown')
    expect(await focused()).toBe(`L${lines[600]}`)
    await page.keyboard.press('Enter')
    await page.waitForURL(new RegExp(`line=${lines[600]}#`))
    await page.locator('.linked').getByText('line number 601').waitFor()
    await page.getByLabel('Full screen').press('Space')
    await page.getByRole('link', { name: 'Pipelines' }).first().waitFor({ state: 'hidden' })
    await page.keyboard.press('Escape')
    await page.getByRole('link', { name: 'Pipelines' }).first().waitFor()
    await browser.close()
  })

  test('lines wrap or not, also without scripts; with scripts the choice stays', async () => {
    const browser = await openBrowser()
    for (const javaScriptEnabled of [false, true]) {
      const { page } = await newPage(await browser.newContext({ baseURL: site.url, javaScriptEnabled }))
      const message = page.locator('.message', { hasText: 'message a' })
      const height = async () => (await message.boundingBox())?.height ?? 0
      await page.goto(poll)
      const wrapped = await height()
      await page.getByLabel('Wrap').uncheck()
      const open = await height()
      expect(wrapped).toBeGreaterThan(1.5 * open)
      await page.reload()
      expect(await height()).toBe(javaScriptEnabled ? open : wrapped)
    }
    await browser.close()
  })
})
