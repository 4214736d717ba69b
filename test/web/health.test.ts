import { beforeAll, expect, test } from 'vitest'
import { openPool } from '../../src/db/pool.ts'
import { whyNotWritable } from '../../src/maintenance/writes.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import { endJob, insertJob, lockClass } from '../../src/processes/jobs.ts'
import type { LastCheck } from '../../src/scheduler/scheduler.ts'
import { openHealth } from '../../src/web/health.ts'
import { runCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'

const database = useDatabase()
let metadata: Metadata
beforeAll(async () => {
  metadata = openMetadata(database.pool, 'metadata')
})

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

const checked = (msAgo: number): LastCheck => ({ at: new Date(Date.now() - msAgo), ageMs: () => msAgo })

test('database, scheduler and executor are each checked, and an unhealthy one has its last heartbeat', async () => {
  const jobId = await insertJob(metadata, 'start')
  let last: LastCheck | undefined
  const health = openHealth({ db: database.pool, metadata, own: { jobId: () => jobId, lastCheck: () => last } })
  const alive = { status: 'healthy', last_heartbeat: expect.stringMatching(ISO) }
  expect(await health()).toEqual({
    status: 'unhealthy',
    database: alive,
    scheduler: { status: 'unhealthy', last_heartbeat: null, reason: 'it has not completed a check yet' },
    executor: alive,
  })
  last = checked(0)
  expect(await health()).toEqual({ status: 'healthy', database: alive, scheduler: alive, executor: alive })
  last = checked(11_000)
  expect(await health()).toMatchObject({
    status: 'unhealthy',
    scheduler: { last_heartbeat: last.at.toISOString(), reason: 'it has completed no check for over 10 s' },
  })
  last = checked(0)
  const other = await insertJob(metadata, 'scheduler')
  await endJob(metadata, jobId, 'failed', 'for the test')
  expect(await health()).toEqual({
    status: 'unhealthy',
    database: alive,
    scheduler: alive,
    executor: { ...alive, status: 'unhealthy', reason: 'no live process executes runs' },
  })
  const onlooker = openHealth({ db: database.pool, metadata })
  expect(await onlooker()).toMatchObject({ status: 'healthy' })
  await endJob(metadata, other, 'success', null)
  expect(await onlooker()).toMatchObject({
    status: 'unhealthy',
    scheduler: { reason: 'no live process executes runs' },
  })
})

test('without the database, scheduler and executor are unknown, and the answer has no password', async () => {
  const pool = openPool('postgresql://u:hunter2@127.0.0.1:1/d')
  const own = { jobId: () => 1, lastCheck: () => checked(0) }
  const found = await openHealth({ db: pool, metadata: openMetadata(pool, 'metadata'), own })()
  expect(found).toMatchObject({
    status: 'unhealthy',
    database: { status: 'unhealthy', last_heartbeat: null, reason: expect.stringContaining('ECONNREFUSED') },
    scheduler: { status: 'healthy' },
    executor: { status: 'unhealthy', reason: 'unknown: the database does not answer' },
  })
  expect(JSON.stringify(found)).not.toContain('hunter2')
  await pool.end()
})

test('a separate launch database that is down is unhealthy', async () => {
  const jobId = await insertJob(metadata, 'start')
  const db = openPool('postgresql://u@127.0.0.1:1/d')
  const found = await openHealth({ db, metadata, own: { jobId: () => jobId, lastCheck: () => checked(0) } })()
  expect(found).toMatchObject({ status: 'unhealthy', database: { status: 'unhealthy' } })
  await db.end()
})

/** Registers a process with an open session. Its last heartbeat was committed this long ago. */
async function silentFor(seconds: number): Promise<{ jobId: number; close: () => Promise<void> }> {
  await metadata.query('delete from metadata.job')
  const jobId = await insertJob(metadata, 'start')
  const session = await database.pool.connect()
  await session.query('select pg_advisory_lock($1, $2)', [lockClass('metadata'), jobId])
  await metadata.query(`update metadata.job set heartbeat_at = now() - make_interval(secs => $2) where job_id = $1`, [
    jobId,
    seconds,
  ])
  return {
    jobId,
    close: async () => {
      session.release(true)
      await endJob(metadata, jobId, 'success', null)
    },
  }
}

test.each([16, 40, 3_600])('a process whose heartbeat was committed %i s ago is not healthy', async (seconds) => {
  const { jobId, close } = await silentFor(seconds)
  const health = openHealth({ db: database.pool, metadata, own: { jobId: () => jobId, lastCheck: () => checked(0) } })
  const late = {
    status: 'unhealthy',
    last_heartbeat: expect.stringMatching(ISO),
    reason: expect.stringMatching(
      /^the last heartbeat of start \(process \d+ on \S+\) was committed .* ago: the database/,
    ),
  }
  expect(await health()).toMatchObject({ status: 'unhealthy', executor: late })
  expect(await openHealth({ db: database.pool, metadata })()).toMatchObject({ status: 'unhealthy', executor: late })
  const check = await runCli(['db', 'check', '-o', 'json'], { env: { DATABASE_URL: database.connectionString } })
  const lines = (JSON.parse(check.stdout) as { name: string; level: string; message: string }[]).filter(
    ({ name }) => name === 'processes',
  )
  expect([check.code, lines]).toEqual([
    1,
    [{ name: 'processes', level: 'fail', message: expect.stringMatching(/^the last heartbeat of start/) }],
  ])
  const jobs = await runCli(['jobs', 'check'], { env: { DATABASE_URL: database.connectionString } })
  expect([jobs.code, jobs.stdout]).toEqual([1, expect.stringMatching(/^The last heartbeat of start/)])
  await close()
})

test('a heartbeat in the future is not healthy, because only a clock that was set back explains it', async () => {
  const { jobId, close } = await silentFor(-3_600)
  const health = openHealth({ db: database.pool, metadata, own: { jobId: () => jobId, lastCheck: () => checked(0) } })
  expect(await health()).toMatchObject({
    status: 'unhealthy',
    executor: {
      status: 'unhealthy',
      reason: expect.stringMatching(/is 1 h in the future: the database's clock was set/),
    },
  })
  await close()
})

test('a heartbeat 10 s old is healthy', async () => {
  const { jobId, close } = await silentFor(10)
  const health = openHealth({ db: database.pool, metadata, own: { jobId: () => jobId, lastCheck: () => checked(0) } })
  expect(await health()).toMatchObject({ status: 'healthy' })
  await close()
})

test('a read-only database is not healthy', async () => {
  const jobId = await insertJob(metadata, 'start')
  const db = openPool(`${database.connectionString}&options=-c%20default_transaction_read_only%3Don`)
  const found = await openHealth({ db, metadata, own: { jobId: () => jobId, lastCheck: () => checked(0) } })()
  expect(found).toMatchObject({
    status: 'unhealthy',
    database: { reason: expect.stringContaining('ALTER ROLE tminus SET default_transaction_read_only = off') },
  })
  await db.end()
  await endJob(metadata, jobId, 'success', null)
})

test('a temporary file limit is not reported as a full disk', async () => {
  const name = new URL(database.connectionString).pathname.slice(1)
  await database.pool.query(`alter database ${name} set temp_file_limit = '8kB'`)
  const db = openPool(database.connectionString)
  expect(await whyNotWritable(db)).toBeUndefined()
  await db.end()
  await database.pool.query(`alter database ${name} reset temp_file_limit`)
})
