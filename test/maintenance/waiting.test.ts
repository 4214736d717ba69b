import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readWaiting } from '../../src/maintenance/stays-queued.ts'
import { runCli, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { aJob, aRun } from '../support/factories.ts'
import { until } from '../support/runner.ts'
import { type OpenSite, openSite } from '../web/site.ts'

const database = useDatabase()
let site: OpenSite
beforeAll(async () => {
  site = await openSite(database)
})
afterAll(() => site.close())

const query = (text: string) => database.pool.query(text)
beforeEach(() => query('truncate metadata.dag, metadata.job cascade'))

const RUN = { dag_id: 'etl', run_id: 'waits', state: 'queued' as const }
const queue = () => aRun(site.metadata, { dagId: RUN.dag_id, runId: RUN.run_id, state: RUN.state })
const reason = async () => (await readWaiting(site.metadata, new Map(), [RUN]))(RUN)

/** A running run of a dag, with running task instances, in the process that has loaded no other dag. */
async function running(dagId: string, tasks = 1): Promise<void> {
  const states = Object.fromEntries(Array.from({ length: tasks }, (_, index) => [`task${index}`, 'running' as const]))
  await aRun(site.metadata, { dagId, runId: 'running', state: 'running', tasks: states })
}

describe('a queued run waits', () => {
  beforeEach(queue)

  test('for a process, if none executes runs', async () => {
    expect(await reason()).toMatch(/^No process is executing runs, .* Start one with npm start$/)
  })

  test('for a process that has loaded its dag, and the processes are named', async () => {
    await aJob(site.metadata, { dags: { other: 'placed' } })
    expect(await reason()).toMatch(
      /^No running process has loaded dag 'etl', .* Restart start \(process \d+ on .*\): it/,
    )
  })

  test('for a process that has loaded its version, if the run has the newest one', async () => {
    await aJob(site.metadata, { dags: { etl: 'before' } })
    expect(await reason()).toMatch(/^start \(process .*\) has loaded another version of dag 'etl', .* Restart it$/)
    await query(`insert into metadata.dag_version (dag_id, hash, graph) values ('etl', 'newest', '[]')`)
    expect(await reason()).toBeNull()
  })

  test('for room, if as many runs of its dag are running as its max_active_runs', async () => {
    await running('etl')
    expect(await reason()).not.toContain('room')
    await query('update metadata.dag set max_active_runs = 1')
    expect(await reason()).toBe('Waits for room: 1 of 1 runs of this dag are running (max_active_runs)')
  })

  test('for a free slot, if the processes that have loaded its dag run other task instances', async () => {
    await running('other', 2)
    await aJob(site.metadata, { dags: { other: 'placed' } })
    const slot = 'Waits for a free slot: the processes that have loaded this dag run 2 other task instances'
    expect(await reason()).toBe(slot)
    await query(`update metadata.dag_run set queued_at = now() where run_id = 'waits'`)
    expect(await reason()).toBeNull()
  })

  test('only for room, if its process has started it with the verb pipeline', async () => {
    const jobId = await aJob(site.metadata, { kind: 'pipeline' })
    await query(`update metadata.dag_run set job_id = ${jobId}`)
    expect(await reason()).toBeNull()
    await running('etl')
    await query('update metadata.dag set max_active_runs = 1')
    expect(await reason()).toMatch(/^Waits for room: 1 of 1 /)
  })

  test('for nothing, if a process may take it at once', async () => {
    await aJob(site.metadata, { dags: { etl: 'placed' } })
    expect(await reason()).toBeNull()
  })
})

test('a run of a paused dag does not wait', async () => {
  await queue()
  await aJob(site.metadata, { dags: { etl: 'placed' } })
  await query('update metadata.dag set is_paused = true')
  expect(await reason()).toBeNull()
})

test('terminal, page and API show what a queued run waits for', async () => {
  await queue()
  await running('etl')
  await query('update metadata.dag set max_active_runs = 1')
  const why = 'Waits for room: 1 of 1 runs of this dag are running (max_active_runs)'
  // A process counts as alive for 15 s after its last heartbeat, which is shorter than this test on a busy machine.
  const beat = () => query('update metadata.job set heartbeat_at = now()')
  const cli = async (line: string) => {
    await beat()
    return (await runCli(line.split(' '), { env: { DATABASE_URL: database.connectionString } })).stdout
  }
  expect(await cli('runs show etl waits')).toContain(`etl  waits  queued: ${why}\n`)
  expect(JSON.parse(await cli('runs show etl waits -o json'))).toMatchObject({ waiting_for: why })
  expect(await cli('dags runs etl')).toMatch(/^run_id +state +start +duration +waiting_for\n/)
  expect(await cli('dags runs etl')).toMatch(/^waits +queued +Waits for room: 1 of 1 /m)
  const listed = JSON.parse(await cli('dags runs etl -o json'))
  expect(listed).toMatchObject([
    { run_id: 'running', waiting_for: null },
    { run_id: 'waits', waiting_for: why },
  ])
  await beat()
  expect((await site.get('/dags/etl')).text).toContain(why)
  expect((await site.get('/dags/etl/runs/waits')).text).toContain(why)
  const api = async (path: string) => JSON.parse((await site.get(`/api/v1${path}`)).text)
  expect(await api('/dags/etl/dagRuns/waits')).toMatchObject({ waiting_for: why })
  expect(await api('/dags/etl/dagRuns/running')).toMatchObject({ waiting_for: null })
  expect(await api('/dagRuns?state=queued')).toMatchObject({ dag_runs: [{ waiting_for: why }] })
})

test('dags trigger --wait says what the run waits for', async () => {
  await running('other')
  const env = { DATABASE_URL: database.connectionString }
  const waiting = startCli(['dags', 'trigger', 'chain', '--wait'], { env })
  await until(() => waiting.stdout().includes('Waits for a free slot: '))
  waiting.process.kill('SIGINT')
  await waiting.ended
})
