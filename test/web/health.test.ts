import { beforeAll, expect, test } from 'vitest'
import { openPool } from '../../src/db/pool.ts'
import { endJob, insertJob } from '../../src/metadata/jobs.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import { openHealth } from '../../src/web/health.ts'
import { useDatabase } from '../support/database.ts'

const database = useDatabase()
let metadata: Metadata
beforeAll(async () => {
  metadata = openMetadata(database.pool, 'metadata')
})

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

test('each of database, scheduler and executor has to live, and of one that does not the last sign of life is told', async () => {
  const jobId = await insertJob(metadata, 'start')
  let looked: Date | undefined
  const health = openHealth({ db: database.pool, metadata, own: { jobId: () => jobId, lookedAt: () => looked } })
  const alive = { status: 'healthy', last_heartbeat: expect.stringMatching(ISO) }
  expect(await health()).toEqual({
    status: 'unhealthy',
    database: alive,
    scheduler: { status: 'unhealthy', last_heartbeat: null, reason: 'it has not looked yet' },
    executor: alive,
  })
  looked = new Date()
  expect(await health()).toEqual({ status: 'healthy', database: alive, scheduler: alive, executor: alive })
  looked = new Date(Date.now() - 11_000)
  expect(await health()).toMatchObject({
    status: 'unhealthy',
    scheduler: { last_heartbeat: looked.toISOString(), reason: 'it came to the end of no look for over 10 s' },
  })
  looked = new Date()
  const other = await insertJob(metadata, 'scheduler')
  await endJob(metadata, jobId, 'failed', 'for the test')
  expect(await health()).toEqual({
    status: 'unhealthy',
    database: alive,
    scheduler: alive,
    executor: { ...alive, status: 'unhealthy', reason: 'no live process takes up runs' },
  })
  const onlooker = openHealth({ db: database.pool, metadata })
  expect(await onlooker()).toMatchObject({ status: 'healthy' })
  await endJob(metadata, other, 'success', null)
  expect(await onlooker()).toMatchObject({
    status: 'unhealthy',
    scheduler: { reason: 'no live process takes up runs' },
  })
})

test('without the database the rest is not known, and its password is not told', async () => {
  const pool = openPool('postgresql://u:hunter2@127.0.0.1:1/d')
  const own = { jobId: () => 1, lookedAt: () => new Date() }
  const found = await openHealth({ db: pool, metadata: openMetadata(pool, 'metadata'), own })()
  expect(found).toMatchObject({
    status: 'unhealthy',
    database: { status: 'unhealthy', last_heartbeat: null, reason: expect.stringContaining('ECONNREFUSED') },
    scheduler: { status: 'healthy' },
    executor: { status: 'unhealthy', reason: 'not known without the database' },
  })
  expect(JSON.stringify(found)).not.toContain('hunter2')
  await pool.end()
})

test('the launches have a database of their own that is down', async () => {
  const jobId = await insertJob(metadata, 'start')
  const db = openPool('postgresql://u@127.0.0.1:1/d')
  const found = await openHealth({ db, metadata, own: { jobId: () => jobId, lookedAt: () => new Date() } })()
  expect(found).toMatchObject({ status: 'unhealthy', database: { status: 'unhealthy' } })
  await db.end()
})
