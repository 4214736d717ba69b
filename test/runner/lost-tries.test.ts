import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import { setInstances } from '../../src/operations/change-run.ts'
import { endBlockedJob, endJob, insertJob, lockClass, reclaimDeadJob } from '../../src/processes/jobs.ts'
import { useDatabase } from '../support/database.ts'
import { aRun } from '../support/factories.ts'
import { uniqueId } from '../support/runner.ts'

const database = useDatabase()

type Facts = Partial<{ try_number: number; lost: number; lost_try: number; isolated: boolean }>
type Loss = (db: Metadata, jobId: number, dagRunId: number) => Promise<unknown>

/** Places a process that runs these tasks, loses it, and returns what is stored of each task and its try. */
async function losing(tasks: Record<string, Facts>, loss: Loss = died) {
  const db = openMetadata(database.pool, 'metadata')
  const states = Object.fromEntries(Object.keys(tasks).map((id) => [id, 'running' as const]))
  const dagRunId = await aRun(db, { dagId: uniqueId('lost'), state: 'running', tasks: states })
  for (const [taskId, { try_number = 1, lost = 0, lost_try = 0, isolated = false }] of Object.entries(tasks))
    await db.query(
      `update metadata.task_instance set try_number = $3, lost = $4, lost_try = $5, isolated = $6
       where dag_run_id = $1 and task_id = $2`,
      [dagRunId, taskId, try_number, lost, lost_try, isolated],
    )
  const { rows: jobs } = await db.query<{ job_id: number }>(
    'select job_id from metadata.dag_run where dag_run_id = $1',
    [dagRunId],
  )
  await loss(db, jobs[0]?.job_id ?? 0, dagRunId)
  const { rows } = await db.query<{ task_id: string; state: string; lost: number; lost_try: number; reason: string }>(
    `select task_id, state, lost, lost_try, failures, reason, (select h.reason from metadata.task_instance_history h
       where h.dag_run_id = t.dag_run_id and h.task_id = t.task_id) as stored
     from metadata.task_instance t where dag_run_id = $1 order by task_id`,
    [dagRunId],
  )
  return { db, dagRunId, rows }
}

/** The process is gone, and with it its lock. */
async function died(db: Metadata, jobId: number): Promise<void> {
  await db.query(`update metadata.job set heartbeat_at = now() - interval '31 s' where job_id = $1`, [jobId])
  const own = await insertJob(db, 'start')
  expect(await reclaimDeadJob(db, own, { job_id: jobId, reason: 'process 7 on host died' })).toBeDefined()
  await db.query(`update metadata.job set state = 'success', ended_at = now() where job_id = $1`, [own])
}

/** The process still holds its lock, but its lease has expired. */
async function frozen(db: Metadata, jobId: number): Promise<void> {
  const session = new pg.Client({ connectionString: database.connectionString })
  session.on('error', () => {})
  await session.connect()
  onTestFinished(() => session.end().catch(() => {}))
  await session.query('select pg_advisory_lock($1, $2)', [lockClass('metadata'), jobId])
  await died(db, jobId)
}

