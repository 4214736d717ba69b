import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { loadDags } from '../src/load-dags.ts'
import { runCli } from './support/cli.ts'
import { useDatabase } from './support/database.ts'

const database = useDatabase()

test('if two folders define the same dag, neither is loaded, and the error names both', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tminus-twice-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const daily = fileURLToPath(new URL('fixtures/daily-pipelines/daily', import.meta.url))
  for (const name of ['copy', 'daily']) await symlink(daily, join(folder, name))
  const { dags, importErrors } = await loadDags(folder)
  const message = "copy and daily define the same dag id 'daily'; give each dag its own id"
  expect([...dags.keys()]).toEqual([])
  expect(importErrors).toMatchObject(['copy', 'daily'].map((name) => ({ folder: name, message })))
})

test('a pipeline may be a link to a folder; a broken link is ignored', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tminus-links-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await symlink(fileURLToPath(new URL('fixtures/daily-pipelines/daily', import.meta.url)), join(folder, 'linked'))
  await symlink(join(folder, 'nowhere'), join(folder, 'broken'))
  const { dags, importErrors } = await loadDags(folder)
  expect([...dags.keys()]).toEqual(['daily'])
  expect(importErrors).toEqual([])
})

test('a file exports several dags; a wrong one costs none of the others', async () => {
  const { dags, files, importErrors } = await loadDags(
    fileURLToPath(new URL('fixtures/array-pipelines', import.meta.url)),
  )
  expect([...dags.keys()]).toEqual(['load_eu', 'load_us', 'single'])
  expect(files.get('load_us')).toMatch(/regions\/dag\.ts$/)
  expect(importErrors.map(({ folder, message, dag }) => [folder, message, dag?.id])).toEqual([
    [
      'regions',
      expect.stringMatching(/^dag 3 of its array: dag 'load_not an id': .* is not an id for a dag/),
      undefined,
    ],
    ['regions', 'dag 4 of its array is not a dag; write dag(…), or () => dag(…)', undefined],
    ['twins', "twins defines several dags with the id 'twin'; give each dag its own id", 'twin'],
  ])
})

test('an isolated task of a dag in an array runs, and the command line shows owner, links and doc', async () => {
  const env = { PIPELINES_DIR: 'array-pipelines', DATABASE_URL: database.connectionString }
  const shown = await runCli(['dags', 'show', 'load_us'], { env })
  expect(shown.stdout).toMatch(
    /owner +team us\nRunbook +https:\/\/example\.org\/eu\n[\s\S]*\nload\n\nLoads \*us\*\.\n$/,
  )
  const ran = await runCli(['pipeline', 'load_us'], { env })
  expect([ran.code, ran.stderr]).toEqual([0, expect.not.stringContaining('✖')])
})

test('dags that would start each other without end are refused, the others load', async () => {
  const folder = fileURLToPath(new URL('fixtures/cyclic-pipelines', import.meta.url))
  const { dags, importErrors } = await loadDags(folder)
  expect([...dags.keys()]).toEqual(['good', 'beside', 'lonely'])
  const messages = Object.fromEntries(importErrors.map(({ dag, message }) => [dag?.id, message]))
  const end = 'each of these dags would start the next one'
  expect(messages).toEqual({
    a: expect.stringMatching(/^dag 'a': after forms a cycle: (a → b → c → a|b → c → a → b|c → a → b → c); each of/),
    b: expect.stringMatching(/^dag 'b': after forms a cycle: /),
    c: expect.stringMatching(/^dag 'c': after forms a cycle: /),
    itself: `dag 'itself': after forms a cycle: itself → itself; ${end}`,
    starter: `dag 'starter': after forms a cycle: starter → started → starter; ${end}`,
    started: `dag 'started': after forms a cycle: starter → started → starter; ${end}`,
    misspelt: "dag 'misspelt': after names the task 'laod', which dag 'good' does not have",
  })
  expect(importErrors.every((one) => one.folder === 'cycles')).toBe(true)
  const env = { PIPELINES_DIR: 'cyclic-pipelines', DATABASE_URL: database.connectionString }
  const { code, stdout } = await runCli(['db', 'check'], { env })
  expect(code).toBe(1)
  expect(stdout).toMatch(/^warn +lonely +it runs after dag 'missing', which is not loaded$/m)
  const refused = await runCli(['pipeline', 'a'], { env })
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('→ a')])
})
