import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { runCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'

const PIPELINES_DIR = fileURLToPath(new URL('../fixtures/mapped-pipelines', import.meta.url))

const database = useDatabase()
const cli = (...args: string[]) => runCli(args, { env: { DATABASE_URL: database.connectionString, PIPELINES_DIR } })

test('one element of a mapped task is shown, cleared and marked; the terminal counts the elements', async () => {
  const first = await cli('pipeline', 'mapped-pages', '--no-retry')
  expect(first.code).toBe(1)
  expect(first.stdout + first.stderr).toMatch(/load_page +upstream_failed .*load_page\[7\] failed/)

  const log = await cli('tasks', 'logs', 'mapped-pages', 'latest', 'load_page[7]')
  expect(log.stdout).toContain('page 7, try 1')

  const shown = await cli('runs', 'show', 'mapped-pages', 'latest')
  expect(shown.stdout).toMatch(/load_page\[7\] .*failed/)
  const order = [...shown.stdout.matchAll(/^\s*load_page\[(\d+)\]/gm)].map(([, at]) => Number(at))
  expect(order).toEqual(Array.from({ length: 12 }, (_, at) => at))

  const cleared = await cli('runs', 'clear', 'mapped-pages', 'latest', '--task', 'load_page[7]')
  expect(cleared.stdout).toMatch(/Cleared load_page\[7\], load_page, sum of /)
  const whole = await cli('runs', 'clear', 'mapped-pages', 'latest', '--task', 'load_page', '--dry-run')
  expect(whole.stdout).toMatch(/Would clear load_page \(12 elements\) of /)
  const marked = await cli('tasks', 'mark', 'mapped-pages', 'latest', 'load_page[7]', 'success', '--value', '7')
  expect([marked.code, marked.stderr]).toEqual([0, expect.any(String)])

  const second = await cli('pipeline', 'mapped-pages')
  expect([second.code, second.stdout]).toEqual([0, expect.stringMatching(/load_page +success .*12 of 12/)])
})
