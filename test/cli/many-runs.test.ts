import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { COMMAND, type Ended, runCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { aRun } from '../support/factories.ts'
import { openTestRunner } from '../support/runner.ts'

const database = useDatabase()
const env = () => ({ DATABASE_URL: database.connectionString })
const cli = (line: string): Promise<Ended> => runCli(line.split(' '), { env: env() })
const listed = async (line: string) => JSON.parse((await cli(`${line} -o json`)).stdout)

test('runs list shows the runs of all dags, filtered, page by page', async () => {
  const { metadata } = await openTestRunner(database, [])
  for (const [dagId, runId, state] of [
    ['gone', 'one', 'success'],
    ['gone', 'two', 'failed'],
    ['other', 'three', 'failed'],
  ] as const)
    await aRun(metadata, { dagId, runId, state })
  const page = await cli('runs list --state failed --limit 1')
  expect(page.stdout).toMatch(/^dag_id +run_id +state +start +duration\nother +three +failed .*\n$/)
  const [, next] = /There are more runs: .* --before (\d+)/.exec(page.stderr) ?? []
  expect(await listed(`runs list --state failed --before ${next}`)).toMatchObject([{ dag_id: 'gone', run_id: 'two' }])
  expect(await listed('runs list --dag gone --type scheduled')).toEqual([])
  expect(await listed('runs list --since 2020-01-01 --until 2020-01-02')).toEqual([])
  const wrong = await cli('runs list --state broken')
  expect([wrong.code, wrong.stderr]).toEqual([2, '✖ --state must be one of queued, running, success, failed\n'])
})

test('runs clear with a filter counts first, and clears after a yes', async () => {
  for (let run = 0; run < 2; run++) await cli('pipeline chain --conf {"fail":"second"}')
  const filter = 'runs clear --dag chain --state failed --only-failed --since 2020-01-01'
  const unasked = await cli(filter)
  expect(unasked.stderr).toBe("✖ This clears 4 tasks of 2 runs of 'chain'; add --yes to confirm\n")
  expect(unasked.code).toBe(2)
  expect((await cli(`${filter} --dry-run`)).stdout).toMatch(/^run_id +clears\n(manual__\S+ +second, third\n){2}$/)
  expect(await listed('runs list --dag chain --state failed')).toHaveLength(2)
  const cleared = await cli(`${filter} --yes`)
  expect([cleared.code, cleared.stdout]).toEqual([0, expect.stringContaining('Cleared 4 tasks of 2 runs\n')])
  expect(await listed('runs list --dag chain --state queued')).toHaveLength(2)
  expect((await cli(`${filter} --yes`)).stdout).toBe('No ended run matches, so there is nothing to clear\n')
  for (const line of [
    'runs clear',
    'runs clear chain',
    'runs clear --state failed',
    'runs clear chain latest --dag chain',
  ])
    expect((await cli(line)).stderr).toContain('runs clear takes a dag and a run, or --dag with')
})

test('runs clear --with-current-graph gives a run of older code the tasks of the current code', async () => {
  const { metadata } = await openTestRunner(database, [])
  await aRun(metadata, { dagId: 'chain', runId: 'old', state: 'failed', tasks: { renamed: 'failed' } })
  expect((await cli('runs clear chain old --only-failed')).stdout).toBe('Nothing to clear in old\n')
  const { stdout } = await cli('runs clear chain old --only-failed --with-current-graph')
  expect(stdout).toContain('Cleared first, second, third of old\n')
  const shown = (await cli('runs show chain old')).stdout
  expect(shown).toMatch(/first +none[\s\S]*renamed +failed .*no longer in the graph of this run/)
})

test('dags trigger --run-id queues one run of an id; runs note writes a note', async () => {
  const first = await cli('dags trigger chain --run-id order:7')
  expect([first.code, first.stdout]).toEqual([0, expect.stringMatching(/^Queued order:7\n/)])
  const second = await cli('dags trigger chain --run-id order:7')
  const says = /^Dag 'chain' already has the run order:7 \(queued, .*\), so no run was queued; .* shows it\n$/
  expect([second.code, second.stdout]).toEqual([1, expect.stringMatching(says)])
  expect((await cli('dags trigger chain --run-id latest')).stderr).toContain("'latest' is reserved")
  expect((await cli('runs note chain order:7')).stdout).toBe('Run order:7 has no note\n')
  expect((await cli('runs note chain order:7 late')).stdout).toBe('Noted on order:7\n')
  expect((await cli('runs show chain order:7')).stdout).toContain('\nnote: late\n')
  expect((await cli('runs note chain latest')).stdout).toBe('late\n')
})

test('runs delete and dags delete ask for --yes, and delete', async () => {
  const asked = await cli('runs delete gone two')
  expect([asked.code, asked.stderr]).toEqual([2, expect.stringMatching(/deletes run two of 'gone' .*; add --yes/)])
  // This process counts as one that has loaded no dag.
  await database.pool.query(`update metadata.job set dags = '{}' where dags is null`)
  expect((await cli('runs delete gone two --yes')).stdout).toBe('Deleted two\n')
  expect(await listed('runs list --dag gone')).toMatchObject([{ run_id: 'one' }])
  const dag = await cli('dags delete gone')
  expect([dag.code, dag.stderr]).toEqual([
    2,
    "✖ This deletes dag 'gone' with 1 run, all logs and outputs, and its schedule; add --yes to confirm\n",
  ])
  expect((await cli('dags delete gone --yes')).stdout).toBe("Deleted dag 'gone' and 1 of its runs\n")
  expect((await cli('dags list')).stdout).not.toContain('gone')
  expect((await cli('dags delete gone --yes')).stderr).toContain("There is no dag 'gone'")
  expect((await cli('dags delete chain --yes')).stdout).toContain('Its code is still there')
  expect((await cli('dags list')).stdout).toContain('chain')
})

const hasTerminal = spawnSync('script', ['--version']).status === 0

test.skipIf(!hasTerminal)('on a terminal, delete asks; anything but yes changes nothing', async () => {
  const { metadata } = await openTestRunner(database, [])
  await aRun(metadata, { dagId: 'asked', runId: 'one' })
  const answer = async (input: string) => {
    const line = [...COMMAND, 'runs', 'delete', 'asked', 'one'].map((word) => `'${word}'`).join(' ')
    const script = spawn('script', ['-qec', line, '/dev/null'], { env: { ...process.env, ...env() }, timeout: 30_000 })
    let stdout = ''
    script.stdout.on('data', (data) => {
      // The terminal drops a Ctrl-D that comes before the question.
      if (!stdout.includes('Continue?') && `${stdout}${data}`.includes('Continue?')) script.stdin.write(input)
      stdout += data
    })
    const [status] = await once(script, 'close')
    return { status, stdout }
  }
  const no = await answer('n\n')
  expect([no.status, no.stdout]).toEqual([1, expect.stringMatching(/Continue\? \[y\/N\][\s\S]*Nothing was changed/)])
  expect((await answer('\u0004')).stdout).toContain('Nothing was changed')
  expect(await listed('runs list --dag asked')).toHaveLength(1)
  expect((await answer('y\n')).stdout).toContain('Deleted one')
  expect(await listed('runs list --dag asked')).toEqual([])
})
