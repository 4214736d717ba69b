import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { PIPELINES as FIXTURE_PIPELINES, type Running, runCli, startCli } from '../support/cli.ts'
import { withDatabase } from '../support/database.ts'
import { WITHIN } from '../support/within.ts'
import { expectNothingRunning, withStandIns } from './support.ts'

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
  await vi.waitFor(() => expect(saying(running, text).length).toBeGreaterThanOrEqual(times), WITHIN)
  return saying(running, text).at(-1) as Line
}

describe.concurrent('npm start', () => {
  test('runs a dag at every tick, reports a wrong pipeline, and ends after a SIGTERM', () =>
    withDatabase(async ({ connectionString, pool }) => {
      const begun = Math.floor(Date.now() / 1_000) * 1_000
      const env = { DATABASE_URL: connectionString, PIPELINES_DIR: join(FIXTURES, 'scheduled-pipelines') }
      const running = startCli(['start'], { env })
      await said(running, 'run success', 3)
      const asked = Date.now()
      running.process.kill('SIGTERM')
      const { code, stderr } = await running.ended
      expect(Date.now() - asked).toBeLessThan(8_000)
      expect([code, stderr]).toEqual([0, ''])

      const wrong = await said(running, 'could not be loaded')
      expect(wrong).toMatchObject({ folder: 'wrong', msg: expect.stringContaining('broken on purpose') })
      expect(await said(running, 'stopping')).toMatchObject({ msg: expect.stringContaining('SIGTERM') })
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
        const asked = Date.now()
        running.process.kill('SIGTERM')
        const { code, stderr } = await running.ended
        expect(Date.now() - asked).toBeLessThan(8_000)
        expect([code, stderr]).toEqual([143, ''])
      }
      const { rows } = await pool.query(`select run_id from metadata.dag_run where state = 'running'`)
      expect(rows).toHaveLength(1)
    }))

  test('rocket-launches polls the API at the first start and at the configured interval; a manual run polls at once', () =>
    withDatabase(({ connectionString, pool }) =>
      withStandIns(async ({ library, discord, ...standIns }) => {
        const env = { ...standIns.env, DATABASE_URL: connectionString, LAUNCH_LIBRARY_INTERVALS: '15m,15m,15m' }
        // Requests that count against the quota.
        const calls = () => library.requests.filter(({ path }) => path.includes('/launches/')).length
        const tick = async (minute: string) => {
          const running = startCli(['start'], { env: { ...env, CLOCK: before(minute) } })
          const runs = minute === '05' ? ['first_start'] : []
          await said(running, 'run success', runs.length + 1)
          runs.push(expect.stringMatching(new RegExp(`^scheduled__2026-05-04T12:${minute}:00`)))
          expect(saying(running, 'run success').map(({ run_id }) => run_id)).toEqual(runs)
          running.process.kill('SIGTERM')
          expect((await running.ended).code).toBe(0)
          return calls()
        }
        expect(await tick('05')).toBe(1)
        expect(await tick('10')).toBe(1)
        expect(
          (await runCli(['pipeline', 'rocket-launches'], { env: { ...env, CLOCK: '2026-05-04T12:11:00Z' } })).code,
        ).toBe(0)
        expect(calls()).toBe(2)
        expect(await tick('25')).toBe(2)
        expect(await tick('30')).toBe(3)
        expect([discord.messages.length, discord.requests.length, discord.violations]).toEqual([1, 1, []])
        const { rows } = await pool.query('select distinct state from metadata.dag_run')
        expect(rows).toEqual([{ state: 'success' }])
      }),
    ))
})

/** A second before 12:`minute`. A known dag runs a tick up to a minute late; an unknown dag has 20 s. */
function before(minute: string): string {
  const isFirst = minute === '05'
  return new Date(Date.parse(`2026-05-04T12:${minute}:00Z`) - (isFirst ? 20_000 : 1_000)).toISOString()
}
