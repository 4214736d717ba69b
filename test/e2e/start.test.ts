import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { GRACE_MS } from '../../src/cli/signals.ts'
import { PIPELINES as FIXTURE_PIPELINES, printed, type Running, runCli, startCli } from '../support/cli.ts'
import { withDatabase } from '../support/database.ts'
import { expectNothingRunning, expectOrderlyEnd, withStandIns } from './support.ts'

const FIXTURES = join(FIXTURE_PIPELINES, '..')

interface Line {
  level: number
  time: string
  msg: string
  [field: string]: unknown
}

/** Its log so far: one JSON object a line, and nothing else. */
function logged(running: Running): Line[] {
  const whole = running.stdout().split('\n').slice(0, -1)
  return whole.map((line) => JSON.parse(line) as Line)
}

const saying = (running: Running, text: string) => logged(running).filter(({ msg }) => msg.includes(text))

/** Waits until the message was logged this often, and returns the last of these lines. */
async function said(running: Running, text: string, times = 1): Promise<Line> {
  return await printed(running, () => saying(running, text)[times - 1])
}

describe.concurrent('npm start', () => {
  test('runs a dag at every tick, reports a wrong pipeline, and ends after a SIGTERM', () =>
    withDatabase(async ({ connectionString, pool }) => {
      const begun = Math.floor(Date.now() / 1_000) * 1_000
      const env = { DATABASE_URL: connectionString, PIPELINES_DIR: join(FIXTURES, 'scheduled-pipelines') }
      const running = startCli(['start'], { env })
      await said(running, 'run success', 3)
      const asked = Date.now()
      await expectOrderlyEnd(running, pool)
      // No task runs that it could wait for.
      expect(Date.now() - asked).toBeLessThan(GRACE_MS)

      const wrong = await said(running, 'could not be loaded')
      expect(wrong).toMatchObject({ folder: 'wrong', msg: expect.stringContaining('broken on purpose') })
      expect(await said(running, 'stopping')).toMatchObject({ msg: expect.stringContaining('SIGTERM') })
      // The last ticks may wait for the next process.
      await pool.query(
        `delete from metadata.dag_run r where state = 'queued' and not exists (
           select from metadata.task_instance t where t.dag_run_id = r.dag_run_id and t.state = 'running')`,
      )
      await expectNothingRunning(pool)
      const { rows } = await pool.query<{ run_id: string; run_type: string; state: string; logical_date: Date }>(
        `select run_id, run_type, state, logical_date from metadata.dag_run order by logical_date`,
      )
      expect(rows.length).toBeGreaterThanOrEqual(3)
      expect(new Set(rows.map(({ logical_date }) => logical_date.getTime())).size).toBe(rows.length)
      for (const { run_id, run_type, state, logical_date } of rows) {
        expect(run_id.startsWith(`scheduled__${logical_date.toISOString().slice(0, 19)}`)).toBe(true)
        expect([run_type, state]).toEqual(['scheduled', 'success'])
        expect(logical_date.getTime() % 1_000).toBe(0)
        expect(logical_date.getTime()).toBeGreaterThan(begun)
        expect(saying(running, `tick of ${logical_date.toISOString()}`)).toEqual([
          expect.objectContaining({ dag_id: 'ticking', run_id, task_id: 'tick' }),
        ])
      }
    }))

  test('a second SIGTERM does not wait for a running task; the next process runs it', () =>
    withDatabase(async ({ connectionString, pool }) => {
      const env = { DATABASE_URL: connectionString, PIPELINES_DIR: join(FIXTURES, 'waiting-pipelines') }
      for (const tryNumber of [1, 2]) {
        const running = startCli(['start'], { env })
        await said(running, `waiting, try ${tryNumber}`)
        running.process.kill('SIGTERM')
        await said(running, 'stopping')
        expect(running.process.exitCode).toBe(null)
        running.process.kill('SIGTERM')
        const { code, stderr } = await running.ended
        expect([code, stderr]).toEqual([143, ''])
        // A process that waits for its task, or has waited, releases the run.
        const { rows } = await pool.query('select state from metadata.dag_run where started_at is not null')
        expect(rows).toEqual([{ state: 'running' }])
      }
    }))

  test('rocket-launches polls the API at the first start and at the configured interval; a manual run polls at once', () =>
    withDatabase(({ connectionString, pool }) =>
      withStandIns(async ({ library, discord, ...standIns }) => {
        const env = { ...standIns.env, DATABASE_URL: connectionString, LAUNCH_LIBRARY_INTERVALS: '15m,15m,15m' }
        // Requests that count against the quota.
        const calls = () => library.requests.filter(({ path }) => path.includes('/launches/')).length
        const start = async (clock: Date, run: unknown) => {
          const running = startCli(['start'], { env: { ...env, CLOCK: clock.toISOString() } })
          await said(running, 'run success')
          expect(saying(running, 'run success').map(({ run_id }) => run_id)).toEqual([run])
          running.process.kill('SIGTERM')
          expect((await running.ended).code).toBe(0)
          return calls()
        }
        // A second before the tick: a tick of a known dag runs up to a minute late, which leaves a minute to start.
        const tick = (minute: number) => {
          const time = `2026-05-04T12:${minute}:00`
          return start(new Date(Date.parse(`${time}Z`) - 1_000), expect.stringMatching(`^scheduled__${time}`))
        }
        expect(await start(new Date('2026-05-04T12:00:01Z'), 'first_start')).toBe(1)
        expect(await tick(10)).toBe(1)
        expect(
          (await runCli(['pipeline', 'rocket-launches'], { env: { ...env, CLOCK: '2026-05-04T12:11:00Z' } })).code,
        ).toBe(0)
        expect(calls()).toBe(2)
        expect(await tick(25)).toBe(2)
        expect(await tick(30)).toBe(3)
        expect([discord.messages.length, discord.requests.length, discord.violations]).toEqual([1, 1, []])
        const { rows } = await pool.query('select distinct state from metadata.dag_run')
        expect(rows).toEqual([{ state: 'success' }])
      }),
    ))
})
