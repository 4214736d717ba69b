import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { runCli, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { BROWSER, expectFit, newPage, openBrowser, SCREENS } from './browser.ts'
import { addressOf } from './support.ts'

interface Shown {
  run_id: string
  parent: object | null
  children: object[]
}

const database = useDatabase()

test('the pages and the API link a run to the runs that it started, and back', async () => {
  const pipelines = fileURLToPath(new URL('../fixtures/child-pipelines', import.meta.url))
  await database.pool.query('create table effect (id bigint generated always as identity, run_id text)')
  const env = { DATABASE_URL: database.connectionString, PIPELINES_DIR: pipelines, CONCURRENCY: '1' }
  expect((await runCli(['pipeline', 'parent', '--json'], { env })).code).toBe(0)
  const running = startCli(['web'], { env })
  onTestFinished(async () => {
    running.process.kill('SIGTERM')
    await running.ended
  })
  const url = await addressOf(running)
  const read = async (dag: string): Promise<Shown> =>
    (await (await fetch(`${url}/api/v1/dags/${dag}/dagRuns/latest`)).json()) as Shown
  const parent = await read('parent')
  expect(parent).toMatchObject({ parent: null, children: [{ dag_id: 'child' }, { dag_id: 'child' }] })
  const child = await read('child')
  expect(child.parent).toEqual({
    dag_id: 'parent',
    run_id: parent.run_id,
    task_id: expect.any(String),
    state: 'success',
  })
  if (BROWSER === undefined) return
  const browser = await openBrowser()
  onTestFinished(() => browser.close())
  for (const screen of ['desktop-light', 'phone-dark'] as const) {
    const context = await browser.newContext({ ...SCREENS[screen], baseURL: url })
    const { page } = await newPage(context)
    await page.goto(`/dags/parent/runs/${encodeURIComponent(parent.run_id)}`)
    await expectFit(page, `child-runs-parent-${screen}`)
    await page.getByRole('link', { name: 'triggered__' }).first().click()
    await page.getByRole('link', { name: /^parent .* · manual$/ }).waitFor()
    await expectFit(page, `child-runs-child-${screen}`)
  }
}, 120_000)
