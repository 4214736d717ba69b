import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Ended, PIPELINES, runCli, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { removeFolder, scratchFolder } from '../support/scratch.ts'
import { WITHIN } from '../support/within.ts'

const database = useDatabase()

/** A folder of pipelines: the given ones, by folder name, and `chain`, which loads. */
async function pipelines(given: Readonly<Record<string, string>>): Promise<string> {
  const folder = await scratchFolder()
  onTestFinished(() => removeFolder(folder))
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  for (const [name, code] of Object.entries(given)) {
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, 'dag.ts'), code)
  }
  await symlink(join(PIPELINES, 'chain'), join(folder, 'chain'))
  return folder
}

const envOf = (folder: string) => ({ DATABASE_URL: database.connectionString, PIPELINES_DIR: folder })
const cli = (line: string, folder: string): Promise<Ended> => runCli(line.split(' '), { env: envOf(folder) })

const exits = (call: string) => `it called ${call} while it was being loaded; a pipeline must not end the process`
const LATER = 'await new Promise((resolve) => setTimeout(resolve, 100))'
const NEVER = 'it never finishes loading: its top-level await never settles'

test('a dag.ts that never finishes loading, or exits, is an import error; the others still load', async () => {
  const broken: Record<string, [code: string, says: string]> = {
    'never-settles': ['await new Promise(() => {})', NEVER],
    exit: ['process.exit(7)', exits('process.exit(7)')],
    'exit-0': ['process.exit()', exits('process.exit()')],
    'exit-caught': ['try { process.exit(0) } catch {} export default 1', exits('process.exit(0)')],
    'exit-by-name': ["import { exit } from 'node:process'; exit(3)", exits('process.exit(3)')],
    'exit-later': [`setTimeout(() => process.exit(5), 1); ${LATER}`, exits('process.exit(5)')],
    abort: ['process.abort()', exits('process.abort()')],
    floating: ["Promise.reject(new Error('floating')); export default 1", 'floating'],
    'throws-later': [`setTimeout(() => { throw new Error('later') }, 1); ${LATER}`, 'later'],
    'throws-null': ['throw null', 'null'],
  }
  const folder = await pipelines(Object.fromEntries(Object.entries(broken).map(([name, [code]]) => [name, code])))
  const { code, stdout, stderr } = await cli('dags list -o json', folder)
  const errors = JSON.parse(stdout).map((dag: Record<string, unknown>) => [dag.dag_id, dag.import_error])
  expect(Object.fromEntries(errors)).toEqual({
    chain: null,
    ...Object.fromEntries(Object.entries(broken).map(([name, [, says]]) => [name, says])),
  })
  expect([code, stderr]).toEqual([1, ''])
  expect(await cli('dags trigger chain', folder)).toMatchObject({ code: 0 })
  const own = await cli('pipeline never-settles', folder)
  expect([own.code, own.stderr]).toEqual([2, `✖ The dag in folder 'never-settles' could not be loaded: ${NEVER}\n`])
})

describe.concurrent('a dag.ts that blocks the process ends it after 10 s with exit code 2 and a sentence that names the file', () => {
  test.each([
    ['a loop', 'for (;;) {}'],
    ['a loop in a function it exports later', 'const wait = () => { while (true); }; wait(); export default 1'],
    ['a chain of promises', 'const next = () => Promise.resolve().then(next); await next()'],
    ['a regular expression', "/^(a+)+$/.test('a'.repeat(50) + 'b')"],
    ['a wait for another thread', 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'],
  ])('%s', { timeout: 120_000 }, async (_what, code) => {
    const folder = await pipelines({ stuck: code })
    const begun = Date.now()
    const ended = await cli('dags list', folder)
    expect(ended).toEqual({
      code: 2,
      stdout: '',
      stderr: `✖ ${join(folder, 'stuck/dag.ts')} has blocked this process for 10 s while it was being loaded; fix its endless loop, or remove its folder from PIPELINES_DIR\n`,
    })
    expect(Date.now() - begun).toBeGreaterThan(9_000)
  })
})

test('Ctrl-C ends a process while it loads', async () => {
  const folder = await pipelines({
    slow: "console.error('loading'); setInterval(() => {}, 1_000); await new Promise(() => {})",
  })
  const running = startCli(['dags', 'list'], { env: envOf(folder) })
  await new Promise((resolve) => running.process.stderr?.once('data', resolve))
  running.process.kill('SIGINT')
  expect((await running.ended).code).toBe(130)
})

describe('a dag whose settings are wrong', () => {
  const api = join(PIPELINES, '../settings-pipelines')
  const env = () => ({ ...envOf(api), API_TOKEN_COUNT: 'many', LOG_FORMAT: 'json' })

  test('is an import error of start and scheduler, which continue', async () => {
    for (const verb of ['start', 'scheduler']) {
      const running = startCli([verb], { env: env() })
      onTestFinished(() => void running.process.kill('SIGKILL'))
      await vi.waitFor(() => expect(running.stdout()).toContain('health at'), WITHIN)
      const says =
        "a pipeline could not be loaded: dag 'needs-token': API_TOKEN is not set; API_TOKEN_COUNT must be a number"
      expect(running.stdout()).toContain(says)
      expect(running.stdout()).toContain("dag 'throws': the settings of dag 'throws' cannot be read: no such zone")
      running.process.kill('SIGTERM')
      expect((await running.ended).code).toBe(0)
    }
  })

  test('is listed as an import error, makes pipeline exit with 2, and does not affect another dag', async () => {
    const list = await runCli(['dags', 'list'], { env: env() })
    expect(list.code).toBe(1)
    expect(list.stdout).toMatch(
      /^token .*import error: dag 'needs-token': API_TOKEN is not set; API_TOKEN_COUNT must be/m,
    )
    expect(list.stdout).toMatch(/^works +manual runs only +1$/m)
    const own = await runCli(['pipeline', 'needs-token'], { env: env() })
    expect([own.code, own.stdout]).toEqual([2, ''])
    expect(own.stderr).toMatch(/2 wrong settings:\n {2}API_TOKEN is not set\n {2}API_TOKEN_COUNT must be a number\n/)
    expect((await runCli(['pipeline', 'works'], { env: env() })).code).toBe(0)
    // Another process may use these ports.
    expect((await runCli(['dags', 'trigger', 'needs-token'], { env: env() })).code).toBe(0)
  })
})
