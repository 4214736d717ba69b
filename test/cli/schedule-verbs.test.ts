import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { type Ended, PIPELINES, runCli, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { WITHIN } from '../support/within.ts'

const CLOCK = '2026-06-15T12:00:00Z'

const database = useDatabase()

const env = () => ({
  DATABASE_URL: database.connectionString,
  PIPELINES_DIR: join(PIPELINES, '../daily-pipelines'),
  CLOCK,
})
const cli = (line: string): Promise<Ended> => runCli(line.split(' '), { env: env() })

test('dags next, pause and unpause', async () => {
  const next = async () => JSON.parse((await cli('dags next -o json')).stdout)
  const dag = { dag_id: 'daily', schedule: '@daily', timezone: 'Europe/Paris' }
  expect(await next()).toEqual([{ ...dag, is_paused: false, next: ['2026-06-15T22:00:00.000Z'] }])
  const two = await cli('dags next daily --limit 2')
  expect([two.code, two.stdout.split('\n')]).toEqual([
    0,
    [
      'dag_id  next                  in its zone',
      'daily   2026-06-15 22:00:00Z  2026-06-16 00:00:00 Europe/Paris',
      'daily   2026-06-16 22:00:00Z  2026-06-17 00:00:00 Europe/Paris',
      '',
    ],
  ])
  expect((await cli('dags pause daily')).stdout).toMatch(/^daily is paused: it gets no scheduled runs/)
  expect(await next()).toEqual([{ ...dag, is_paused: true, next: [] }])
  expect((await cli('dags unpause daily')).stdout).toBe('daily is not paused; its next tick is 2026-06-15 22:00:00Z\n')
  expect(await next()).toMatchObject([{ is_paused: false }])
})

test('dags list, show, next and unpause of dags with several lines, with every, and without a further tick', async () => {
  const PIPELINES_DIR = join(PIPELINES, '../schedule-pipelines')
  const run = async (line: string) => (await runCli(line.split(' '), { env: { ...env(), PIPELINES_DIR } })).stdout
  expect(await run('dags list')).toBe(
    [
      'dag_id  schedule                                 tasks  description',
      'always  @continuous                              1',
      'every   every 90m from 2026-06-01T00:00:00.000Z  1',
      'lines   0 9 * * 1-5; 0 12 * * 6                  1',
      'past    2026-06-14T18:00:00.000Z                 1',
      '',
    ].join('\n'),
  )
  expect(await run('dags next')).toBe(
    [
      'dag_id  next                         in its zone',
      'always  when the last run has ended',
      'every   2026-06-15 13:30:00Z         2026-06-15 13:30:00 UTC',
      'lines   2026-06-16 07:00:00Z         2026-06-16 09:00:00 Europe/Paris',
      'past    no further tick',
      '',
    ].join('\n'),
  )
  expect(await run('dags show lines')).toMatch(/schedule +0 9 \* \* 1-5; 0 12 \* \* 6 {2}\(Europe\/Paris\)/)
  await run('dags pause past')
  expect(await run('dags unpause past')).toBe('past is not paused; its next run: no further tick\n')
})

test('dags next needs no database', async () => {
  const DATA_DIR = '/tmp/tminus-there-is-no-such-folder'
  const { code, stdout } = await runCli(['dags', 'next'], { env: { ...env(), DATABASE_URL: '', DATA_DIR } })
  expect([code, stdout]).toEqual([0, expect.stringContaining('2026-06-15 22:00:00Z')])
})

describe('dags backfill', () => {
  const WEEK = 'dags backfill daily --from 2026-06-01 --to 2026-06-06'

  test.each([
    ['dags backfill daily --from 2026-06-01', /Required option '--to <instant>' not specified/],
    ['dags backfill daily --from 2026-06-31 --to 2026-07-01', /--from must be a date such as/],
    ['dags backfill daily --from June --to 2026-06-01', /--from must be a date such as/],
    ['dags backfill daily --from 2026-06-01 --to now', /--to must be a date such as/],
    ['dags backfill daily --from 0000-06-01 --to 2026-06-01', /--from must be a date such as/],
    ['dags backfill daily --from 2026-06-02 --to 2026-06-01', /end of the backfill is before its start/],
    ['dags backfill daily --from 2026-06-01 --to 2027-06-01', /--to is in the future/],
    ['dags backfill dayly --from 2026-06-01 --to 2026-06-02', /There is no dag 'dayly'; did you mean 'daily'\?/],
    [`${WEEK} --max-active-runs 0`, /--max-active-runs must be a whole number from 1/],
    [`${WEEK} --reprocess som`, /Allowed choices are none, failed, completed/],
    ['dags next daily --limit 0', /--limit must be a whole number/],
    ['dags pause dayly', /did you mean 'daily'\?/],
  ])('%s ends with 2', async (line, says) => {
    const { code, stdout, stderr } = await cli(line)
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringMatching(says)])
  })

  test('prints its plan, runs it, stops at Ctrl-C and continues with the same command', async () => {
    const dry = await cli(`${WEEK} --dry-run`)
    expect([dry.code, dry.stdout]).toEqual([0, expect.stringMatching(/^2026-06-01 22:00:00Z {2}create$/m)])
    expect(dry.stdout).toMatch(/5 of 5 ticks would run, 0 would be skipped; nothing was changed\n$/)

    const alone = startCli(WEEK.split(' '), { env: env() })
    await vi.waitFor(() => expect(alone.stdout()).toContain('Backfill of daily: 5 ticks, 2 runs at once'), WITHIN)
    alone.process.kill('SIGINT')
    const stopped = await alone.ended
    expect(stopped).toMatchObject({ code: 130, stderr: '' })
    expect(stopped.stdout).toMatch(/^No process is executing runs, /)
    expect(stopped.stdout).toMatch(/Stopped after \d of 5 ticks; run the same command to continue\n$/)
    expect(JSON.parse((await cli('dags runs daily -o json')).stdout)).toEqual([])

    const running = startCli(['scheduler'], { env: env() })
    await vi.waitFor(async () => expect((await cli('jobs check')).code).toBe(0), WITHIN)
    const { code, stdout } = await cli(WEEK)
    expect([code, stdout]).toEqual([
      1,
      expect.stringMatching(/5 of 5 ticks are done\n1 of its runs failed; --reprocess failed runs them again\n$/),
    ])
    const runs = JSON.parse((await cli('dags runs daily -o json')).stdout)
    expect(runs.map((run: { run_type: string; state: string }) => `${run.run_type} ${run.state}`).sort()).toEqual([
      'backfill failed',
      ...Array(4).fill('backfill success'),
    ])
    const again = await cli(`${WEEK} --reprocess failed --dry-run`)
    expect(again.stdout).toMatch(/^2026-06-02 22:00:00Z {2}clear {2}failed$/m)
    expect(again.stdout).toMatch(/1 of 5 ticks would run, 4 would be skipped/)
    running.process.kill('SIGTERM')
    await running.ended

    const late = await runCli(['dags', 'next'], { env: { ...env(), CLOCK: '2026-06-15T22:00:10Z' } })
    expect(late.stdout).toMatch(/^daily {3}2026-06-15 22:00:00Z, overdue {2}2026-06-16 00:00:00 Europe\/Paris$/m)
  })
})
