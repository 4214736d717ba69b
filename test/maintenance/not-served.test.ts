import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { listUnserved, whyNoWorker } from '../../src/maintenance/not-served.ts'
import { graphHash } from '../../src/metadata/dags.ts'
import { useDatabase } from '../support/database.ts'
import { aJob, aRun } from '../support/factories.ts'
import { type OpenSite, openSite } from '../web/site.ts'

const run = () => {}
const etl = dag('etl', {}, ({ task }) => [task('load', { queue: 'gpu', run }), task('check', { run })])
const dags = new Map([[etl.id, etl]])
const LOADED = { etl: graphHash(etl.graph) }

const database = useDatabase()
let site: OpenSite
beforeAll(async () => {
  site = await openSite(database, { dags: [etl] })
})
afterAll(() => site.close())
beforeEach(async () => {
  await database.pool.query('truncate metadata.dag, metadata.job cascade')
  await aRun(site.metadata, {
    dagId: 'etl',
    runId: 'waits',
    state: 'running',
    tasks: { load: 'queued', check: 'queued' },
  })
  await database.pool.query('update metadata.task_instance set try_number = 1, queued_at = now()')
})

const aWorker = (facts: Parameters<typeof aJob>[1] = {}) =>
  aJob(site.metadata, { kind: 'worker', dags: LOADED, ...facts })
const briefs = async (known = dags) =>
  (await listUnserved(site.metadata, known)).map(({ task_id, brief }) => `${task_id}: ${brief}`)

test('no task is served without a worker, even if its dag is not loaded here', async () => {
  const none = ['check: no worker is running', 'load: no worker is running']
  expect(await briefs()).toEqual(none)
  expect(await briefs(new Map())).toEqual(none)
  expect(await whyNoWorker(site.metadata, etl)).toMatch(
    /^No worker is running, so no task of dag 'etl' can start\. Start/,
  )
})

test('a worker with another version of the dag does not serve it', async () => {
  await aWorker({ dags: { etl: 'other' }, queues: ['default', 'gpu'] })
  const brief = 'no worker has loaded this version of the dag'
  expect(await briefs()).toEqual([`check: ${brief}`, `load: ${brief}`])
  expect(await briefs(new Map())).toEqual([])
})

test('a queue is served only by workers that have also loaded this version of the dag', async () => {
  await aWorker({ queues: ['default'] })
  expect(await briefs()).toEqual([`load: no worker serves queue 'gpu'`])
  expect(await whyNoWorker(site.metadata, etl)).toMatch(/ cannot start\. Start a worker with WORKER_QUEUES=gpu$/)
  await aWorker({ dags: { etl: 'other' }, queues: ['gpu'] })
  expect(await briefs()).toEqual([`load: no worker serves queue 'gpu'`])
  expect(await whyNoWorker(site.metadata, etl)).toMatch(
    / cannot start\. Restart worker \(.*\) with the same pipelines$/,
  )
  await aWorker({ queues: ['gpu'] })
  expect(await briefs()).toEqual([])
  expect(await whyNoWorker(site.metadata, etl)).toBeUndefined()
})

test('a worker that records no queues, because it is older, counts as serving them all', async () => {
  await aWorker({ queues: null })
  expect(await briefs()).toEqual([])
})

test('the pages of a run, its dag and its task, the form and the API say which queue no worker serves', async () => {
  await aWorker({ queues: ['default'] })
  const message = `No worker serves queue &#39;gpu&#39; of dag &#39;etl&#39;, so its tasks`
  const brief = `no worker serves queue &#39;gpu&#39;`
  const text = async (path: string) => (await site.get(path)).text
  expect(await text('/dags/etl/runs/waits')).toContain(message)
  expect((await text('/dags/etl/runs/waits')).split(brief)).toHaveLength(2)
  expect(await text('/dags/etl')).toContain(message)
  expect(await text('/dags/etl/runs/waits/tasks/load')).toContain(brief)
  expect(await text('/dags/etl/runs/waits/tasks/check')).not.toContain('no worker')
  await aJob(site.metadata, { kind: 'scheduler', dags: LOADED, version: '0.1.0' })
  expect(await text('/dags/etl/trigger')).toContain(message)
  const { waiting_for, task_instances } = JSON.parse(await text('/api/v1/dags/etl/dagRuns/waits'))
  expect(waiting_for).toMatch(/^No worker serves queue 'gpu' of dag 'etl'/)
  const reasons = task_instances.map((one: { waiting_for: string | null }) => one.waiting_for)
  expect(reasons.sort()).toEqual([`no worker serves queue 'gpu'`, null].sort())
})
