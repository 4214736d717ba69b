import { expect, test } from 'vitest'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { freeSlots, takeSlots } from '../../src/metadata/pools.ts'
import { cancel } from '../../src/operations/operate.ts'
import { setPool } from '../../src/operations/pools.ts'
import { endJob } from '../../src/processes/jobs.ts'
import { claimTries } from '../../src/worker/claims.ts'
import { insertReports } from '../../src/worker/reports.ts'
import { useDatabase } from '../support/database.ts'
import { aJob, aRun } from '../support/factories.ts'
import { uniqueId } from '../support/runner.ts'

const database = useDatabase()
const metadata = () => openMetadata(database.pool, 'metadata')

/** A try that waits in the queue of the workers, and the slot that its owner has acquired for it. */
async function waitingTry() {
  const db = metadata()
  const [dagId, pool] = [uniqueId('pooled'), uniqueId('pool')]
  const [owner, worker] = [await aJob(db), await aJob(db, { kind: 'worker' })]
  await setPool(db, pool, 1, null)
  const dagRunId = await aRun(db, { dagId, state: 'running', tasks: { a: 'queued' } })
  const key = { dagRunId, taskId: 'a', tryNumber: 1 }
  await db.query(
    'update metadata.dag_version set graph = $2 where dag_version_id = (select dag_version_id from metadata.dag_run where dag_run_id = $1)',
    [dagRunId, JSON.stringify([{ id: 'a', upstream: {}, triggerRule: 'all_success' }])],
  )
  await db.query('update metadata.dag_run set job_id = $2 where dag_run_id = $1', [dagRunId, owner])
  expect(await takeSlots(db, owner, [{ ...key, pools: [pool] }], 1)).toHaveLength(1)
  await db.query('update metadata.task_instance set try_number = 1, queued_at = now() where dag_run_id = $1', [
    dagRunId,
  ])
  const used = async () => (await db.query('select from metadata.pool_slot where pool = $1', [pool])).rowCount
  const claim = async () => (await claimTries(db, worker, [key])).claimed.length
  const report = async () =>
    (await insertReports(db, worker, [{ ...key, ending: { state: 'success', reason: null } }])).length
  const cancelRun = () => cancel(db, { dagId, runId: 'run' })
  return { db, key, owner, worker, used, claim, report, cancelRun }
}

test('the slot of a try on a worker is freed by its report, not by its owner and not by the death of its owner', async () => {
  const { db, key, owner, used, claim, report } = await waitingTry()
  expect(await claim()).toBe(1)
  await freeSlots(db, [key])
  await endJob(db, owner, 'failed', 'died')
  expect(await used()).toBe(1)
  expect(await report()).toBe(1)
  expect(await used()).toBe(0)
})

test('the slot of a cancelled try is freed when its worker reports the end, although the report does not count', async () => {
  const { db, key, used, claim, report, cancelRun } = await waitingTry()
  await claim()
  await cancelRun()
  await freeSlots(db, [key])
  expect(await used()).toBe(1)
  expect(await report()).toBe(0)
  expect(await used()).toBe(0)
})

test('the slot of a cancelled try is freed when its worker dies', async () => {
  const { db, worker, used, claim, cancelRun } = await waitingTry()
  await claim()
  await cancelRun()
  await endJob(db, worker, 'failed', 'died')
  expect(await used()).toBe(0)
})

test('if the answer to a claim is lost and the try is cancelled, the repeated claim frees its slot', async () => {
  const { used, claim, cancelRun } = await waitingTry()
  expect(await claim()).toBe(1)
  await cancelRun()
  expect(await used()).toBe(1)
  expect(await claim()).toBe(0)
  expect(await used()).toBe(0)
})

test('a try that waits for a worker keeps its slot when its owner dies; the worker takes it over', async () => {
  const { db, owner, used, claim, report } = await waitingTry()
  await endJob(db, owner, 'failed', 'died')
  expect(await used()).toBe(1)
  expect(await claim()).toBe(1)
  await report()
  expect(await used()).toBe(0)
})

test('the cancel of a run without an owner frees the slot of a try that waits for a worker', async () => {
  const { db, owner, used, claim, cancelRun } = await waitingTry()
  await endJob(db, owner, 'failed', 'died')
  await cancelRun()
  expect(await used()).toBe(0)
  expect(await claim()).toBe(0)
})