describe('a process dies', () => {
  test('a try that was alone in it is charged, and the task is tried again', async () => {
    const { rows } = await losing({ a: { try_number: 2 } })
    expect(rows).toEqual([
      {
        task_id: 'a',
        state: 'scheduled',
        lost: 1,
        lost_try: 2,
        failures: 0,
        reason: 'try 2 was lost: process 7 on host died (charged, 1 of 3: no other task ran in it)',
        stored: 'lost: process 7 on host died (charged, 1 of 3: no other task ran in it)',
      },
    ])
  })

  test('if several tries ran in it, no try is charged and all are suspect', async () => {
    const { rows } = await losing({ a: {}, b: { try_number: 4, lost: 2 } })
    const reason = 'process 7 on host died (not charged: 1 other task ran in it)'
    expect(rows).toMatchObject([
      { state: 'scheduled', lost: 0, lost_try: 1, reason: `try 1 was lost: ${reason}` },
      { state: 'scheduled', lost: 2, lost_try: 4, reason: `try 4 was lost: ${reason}` },
    ])
  })

  test('only a try that is lost for the second time in a row is charged', async () => {
    const { rows } = await losing({ a: { try_number: 2, lost_try: 1 }, b: { try_number: 3, lost_try: 1 }, c: {} })
    expect(rows).toMatchObject([
      { lost: 1, lost_try: 2, reason: expect.stringContaining('(charged, 1 of 3: its previous try was lost too)') },
      { lost: 0, lost_try: 3, reason: expect.stringContaining('(not charged: 2 other tasks ran in it)') },
      { lost: 0, lost_try: 1 },
    ])
  })

  test('a try in a child process is neither charged nor suspect, and a try beside it counts as alone', async () => {
    const { rows } = await losing({ a: { isolated: true, try_number: 2, lost_try: 1 }, b: {} })
    expect(rows).toMatchObject([
      { lost: 0, lost_try: 1, reason: expect.stringContaining('(not charged: it ran in a child process)') },
      { lost: 1, lost_try: 1, reason: expect.stringContaining('(charged, 1 of 3: no other task ran in it)') },
    ])
  })

  test('the third charge fails the task', async () => {
    const { rows } = await losing({ a: { try_number: 5, lost: 2 } })
    expect(rows).toMatchObject([
      { state: 'failed', lost: 3, reason: expect.stringContaining('(charged, 3 of 3: no other task ran in it)') },
    ])
  })

  test('a clear forgets what was charged', async () => {
    const { db, dagRunId } = await losing({ a: { try_number: 5, lost: 2 } })
    await setInstances(db, dagRunId, ['a'], 'none', null)
    const { rows } = await db.query('select lost, lost_try from metadata.task_instance where dag_run_id = $1', [
      dagRunId,
    ])
    expect(rows).toEqual([{ lost: 0, lost_try: 0 }])
  })
})

describe('a process lives, but loses its runs', () => {
  test.each<[string, Loss]>([
    ['it is frozen or cut off', frozen],
    ['it ends in order', (db, jobId) => endJob(db, jobId, 'success', null)],
  ])('%s: no try is charged or suspect', async (_name, loss) => {
    const { rows } = await losing({ a: { try_number: 3, lost: 2, lost_try: 2 } }, loss)
    expect(rows).toMatchObject([
      { state: 'scheduled', lost: 2, lost_try: 2, reason: expect.stringContaining('(not charged)') },
    ])
  })
})

describe('a process is blocked', () => {
  const reason = 'process 7 on host was blocked for 12 s by lost/b'

  test('only the try that blocked it is charged and suspect', async () => {
    const { rows } = await losing(
      { a: { lost_try: 0 }, b: {}, c: { try_number: 2, lost_try: 1 } },
      (db, jobId, dagRunId) => endBlockedJob(db, jobId, reason, { dagRunId, taskId: 'b', tryNumber: 1 }),
    )
    expect(rows).toMatchObject([
      { lost: 0, lost_try: 0, reason: `try 1 was lost: ${reason} (not charged)` },
      { lost: 1, lost_try: 1, reason: `try 1 was lost: ${reason} (charged, 1 of 3: it blocked the process)` },
      { lost: 0, lost_try: 1 },
    ])
  })

  test('if the blocking try is unknown, no try is charged and all are suspect', async () => {
    const { rows } = await losing({ a: { try_number: 2, lost_try: 1 }, b: {} }, (db, jobId) =>
      endBlockedJob(db, jobId, reason),
    )
    expect(rows).toMatchObject([
      { lost: 0, lost_try: 2 },
      { lost: 0, lost_try: 1 },
    ])
  })

  test('a job that has ended loses nothing a second time', async () => {
    const { rows } = await losing({ a: {} }, async (db, jobId) => {
      await endJob(db, jobId, 'failed', null)
      expect(await endBlockedJob(db, jobId, reason)).toBeUndefined()
    })
    expect(rows).toMatchObject([{ lost: 0 }])
  })
})
