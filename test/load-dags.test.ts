import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { loadDags } from '../src/load-dags.ts'

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
