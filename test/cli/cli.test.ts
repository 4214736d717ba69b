import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { openEmbedded } from '../../src/db/embedded/embedded.ts'
import { type Ended, PIPELINES, runCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { ask } from '../support/embedded.ts'
import { withFolder } from '../support/scratch.ts'

const BROKEN = join(PIPELINES, '../broken-pipelines')

const database = useDatabase()
const cli = (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
  runCli(args, { env: { DATABASE_URL: database.connectionString, ...env } })

/** The run that the listing verbs show: dag chain, whose second task failed. */
let runId = ''
beforeAll(async () => {
  await cli(['pipeline', 'chain'])
  const { stdout } = await cli(['pipeline', 'chain', '--json', '--conf', '{"fail":"second"}'])
  runId = JSON.parse(stdout).run_id
})

describe.concurrent('a wrong command exits with 2 and says what is right', () => {
  test.each([
    ['pipelin chain', /Unknown command 'pipelin'\n\(Did you mean pipeline\?\)/],
    ['dags lst', /Unknown command 'lst'\n\(Did you mean list\?\)/],
    ['pipeline', /Missing required argument 'dag'/],
    ['pipeline chain --jsn', /Unknown option '--jsn'\n\(Did you mean --json\?\)/],
    ['dags list -o yaml', /argument 'yaml' is invalid\. Allowed choices are table, json/],
    ['dags runs chain --limit none', /--limit must be a whole number from 1/],
    ['pipeline chian', /There is no dag 'chian'; did you mean 'chain'\? Known: chain, slow\n/],
    ['pipeline other', /There is no dag 'other'\. Known: chain, slow\n/],
    ['dags runs chian', /There is no dag 'chian'; did you mean 'chain'\? Known: chain, slow\n/],
    ['dags show chian', /There is no dag 'chian'; did you mean 'chain'\?/],
    ['dags trigger chian', /There is no dag 'chian'; did you mean 'chain'\?/],
    ['dags trigger chain --logical-date 2026-02-30', /--logical-date must be a date such as 2026-01-31, or an instant/],
    ['dags trigger chain --conf {"fial":"x"}', /'chain' has no param fial; it has fail/],
    ['tasks list chian', /There is no dag 'chian'; did you mean 'chain'\?/],
    ['runs show chain nope', /Dag 'chain' has no run 'nope'; npm run cli -- dags runs chain lists them\n/],
    ['runs show chain manual__2', /Dag 'chain' has no run 'manual__2'; did you mean 'manual__2\d{3}-.*'\?/],
    ['runs show chian latest', /There is no dag 'chian'; did you mean 'chain'\?/],
    ['runs show slow latest', /Dag 'slow' has no run yet; npm run pipeline slow starts one/],
    ['runs clear chain nope', /Dag 'chain' has no run 'nope'/],
    ['runs cancel chain nope', /Dag 'chain' has no run 'nope'/],
    ['runs clear chain latest --task secnod', /has no task 'secnod'; did you mean 'second'\?/],
    ['tasks clear chain latest secnod', /has no task 'secnod'; did you mean 'second'\?/],
    ['tasks mark chain latest secnod success', /has no task 'secnod'; did you mean 'second'\?/],
    ['tasks logs chain nope second', /Dag 'chain' has no run 'nope'/],
    ['tasks logs chain latest nope', /has no task 'nope'\. Known: first, second, third\n/],
    ['tasks logs chain latest secnd', /has no task 'secnd'; did you mean 'second'\? Known: first, second, third\n/],
    ['tasks logs chain latest second --try 0', /--try must be a whole number from 1/],
    ['', /^Usage: tminus/],
    ['dags', /^Usage: tminus dags/],
  ])('tminus %s', async (line, says) => {
    const { code, stdout, stderr } = await cli(line.split(' ').filter(Boolean))
    expect(stderr).toMatch(says)
    expect(stderr).not.toMatch(/\n\s+at /)
    expect([code, stdout]).toEqual([2, ''])
  })

  test.each([
    'March 3, 2026',
    '3/3/2026',
    'now',
    ' ',
    '2026-03-03T12:00:00',
    '2026-03-03T12:00:00+99:00',
    '0000-03-03',
    '0001-01-01T00:00:00+23:00',
    '+012026-03-03T00:00:00Z',
  ])('tminus dags trigger chain --logical-date "%s"', async (text) => {
    const { code, stdout, stderr } = await cli(['dags', 'trigger', 'chain', '--logical-date', text])
    const says = '✖ --logical-date must be a date such as 2026-01-31, or an instant such as 2026-01-31T12:00:00Z\n'
    expect([code, stdout, stderr]).toEqual([2, '', says])
  })

  test.each([
    ['{"fail":', `--conf must be a JSON object, like '{"name":"value"}'`],
    ['["second"]', `--conf must be a JSON object, like '{"name":"value"}'`],
    ['null', `--conf must be a JSON object, like '{"name":"value"}'`],
    ['{"fail":1}', "--conf does not fit the params of 'chain': fail: "],
  ])('tminus pipeline chain --conf %s', async (conf, says) => {
    const before = await count()
    const { code, stdout, stderr } = await cli(['pipeline', 'chain', '--conf', conf])
    expect(stderr).toContain(says)
    expect([code, stdout]).toEqual([2, ''])
    expect(await count()).toBe(before)
  })
})

async function count(): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>(
    `select count(*) from metadata.dag_run where dag_id = 'chain'`,
  )
  return rows[0]?.count ?? 0
}

test.concurrent.each([
  ['--help', /^Usage: tminus/],
  ['pipeline --help', /Example:\n {2}npm run pipeline rocket-launches\n/],
  ['dags --help', /^Usage: tminus dags/],
  ['tasks --help', /\n {2}mark \[options\] <dag> <run> <task> <state> {2}set the state of a task without\n/],
  ['tasks logs --help', /Example:\n {2}npm run cli -- tasks logs rocket-launches/],
  ['--version', /^\d+\.\d+\.\d+\n$/],
])('tminus %s prints it and ends with 0', async (line, says) => {
  const { code, stdout, stderr } = await cli(line.split(' '))
  expect(stdout).toMatch(says)
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout.split('\n').filter((one) => one.length > 80)).toEqual([])
})

