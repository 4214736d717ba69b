import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { runCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const database = useDatabase()

/** In the checkout, so that `tminus` resolves. */
const folder = await mkdtemp(join(ROOT, '.documented-'))
afterAll(() => rm(folder, { recursive: true }))

/** The whole dag files of a page, by dag id. */
async function dagsIn(page: string): Promise<Map<string, string>> {
  const text = await readFile(join(ROOT, page), 'utf8')
  const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code)
  const dags = blocks.filter((code) => /^import .* from 'tminus'$/m.test(code) && code.includes('export default dag('))
  return new Map(dags.map((code) => [/export default dag\(\s*'([^']+)'/.exec(code)?.[1] ?? '', code]))
}

const documented = await dagsIn('docs/pipelines.md')

test('the page has dags', () => {
  expect([...documented.keys()]).toEqual(expect.arrayContaining(['orders', 'regions']))
})

test.each([...documented])('the dag %s of docs/pipelines.md runs to success', async (id, code) => {
  await mkdir(join(folder, id))
  await writeFile(join(folder, id, 'dag.ts'), code)
  const env = { DATABASE_URL: database.connectionString, PIPELINES_DIR: folder }
  expect((await runCli(['pools', 'set', 'api', '2'], { env })).code).toBe(0)
  const { code: exit, stdout, stderr } = await runCli(['pipeline', id, '--json'], { env })
  expect(exit === 0 || stderr).toBe(true)
  expect(JSON.parse(stdout)).toMatchObject({ state: 'success' })
})
