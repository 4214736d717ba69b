import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, expect, test } from 'vitest'
import type { Dag } from '../../src/dag/dag.ts'
import { loadDags } from '../../src/load-dags.ts'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { showRun } from '../../src/operations/list-runs.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { VERSION } from '../../src/version.ts'
import { type Running, runCli, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { until } from '../support/runner.ts'

const PIPELINES = fileURLToPath(new URL('../fixtures/queue-pipelines', import.meta.url))

const database = useDatabase()
const metadata = () => openMetadata(database.pool, 'metadata')
let trained: Dag
let processes: Running[] = []

beforeAll(async () => {
  trained = (await loadDags(PIPELINES)).dags.get('trained') as Dag
  await migrateMetadata(database.pool, 'metadata')
})

afterEach(async () => {
  for (const { process } of processes) process.kill('SIGKILL')
  await Promise.all(processes.map(({ ended }) => ended))
  processes = []
  await database.pool.query('delete from metadata.dag_run')
})

const envOf = (settings: Record<string, string> = {}) => ({
  DATABASE_URL: database.connectionString,
  PIPELINES_DIR: PIPELINES,
  EXECUTOR: 'distributed',
  ...settings,
})

function start(args: string, settings: Record<string, string> = {}): Running {
  const running = startCli(args.split(' '), { env: envOf(settings) })
  processes.push(running)
  return running
}

async function ready(verb: 'scheduler' | 'worker', settings: Record<string, string> = {}): Promise<Running> {
  const running = start(verb, settings)
  await until(() => running.stdout().includes(verb === 'worker' ? 'executing tasks' : 'health at'))
  return running
}

const cli = (args: string, settings: Record<string, string> = {}) => runCli(args.split(' '), { env: envOf(settings) })
const queue = async () => (await enqueue(metadata(), trained, { logicalDate: new Date() })).runId
const show = (runId: string) => showRun(metadata(), 'trained', runId)
const ended = (runId: string) => until(async () => (await show(runId))?.state === 'success')
const isWaiting = (runId: string) => until(async () => (await show(runId))?.task_instances[1]?.state === 'queued')
const pids = async () =>
  (
    await database.pool.query<{ task_id: string; pids: number[] }>(
      `select task_id, array_agg(distinct value::int) as pids from metadata.xcom group by 1 order by 1`,
    )
  ).rows.map(({ pids }) => pids)

const WHY = `No worker serves queue 'gpu' of dag 'trained', so its tasks in that queue cannot start. Start a worker with WORKER_QUEUES=gpu`

const AGAIN = `workers take the tasks of dag 'trained' again`

test('a task runs only on the workers that serve its queue, and a misspelt queue is a warning', async () => {
  const [, usual, gpu] = await Promise.all([
    ready('scheduler'),
    ready('worker', { WORKER_QUEUES: 'default' }),
    ready('worker', { WORKER_QUEUES: 'gpu, gpux', CONCURRENCY: '2' }),
  ])
  const runs = await Promise.all([queue(), queue(), queue(), queue(), queue()])
  for (const runId of runs) await ended(runId)
  expect(await pids()).toEqual([[usual.process.pid], [usual.process.pid], [gpu.process.pid]])
  expect(usual.stdout()).toMatch(/executing tasks of 1 dags, from queue default, at most 4 at a time/)
  expect(usual.stdout()).not.toContain('no loaded dag uses')
  expect(gpu.stdout()).toContain(`no loaded dag uses queue 'gpux' of WORKER_QUEUES; did you mean 'gpu'?`)
  const { rows } = await database.pool.query(
    `select queues, slots, tminus_version from metadata.job where state = 'running' order by pid = $2, pid = $1`,
    [usual.process.pid, gpu.process.pid],
  )
  expect(rows).toEqual([
    { queues: null, slots: null, tminus_version: VERSION },
    { queues: ['default'], slots: 4, tminus_version: VERSION },
    { queues: ['gpu', 'gpux'], slots: 2, tminus_version: VERSION },
  ])
})

test('a task whose queue no worker serves: terminal and checks say so, and it starts once a worker serves the queue', async () => {
  await Promise.all([ready('scheduler'), ready('worker', { WORKER_QUEUES: 'default' })])
  const triggered = await cli('dags trigger trained')
  expect(triggered.stdout).toContain(WHY)
  const runId = (await showRun(metadata(), 'trained', 'latest'))?.run_id ?? ''
  await isWaiting(runId)
  const [shown, json, check, logs] = await Promise.all([
    cli(`runs show trained ${runId}`),
    cli(`runs show trained ${runId} -o json`),
    cli('db check'),
    cli(`tasks logs trained ${runId} train`),
  ])
  expect(shown.stdout.replaceAll(/\s+/g, ' ')).toContain(`running: ${WHY} `)
  expect(shown.stdout).toMatch(/^train +queued +1 .*no worker serves queue 'gpu'$/m)
  expect(JSON.parse(json.stdout)).toMatchObject({
    waiting_for: WHY,
    task_instances: [{ waiting_for: null }, { waiting_for: `no worker serves queue 'gpu'` }, { waiting_for: null }],
  })
  expect(check.stdout.replaceAll(/\s+/g, ' ')).toContain(`fail tries 1 try waits in vain. ${WHY}`)
  expect(check.code).toBe(1)
  expect(logs.stdout + logs.stderr).toContain(`it has logged nothing yet (queued: no worker serves queue 'gpu')`)
  // The query of docs/deploy/README.md, by which KEDA can scale the workers of one queue.
  const jobs = await database.pool.query(`select from tminus_worker.jobs where task_identifier like 'gpu:%'`)
  expect(jobs.rowCount).toBeGreaterThan(0)
  const pipeline = start('pipeline trained')
  await until(async () => {
    const latest = await show('latest')
    return latest?.run_id !== runId && latest?.task_instances[1]?.state === 'queued'
  })
  await ready('worker', { WORKER_QUEUES: 'gpu' })
  await ended(runId)
  const { code, stderr } = await pipeline.ended
  expect(code).toBe(0)
  expect(stderr.split(WHY)).toHaveLength(2)
})

test('a pipeline warns once when its workers have died, and says once that there are workers again', async () => {
  const worker = await ready('worker', { WORKER_QUEUES: 'default' })
  const pipeline = start('pipeline trained')
  let stderr = ''
  pipeline.process.stderr?.on('data', (chunk: string) => {
    stderr += chunk
  })
  await until(async () => (await show('latest'))?.task_instances[1]?.state === 'queued')
  worker.process.kill('SIGKILL')
  const none = `No worker is running, so no task of dag 'trained' can start. Start one with npm run worker`
  await until(() => stderr.includes(none))
  await ready('worker', { WORKER_QUEUES: 'default' })
  await until(() => stderr.split(WHY).length === 3)
  expect(stderr).not.toContain(AGAIN)
  const gate = await database.pool.connect()
  await gate.query('select pg_advisory_lock(77)')
  await ready('worker')
  await until(() => stderr.includes(AGAIN))
  await gate.query('select pg_advisory_unlock(77)')
  gate.release()
  expect((await pipeline.ended).code).toBe(0)
  expect(stderr.split(none)).toHaveLength(2)
  expect(stderr.split(AGAIN)).toHaveLength(2)
})

test('a pipeline of which no worker takes any task is refused', async () => {
  await ready('worker', { WORKER_QUEUES: 'other' })
  const { code, stderr } = await cli('pipeline trained')
  expect([code, stderr]).toEqual([2, expect.stringContaining(`No worker serves queue 'default' of dag 'trained'`)])
})

test('the queue of a task has changed in the code: a try that waits moves to the new queue with the next owner', async () => {
  const [owner] = await Promise.all([ready('scheduler'), ready('worker', { WORKER_QUEUES: 'default' })])
  const runId = await queue()
  await isWaiting(runId)
  owner.process.kill('SIGTERM')
  await owner.ended
  await ready('scheduler', { TRAIN_QUEUE: 'default' })
  await ended(runId)
  expect((await show(runId))?.task_instances[1]).toMatchObject({ state: 'success', try_number: 2 })
})

test('tasks list and dags show name a queue that is not the default one', async () => {
  const [tasks, shown, json] = await Promise.all([
    cli('tasks list trained'),
    cli('dags show trained'),
    cli('dags show trained -o json'),
  ])
  expect(tasks.stdout).toMatch(/ pool +queue\n/)
  expect(tasks.stdout).toMatch(/^train .* gpu$/m)
  expect(shown.stdout).toMatch(/─ train {2}queue gpu$/m)
  expect(shown.stdout.split('queue')).toHaveLength(2)
  const { tasks: listed } = JSON.parse(json.stdout)
  expect(listed.map(({ queue }: { queue: string }) => queue)).toEqual(['default', 'gpu', 'default'])
  expect((await cli('tasks list trained', { TRAIN_QUEUE: 'default' })).stdout).not.toContain('queue')
})

test('with EXECUTOR=local, the queue is ignored', async () => {
  const { code } = await cli('pipeline trained', { EXECUTOR: 'local', WORKER_QUEUES: 'default' })
  expect(code).toBe(0)
})
