import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import type { Dag } from '../src/dag/dag.ts'
import { loadDags } from '../src/load-dags.ts'
import type { LogLine } from '../src/metadata/transitions.ts'
import { After } from '../src/operations/after.ts'
import { readRuns } from '../src/operations/list-runs.ts'
import { timetableOf } from '../src/timetable.ts'
import { useDatabase } from './support/database.ts'
import { startHttpServer } from './support/http-server.ts'
import { notify, openTestRunner, silent, statesOf, testResources, until } from './support/runner.ts'

/** The examples of docs/pipelines.md, as files, so that the compiler checks them too. */
const FOLDER = fileURLToPath(new URL('fixtures/documented-pipelines', import.meta.url))
const IDS = readdirSync(FOLDER)
const DOC = readFileSync(new URL('../docs/pipelines.md', import.meta.url), 'utf8')

const database = useDatabase()

/** Runs an example with these settings; returns the states of its tasks, and the lines of their logs. */
async function runExample(id: string, settings: Record<string, unknown> = {}) {
  const { dags } = await loadDags(FOLDER)
  const dag = dags.get(id)
  if (dag === undefined) throw new Error(`no example '${id}'`)
  const lines: LogLine[] = []
  const callbackLines: string[] = []
  const line = (level: string) => (message: string) => void callbackLines.push(`${level} ${message}`)
  const log = () => ({ debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') })
  const all = [...dags.values()]
  const resources = { ...testResources(database, all), settingsOf: () => settings, log }
  const runner = await openTestRunner(database, all, { resources, onLog: (line) => lines.push(line) })
  await notify(database, [runner])
  await runner.runner.claim({ dagIds: [...dags.keys()], onlyBegun: true })
  const states = statesOf(await runner.run(dag))
  return { states, callbackLines, lines: lines.map(({ level, message }) => `${level} ${message}`) }
}

test.each(IDS)('docs/pipelines.md shows the example %s as it runs', (id) => {
  const file = readFileSync(`${FOLDER}/${id}/dag.ts`, 'utf8')
  expect(DOC).toContain(`\`\`\`ts\n${file}\`\`\``)
})

test('nightly', async () => {
  const { states, lines } = await runExample('nightly')
  expect(states).toEqual({ regions: 'success', load_first: 'success', report: 'success' })
  expect(lines).toEqual([expect.stringMatching(/^info 98 rows in triggered__\d+_0_load_first$/)])
})

test('sales-report', async () => {
  const { dags } = await loadDags(FOLDER)
  const lines: LogLine[] = []
  const all = [...dags.values()]
  const own = await openTestRunner(database, all, { onLog: (line) => lines.push(line) })
  await notify(database, [own])
  const after = new After({ db: own.metadata, dags: all, log: silent })
  onTestFinished(() => after.stop())
  await after.check()
  const at = (time: string) => new Date(`2026-03-05T${time}:00Z`)
  const web = dags.get('web-orders') as Dag
  await own.run(web, { logicalDate: at('10:50'), dataIntervalStart: at('10:40') })
  await own.run(web, { logicalDate: at('11:00'), dataIntervalStart: at('10:50') })
  await after.check()
  expect(await readRuns(own.metadata, { dagId: 'sales-report', limit: 1 })).toEqual([])
  await own.run(dags.get('shop-orders') as Dag, { logicalDate: at('11:00'), dataIntervalStart: at('10:00') })
  await own.runner.claim({ dagIds: [...dags.keys()], onlyBegun: false })
  await after.check()
  await until(() => lines.length > 0)
  expect(lines.map(({ message }) => message)).toEqual([
    'reports the sales from 2026-03-05T10:00:00.000Z to 2026-03-05T11:00:00.000Z',
  ])
})

test('orders-by-shell', async () => {
  const { states, lines } = await runExample('orders-by-shell', { ORDERS_TOKEN: 'not-a-real-token' })
  expect(states).toEqual({ count: 'success' })
  expect(lines.filter((line) => !line.includes('$ '))).toEqual(['info 2', 'info 2 orders from FR', 'info 2'])
})

test('price-pages', async () => {
  const { states, lines } = await runExample('price-pages')
  expect(states).toEqual({
    pages: 'success',
    load_page: 'success',
    'load_page[0]': 'success',
    'load_page[1]': 'skipped',
    'load_page[2]': 'success',
    report: 'success',
  })
  expect(lines.sort()).toEqual(['info page 0: fruit', 'info page 2: bread', 'info total 9'])
})

test('regions', async () => {
  const { states, lines } = await runExample('regions')
  expect(states).toEqual({
    file_there: 'success',
    'clean.rows': 'success',
    'clean.names': 'success',
    check: 'success',
    choose: 'success',
    load_eu: 'success',
    load_us: 'skipped',
    report: 'success',
  })
  expect(lines).toEqual(['info loaded into eu'])
})

test('test-cluster', async () => {
  const { states, lines } = await runExample('test-cluster')
  expect(states).toEqual({ create: 'success', load: 'success', report: 'failed', delete: 'success' })
  expect(lines).toEqual(['info loads into cluster-7', 'info deletes cluster-7'])
})

test('shop-hours', async () => {
  const { states, lines } = await runExample('shop-hours')
  expect(states).toEqual({ count_orders: 'success' })
  expect(lines).toEqual([expect.stringMatching(/^info the next count is at \d{4}-.*T\d\d:00:00.000Z$/)])
  const { dags } = await loadDags(FOLDER)
  const timetable = timetableOf(dags.get('shop-hours') as Dag)
  const ticks = [Date.parse('2026-12-24T00:00:00Z')]
  for (let n = 0; n < 4; n++) ticks.push(timetable.next(ticks.at(-1) ?? 0))
  expect(ticks.slice(1).map((at) => new Date(at).toISOString().slice(5, 16))).toEqual([
    '12-24T08:00',
    '12-24T17:00',
    '12-25T08:00',
    '12-26T11:00',
  ])
})

test('balance', async () => {
  const { states, lines } = await runExample('balance')
  expect(states).toEqual({ fetch_orders: 'success', add_to_balance: 'success' })
  expect(lines).toEqual(['info adds 42'])
})

test('mail-box', async () => {
  const { states, lines } = await runExample('mail-box')
  expect(states).toEqual({ read_new_mail: 'success' })
  expect(lines).toEqual([expect.stringMatching(/^info reads the mail since .*Z$/)])
})

test('stock-check', async () => {
  const { states, lines } = await runExample('stock-check')
  expect(states).toEqual({ check_stock: 'success' })
  expect(lines).toEqual([expect.stringMatching(/^info sold between .*Z and .*Z$/)])
  const { dags } = await loadDags(FOLDER)
  const next = timetableOf(dags.get('stock-check') as Dag).next(Date.parse('2026-01-01T06:00:00Z'))
  expect(new Date(next).toISOString()).toBe('2026-01-01T07:30:00.000Z')
})

test('watched-orders', async () => {
  const tickets: unknown[] = []
  const server = await startHttpServer(async (request, response) => {
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece)
    tickets.push(JSON.parse(Buffer.concat(pieces).toString()))
    response.writeHead(204).end()
  })
  onTestFinished(() => server.close())
  const { states, callbackLines } = await runExample('watched-orders', { TICKETS_URL: server.origin })
  expect(states).toEqual({ fetch_orders: 'failed' })
  expect(callbackLines).toEqual([expect.stringMatching(/^warn fetch_orders is tried again at .*: the shop is closed$/)])
  const runId = expect.stringContaining('manual__')
  expect(tickets).toEqual([{ title: 'fetch_orders failed', text: 'the shop is closed', runId, tryNumber: 2 }])
})