describe.concurrent('unreachable databases and unreadable settings', () => {
  test('an unreachable database: one sentence, exit 1', async () => {
    const DATABASE_URL = 'postgresql://u:hunter2@127.0.0.1:1/d'
    const { code, stdout, stderr } = await cli(['pipeline', 'chain'], { DATABASE_URL })
    expect(stderr).toBe('✖ DATABASE_URL: nothing listens at 127.0.0.1:1; start Postgres there or check host and port\n')
    expect([code, stdout]).toEqual([1, ''])
    const debug = await cli(['pipeline', 'chain'], { DATABASE_URL, LOG_LEVEL: 'debug' })
    expect(debug.stderr).toMatch(/\n {4}at .*\ncaused by .*ECONNREFUSED/s)
    expect(debug.stderr).not.toContain('hunter2')
  })

  test('wrong settings: all named, no value repeated, exit 2', async () => {
    const settings = {
      DATABASE_URL: 'mysql://u:hunter2@h/d',
      CONCURRENCY: 'hunter2',
      LOG_LEVEL: 'hunter2',
      PIPELINES_DIR: '/no/such/folder',
    }
    const { code, stdout, stderr } = await cli(['pipeline', 'chain'], settings)
    expect(stderr).toMatch(/^✖ 4 wrong settings:\n/)
    for (const name of Object.keys(settings)) expect(stderr).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
    expect(stderr).not.toContain('hunter2')
    expect([code, stdout]).toEqual([2, ''])
  })

  test('no database yet: a verb that only reads says what to run, and creates none', async () => {
    await withFolder(async (folder) => {
      const { code, stderr } = await runCli(['dags', 'runs', 'chain'], { env: { DATA_DIR: folder } })
      expect(stderr).toMatch(/^✖ No database exists in .*; run npm run pipeline/)
      expect(code).toBe(1)
    })
  })

  test("without the runner's tables, a verb that only reads says how to create them", async () => {
    const { code, stderr } = await cli(['dags', 'runs', 'chain'], { METADATA_SCHEMA: 'none_yet' })
    expect(stderr).toContain('npm run cli -- db migrate')
    expect(code).toBe(1)
    expect((await cli(['db', 'migrate'], { METADATA_SCHEMA: 'none_yet' })).code).toBe(0)
    const empty = await cli(['dags', 'runs', 'chain', '-o', 'json'], { METADATA_SCHEMA: 'none_yet' })
    expect([empty.code, JSON.parse(empty.stdout)]).toEqual([0, []])
  })

  test('a pipeline that cannot be loaded is listed as an import error; the others still load', async () => {
    const list = await cli(['dags', 'list'], { PIPELINES_DIR: BROKEN })
    expect(list.stdout).toMatch(/^throws .*import error: broken on purpose$/m)
    expect(list.stdout).toMatch(/^no-dag .*import error: its default export is not a dag/m)
    expect(list.stdout).toMatch(/^good +@daily +1 +works$/m)
    expect(list.code).toBe(1)
    expect((await cli(['pipeline', 'good'], { PIPELINES_DIR: BROKEN })).code).toBe(0)
    const broken = await cli(['pipeline', 'throws'], { PIPELINES_DIR: BROKEN })
    expect(broken.stderr).toBe("✖ The dag in folder 'throws' could not be loaded: broken on purpose\n")
    expect(broken.code).toBe(2)
  })
})

