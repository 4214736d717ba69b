import { describe, expect, test, vi } from 'vitest'
import { type Ended, type Running, runCli, startCli } from '../support/cli.ts'
import { createEmptyDatabase, useDatabase } from '../support/database.ts'
import { WITHIN } from '../support/within.ts'

const database = useDatabase(createEmptyDatabase)

const env = () => ({ DATABASE_URL: database.connectionString })
const pipeline = (...args: string[]) => runCli(['pipeline', ...args], { env: env() })

/** Replaces times and ids, which differ between runs. */
function plain({ stdout }: Ended): string[] {
  const steady = stdout.replace(/manual__\S+/g, 'RUN').replace(/ +\d+(\.\d+)? (ms|s)\b/g, ' TIME')
  return steady.trimEnd().split('\n')
}

async function query<R>(sql: string): Promise<R[]> {
  return (await database.pool.query<R & object>(sql)).rows
}

const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

describe('pipeline', () => {
  test('creates the tables in an empty database, and runs', async () => {
    expect(await query(`select from pg_namespace where nspname = 'metadata'`)).toEqual([])
    const ended = await pipeline('chain')
    expect(plain(ended)).toEqual([
      'chain RUN',
      '▸ first   running',
      '✔ first   success TIME',
      '▸ second  running',
      '  second: adding {"to":1}',
      '✔ second  success TIME',
      '▸ third   running',
      '✔ third   success TIME',
      '✔ run succeeded in TIME',
    ])
    expect([ended.code, ended.stderr]).toEqual([0, ''])
    expect(await query('select dag_id, state, run_type from metadata.dag_run')).toEqual([
      { dag_id: 'chain', state: 'success', run_type: 'manual' },
    ])
    expect(await query('select kind, state from metadata.job')).toEqual([{ kind: 'pipeline', state: 'success' }])
  })

  test('--json prints the run as one object, and nothing else', async () => {
    const { code, stdout, stderr } = await pipeline('chain', '--json')
    expect([code, stderr]).toEqual([0, ''])
    const task = {
      state: 'success',
      try_number: 1,
      start_date: INSTANT,
      code_version: expect.stringMatching(/^[0-9a-f]{16}$/),
      end_date: INSTANT,
      reason: null,
    }
    expect(JSON.parse(stdout)).toEqual({
      dag_id: 'chain',
      run_id: expect.stringMatching(/^manual__\d{4}-.+Z_[0-9a-f]{8}$/),
      run_type: 'manual',
      state: 'success',
      logical_date: INSTANT,
      start_date: INSTANT,
      end_date: INSTANT,
      conf: {},
      note: null,
      parent: null,
      after: [],
      children: [],
      followers: [],
      reason: null,
      task_instances: [
        { task_id: 'first', ...task },
        { task_id: 'second', ...task },
        { task_id: 'third', ...task },
      ],
    })
  })

  test('a task that fails fails the run: exit 1, the reason, no stack', async () => {
    const ended = await pipeline('chain', '--conf', '{"fail":"second"}')
    expect(plain(ended).slice(5)).toEqual([
      '✖ second  failed TIME  failing on purpose',
      '✖ third   upstream_failed      second failed',
      '✖ run failed in TIME: second failed: failing on purpose',
    ])
    expect([ended.code, ended.stderr]).toEqual([1, ''])
  })

  test('LOG_LEVEL=debug shows where it failed', async () => {
    const conf = ['--conf', '{"fail":"second"}']
    const ended = await runCli(['pipeline', 'chain', ...conf], { env: { ...env(), LOG_LEVEL: 'debug' } })
    expect(ended.stdout).toMatch(/Error: failing on purpose\n {4}at .*chain\/dag\.ts:\d+/)
    expect(ended.code).toBe(1)
  })

  test('a failed run is printed by --json too', async () => {
    const { code, stdout } = await pipeline('chain', '--json', '--conf', '{"fail":"second"}')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      state: 'failed',
      reason: 'second failed: failing on purpose',
      conf: { fail: 'second' },
      task_instances: [
        { task_id: 'first', state: 'success' },
        { task_id: 'second', state: 'failed', reason: 'failing on purpose', try_number: 1 },
        { task_id: 'third', state: 'upstream_failed', reason: 'second failed', try_number: 0, start_date: null },
      ],
    })
  })

  test('CLOCK sets the logical date; CONCURRENCY=1 and another METADATA_SCHEMA also work', async () => {
    const settings = { CLOCK: '2031-05-06T07:08:09Z', CONCURRENCY: '1', METADATA_SCHEMA: 'elsewhere' }
    const { code, stdout } = await runCli(['pipeline', 'chain', '--json'], { env: { ...env(), ...settings } })
    expect(code).toBe(0)
    expect(JSON.parse(stdout).logical_date).toMatch(/^2031-05-06T07:08:/)
    expect(new Date(JSON.parse(stdout).start_date).getTime()).toBeLessThan(Date.now())
    expect(await query('select dag_id from elsewhere.dag_run')).toEqual([{ dag_id: 'chain' }])
  })

  test('a closed pipe stops neither the run nor its record', async () => {
    const running = startCli(['pipeline', 'chain'], { env: env() })
    running.process.stdout?.destroy()
    const { code, stderr } = await running.ended
    expect([code, stderr]).toEqual([0, ''])
  })
})

