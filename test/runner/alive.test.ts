import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { insertJob, lockClass, reclaimDeadJob } from '../../src/metadata/jobs.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { cancel } from '../../src/operations/operate.ts'
import { Job, type JobListener } from '../../src/runner/job.ts'
import { useDatabase } from '../support/database.ts'
import { openProxy } from '../support/proxy.ts'
import { openTestRunner, silent, stored, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()
const elsewhere = useDatabase()

const deaf: JobListener = { runsWaiting() {}, slotsFreed() {}, runChanged() {}, leaseLost() {} }

async function openJob(connectionString = database.connectionString): Promise<Job> {
  const db = openMetadata(database.pool, 'metadata')
  const job = new Job({ db, connectionString, kind: 'start', dags: [], codeVersion: null, log: silent })
  await job.open()
  onTestFinished(() => job.close('success', null))
  return job
}

async function openCuttable() {
  const proxy = await openProxy(database.connectionString)
  onTestFinished(() => proxy.close())
  return proxy
}

test('after a lost connection, a process notices the changes that users made meanwhile', async () => {
  const proxy = await openCuttable()
  const job = await openJob(proxy.connectionString)
  const endless = dag(uniqueId('endless'), {}, ({ task }) => {
    task('a', { run: (_inputs, { signal }) => delay(60_000, undefined, { signal }) })
  })
  const { runner, metadata } = await openTestRunner(database, [endless], { job })
  await job.listen(runner)
  const run = await runner.run(endless, { logicalDate: new Date() })
  await until(async () => (await stored(metadata, endless.id, run.run.runId)).task_instances[0]?.state === 'running')
  proxy.cut()
  await cancel(metadata, { dagId: endless.id, runId: 'latest' })
  proxy.mend()
  expect(await run.finished).toEqual({ state: 'failed', reason: 'cancelled' })
  await until(() => runner.drained().then(() => true))
})

test('a process listens again although the server does not know that its old connection is broken', async () => {
  const proxy = await openCuttable()
  const job = await openJob(proxy.connectionString)
  let heard = 0
  await job.listen({ ...deaf, slotsFreed: () => void heard++ })
  proxy.cut(true)
  proxy.mend()
  await until(async () => {
    await database.pool.query(`select pg_notify('tminus_metadata', 'slot')`)
    return heard > 1
  }, 20_000)
})

test('after its machine slept, a process waits for the others to renew their leases before it declares any dead', async () => {
  onTestFinished(() => void vi.useRealTimers())
  const [first, second] = [await openJob(), await openJob()]
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 40_000 })
  await database.pool.query(`update metadata.job set heartbeat_at = heartbeat_at - interval '40 s'`)
  await first.listen(deaf)
  const { rows } = await database.pool.query('select state from metadata.job where job_id = $1', [second.id])
  expect(rows).toEqual([{ state: 'running' }])
})

test('declaring a process dead does not affect a process with the same id in another database', async () => {
  const metadata = openMetadata(database.pool, 'metadata')
  const [own, dead] = [await insertJob(metadata, 'start'), await insertJob(metadata, 'start')]
  const other = new pg.Client({ connectionString: elsewhere.connectionString })
  other.on('error', () => {})
  await other.connect()
  await other.query('select pg_advisory_lock($1, $2)', [lockClass('metadata'), dead])
  await metadata.query(`update metadata.job set heartbeat_at = now() - interval '31 s' where job_id = $1`, [dead])
  expect(await reclaimDeadJob(metadata, own, { job_id: dead, reason: 'sent no heartbeat' })).toBeDefined()
  await expect(other.query('select 1')).resolves.toBeDefined()
  await other.end()
})
