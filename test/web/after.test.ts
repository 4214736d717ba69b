import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { loadDags } from '../../src/load-dags.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { After } from '../../src/operations/after.ts'
import type { Links } from '../../src/operations/list-runs.ts'
import { setPaused } from '../../src/operations/pause.ts'
import { runCli, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { aRun } from '../support/factories.ts'
import { silent } from '../support/runner.ts'
import { BROWSER, expectFit, newPage, openBrowser, SCREENS } from './browser.ts'
import { addressOf } from './support.ts'

const PIPELINES = fileURLToPath(new URL('../fixtures/after-pipelines', import.meta.url))
const database = useDatabase()

interface Row {
  dag_id: string
  run_type: string
}

/** Runs of `orders` and `prices`, the runs that follow them, and a paused dag. */
async function place() {
  const db = openMetadata(database.pool, 'metadata')
  const { dags } = await loadDags(PIPELINES)
  const after = new After({ db, dags: dags.values(), log: silent })
  await after.check()
  const tasks = { load: 'success', report: 'success' } as const
  for (const [dagId, runId] of [
    ['orders', 'first'],
    ['orders', 'second'],
    ['prices', 'third'],
  ] as const)
    await aRun(db, { dagId, runId, tasks })
  await after.check()
  onTestFinished(() => after.stop())
  await db.query(
    `update metadata.dag_run set state = 'success', started_at = now(), ended_at = now() where state = 'queued'`,
  )
  await setPaused(db, 'chained', true, new Date())
  return { db, after }
}

test('command line, API and pages show what a dag follows, and link a run to the runs that it follows', async () => {
  const { db, after } = await place()
  const env = { DATABASE_URL: database.connectionString, PIPELINES_DIR: PIPELINES }
  const cli = async (...args: string[]) => (await runCli(args, { env })).stdout
  expect(await cli('dags', 'list')).toMatch(/^both +after orders and prices \(task load\) +1/m)
  expect(await cli('dags', 'next')).toMatch(/^either +after orders or prices$[\s\S]*^chained +paused$/m)
  expect(await cli('dags', 'show', 'both')).toMatch(/^after +orders and prices \(task load\)$/m)
  const sources = [
    { dag_id: 'orders', task_id: null },
    { dag_id: 'prices', task_id: 'load' },
  ]
  expect(JSON.parse(await cli('dags', 'show', 'both', '-o', 'json')).after).toEqual({ all: sources })
  expect(await cli('dags', 'pause', 'either')).toBe(
    'either is paused: it gets no scheduled runs, and none after other dags; manual runs still work\n',
  )
  expect(await cli('dags', 'unpause', 'either')).toBe(
    'either is not paused; it runs after orders or prices, counted from now\n',
  )
  const shown = await cli('runs', 'show', 'both', 'latest')
  expect(shown).toMatch(
    /started after load of prices third \(success\)\nstarted after orders second \(success\)\nstarted after orders/,
  )
  expect(await cli('runs', 'show', 'prices', 'third')).toMatch(/after load, both after__\S+ \(success\) started/)

  const running = startCli(['web'], { env })
  onTestFinished(async () => {
    running.process.kill('SIGTERM')
    await running.ended
  })
  const url = await addressOf(running)
  const read = async (path: string) => await (await fetch(`${url}/api/v1/dags/${path}`)).json()
  expect(await read('either')).toMatchObject({
    schedule: null,
    after: { any: sources.map((one) => ({ ...one, task_id: null })) },
  })
  expect(await read('orders')).toMatchObject({ after: null })
  const run = (await read('both/dagRuns/latest')) as Links & Row & { run_id: string }
  expect(run.run_type).toBe('asset_triggered')
  const followers = JSON.parse(await cli('runs', 'list', '--type', 'asset_triggered', '-o', 'json')) as Row[]
  expect(new Set(followers.map(({ dag_id }) => dag_id))).toEqual(new Set(['both', 'either']))
  expect(await read('both/dagRuns?run_type=asset_triggered')).toMatchObject({ dag_runs: [{ run_id: run.run_id }] })
  const text = async (path: string) => (await (await fetch(url + path)).text()).replaceAll(/<[^>]+>/g, ' ')
  expect(await text(`/dags/both/runs/${encodeURIComponent(run.run_id)}`)).toMatch(/Run type\s+after\s/)
  expect(await text('/runs?type=manual')).not.toMatch(/both|either/)
  expect(run.after.map(({ run_id }) => run_id)).toEqual(['third', 'second', 'first'])
  expect(((await read('prices/dagRuns/latest')) as Links).followers).toContainEqual({
    dag_id: 'both',
    run_id: run.run_id,
    task_id: 'load',
    state: 'success',
  })
  if (BROWSER === undefined) return
  const browser = await openBrowser()
  onTestFinished(() => browser.close())
  for (const screen of ['desktop-light', 'phone-dark'] as const) {
    const context = await browser.newContext({ ...SCREENS[screen], baseURL: url })
    const { page } = await newPage(context)
    for (const [name, path] of [
      ['dags', '/dags'],
      ['dag', '/dags/both'],
      ['paused', '/dags/chained'],
      ['details', '/dags/both/details'],
    ] as const) {
      await page.goto(path)
      await expectFit(page, `after-${name}-${screen}`)
    }
    await page.goto(`/dags/both/runs/${encodeURIComponent(run.run_id)}`)
    await expectFit(page, `after-follower-${screen}`)
    await page.getByRole('link', { name: /^prices / }).click()
    await expectFit(page, `after-source-${screen}`)
    await page.getByRole('link', { name: /^both .* · after$/ }).click()
    await page.getByRole('heading', { level: 1 }).and(page.getByTitle(run.run_id)).waitFor()
  }
  await aRun(db, { dagId: 'prices', runId: 'fourth', tasks: { load: 'success', report: 'success' } })
  const { page } = await newPage(await browser.newContext({ baseURL: url }))
  await page.goto('/dags/prices/runs/fourth')
  await page.getByRole('heading', { name: 'fourth' }).waitFor()
  await after.check()
  // The page shows it without a reload.
  await page.getByRole('link', { name: /^either .* · after$/ }).waitFor()
}, 120_000)
