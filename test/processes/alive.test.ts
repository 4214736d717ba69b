import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { cancel } from '../../src/operations/operate.ts'
import { Job } from '../../src/processes/job.ts'
import { findDeadJobs, insertJob, lockClass, reclaimDeadJob } from '../../src/processes/jobs.ts'
import type { JobListener } from '../../src/runner/process.ts'
import { useDatabase } from '../support/database.ts'
import { openProxy } from '../support/proxy.ts'
import { openTestRunner, silent, stored, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()
const elsewhere = useDatabase()

const deaf: JobListener = { runsWaiting() {}, slotsFreed() {}, runChanged() {}, reported() {}, leaseLost() {} }

async function openJob(connectionString = database.connectionString): Promise<Job> {
  const db = openMetadata(database.pool, 'metadata')
  const job = new Job({ db, connectionString, pools: [], kind: 'start', dags: [], codeVersion: null, log: silent })
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

test('a process that lost only its session stores that, so that its free lock does not count', async () => {
  const proxy = await openCuttable()
  const [cut, other] = [await openJob(proxy.connectionString), await openJob()]
  await Promise.all([cut.listen(deaf), other.listen(deaf)])
  const row = async () =>
    (await database.pool.query('select state, backend_pid from metadata.job where job_id = $1', [cut.id])).rows[0]
  expect(await row()).toMatchObject({ state: 'running', backend_pid: expect.any(Number) })
  proxy.cut()
  await until(async () => (await row()).backend_pid === null || (await row()).state !== 'running')
  expect(await row()).toEqual({ state: 'running', backend_pid: null })
  expect(await findDeadJobs(openMetadata(database.pool, 'metadata'), other.id)).toEqual([])
  proxy.mend()
  await until(async () => (await row()).backend_pid !== null)
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

test.each(['+1 hour', '-1 hour'])(`the server's clock may jump by %s: the living stay alive`, async (jump) => {
  const [first, second] = [await openJob(), await openJob()]
  await Promise.all([first.listen(deaf), second.listen(deaf)])
  const shift = `update metadata.job set heartbeat_at = heartbeat_at - $2::interval where job_id = any($1) returning
    heartbeat_at::text as shifted`
  const dead = await insertJob(openMetadata(database.pool, 'metadata'), 'start')
  await database.pool.query(shift, [[first.id, second.id, dead], jump])
  const state = async (id: number) =>
    (await database.pool.query('select state, reason from metadata.job where job_id = $1', [id])).rows[0]
  const began = performance.now()
  await until(async () => (await state(dead)).state === 'failed')
  expect(performance.now() - began).toBeGreaterThan(5_900)
  expect((await state(dead)).reason).toMatch(/sent no heartbeat for 30 s$/)
  for (const { id } of [first, second]) expect(await state(id)).toEqual({ state: 'running', reason: null })
})

test('a blocked process whose session was lost cannot reconnect, so it is dead only when its lease runs out', async () => {
  const metadata = openMetadata(database.pool, 'metadata')
  const [own, blocked] = [await insertJob(metadata, 'start'), await insertJob(metadata, 'start')]
  const set = (what: string) => metadata.query(`update metadata.job set ${what} where job_id = $1`, [blocked])
  const suspects = async () => (await findDeadJobs(metadata, own)).filter(({ job_id }) => job_id === blocked)
  await set('backend_pid = 1, locked_at = now()')
  expect(await suspects()).toMatchObject([{ reason: expect.stringMatching(/ died$/), heartbeat_at: null }])
  await set(`blocked_since = now() - interval '5 s'`)
  expect(await suspects()).toEqual([])
  await set(`heartbeat_at = now() - interval '25 s'`)
  expect(await suspects()).toMatchObject([{ heartbeat_at: expect.any(String) }])
})
