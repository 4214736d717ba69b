import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Database } from '../../src/db/pool.ts'
import { startCli } from '../support/cli.ts'
import { withDatabase } from '../support/database.ts'
import { until } from '../support/runner.ts'
import { removeFolder, scratchFolder } from '../support/scratch.ts'

const PIPELINES = fileURLToPath(new URL('../fixtures/careless-pipelines', import.meta.url))
const KEY = 'sk_live_0123456789abcdef'
const REASON = 'an uncaught error ended the process: boom ***'

/** Starts a verb, lets an error that belongs to no task be thrown while a task runs, and waits for the end. */
async function breaking(args: (way: string) => string[], way: string, work: (found: Found) => Promise<void> | void) {
  await withDatabase(async ({ connectionString, pool }) => {
    const folder = await scratchFolder()
    const file = join(folder, 'break')
    const env = { DATABASE_URL: connectionString, PIPELINES_DIR: PIPELINES, STRIPE_KEY: KEY, BREAK_FILE: file }
    const running = startCli(args(way), { env })
    const isAtWork = async () => (await pool.query(RUNNING).catch(() => ({ rowCount: 0 }))).rowCount === 1
    if (args(way)[0] === 'start') {
      await until(async () => (await pool.query(LISTENING).catch(() => ({ rowCount: 0 }))).rowCount === 1)
      await startCli(['dags', 'trigger', 'careless', '--conf', JSON.stringify({ way })], {
        env: { ...env, BREAK_FILE: '' },
      }).ended
    }
    await until(isAtWork)
    const asked = Date.now()
    await writeFile(file, '')
    const { code, stdout, stderr } = await running.ended
    await removeFolder(folder)
    expect(stdout + stderr).not.toContain(KEY)
    await work({ code, stdout, stderr, tookMs: Date.now() - asked, pool })
  })
}

interface Found {
  code: number
  stdout: string
  stderr: string
  tookMs: number
  pool: Database
}

const RUNNING = `select from metadata.task_instance where state = 'running'`
const LISTENING = `select from metadata.job where state = 'running' and backend_pid is not null`
const STORED = `select r.state as run, t.state as task, t.lost, t.lost_try, t.reason, j.state as job, j.reason as why
  from metadata.dag_run r join metadata.task_instance t using (dag_run_id), metadata.job j where j.kind in ('start', 'pipeline')`
const ONE_LINE =
  /^✖ An error that belongs to no task ends this process: Error: boom \*\*\* at boom \(.*careless\/dag\.ts:\d+:\d+\) at .*\n$/

test.each([
  ['patient', 5_000],
  ['deaf', 10_900],
])('an error that belongs to no task releases the runs of a process, and ends it: %s', (way, withinMs) =>
  breaking(
    () => ['start'],
    way,
    async ({ code, stderr, tookMs, pool }) => {
      expect([code, stderr]).toEqual([1, expect.stringMatching(ONE_LINE)])
      expect(tookMs).toBeLessThan(withinMs)
      const released = {
        run: 'queued',
        task: 'scheduled',
        lost: 0,
        lost_try: 0,
        reason: REASON,
        job: 'failed',
        why: REASON,
      }
      expect((await pool.query(STORED)).rows).toEqual([released])
    },
  ),
)

test('under pipeline it fails the run', () =>
  breaking(
    (way) => ['pipeline', 'careless', '--conf', JSON.stringify({ way })],
    'patient',
    async (found) => {
      expect([found.code, `${found.stderr.split('\n').find((line) => line.startsWith('✖'))}\n`]).toEqual([
        1,
        expect.stringMatching(ONE_LINE),
      ])
      expect((await found.pool.query(STORED)).rows).toMatchObject([
        { run: 'failed', task: 'failed', reason: REASON, why: REASON },
      ])
    },
  ))
