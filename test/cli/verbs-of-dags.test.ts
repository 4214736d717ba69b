import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { COMMAND, type Ended, PIPELINES, runCli, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { withFolder } from '../support/scratch.ts'

const VERBS = join(PIPELINES, '../verb-pipelines')
const BROKEN = join(PIPELINES, '../broken-pipelines')

const database = useDatabase()

const environment = () => ({ PIPELINES_DIR: VERBS, DATABASE_URL: database.connectionString })
const cli = (line: string, env: Record<string, string> = {}): Promise<Ended> =>
  runCli(line.split(' '), { env: { ...environment(), ...env } })

describe.concurrent('a verb of a dag', () => {
  test('has database, settings and clock, and prints like the built-in ones', async () => {
    const clock = { CLOCK: '2030-01-02T03:00:00Z' }
    const json = await cli('greet once Ada -o json', clock)
    expect([json.code, json.stderr]).toEqual([0, ''])
    expect(JSON.parse(json.stdout)).toEqual({ greeting: 'Hello', name: 'Ada', now: '2030-01-02T03', one: 1 })
    const { stdout } = await cli('greet once', { ...clock, GREETING: 'Moin' })
    expect(stdout).toBe('greeting  name   now            one\nMoin      World  2030-01-02T03  1\n')
  })

  test.each([
    ['greet end 0', 0, ''],
    ['greet end 7', 7, ''],
    ['greet end failed', 1, '✖ Nobody is there; ring the bell\n'],
    ['greet end usage', 2, '✖ Nobody is called that\n'],
    ['greet once --outptu json', 2, "✖ Unknown option '--outptu'\n(Did you mean --output?)\n"],
    ['greet onc', 2, "✖ Unknown command 'onc'\n(Did you mean once?)\n"],
  ])('%s: exit %i', async (line, code, stderr) => {
    expect(await cli(line)).toEqual({ code, stdout: '', stderr })
  })

  test('names a wrong setting of its dag when the verb reads it', async () => {
    const wrong = await cli('greet once', { GREETING: 'Good evening' })
    expect([wrong.code, wrong.stdout]).toEqual([2, ''])
    expect(wrong.stderr).toMatch(/^✖ Wrong setting: GREETING /)
    expect((await cli('greet end 0', { GREETING: 'Good evening' })).code).toBe(0)
  })

  test('creates no database, but says what to run', async () => {
    await withFolder(async (folder) => {
      const { code, stderr } = await cli('greet once', { DATABASE_URL: '', DATA_DIR: folder })
      expect(stderr).toMatch(/^✖ No database exists in .*; run npm run pipeline/)
      expect(code).toBe(1)
    })
  })

  test('ends when the reader of its output closes the pipe', async () => {
    const { process: child, ended } = startCli(['greet', 'forever'], { env: environment() })
    await once(child.stdout as NodeJS.EventEmitter, 'data')
    child.stdout?.destroy()
    expect(await ended).toMatchObject({ code: 0, stderr: '' })
  })

  test.skipIf(!existsSync('/dev/full'))('says that its output cannot be written', async () => {
    const child = spawn('sh', ['-c', 'exec "$@" > /dev/full', '-', ...COMMAND, 'greet', 'forever'], {
      env: { PATH: process.env.PATH, ...environment() },
    })
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
    expect([code, stderr]).toEqual([1, '✖ The output cannot be written: ENOSPC: no space left on device, write\n'])
  })

  test.each([
    ['wait', 'SIGINT', 130, 'waiting\nstopped\n'],
    ['wait', 'SIGTERM', 143, 'waiting\nstopped\n'],
    ['deaf', 'SIGINT', 130, 'waiting\n'],
  ] as const)('greet %s ends after %s', async (verb, signal, code, stdout) => {
    const { process: child, ended } = startCli(['greet', verb], { env: environment() })
    await once(child.stdout as NodeJS.EventEmitter, 'data')
    child.kill(signal)
    expect(await ended).toEqual({ code, stdout, stderr: '' })
  })
})

const TAKEN = "✖ The verb 'taken' of dag 'rival' is ignored: dag 'greeter' has a verb of that name\n"
const DB = "✖ The verb 'db' of dag 'rival' is ignored: T-minus itself has a verb of that name\n"
const HELP = "✖ The verb 'help' of dag 'rival' is ignored: T-minus itself has a verb of that name\n"
const UNLOADED = "✖ The verbs of dag 'broken' could not be loaded: broken on purpose\n"

describe.concurrent('missing verbs', () => {
  test('if two dags have the same verb, the first one wins and the other is reported', async () => {
    expect(await cli('taken')).toEqual({ code: 0, stdout: "the greeter's\n", stderr: TAKEN })
    expect(await cli('rival')).toEqual({ code: 0, stdout: "the rival's rival\n", stderr: '' })
  })

  test('--help lists all verbs by dag, and reports what is missing', async () => {
    const { code, stdout, stderr } = await cli('--help')
    expect([code, stderr]).toEqual([0, TAKEN + DB + HELP + UNLOADED])
    expect(stdout).toMatch(
      /\nVerbs of dag greeter:\n {2}taken\n {2}greet +says hello\n\nVerbs of dag rival:\n {2}rival/,
    )
    expect((await cli('help greet')).stdout).toMatch(/^Usage: tminus greet/)
  })

  test('a misspelt verb gets a suggestion, and a report of what could not be loaded', async () => {
    const { code, stdout, stderr } = await cli('great once')
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toBe(`${TAKEN}${DB}${HELP}${UNLOADED}✖ Unknown command 'great'\n(Did you mean greet?)\n`)
    const broken = await cli('greet', { PIPELINES_DIR: BROKEN })
    expect(broken.stderr).toContain("✖ The dag in folder 'throws' could not be loaded: broken on purpose\n")
    expect([broken.code, broken.stderr]).toEqual([2, expect.stringContaining("✖ Unknown command 'greet'")])
    const nowhere = await cli('greet', { PIPELINES_DIR: '/no/such/folder' })
    expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringMatching(/^✖ PIPELINES_DIR: cannot read/)])
  })

  test('a built-in verb loads no pipeline', async () => {
    const { code, stderr } = await cli('db --help', { PIPELINES_DIR: '/no/such/folder' })
    expect([code, stderr]).toEqual([0, ''])
  })
})
