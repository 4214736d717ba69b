import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Dag } from '../../src/dag/dag.ts'
import { loadDags } from '../../src/load-dags.ts'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { showRun } from '../../src/operations/list-runs.ts'
import { cancel } from '../../src/operations/operate.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { type Running, runCli, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { until } from '../support/runner.ts'

const PIPELINES = fileURLToPath(new URL('../fixtures/worker-pipelines', import.meta.url))

const database = useDatabase()
const metadata = () => openMetadata(database.pool, 'metadata')
let dags: ReadonlyMap<string, Dag>
let processes: Running[] = []

beforeAll(async () => {
  dags = (await loadDags(PIPELINES)).dags
  await migrateMetadata(database.pool, 'metadata')
})

beforeEach(async () => {
  await database.pool.query(
    `create table effect (run_id text, try_number int, what text, pid int, at timestamptz default clock_timestamp());
     create table held (); insert into held default values`,
  )
})

afterEach(async () => {
  for (const { process } of processes) process.kill('SIGKILL')
  await Promise.all(processes.map(({ ended }) => ended))
  processes = []
  await database.pool.query('drop table effect, held; delete from metadata.dag_run')
})

async function start(verb: 'scheduler' | 'worker', settings: Record<string, string> = {}): Promise<Running> {
  const env = { DATABASE_URL: database.connectionString, PIPELINES_DIR: PIPELINES, EXECUTOR: 'distributed' }
  const running = startCli([verb], { env: { ...env, ...settings } })
  processes.push(running)
  const isReady = () => running.stdout().includes(verb === 'worker' ? 'executing tasks' : 'health at')
  await Promise.race([
    until(async () => isReady()),
    running.ended.then(({ stderr }) => Promise.reject(new Error(stderr))),
  ])
  return running
}

async function queue(dagId: string): Promise<string> {
  return (await enqueue(metadata(), dags.get(dagId) as Dag, { logicalDate: new Date() })).runId
}

const show = async (dagId: string, runId: string) => await showRun(metadata(), dagId, runId)

async function ended(dagId: string, runId: string) {
  await until(async () => ['success', 'failed'].includes((await show(dagId, runId))?.state ?? ''))
  return await show(dagId, runId)
}

const effects = async () =>
  (
    await database.pool.query<{ try_number: number; what: string; pid: number; at: Date }>(
      'select * from effect order by at',
    )
  ).rows

const begun = async (count = 1) => {
  await until(async () => (await effects()).filter(({ what }) => what === 'begun').length >= count)
  return (await effects()).filter(({ what }) => what === 'begun')
}
const letGo = () => database.pool.query('delete from held')
const pidOf = ({ process }: Running) => process.pid

describe('EXECUTOR=distributed', () => {
  test('a scheduler and two workers run a chain: the owner executes nothing, and outputs and logs arrive', async () => {
    const [owner, ...workers] = [await start('scheduler'), await start('worker'), await start('worker')]
    const run = await ended('chain', await queue('chain'))
    expect(run).toMatchObject({ state: 'success' })
    const { rows } = await database.pool.query<{ value: number[] }>(
      `select value from metadata.xcom where task_id = 'third'`,
    )
    const pids = rows[0]?.value ?? []
    expect(pids).toHaveLength(3)
    expect(pids).not.toContain(pidOf(owner as Running))
    expect(workers.map(pidOf)).toContain(pids[0])
    expect(workers.map(pidOf)).toContain(pids[2])
    const left = await database.pool.query(
      `select (select count(*)::int from metadata.task_report) as reports, (select count(*)::int from tminus_worker.jobs) as jobs,
         (select string_agg(message, ' ') from metadata.task_log) as log`,
    )
    expect(left.rows).toEqual([{ reports: 0, jobs: 0, log: 'the first task' }])
  })
})
void cancel
void runCli
void letGo
void begun
