import { expect, test } from 'vitest'
import { type Ended, runCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'

const database = useDatabase()

const cli = (line: string): Promise<Ended> =>
  runCli(line.split(' '), { env: { DATABASE_URL: database.connectionString } })

async function latest(): Promise<{ state: string; tasks: Record<string, string> }> {
  const { state, task_instances } = JSON.parse((await cli('runs show chain latest -o json')).stdout)
  const tasks = task_instances.map((task: { task_id: string; state: string }) => [task.task_id, task.state])
  return { state, tasks: Object.fromEntries(tasks) }
}

test('runs clear queues the failed tasks again, and says that no process executes them', async () => {
  expect((await cli('pipeline chain --conf {"fail":"second"}')).code).toBe(1)
  const dry = await cli('runs clear chain latest --only-failed --dry-run')
  expect([dry.code, dry.stdout]).toEqual([0, expect.stringMatching(/^Would clear second, third of manual__\S+\n$/)])
  expect((await latest()).state).toBe('failed')
  const { code, stdout, stderr } = await cli('runs clear chain latest --only-failed')
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/^Cleared second, third of manual__\S+\nNo process is executing runs, .*npm start\n$/)
  expect(await latest()).toEqual({ state: 'queued', tasks: { first: 'success', second: 'none', third: 'none' } })
  expect((await cli('runs clear chain latest --only-failed')).stdout).toMatch(/^Nothing to clear in manual__/)
})

test('tasks mark sets the state of a task without running it', async () => {
  const missing = await cli('tasks mark chain latest second success')
  expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining("'second' has an output schema")])
  const { code, stdout } = await cli('tasks mark chain latest second success --value 7')
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^Marked second success in manual__/)])
  expect((await latest()).tasks.second).toBe('success')
  const wrong = await cli('tasks mark chain latest second running')
  expect([wrong.code, wrong.stderr]).toEqual([2, "✖ A task is marked success, failed or skipped, not 'running'\n"])
})

test('runs cancel ends a run, once', async () => {
  const { code, stdout } = await cli('runs cancel chain latest')
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^Cancelled manual__\S+: third\n$/)])
  expect((await latest()).state).toBe('failed')
  const again = await cli('runs cancel chain latest')
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('has ended already: failed')])
})

test('dags test deletes the record of its run', async () => {
  const before = (await cli('dags runs chain -o json')).stdout
  const { code, stdout } = await cli('dags test chain')
  expect([code, stdout]).toEqual([0, expect.stringContaining('run succeeded')])
  expect((await cli('dags runs chain -o json')).stdout).toBe(before)
  const { rows } = await database.pool.query(`select nspname from pg_namespace where nspname like 'tminus_test%'`)
  expect(rows).toEqual([])
})

test('pools set and list', async () => {
  expect((await cli('pools set api 2 --description quota')).stdout).toBe('Pool api has 2 slots\n')
  expect((await cli('pools list')).stdout).toBe('pool  slots  used  description\napi   2      0     quota\n')
  expect(JSON.parse((await cli('pools list -o json')).stdout)).toEqual([
    { pool: 'api', slots: 2, used: 0, description: 'quota' },
  ])
  const wrong = await cli('pools set api many')
  expect([wrong.code, wrong.stderr]).toEqual([2, '✖ Slots must be a whole number from 0\n'])
})

test('jobs list', async () => {
  const jobs = JSON.parse((await cli('jobs list -o json')).stdout)
  expect(jobs[0]).toMatchObject({
    kind: 'pipeline',
    state: 'success',
    code_version: expect.stringMatching(/^[0-9a-f]{16}$/),
  })
  expect((await cli('jobs list')).stdout).toMatch(/^job_id +kind +state +process/)
})

test('a missing pool is reported before the run starts; dags test needs no pool', async () => {
  const pooled = (line: string) =>
    runCli(line.split(' '), { env: { DATABASE_URL: database.connectionString, PIPELINES_DIR: 'pool-pipelines' } })
  const said =
    "✖ Dag 'pooled' needs the pool 'quota', which does not exist; create it: npm run cli -- pools set quota 1\n"
  for (const line of ['pipeline pooled', 'dags trigger pooled'])
    expect(await pooled(line)).toMatchObject({ code: 2, stderr: said })
  expect((await pooled('dags runs pooled -o json')).stdout).toBe('[]\n')
  expect((await pooled('dags test pooled')).stdout).toContain('run succeeded')
})
