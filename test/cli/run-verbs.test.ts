import { describe, expect, test, vi } from 'vitest'
import { type Ended, type Running, runCli, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { WITHIN } from '../support/within.ts'

const database = useDatabase()

const env = () => ({ DATABASE_URL: database.connectionString })
const cli = (line: string): Promise<Ended> => runCli(line.split(' '), { env: env() })

/** Executes queued runs for as long as `work` takes. */
async function withScheduler(work: () => Promise<void>): Promise<void> {
  const running = startCli(['scheduler'], { env: env() })
  try {
    await vi.waitFor(async () => expect((await cli('jobs check')).code).toBe(0), WITHIN)
    await work()
  } finally {
    running.process.kill('SIGTERM')
    await running.ended
  }
}

const says = (running: Running, text: string) => vi.waitFor(() => expect(running.stdout()).toContain(text), WITHIN)

describe('the structure of a dag, without a database', () => {
  const alone = (line: string) => runCli(line.split(' '))

  test('dags show draws its tasks as a tree', async () => {
    const { code, stdout } = await alone('dags show chain')
    expect(code).toBe(0)
    expect(stdout).toContain('\nfirst\n└─ second\n   └─ third\n')
    expect(stdout).toMatch(/^schedule +manual runs only$/m)
    expect(stdout).toMatch(/^params +fail$/m)
  })

  test('dags show --mermaid', async () => {
    const { stdout } = await alone('dags show chain --mermaid')
    expect(stdout).toBe('graph LR\n  t0["first"]\n  t1["second"]\n  t2["third"]\n  t0 --> t1\n  t1 --> t2\n')
  })

  test('dags show -o json, and tasks list', async () => {
    const shown = JSON.parse((await alone('dags show chain -o json')).stdout)
    expect(shown).toMatchObject({ dag_id: 'chain', schedule: null, max_active_runs: 16 })
    const tasks = JSON.parse((await alone('tasks list chain -o json')).stdout)
    expect(tasks).toEqual(shown.tasks)
    expect(tasks[1]).toMatchObject({ task_id: 'second', upstream: ['first'], trigger_rule: 'all_success', retries: 0 })
    expect((await alone('tasks list chain')).stdout).toMatch(/^third +second +all_success +0$/m)
  })
})

describe('a queued run', () => {
  test('stays queued while no process executes runs, and the verb says what to start', async () => {
    const check = await cli('jobs check')
    expect([check.code, check.stdout]).toEqual([1, 'No live process executes runs; start one with npm start\n'])
    const { code, stdout } = await cli('dags trigger chain --logical-date 2026-01-31')
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^Queued manual__2026-01-31T00:00:00.000Z_\w+\nNo process is executing runs, .* npm start\n$/,
    )
    const [run] = JSON.parse((await cli('dags runs chain -o json')).stdout)
    expect(run).toMatchObject({ state: 'queued', run_type: 'manual', logical_date: '2026-01-31T00:00:00.000Z' })
    await withScheduler(async () => {
      await vi.waitFor(async () => {
        const ended = JSON.parse((await cli('runs show chain latest -o json')).stdout)
        expect(ended).toMatchObject({ run_id: run.run_id, state: 'success' })
      }, WITHIN)
    })
  })

  test('with --wait, the outcome of the run is the exit code', () =>
    withScheduler(async () => {
      const good = await cli('dags trigger chain --wait')
      expect([good.code, good.stderr]).toEqual([0, ''])
      expect(good.stdout).toMatch(/^Queued manual__.*\n(.*\n)* {2}third success\nrun success\n$/)
      const bad = await cli('dags trigger chain --wait --conf {"fail":"second"}')
      expect(bad.code).toBe(1)
      expect(bad.stdout).toMatch(
        / {2}second failed: failing on purpose\n(.*\n)*run failed: second failed: failing on purpose\n$/,
      )
    }))

  test('continues after Ctrl-C ends the waiting; tasks logs --follow reads to the end', () =>
    withScheduler(async () => {
      const waiting = startCli(['dags', 'trigger', 'slow', '--wait'], { env: env() })
      await says(waiting, 'wait running')
      const following = startCli(['tasks', 'logs', 'slow', 'latest', 'wait', '--follow'], { env: env() })
      await says(following, 'try 1 info  waiting')
      waiting.process.kill('SIGINT')
      const { code, stdout } = await waiting.ended
      expect([code, stdout]).toEqual([130, expect.stringContaining('The run continues; npm run cli -- runs cancel')])
      expect(JSON.parse((await cli('runs show slow latest -o json')).stdout).state).toBe('running')
      expect((await cli('runs cancel slow latest')).stdout).toMatch(/^Cancelled manual__.*: wait, after\n$/)
      expect(await following.ended).toMatchObject({ code: 0, stderr: expect.not.stringContaining('✖') })
    }))
})

test('tasks clear runs a task again in the same run', async () => {
  const { code, stdout } = await cli('tasks clear chain latest second third')
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^Cleared second, third of manual__/)])
  expect((await cli('tasks clear chain latest first --dry-run')).stdout).toMatch(/^Would clear first of manual__/)
  const { state, task_instances } = JSON.parse((await cli('runs show chain latest -o json')).stdout)
  expect([state, task_instances.map((task: { state: string }) => task.state)]).toEqual([
    'queued',
    ['success', 'none', 'none'],
  ])
})

test('tasks logs explains on standard error why there is no log', async () => {
  const logs = async (run: string, task: string) => {
    const { code, stdout, stderr } = await cli(`tasks logs chain ${run} ${task}`)
    return [code, stdout, stderr]
  }
  await cli('dags trigger chain')
  const waits = 'first has no log: it has not started yet (none: its run is queued)\n'
  expect(await logs('latest', 'first')).toEqual([0, '', waits])
  await cli('pipeline chain --conf {"fail":"second"}')
  const never = 'third has no log: it never started (upstream_failed: second failed)\n'
  expect(await logs('latest', 'third')).toEqual([0, '', never])
  const nothing = 'first has no log: it logged nothing (success)\n'
  expect(await logs('latest', 'first')).toEqual([0, '', nothing])
  const ended = /try 1 info {2}adding .*\n\S+ \S+ try 1 failed: Error: failing on purpose\n {4}at /
  for (const flag of ['', ' --try 1', ' --follow'])
    expect(await logs('latest', `second${flag}`)).toEqual([0, expect.stringMatching(ended), ''])
  expect(await logs('latest', 'third --follow')).toEqual([0, '', never])
})