describe.concurrent('verbs that list and show', () => {
  test('dags list', async () => {
    const { code, stdout } = await cli(['dags', 'list', '-o', 'json'], { DATABASE_URL: '' })
    expect(code).toBe(0)
    expect(JSON.parse(stdout).map((dag: { dag_id: string }) => dag.dag_id)).toEqual(['chain', 'slow'])
  })

  const SECOND = { task_id: 'second', state: 'failed', try_number: 1, reason: 'failing on purpose' }

  test('runs show latest, in the shape of the contract', async () => {
    const { code, stdout } = await cli(['runs', 'show', 'chain', 'latest', '-o', 'json'])
    const run = JSON.parse(stdout)
    expect([code, run.run_id, run.task_instances[1]]).toEqual([0, runId, expect.objectContaining(SECOND)])
    const keys = ['dag_id', 'run_id', 'run_type', 'state', 'logical_date', 'start_date', 'end_date', 'conf']
    expect(Object.keys(run)).toEqual(expect.arrayContaining([...keys, 'task_instances']))
    const taskKeys = ['task_id', 'state', 'try_number', 'start_date', 'end_date', 'reason']
    for (const task of run.task_instances) expect(Object.keys(task)).toEqual(expect.arrayContaining(taskKeys))
    const byId = await cli(['runs', 'show', 'chain', runId, '-o', 'json'])
    expect(JSON.parse(byId.stdout)).toEqual(run)
    const { stdout: shown } = await cli(['runs', 'show', 'chain', 'latest'])
    expect(shown).toContain(`${runId}  failed: second failed: failing on purpose`)
    expect(shown).toMatch(/^third +upstream_failed +0 .* second failed$/m)
  })

  test('dags runs, newest first', async () => {
    const { code, stdout } = await cli(['dags', 'runs', 'chain', '-o', 'json'])
    const runs = JSON.parse(stdout)
    expect([code, runs.map((run: { state: string }) => run.state)]).toEqual([0, ['failed', 'success']])
    expect(runs[0]).toMatchObject({ run_id: runId, dag_id: 'chain', run_type: 'manual', conf: { fail: 'second' } })
    const { stdout: one } = await cli(['dags', 'runs', 'chain', '--limit', '1'])
    expect(one.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^run_id +state +start +duration$/),
      expect.stringMatching(new RegExp(`^${runId}  failed {2}[-0-9]{10} [:0-9]{8}Z {2}[0-9.]+ m?s$`)),
    ])
  })

  test.each([
    ['dags runs slow', 'slow has no run yet\n'],
    ['pools list', 'There are no pools; npm run cli -- pools set NAME SLOTS creates one\n'],
    ['users list', 'There are no users: on this machine everybody can use the page\n'],
  ])('%s explains an empty list', async (line, stdout) => {
    expect(await cli(line.split(' '))).toEqual({ code: 0, stdout, stderr: '' })
  })

  test('tasks logs', async () => {
    const line =
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ try 1 info {2}adding \{"to":1\}\n[^\n]+ try 1 failed: Error: failing on purpose\n/
    expect((await cli(['tasks', 'logs', 'chain', 'latest', 'second'])).stdout).toMatch(line)
    expect((await cli(['tasks', 'logs', 'chain', runId, 'second', '--try', '1'])).stdout).toMatch(line)
    const { code, stdout, stderr } = await cli(['tasks', 'logs', 'chain', runId, 'second', '--try', '2'])
    expect([code, stdout, stderr]).toEqual([2, '', "✖ Task 'second' has no try 2 in this run; it had 1\n"])
  })
})

describe.concurrent('db url', () => {
  test('prints the address from the settings', async () => {
    const { code, stdout } = await cli(['db', 'url'])
    expect([code, stdout]).toEqual([0, `${database.connectionString}\n`])
  })

  test('starts an embedded server if there is no address, and leaves it running', async () => {
    await withFolder(async (folder) => {
      const first = await runCli(['db', 'url'], { env: { DATA_DIR: folder } })
      expect(first.code).toBe(0)
      const url = first.stdout.trim()
      expect(await ask(url, 'select current_database()')).toBe('tminus')
      expect((await runCli(['db', 'url'], { env: { DATA_DIR: folder } })).stdout).toBe(first.stdout)
      await (await openEmbedded({ dataDir: folder, create: false })).release()
      await expect(ask(url, 'select 1')).rejects.toThrow()
    })
  })
})
