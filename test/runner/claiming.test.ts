import { expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { claimRun } from '../../src/metadata/dag-runs.ts'
import { cancel } from '../../src/operations/operate.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { reclaimDeadJob } from '../../src/processes/jobs.ts'
import { useDatabase } from '../support/database.ts'
import { notify, openTestRunner, stored, uniqueId, until } from '../support/runner.ts'
import { someoneWaits } from '../support/waits.ts'

const database = useDatabase()

const nothing = (options: { maxActiveRuns?: number } = {}) =>
  dag(uniqueId('nothing'), options, ({ task }) => {
    task('a', { run: () => {} })
  })

test('a process that was declared dead claims no run, even before it notices', async () => {
  const one = nothing()
  const [asleep, other] = [await openTestRunner(database, [one]), await openTestRunner(database, [one])]
  const { runId } = await enqueue(other.metadata, one, { logicalDate: new Date() })
  await database.pool.query(`update metadata.job set heartbeat_at = now() - interval '31 s' where job_id = $1`, [
    asleep.jobId,
  ])
  await reclaimDeadJob(other.metadata, other.jobId, { job_id: asleep.jobId, reason: 'sent no heartbeat' })
  await asleep.runner.claim({ dagIds: [one.id], onlyBegun: false })
  expect(await stored(other.metadata, one.id, runId)).toMatchObject({ state: 'queued' })
})

test('a process that is being declared dead claims no run', async () => {
  const one = nothing()
  const own = await openTestRunner(database, [one])
  await enqueue(own.metadata, one, { logicalDate: new Date() })
  const claimed = await own.metadata.transaction(async (tx) => {
    await tx.query(`update metadata.job set state = 'failed', ended_at = now() where job_id = $1`, [own.jobId])
    const claiming = claimRun(own.metadata, own.jobId, { dagIds: [one.id], onlyBegun: false, inOrder: [] }, null)
    await someoneWaits(database)
    return { claiming }
  })
  expect(await claimed.claiming).toBeUndefined()
})

test('a process claims the second tick as soon as another process has claimed the first', async () => {
  const one = dag(uniqueId('in-order'), { schedule: '@daily' }, ({ task }) => {
    task('load', { dependsOnPast: true, run: () => {} })
  })
  const [first, second] = [await openTestRunner(database, [one]), await openTestRunner(database, [one])]
  for (const day of ['2026-03-01', '2026-03-02'])
    await enqueue(first.metadata, one, { runType: 'scheduled', logicalDate: new Date(day) })
  await notify(database, [second])
  const filter = { dagIds: [one.id], onlyBegun: false }
  const later = () => stored(first.metadata, one.id, 'scheduled__2026-03-02T00:00:00.000Z')
  await first.metadata.transaction(async (tx) => {
    await claimRun(tx, first.jobId, { ...filter, inOrder: [one.id] }, null)
    await second.runner.claim(filter)
    expect(await later()).toMatchObject({ state: 'queued' })
  })
  await until(async () => (await later()).state === 'running')
  await second.runner.release(0, 'the test has ended', 0)
})

test("a process that loses the race for one dag's last run slot claims a run of another dag", async () => {
  const [full, free] = [nothing({ maxActiveRuns: 1 }), nothing()]
  const dagIds = [full.id, free.id]
  const [first, second] = [await openTestRunner(database, [full, free]), await openTestRunner(database, [full, free])]
  for (const one of [full, full]) await enqueue(first.metadata, one, { logicalDate: new Date() })
  const { runId } = await enqueue(first.metadata, free, { logicalDate: new Date() })
  const both = await first.metadata.transaction(async (tx) => {
    await claimRun(tx, first.jobId, { dagIds, onlyBegun: false, inOrder: [] }, null)
    const claiming = second.runner.claim({ dagIds, onlyBegun: false })
    await someoneWaits(database)
    return { claiming }
  })
  await both.claiming
  await second.runner.idle()
  expect(await stored(first.metadata, free.id, runId)).toMatchObject({ state: 'success' })
})

test.each([
  ['before it is read', 'claim_run'],
  ['after it is read, of which its owner hears too early', 'ranForMs'],
])('a run that is cancelled while it is being claimed, %s, is over for its owner too', async (_when, during) => {
  const one = nothing()
  const own = await openTestRunner(database, [])
  const { runId } = await enqueue(own.metadata, one, { logicalDate: new Date() })
  // No write is due for an hour: a write would show that the run was changed.
  const { rows } = await own.metadata.query<{ id: number }>(
    `update metadata.task_instance set state = 'up_for_retry', try_number = 1, due_at = now() + interval '1 h'
     where dag_run_id = (select dag_run_id from metadata.dag_run where run_id = $1) returning dag_run_id as id`,
    [runId],
  )
  let cancelled = false
  const query = async (...statement: Parameters<typeof own.metadata.query>) => {
    const answer = await own.metadata.query(...statement)
    if (cancelled || !JSON.stringify(statement).includes(during)) return answer
    cancelled = true
    await cancel(own.metadata, { dagId: one.id, runId })
    other.runner.runChanged(rows[0]?.id)
    return answer
  }
  const other = await openTestRunner(database, [one], { db: { ...own.metadata, query: query as never } })
  await other.runner.claim({ dagIds: [one.id], onlyBegun: false })
  await other.runner.idle()
  expect(cancelled).toBe(true)
  expect(await stored(own.metadata, one.id, runId)).toMatchObject({ state: 'failed', reason: 'cancelled' })
})
