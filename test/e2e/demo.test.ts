import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openEmbedded } from '../../src/db/embedded/embedded.ts'
import { runCli } from '../support/cli.ts'
import { ask } from '../support/embedded.ts'
import { removeFolder, scratchFolder } from '../support/scratch.ts'
import { STACK } from './support.ts'

/** The working folder, with a `.env`. */
let cwd: string
beforeAll(async () => {
  cwd = await scratchFolder()
  await chmod(cwd, 0o755)
  await writeFile(join(cwd, '.env'), WRONG_SETTINGS)
})
afterAll(() => removeFolder(cwd))

const WRONG_SETTINGS = `DATABASE_URL=postgresql://u:hunter2@127.0.0.1:1/real
METADATA_SCHEMA=WRONG
CONCURRENCY=none
PIPELINES_DIR=/no/such/folder
LAUNCH_LIBRARY_URL=http://127.0.0.1:1/9.9.9
DISCORD_WEBHOOK_URL=http://127.0.0.1:1/not-a-webhook
CLOCK=yesterday
LOG_LEVEL=loud
`

/** Variables of the environment. The demo must ignore these too. */
const REAL = { DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:1/real', METADATA_SCHEMA: 'real' }

test('npm run demo, twice, beside a real database', async () => {
  const dataDir = join(cwd, 'data')
  const real = await openEmbedded({ dataDir, create: true, database: 'tminus' })
  const tables = `select count(*) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`
  await ask(real.connectionString, 'create table rocket_launches as select 42 as mine')
  await real.release()

  for (const time of ['first', 'second']) {
    const start = await timeOf(['--version'])
    const begun = Date.now()
    const { code, stdout, stderr } = await runCli(['demo'], { cwd, env: { ...REAL, DATA_DIR: dataDir } })
    expect([time, code, stderr]).toEqual([time, 0, ''])
    // The promised 15 s, or more on a busy machine.
    expect(Date.now() - begun).toBeLessThan(Math.max(15_000, 20 * start))
    expectDemo(stdout)
    expect(existsSync(join(real.folder, 'data', 'postmaster.pid'))).toBe(false)
    expect(spawnSync('ps', ['-eo', 'args='], { encoding: 'utf8' }).stdout).not.toContain(real.folder)
  }

  const again = await openEmbedded({ dataDir, create: false, database: 'tminus' })
  try {
    expect(await ask(again.connectionString, 'select mine from rocket_launches')).toBe(42)
    expect(await ask(again.connectionString, tables)).toBe('1')
  } finally {
    await again.release()
  }
})

test('in an empty folder, without any environment', async () => {
  const folder = await scratchFolder()
  const { code, stdout, stderr } = await runCli(['demo'], { cwd: folder }).finally(() => removeFolder(folder))
  expect([code, stderr]).toEqual([0, ''])
  expectDemo(stdout)
})

async function timeOf(args: string[]): Promise<number> {
  const begun = Date.now()
  await runCli(args)
  return Date.now() - begun
}

function expectDemo(stdout: string): void {
  const [, posting = '', slip = '', reminder = '', rerun = ''] = stdout.split(/^[1-4] {2}(?=[A-Z0-9])/m)
  expect(posting).toMatch(/ fetched (3\d|[4-9]\d), inserted \1\n/)
  expect(posting).toMatch(/\n✔ notify_discord +success .* posted\n/)
  expect(posting).toMatch(/▌ .* \(sample\)\n/)
  expect(posting).toMatch(/ · in \d+ hours?\n/)
  expect(slip).toMatch(/ fetched (\d+), updated 1, unchanged \d+\n/)
  expect(slip).toMatch(/\n✔ notify_discord +success .* edited\n/)
  expect(slip).toMatch(/ APP \d\d:\d\d \S+ \(edited\)\n(.*\n)+ {2}▌ Go for launch\n/)
  expect(slip).toMatch(/▌ Postponed by 2 hours\n {2}▌ ~~.*~~\n {2}▌ → .* · in 2 hours\n/)
  expect(reminder).toMatch(/▌ T-1 hour\n {2}▌ .* · in 1 hour\n/)
  expect(reminder).not.toContain('(edited)')
  expect(rerun).toMatch(/^Once more: nothing has changed\n/)
  expect(rerun).toMatch(/ fetched (\d+), unchanged \1\n/)
  expect(rerun).toMatch(/\n✔ notify_discord +success .* unchanged\n/)
  expect(rerun).toContain('\nThe rerun posted nothing')
  expect(rerun).not.toContain('▌')
  expect(rerun).toMatch(/\nNext\n\n {2}npm run pipeline rocket-launches /)
  expect(stdout).not.toMatch(STACK)
  expect(stdout).not.toMatch(/hunter2|webhooks\/\d+\/[^*]/)
}