describe('a signal during a run', () => {
  async function started(...args: string[]): Promise<Running> {
    const running = startCli(['pipeline', 'slow', ...args], { env: env() })
    void running.ended.then(({ stderr }) => stderr && process.stderr.write(stderr))
    await vi.waitFor(() => expect(running.stdout()).toContain('wait: waiting'), WITHIN)
    return running
  }

  const unfinished = () =>
    query(`select state from metadata.dag_run where state in ('running', 'queued')
           union all select state from metadata.task_instance
             where state not in ('success', 'failed', 'skipped', 'upstream_failed')
           union all select state from metadata.job where state = 'running'`)
  const latest = async () =>
    JSON.parse((await runCli(['runs', 'show', 'slow', 'latest', '-o', 'json'], { env: env() })).stdout)

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s: exit %i, everything recorded, nothing left running', async (signal, code) => {
    const running = await started()
    expect(await unfinished()).not.toEqual([])
    running.process.kill(signal)
    const ended = await running.ended
    expect(ended.code).toBe(code)
    expect(plain(ended)).toEqual([
      'slow RUN',
      '▸ wait   running',
      '  wait: waiting',
      '✖ wait   failed TIME  interrupted',
      '✖ after  upstream_failed      wait failed',
      '✖ run failed in TIME: wait failed: interrupted',
    ])
    expect(ended.stdout + ended.stderr).not.toMatch(/\n\s+at /)
    expect(await unfinished()).toEqual([])
    expect(await latest()).toMatchObject({
      state: 'failed',
      reason: 'wait failed: interrupted',
      task_instances: [
        { task_id: 'wait', state: 'failed', reason: 'interrupted', try_number: 1 },
        { task_id: 'after', state: 'upstream_failed', reason: 'wait failed', try_number: 0 },
      ],
    })
  })

  test('a task that ignores its signal is abandoned after 10 s', async () => {
    const running = await started('--conf', '{"stubborn":true}')
    const asked = Date.now()
    running.process.kill('SIGTERM')
    expect((await running.ended).code).toBe(143)
    // Otherwise it would run for two minutes.
    expect(Date.now() - asked).toBeLessThan(20_000)
    expect(await unfinished()).toEqual([])
  })

  test('a task of a run that another process cancels can use the database until it has stopped', async () => {
    const running = await started('--conf', '{"tidies":true}')
    const cancelled = await runCli(['runs', 'cancel', 'slow', 'latest'], { env: env() })
    expect(cancelled.code).toBe(0)
    const { code, stdout, stderr } = await running.ended
    expect([code, stderr]).toEqual([1, ''])
    expect(stdout).toContain('run failed')
    const logs = await runCli(['tasks', 'logs', 'slow', 'latest', 'wait'], { env: env() })
    expect(logs.stdout).toContain('tidied up')
    expect(await unfinished()).toEqual([])
  })

  test('a second signal does not wait for a task that ignores the first one; the run is recorded', async () => {
    const running = await started('--conf', '{"stubborn":true}')
    running.process.kill('SIGINT')
    await vi.waitFor(async () => expect((await latest()).state).toBe('failed'), WITHIN)
    const asked = Date.now()
    running.process.kill('SIGINT')
    expect((await running.ended).code).toBe(130)
    expect(Date.now() - asked).toBeLessThan(5_000)
    expect(await query(`select state from metadata.task_instance where state = 'running'`)).toEqual([])
  })
})
