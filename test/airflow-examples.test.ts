import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { chmod, rm } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { Callbacks } from '../src/callbacks/callbacks.ts'
import type { Dag } from '../src/dag/dag.ts'
import { isOver } from '../src/dag/state.ts'
import { loadDags } from '../src/load-dags.ts'
import type { Trigger } from '../src/metadata/dag-runs.ts'
import type { LogLine } from '../src/metadata/transitions.ts'
import { After } from '../src/operations/after.ts'
import { readRuns } from '../src/operations/list-runs.ts'
import { clear } from '../src/operations/operate.ts'
import { captureConsole } from '../src/task-console.ts'
import { nextTick } from '../src/timetable.ts'
import { runCli } from './support/cli.ts'
import { useDatabase } from './support/database.ts'
import { startHttpServer } from './support/http-server.ts'
import {
  notify,
  openTestRunner,
  silent,
  statesOf,
  stored,
  type TestRunner,
  testResources,
  until,
} from './support/runner.ts'

/** The kinds of Airflow's example dags, written for T-minus. docs/from-airflow.md lists which file is which. */
const FOLDER = fileURLToPath(new URL('fixtures/airflow-examples', import.meta.url))
const loaded = loadDags(FOLDER)
const database = useDatabase()

async function openExample(id: string, settings: Record<string, unknown> = {}, slots = 4) {
  const { dags } = await loaded
  const dag = dags.get(id)
  if (dag === undefined) throw new Error(`no example '${id}'`)
  const lines: LogLine[] = []
  const called: string[] = []
  const line = (level: string) => (message: string) => void called.push(`${level} ${message}`)
  const log = () => ({ debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') })
  const resources = { ...testResources(database, [...dags.values()]), settingsOf: () => settings, log }
  const runner = await openTestRunner(database, [...dags.values()], {
    slots,
    resources,
    onLog: (one) => lines.push(one),
  })
  await notify(database, [runner])
  return { dag, runner, resources, lines, called }
}

/** Runs an example; returns the states, outputs and reasons of its tasks, their log lines, and those of callbacks. */
async function run(id: string, settings: Record<string, unknown> = {}, trigger: Partial<Trigger> = {}) {
  const { dag, runner, lines, called } = await openExample(id, settings)
  const ended = await runner.run(dag, trigger)
  return {
    state: ended.state,
    states: statesOf(ended),
    reasons: Object.fromEntries(ended.task_instances.map(({ task_id, reason }) => [task_id, reason])),
    tries: Object.fromEntries(ended.task_instances.map(({ task_id, try_number }) => [task_id, try_number])),
    /** The task ids in the order of their start. */
    order: ended.task_instances
      .flatMap(({ task_id, start_date }) => (start_date ? [{ task_id, at: start_date.getTime() }] : []))
      .sort((a, b) => a.at - b.at)
      .map(({ task_id }) => task_id),
    outputs: await outputsOf(dag.id, ended.run_id),
    lines: lines.map(({ taskId, level, message }) => `${taskId} ${level} ${message}`),
    called,
  }
}

async function outputsOf(dagId: string, runId: string): Promise<Record<string, unknown>> {
  const { rows } = await database.pool.query<{ task_id: string; value: unknown }>(
    `select task_id, value from metadata.xcom join metadata.dag_run using (dag_run_id) where dag_id = $1 and run_id = $2`,
    [dagId, runId],
  )
  return Object.fromEntries(rows.map(({ task_id, value }) => [task_id, value]))
}

/** The same state for these tasks. */
const all = (state: string, ids: readonly string[]) => Object.fromEntries(ids.map((id) => [id, state]))

async function serve(answer: (path: string, method: string, body: string) => [status: number, body?: unknown]) {
  const server = await startHttpServer(async (request, response: ServerResponse) => {
    let body = ''
    for await (const piece of request) body += piece
    const [status, value] = answer(request.url ?? '', request.method ?? '', body)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  })
  onTestFinished(() => server.close())
  return server
}

function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tminus-example-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

/** Midnight of the newest Tuesday, UTC. */
function lastTuesday(): Date {
  const today = Math.floor(Date.now() / 86_400_000)
  // Day 5 of the epoch was a Tuesday.
  return new Date((today - ((today - 5) % 7)) * 86_400_000)
}

const restoreConsole = captureConsole()
afterAll(restoreConsole)

test('docs/from-airflow.md links every example, and shows two of them as they run', () => {
  const doc = readFileSync(new URL('../docs/from-airflow.md', import.meta.url), 'utf8')
  const linked = [...doc.matchAll(/\[(\w+)\]\(\.\.\/test\/fixtures\/airflow-examples\/(\w+)\/dag\.ts\)/g)]
  expect(linked.filter(([, text, folder]) => text !== folder)).toEqual([])
  for (const folder of ['orders', 'dbt']) {
    const file = readFileSync(join(FOLDER, folder, 'dag.ts'), 'utf8')
    expect(doc).toContain(`\`\`\`ts\n${file}\`\`\``)
  }
  expect(new Set(linked.map(([, text]) => text))).toEqual(new Set(readdirSync(FOLDER)))
})

test('every example loads', async () => {
  expect((await loaded).importErrors).toEqual([])
})

test('xcom', async () => {
  const { states, outputs } = await run('xcom')
  expect(states).toEqual(all('success', ['extract', 'transform', 'load']))
  expect(outputs).toEqual({
    extract: { orders: { a: 301.27, b: 433.21, c: 502.22 }, readAt: '2026-11-30T00:00:00.000Z' },
    transform: 1236.7,
    load: '1236.70 at 2026-11-30T00:00:00.000Z',
  })
})

test('bash', async () => {
  const { state, states, outputs, reasons, lines } = await run('bash')
  expect(state).toBe('success')
  expect(states).toEqual({
    ...all('success', ['runme_0', 'runme_1', 'runme_2', 'run_after_loop', 'count_lines', 'run_this_last']),
    this_will_skip: 'skipped',
  })
  expect(outputs).toEqual({ count_lines: 2 })
  expect(reasons.this_will_skip).toBe('echo "no new files"; exit 99 exited with code 99')
  expect(lines).toContainEqual(expect.stringMatching(/^runme_1 info runme_1 of manual__/))
  expect(lines).toContain('this_will_skip info no new files')
})

test('tutorial', async () => {
  const { states, lines } = await run('tutorial', {}, { logicalDate: new Date('2026-11-25T00:00:00Z') })
  expect(states).toEqual(all('success', ['print_date', 'sleep', 'days']))
  const printed = lines.filter((line) => !line.includes('$ '))
  expect(printed).toEqual(['print_date info 2026-11-25', 'days info 2026-11-25', 'days info 2026-12-02'])
})

test.each(['a', 'b', 'c'])('branch: %s', async (choice) => {
  const { state, states, reasons } = await run('branch', {}, { conf: { choice } })
  const others = ['a', 'b', 'c'].filter((option) => option !== choice)
  expect(state).toBe('success')
  expect(states).toEqual({
    ...all('success', ['run_this_first', 'branching', `branch_${choice}`, `follow_${choice}`, 'join']),
    ...all(
      'skipped',
      others.flatMap((option) => [`branch_${option}`, `follow_${option}`]),
    ),
  })
  for (const option of others) expect(reasons[`branch_${option}`]).toBe(`branching chose ${choice}`)
})

test.each([
  ['2026-11-30T14:30:00Z', 'date_in_range', 'branch_weekday'],
  ['2026-11-28T15:00:00Z', 'date_outside_range', 'branch_weekend'],
])('branch_datetime at %s', async (date, ...chosen) => {
  const { states } = await run('branch_datetime', {}, { logicalDate: new Date(date) })
  const options = ['date_in_range', 'date_outside_range', 'branch_weekday', 'branch_weekend']
  expect(states).toEqual({
    ...all('skipped', options),
    ...all('success', ['datetime_branch', 'day_of_week_branch', ...chosen]),
  })
})

test('branch_nested', async () => {
  const inner = await run('branch_nested')
  expect(inner.states).toEqual({
    ...all('success', ['branch_1', 'branch_2', 'true_2', 'join_2', 'false_3', 'join_1']),
    ...all('skipped', ['false_1', 'false_2']),
  })
  const outer = await run('branch_nested', {}, { conf: { inner: false } })
  expect(outer.states).toEqual({
    ...all('success', ['branch_1', 'false_1', 'join_1']),
    ...all('skipped', ['branch_2', 'true_2', 'false_2', 'join_2', 'false_3']),
  })
})

test('short_circuit', async () => {
  const { state, states, reasons } = await run('short_circuit')
  expect(state).toBe('success')
  expect(states).toEqual({
    ...all('success', ['condition_is_true', 'true_1', 'task_8']),
    ...all('skipped', ['condition_is_false', 'false_1', 'false_2', 'short_circuit', 'task_7']),
  })
  expect(reasons.condition_is_false).toBe('the condition is false')
})

test('skip', async () => {
  const { states } = await run('skip')
  expect(states).toEqual({
    ...all('skipped', ['skip_operator_all_success', 'join_all_success', 'final_all_success']),
    ...all('success', ['always_true_all_success', 'always_true_one_success', 'join_one_success', 'final_one_success']),
    skip_operator_one_success: 'skipped',
  })
})

test('latest_only', async () => {
  const old = { runType: 'backfill', logicalDate: new Date('2026-02-01T04:00:00Z') } as const
  const { states } = await run('latest_only', {}, old)
  expect(states).toEqual({
    ...all('skipped', ['latest_only', 'task1', 'task3']),
    ...all('success', ['task2', 'task4']),
  })
  const manual = await run('latest_only')
  expect(manual.states).toEqual(all('success', ['latest_only', 'task1', 'task2', 'task3', 'task4']))
})

test('complex', async () => {
  const { state, states } = await run('complex')
  expect(state).toBe('success')
  expect(Object.values(states)).toEqual(Array(37).fill('success'))
})

test('task_group', async () => {
  const { states, outputs } = await run('task_group')
  expect(Object.keys(states).sort()).toEqual([
    'end',
    ...[1, 2, 3].map((n) => `left.step_${n}`),
    ...[1, 2, 3].map((n) => `right.step_${n}`),
    ...[1, 2, 3].map((n) => `section_1.task_${n}`),
    ...[2, 3, 4].map((n) => `section_2.inner.task_${n}`),
    ...[1, 5].map((n) => `section_2.task_${n}`),
    'start',
  ])
  expect(new Set(Object.values(states))).toEqual(new Set(['success']))
  expect(outputs.end).toBe(5)
})

test('params', async () => {
  const usual = await run('params')
  expect(usual.outputs.print_greetings).toEqual(['Hello Linda!', 'Hello Martha!', 'Hello Thomas!'])
  const conf = { names: ['Ada'], languages: ['german', 'french'], shout: true }
  expect((await run('params', {}, { conf })).outputs.print_greetings).toEqual(['HALLO ADA!', 'BONJOUR ADA!'])
})

test('params: a trigger with wrong parameters is refused', async () => {
  const env = { DATABASE_URL: database.connectionString, PIPELINES_DIR: FOLDER }
  const refused = await runCli(['dags', 'trigger', 'params', '--conf', '{"languages":["latin"]}'], { env })
  expect(refused.code).toBe(2)
  expect(refused.stderr).toContain('languages')
})

test('priority', async () => {
  const { dag, runner, lines } = await openExample('priority', {}, 1)
  await runner.run(dag)
  expect(lines.map(({ message }) => message)).toEqual([3, 2, 1].map((n) => `task_${n}`))
})

test('http', async () => {
  const server = await serve(() => [200, { origin: '203.0.113.7' }])
  const { states, lines } = await run('http', { IP_URL: `${server.origin}/get` })
  expect(states).toEqual(all('success', ['get_ip', 'prepare_email', 'send_email']))
  expect(lines).toEqual(['send_email info to example@example.com: Server connected from 203.0.113.7'])
})

test('documented', async () => {
  const { dag } = await openExample('documented')
  expect(dag).toMatchObject({ owner: 'data team', links: { Runbook: 'https://example.org/runbook' }, doc: /^# Sample/ })
  expect((await run('documented')).states).toEqual(all('success', ['sample_task_1', 'sample_task_2']))
})

test('python', async () => {
  // Stands in for Python, which not every machine has: adds up the list on standard input.
  const python = join(scratchFolder(), 'python')
  writeFileSync(
    python,
    `#!/bin/sh\ncase "$1" in *add-up.py) ;; *) exit 1 ;; esac\necho adding >&2\nread -r json\n` +
      `[ "$json" = '{"amounts":[40,2]}' ] && echo '{"sum": 42}'\n`,
  )
  await chmod(python, 0o755)
  const { states, outputs, lines } = await run('python', { PYTHON: python })
  expect(new Set(Object.values(states))).toEqual(new Set(['success']))
  expect(outputs).toEqual({ print_the_context: 'Whatever you return is the output', external_python: { sum: 42 } })
  expect(lines).toContain('sleep_for_2 info slept for 2')
  expect(lines).toContain('external_python warn adding')
})

test('sensors', async () => {
  const conf = { file: join(scratchFolder(), 'there') }
  const { state, states, reasons } = await run('sensors', {}, { logicalDate: lastTuesday(), conf })
  expect(state).toBe('success')
  expect(states).toEqual({
    ...all('success', [
      'wait_some_time',
      'until_time',
      'shell_succeeds',
      'remove_file',
      'wait_for_file',
      'create_file',
    ]),
    ...all('skipped', ['until_next_month', 'check_is_never_true', 'is_monday']),
    print_date: 'success',
  })
  expect(reasons.is_monday).toBe('waited for 0.1 s')
})

test('late', async () => {
  const { dag, runner, resources, called } = await openExample('late')
  const file = join(scratchFolder(), 'there')
  const ended = runner.run(dag, { conf: { file } })
  const callbacks = new Callbacks({ db: runner.metadata, resources, log: silent })
  const filter = { jobId: runner.jobId, ownerless: false }
  await until(async () => {
    await callbacks.callForLateRuns(new Map([[dag.id, dag]]), filter)
    return called.length > 0
  })
  writeFileSync(file, '')
  expect(statesOf(await ended)).toEqual(all('success', ['wait', 'work']))
  expect(called).toEqual(['warn late, waits for wait'])
})

test('callbacks', async () => {
  const { state, states, called } = await run('callbacks')
  expect(state).toBe('failed')
  expect(states).toEqual({ fails: 'failed', after: 'upstream_failed', watcher: 'success' })
  expect(called).toEqual([
    'info fails, try 1, is tried again',
    'error fails failed: on purpose',
    'error callbacks failed in fails',
  ])
})

test('retry_policy', async () => {
  const asked: Record<string, number> = {}
  const server = await serve((path) => {
    const times = (asked[path] ?? 0) + 1
    asked[path] = times
    return [path === '/forbidden' ? 403 : times > 2 ? 200 : path === '/busy' ? 429 : 500]
  })
  const { states, tries, reasons } = await run('retry_policy', { API_URL: server.origin })
  expect(states).toEqual({ busy: 'success', forbidden: 'failed', flaky: 'success' })
  expect(tries).toEqual({ busy: 3, forbidden: 1, flaky: 3 })
  expect(reasons.forbidden).toBe('the key is refused')
})

test('isolated', async () => {
  const env = { DATABASE_URL: database.connectionString, PIPELINES_DIR: FOLDER }
  const ended = await runCli(['pipeline', 'isolated'], { env })
  expect(ended.code).toBe(0)
  const { rows } = await database.pool.query<{ run_id: string }>(
    "select run_id from metadata.dag_run where dag_id = 'isolated'",
  )
  const outputs = await outputsOf('isolated', rows[0]?.run_id ?? '')
  expect(outputs).toEqual({ own_process: expect.any(Number), other_machine: true })
})

test('object_storage', async () => {
  const objects: Record<string, string> = {}
  const server = await serve((path, method, body) => {
    if (path === '/air') return [200, ['Turku', 'Oulu'].map((station, n) => ({ station, temperature: n - 4 }))]
    if (method === 'PUT') objects[path] = body
    return [200, JSON.parse(objects[path] ?? 'null')]
  })
  const settings = { API_URL: `${server.origin}/air`, STORE_URL: `${server.origin}/bucket` }
  const { states, outputs } = await run('object_storage', settings, { logicalDate: new Date('2026-11-30T00:00:00Z') })
  expect(states).toEqual(all('success', ['get_air_quality_data', 'analyze']))
  expect(Object.keys(objects)).toEqual(['/bucket/air_quality_2026-11-30.json'])
  expect(outputs.analyze).toBe(-3)
})

test('templates', async () => {
  const dates = { logicalDate: new Date('2026-11-30T00:00:00Z'), dataIntervalStart: new Date('2026-11-29T00:00:00Z') }
  const { outputs } = await run('templates', {}, { ...dates, conf: { factor: 3 } })
  expect(outputs).toEqual({ total: 60, report: 'templates 2026-11-30: 60' })
})

test('generated', async () => {
  expect((await run('report_eu')).outputs.total).toBe(250)
  expect((await run('report_us')).outputs.total).toBe(200)
})

test('loop', async () => {
  const { outputs, lines } = await run('loop')
  expect(outputs.finished).toBe('1.41421')
  expect(lines).toHaveLength(4)
})

test('job_handle', async () => {
  const keys: string[] = []
  let polls = 0
  const server = await serve((path, method, body) => {
    if (method === 'POST') return [200, { id: `job-${keys.push(JSON.parse(body).key)}` }]
    polls++
    if (polls === 1) return [503]
    return [200, { id: path.slice(6), state: polls > 3 ? 'done' : 'running', rows: 412 }]
  })
  const { states, outputs } = await run('job_handle', { JOBS_URL: server.origin })
  expect(states).toEqual(all('success', ['submit', 'poll', 'rows_written']))
  expect(outputs).toEqual({ submit: 'job-1', rows_written: 412 })
  expect(keys).toHaveLength(1)
})

test('watermark', async () => {
  const first = await run('watermark', {}, { logicalDate: new Date('2026-01-11T00:00:00Z') })
  expect(first.outputs.load).toEqual({ since: '2026-01-01T00:00:00.000Z', rows: 10 })
  const second = await run('watermark', {}, { logicalDate: new Date('2026-01-12T00:00:00Z') })
  expect(second.outputs.load).toEqual({ since: '2026-01-11T00:00:00.000Z', rows: 1 })
  const third = await run('watermark', {}, { logicalDate: new Date('2026-01-14T00:00:00Z') })
  expect(third.outputs.load).toEqual({ since: '2026-01-12T00:00:00.000Z', rows: 2 })
})

test('setup_teardown', async () => {
  const setups = ['root_setup', 'normal', 'section_1.setup']
  const ids = [...setups, 'section_1.normal', 'section_1.teardown', 'root_teardown']
  expect((await run('setup_teardown')).states).toEqual(all('success', ids))
  const { state, states, order, lines } = await run('setup_teardown', {}, { conf: { fails: true } })
  expect(state).toBe('failed')
  expect(states).toEqual({ ...all('success', ids), 'section_1.normal': 'failed' })
  expect(order).toEqual(ids)
  expect(lines).toEqual(['root_teardown info deleting cluster-1'])
})

test('orders', async () => {
  const { states, reasons } = await run('orders')
  expect(states).toEqual({ count: 'success', choose: 'success', load: 'success', stop: 'skipped' })
  expect(reasons.stop).toBe('choose chose load')
})

test('dbt', async () => {
  const { states, lines } = await run('dbt', { DBT: 'echo', DBT_TARGET: 'dev' })
  expect(states).toEqual(all('success', ['seed', 'run', 'test']))
  const printed = lines.filter((line) => !line.includes('$ '))
  expect(printed).toEqual(['seed', 'run', 'test'].map((command) => `${command} info ${command} --target dev`))
})

test('workday', async () => {
  const { dag } = await openExample('workday')
  const ticks: string[] = []
  for (let tick: Date | undefined = new Date('2026-12-24T00:00:00Z'); ticks.length < 5; ) {
    tick = nextTick(dag, tick)
    if (tick === undefined) break
    ticks.push(tick.toISOString().slice(0, 16))
  }
  const days = ['2026-12-24T17:00', '2026-12-25T17:00', '2026-12-26T11:00', '2026-12-27T09:00', '2026-12-28T17:00']
  expect(ticks).toEqual(days)
  const runOf = (day: string) => run('workday', {}, { runType: 'scheduled', logicalDate: new Date(`${day}:00Z`) })
  expect((await runOf('2026-12-24T17:00')).states).toEqual(all('success', ['is_workday', 'run_this']))
  const holiday = await runOf('2026-12-25T17:00')
  expect(holiday.states).toEqual(all('skipped', ['is_workday', 'run_this']))
  expect(holiday.reasons.is_workday).toBe('2026-12-25 is a holiday')
})

test('mapping', async () => {
  const usual = await run('mapping')
  const elements = [0, 1, 2].flatMap((index) => [`times_two[${index}]`, `add_ten[${index}]`])
  const tasks = ['get_numbers', 'times_two', 'doubled', 'add_ten', 'sum_it']
  expect(usual.states).toEqual(all('success', [...tasks, ...elements]))
  expect(usual.outputs).toMatchObject({ doubled: [2, 4, 6], sum_it: 42 })
  const longer = await run('mapping', {}, { conf: { numbers: [10, 20, 30, 40] } })
  expect(longer.outputs.sum_it).toBe(240)
  const empty = await run('mapping', {}, { conf: { numbers: [] } })
  expect(empty.states).toEqual({ ...all('skipped', tasks), get_numbers: 'success' })
})

test('branch_and_past', async () => {
  const { dag, runner } = await openExample('branch_and_past')
  const at = (minute: number) =>
    ({ runType: 'scheduled', logicalDate: new Date(Date.UTC(2026, 10, 30, 6, minute)) }) as const
  expect(statesOf(await runner.run(dag, at(0)))).toEqual({
    should_run: 'success',
    empty_task_1: 'success',
    empty_task_2: 'skipped',
  })
  expect(statesOf(await runner.run(dag, at(1)))).toEqual({
    should_run: 'success',
    empty_task_1: 'skipped',
    empty_task_2: 'success',
  })
  expect([...dag.tasks.values()].map(({ dependsOnPast }) => dependsOnPast)).toEqual([true, true, true])
})

/** Runs an example that starts a run of another dag; returns the states and outputs of that run too. */
async function runWithChild(id: string, childId: string) {
  const { dags } = await loaded
  const { dag, runner } = await openExample(id)
  await runner.runner.claim({ dagIds: [...dags.keys()], onlyBegun: false })
  const ended = await runner.run(dag)
  return { states: statesOf(ended), outputs: await outputsOf(id, ended.run_id), child: await newestOf(runner, childId) }
}

async function newestOf({ metadata }: TestRunner, dagId: string) {
  const newest = async () => (await readRuns(metadata, { dagId, limit: 1 }))[0]
  await until(async () => isOver((await newest())?.state ?? 'success'))
  const run = await newest()
  if (run === undefined) return undefined
  return { states: statesOf(await stored(metadata, dagId, run.run_id)), outputs: await outputsOf(dagId, run.run_id) }
}

/** A process that also starts dags after other ones. `check` returns the dags that got a run, which have ended. */
async function openFollowers() {
  const { dags } = await loaded
  const { runner } = await openExample('marker_parent')
  const after = new After({ db: runner.metadata, dags: dags.values(), log: silent })
  onTestFinished(() => after.stop())
  await after.check()
  await runner.runner.claim({ dagIds: [...dags.keys()], onlyBegun: false })
  const following = async () =>
    (await readRuns(runner.metadata, { dagId: null, limit: 1_000 })).filter(({ run_id }) =>
      run_id.startsWith('after__'),
    )
  const check = async (): Promise<string[]> => {
    const before = (await following()).length
    await after.check()
    await until(async () => (await following()).every(({ state }) => isOver(state)))
    const found = await following()
    return found.slice(0, found.length - before).map(({ dag_id }) => dag_id)
  }
  return { dags, runner, check }
}

test('trigger', async () => {
  const { states, outputs, child } = await runWithChild('trigger_controller', 'trigger_target')
  expect(states).toEqual(all('success', ['trigger_dagrun', 'print']))
  expect(outputs.print).toBe('success: Remotely received: Hello World')
  expect(child).toEqual({ states: { run_this: 'success' }, outputs: { run_this: 'Remotely received: Hello World' } })
})

test('assets', async () => {
  const { dags, runner, check } = await openFollowers()
  const produce = (number: number, day: string) =>
    runner.run(dags.get(`asset_produces_${number}`) as Dag, { logicalDate: new Date(`${day}T00:00:00Z`) })
  await produce(1, '2026-11-28')
  expect((await check()).sort()).toEqual([
    'asset_consumes_1',
    'asset_consumes_1_or_2',
    'asset_consumes_1_or_both_2_and_3',
    'conditional_asset_and_time_based_timetable',
  ])
  await produce(2, '2026-11-29')
  expect((await check()).sort()).toEqual(['asset_consumes_1_and_2', 'asset_consumes_1_or_2'])
  await produce(3, '2026-11-30')
  expect(await check()).toEqual(['asset_2_and_3'])
  expect(await check()).toEqual(['asset_consumes_1_or_both_2_and_3'])
  expect(await newestOf(runner, 'asset_consumes_1_and_2')).toEqual({
    states: { consuming: 'success' },
    outputs: { consuming: 'reads data/2026-11-29.csv' },
  })
})

test('external_task', async () => {
  const { dags, runner, check } = await openFollowers()
  const { state, run_id: runId } = await runner.run(dags.get('marker_parent') as Dag, { conf: { ok: false } })
  expect(state).toBe('failed')
  expect(await check()).toEqual(['marker_child'])
  expect((await newestOf(runner, 'marker_child'))?.states).toEqual(all('success', ['child_task1', 'child_task2']))
  expect(await check()).toEqual([])
  await clear(runner.metadata, { dagId: 'marker_parent', runId }, { taskIds: ['other_task'] })
  await newestOf(runner, 'marker_parent')
  expect(await check()).toEqual([])
  await clear(runner.metadata, { dagId: 'marker_parent', runId }, { taskIds: ['parent_task'] })
  await newestOf(runner, 'marker_parent')
  expect(await check()).toEqual(['marker_child'])
})
