import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { loadDags } from '../src/load-dags.ts'
import type { LogLine } from '../src/metadata/transitions.ts'
import { useDatabase } from './support/database.ts'
import { openTestRunner, statesOf, testResources } from './support/runner.ts'

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
  const resources = { ...testResources(database), settingsOf: () => settings }
  const runner = await openTestRunner(database, [dag], { resources, onLog: (line) => lines.push(line) })
  const states = statesOf(await runner.run(dag))
  return { states, lines: lines.map(({ level, message }) => `${level} ${message}`) }
}

test.each(IDS)('docs/pipelines.md shows the example %s as it runs', (id) => {
  const file = readFileSync(`${FOLDER}/${id}/dag.ts`, 'utf8')
  expect(DOC).toContain(`\`\`\`ts\n${file}\`\`\``)
})

test('orders-by-shell', async () => {
  const { states, lines } = await runExample('orders-by-shell', { ORDERS_TOKEN: 'not-a-real-token' })
  expect(states).toEqual({ count: 'success' })
  expect(lines.filter((line) => !line.includes('$ '))).toEqual(['info 2', 'info 2 orders from FR', 'info 2'])
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
