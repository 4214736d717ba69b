import { afterAll, beforeAll, expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { fail } from '../../src/dag/ending.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { showRun } from '../../src/operations/list-runs.ts'
import { mark } from '../../src/operations/operate.ts'
import { useDatabase } from '../support/database.ts'
import { openTestRunner, type TestRunner, uniqueId } from '../support/runner.ts'
import { BROWSER, newPage, openBrowser, RESULTS } from './browser.ts'
import { type OpenSite, openSite } from './site.ts'
import { form } from './support.ts'

const database = useDatabase()

/** `load` fails, `fetch` and `check` succeed. */
const define = () =>
  dag(uniqueId('loading'), {}, ({ task }) => {
    const fetched = task('fetch', { run: () => {} })
    const load = task('load', {
      upstream: { fetched },
      run: ({ fetched: _ }, { runId }) => {
        if (!runId.endsWith('good')) throw fail('disk full')
      },
    })
    task('report', { upstream: { load }, run: () => {} })
    task('check', { run: () => {} })
  })
const loading = define()
const other = define()
const page = `/dags/${loading.id}/clear`

let runner: TestRunner
let site: OpenSite
let db: Metadata
beforeAll(async () => {
  runner = await openTestRunner(database, [loading, other])
  db = runner.metadata
  for (const runId of ['first', 'second', 'third-good'])
    await runner.run(loading, { runId, logicalDate: new Date('2026-03-01T12:00:00Z') })
  site = await openSite(database, { dags: [loading, other] })
})
afterAll(() => site.close())

/** The hidden fields and the button of the form that clears. */
function formOf(text: string) {
  const [, own = ''] = /<form method="post">(.*?)<\/form>/s.exec(text) ?? []
  const fields = [...own.matchAll(/name="(\w+)" value="([^"]*)"/g)].map(([, name, value]) => [name, value])
  return { fields: Object.fromEntries(fields), button: /<button[^>]*>([^<]*)/.exec(own)?.[1] ?? '' }
}

const states = async (runId: string) => {
  const { task_instances: all = [] } = (await showRun(db, loading.id, runId)) ?? {}
  return Object.fromEntries(all.map(({ task_id, state }) => [task_id, state]))
}

test('the page shows the failed runs with the tasks that run again, and clears nothing', async () => {
  const { text } = await site.get(page)
  expect(text).toContain('fetch, load, report, check')
  expect(formOf(text).button).toBe('Clear 8 tasks of 2 runs')
  const failed = await site.get(`${page}?state=failed&only_failed=yes`)
  expect(failed.text).toContain('data-label="Tasks">load, report</td>')
  expect(formOf(failed.text).button).toBe('Clear 4 tasks of 2 runs')
  expect(formOf((await site.get(`${page}?state=`)).text).button).toBe('Clear 12 tasks of 3 runs')
  const none = await site.get(`${page}?from=2026-04-01T00:00`)
  expect(none.text).toContain('No run would change')
  expect(none.text).toMatch(/<button type="submit" class="main" disabled/)
  expect(await states('first')).toMatchObject({ load: 'failed' })
})

test.each(['2026-02-31T10:00', 'yesterday'])('a range that ends at %s matches no run, and not all', async (to) => {
  const { text } = await site.get(`${page}?to=${to}`)
  expect(text).toContain(`&#39;${to}&#39; is not a date and time`)
  const { fields } = formOf(text)
  expect((await site.get(page, form({ ...fields, to }))).status).toBe(409)
  expect(await states('first')).toMatchObject({ load: 'failed' })
})

test('the grid links to the page', async () => {
  expect((await site.get(`/dags/${loading.id}`)).text).toContain(`href="${page}"`)
})

test('other runs than the user has seen are not cleared', async () => {
  const { fields } = formOf((await site.get(`${page}?only_failed=yes`)).text)
  await runner.run(loading, { runId: 'fourth', logicalDate: new Date('2026-03-01T12:00:00Z') })
  const { status, text } = await site.get(page, form(fields))
  expect([status, text.includes('Other runs match now. Nothing was cleared.')]).toEqual([409, true])
  expect(formOf(text).button).toBe('Clear 6 tasks of 3 runs')
  expect(await states('first')).toMatchObject({ load: 'failed' })
})

test('other runs than the user has seen are not cleared, even if they are as many', async () => {
  const run = (runId: string) => runner.run(other, { runId, logicalDate: new Date('2026-03-01T12:00:00Z') })
  await run('first')
  await run('second')
  const path = `/dags/${other.id}/clear`
  const { fields } = formOf((await site.get(path)).text)
  await mark(db, other, 'second', 'load', 'success')
  await run('third')
  expect((await site.get(path, form(fields))).status).toBe(409)
  expect((await showRun(db, other.id, 'third'))?.state).toBe('failed')
})

test.skipIf(BROWSER === undefined)('without JavaScript a user filters, sees and clears', async () => {
  const browser = await openBrowser()
  const context = await browser.newContext({ javaScriptEnabled: false, baseURL: site.url })
  const { page: shown } = await newPage(context)
  await shown.goto(page)
  await shown.getByLabel('only failed tasks').check()
  await shown.getByRole('button', { name: 'Show the runs' }).click()
  await shown.screenshot({ path: `${RESULTS}clear-runs-without-javascript.png`, fullPage: true })
  await shown.getByRole('button', { name: 'Clear 6 tasks of 3 runs' }).click()
  await shown.waitForURL(`${site.url}/dags/${loading.id}`)
  await browser.close()
  expect(await states('first')).toEqual({ fetch: 'success', load: 'none', report: 'none', check: 'success' })
  expect(await states('third-good')).toMatchObject({ load: 'success' })
  expect(site.logged().join('')).toContain('runs cleared on the page')
})
