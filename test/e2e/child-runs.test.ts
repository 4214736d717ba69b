import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { Dag } from '../../src/dag/dag.ts'
import { loadDags } from '../../src/load-dags.ts'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { cancel } from '../../src/operations/operate.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { type Running, runCli, startCli } from '../support/cli.ts'
import { allEnded } from '../support/crash.ts'
import { useDatabase } from '../support/database.ts'
import { until } from '../support/runner.ts'

const PIPELINES = fileURLToPath(new URL('../fixtures/child-pipelines', import.meta.url))
/** `CHILD_CRASHES=60 npx vitest run test/e2e/child-runs.test.ts` for the long form. */
const CRASHES = Number(process.env.CHILD_CRASHES ?? 6)

const database = useDatabase()

async function prepare() {
  await migrateMetadata(database.pool, 'metadata')
  await database.pool.query('drop table if exists effect')
  await database.pool.query('create table effect (id bigint generated always as identity, run_id text)')
  await database.pool.query('truncate metadata.dag_run cascade')
  const { dags } = await loadDags(PIPELINES)
  const metadata = openMetadata(database.pool, 'metadata')
  const queue = (conf: Record<string, unknown>) =>
    enqueue(metadata, dags.get('parent') as Dag, { logicalDate: new Date(), conf })
  return { metadata, queue }
}

const env = { PIPELINES_DIR: PIPELINES, LOG_LEVEL: 'error', CONCURRENCY: '4' }
const start = (verb: string, settings: Record<string, string> = {}): Running =>
  startCli([verb], { env: { ...env, DATABASE_URL: database.connectionString, WEB_PORT: '0', ...settings } })

async function stop(processes: readonly Running[]): Promise<void> {
  for (const { process } of processes) process.kill('SIGTERM')
  await Promise.all(processes.map(({ ended }) => ended))
}

async function ready(processes: readonly Running[]): Promise<void> {
  const alive = `select from metadata.job where state = 'running' and backend_pid is not null and pid = any($1::int[])`
  await until(async () => {
    const pids = processes.map(({ process }) => process.pid)
    return (await database.pool.query(alive, [pids])).rowCount === processes.length
  })
}

describe.each([
  ['local', ['scheduler', 'scheduler'], {}],
  ['distributed', ['scheduler', 'worker', 'scheduler', 'worker'], { EXECUTOR: 'distributed' }],
  ['isolated', ['scheduler', 'scheduler'], { ISOLATION: 'all' }],
] as const)('%s', (_, verbs, settings) => {
  test(`kill -9 at ${CRASHES} moments: each task starts exactly one run, and every run ends well`, async () => {
    const { metadata, queue } = await prepare()
    const processes = verbs.map((verb) => start(verb, settings))
    for (let crash = 0; crash < CRASHES; crash++) {
      await ready(processes)
      for (let ms = 0; ms < 800; ms += 100) await queue({ ms })
      await delay(50 + ((crash * 337) % 700))
      const victim = crash % processes.length
      processes[victim]?.process.kill('SIGKILL')
      await processes[victim]?.ended
      processes[victim] = start(verbs[victim] ?? '', settings)
    }
    const begunAt = Date.now()
    // Without notifications, a parent checks only after 60 s.
    await allEnded(metadata, 45_000)
    console.log(`${_}: ended ${Date.now() - begunAt} ms after the last crash`)
    const { rows } = await metadata.query(
      `select (select count(*)::int from metadata.dag_run where dag_id = 'parent') as parents,
         (select count(*)::int from metadata.dag_run where dag_id = 'child') as children,
         (select count(*)::int from metadata.dag_run where state <> 'success') as failed,
         (select count(*)::int from (select from metadata.dag_run where dag_id = 'child'
           group by parent_dag_run_id, parent_task_id having count(*) > 1) x) as doubled,
         (select max(try_number) from metadata.task_instance where task_id = 'load') < 12 as "fewTries"`,
    )
    const parents = CRASHES * 8
    expect(rows).toEqual([{ parents, children: 2 * parents, failed: 0, doubled: 0, fewTries: true }])
    await stop(processes)
  }, 300_000)
})

test('kill -9 of the owner right after a cancel: the children are cancelled by the next process', async () => {
  const { metadata, queue } = await prepare()
  const first = start('scheduler')
  await ready([first])
  const { runId } = await queue({ ms: 600_000 })
  const running = `select from metadata.dag_run where dag_id = 'child' and state = 'running'`
  await until(async () => (await metadata.query(running)).rowCount === 1)
  first.process.kill('SIGSTOP')
  await cancel(metadata, { dagId: 'parent', runId })
  first.process.kill('SIGKILL')
  await first.ended
  const second = start('scheduler')
  await allEnded(metadata, 60_000)
  const { rows } = await metadata.query(
    `select reason from metadata.dag_run where dag_id = 'child' and parent_task_id = 'load'`,
  )
  expect(rows).toEqual([{ reason: `cancelled with parent ${runId}, which started it` }])
  await stop([second])
}, 120_000)

test('pipeline executes the runs that its run starts, with their settings, without any other process', async () => {
  await prepare()
  const settings = { ...env, DATABASE_URL: database.connectionString, CONCURRENCY: '1', GREETING: 'good day' }
  const { code, stdout } = await runCli(['pipeline', 'parent', '--json'], { env: settings })
  expect(code).toBe(0)
  const run = JSON.parse(stdout)
  expect(run).toMatchObject({ state: 'success', parent: null })
  expect(run.children.map((one: { task_id: string }) => one.task_id).sort()).toEqual(['beside', 'load'])
  const shown = await runCli(['runs', 'show', 'parent', 'latest'], { env: settings })
  expect(shown.stdout).toMatch(/load started child triggered__\d+_0_load \(success\)/)
  const child = await runCli(['runs', 'show', 'child', 'latest'], { env: settings })
  expect(child.stdout).toContain(`of parent ${run.run_id} (success)`)
  const { rows } = await database.pool.query(
    `select state, (select value from metadata.xcom x where task_id = 'after') as said from metadata.dag_run`,
  )
  expect(rows).toEqual(Array(3).fill({ state: 'success', said: 'good day' }))
}, 120_000)
