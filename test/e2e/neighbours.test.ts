import { fileURLToPath } from 'node:url'
import { Logger, runMigrations, runTaskList } from 'graphile-worker'
import { afterEach, expect, test } from 'vitest'
import type { Dag } from '../../src/dag/dag.ts'
import { type Database, openPool } from '../../src/db/pool.ts'
import { loadDags } from '../../src/load-dags.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { showRun } from '../../src/operations/list-runs.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { type Running, runCli, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { until } from '../support/runner.ts'

const PIPELINES = fileURLToPath(new URL('../fixtures/worker-pipelines', import.meta.url))
const logger = new Logger(() => () => {})

const database = useDatabase()
const ENV = () => ({ DATABASE_URL: database.connectionString, PIPELINES_DIR: PIPELINES, EXECUTOR: 'distributed' })
const metadata = () => openMetadata(database.pool, 'metadata')
const processes: Running[] = []
const pools: Database[] = []

afterEach(async () => {
  for (const { process } of processes) process.kill('SIGKILL')
  await Promise.all(processes.map(({ ended }) => ended))
  await Promise.all(pools.map((pool) => pool.end()))
})

async function start(verb: 'scheduler' | 'worker'): Promise<Running> {
  const running = startCli([verb], { env: { ...ENV(), CONCURRENCY: '4' } })
  processes.push(running)
  await until(() => running.stdout().includes(verb === 'worker' ? 'executing tasks' : 'health at'))
  return running
}

/** Installs graphile-worker for another application, which breaks every engine that listens to its notices. */
async function install(schema: string): Promise<Database> {
  const pool = openPool(database.connectionString, { max: 3 })
  pools.push(pool.on('connect', () => {}))
  await runMigrations({ pgPool: pool, schema, logger })
  return pool
}

async function theirWorker(schema: string) {
  const pgPool = await install(schema)
  const done: unknown[] = []
  const options = { schema, logger, noHandleSignals: true, pollInterval: 100 }
  const worker = runTaskList(options, { greet: async (payload) => void done.push(payload) }, pgPool)
  let isStopped = false
  void worker.promise.then(() => {
    isStopped = true
  })
  const greet = (name: string) => pgPool.query(`select ${schema}.add_job('greet', to_json($1::text))`, [name])
  return { done, greet, stop: () => worker.gracefulShutdown(), isStopped: () => isStopped }
}

test('applications with graphile-worker or Alembic in the same database and T-minus do not notice each other', async () => {
  const { dags } = await loadDags(PIPELINES)
  const queue = async (id: string) =>
    (await enqueue(metadata(), dags.get(id) as Dag, { logicalDate: new Date() })).runId
  const isDone = async (id: string, runId: string) => (await showRun(metadata(), id, runId))?.state === 'success'
  const effects = async () => (await database.pool.query('select what from effect')).rows.map(({ what }) => what)
  await database.pool.query(
    `create table alembic_version (version_num text primary key); insert into alembic_version values ('1975ea83b712');
     create table effect (run_id text, try_number int, what text, pid int, at timestamptz default clock_timestamp());
     create table held (); insert into held default values`,
  )
  const theirs = await theirWorker('graphile_worker')
  await theirs.greet('before')
  await until(() => theirs.done.length === 1)

  const scheduler = await start('scheduler')
  const worker = await start('worker')
  await theirs.greet('after')
  await until(() => theirs.done.length === 2)
  expect(theirs.isStopped()).toBe(false)
  await theirs.stop()

  const held = await queue('held')
  await until(async () => (await effects()).includes('begun'))
  await install('third_application')
  const chain = await queue('chain')
  await until(() => isDone('chain', chain), 20_000)
  expect(await effects()).toEqual(['begun'])
  await database.pool.query('delete from held')
  await until(() => isDone('held', held))

  const { rows } = await database.pool.query(
    `select (select array_agg(version_num) from alembic_version) as alembic,
       (select count(*)::int from graphile_worker.jobs) as theirs, (select count(*)::int from third_application.jobs) as third,
       (select array_agg(tablename::text order by tablename) from pg_tables where schemaname = 'public') as tables`,
  )
  expect(rows).toEqual([
    { alembic: ['1975ea83b712'], theirs: 0, third: 0, tables: ['alembic_version', 'effect', 'held'] },
  ])
  const { stdout } = await runCli(['db', 'check'], { env: ENV() })
  expect(stdout).toMatch(/^ok +engine +schema "tminus_worker" is up to date$/m)
  expect(stdout).toMatch(
    new RegExp(`^ok +workers +worker \\(process ${worker.process.pid} on .*\\) executes tasks$`, 'm'),
  )
  for (const one of [worker, scheduler]) one.process.kill('SIGTERM')
  expect((await worker.ended).code).toBe(0)
  expect((await scheduler.ended).code).toBe(0)
  const cleaned = await runCli(['db', 'clean', '--older-than', '30d'], { env: ENV() })
  expect([cleaned.code, cleaned.stdout]).toEqual([0, expect.stringContaining('Deleted 0 of tminus_worker.jobs\n')])
  await runCli(['db', 'reset', '--yes'], { env: ENV() })
  const left = await database.pool.query(
    `select nspname from pg_namespace where nspname ~ 'worker|metadata|third' order by 1`,
  )
  expect(left.rows.map(({ nspname }) => nspname)).toEqual(['graphile_worker', 'third_application'])
})
