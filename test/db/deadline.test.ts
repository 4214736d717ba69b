import { expect, onTestFinished, test } from 'vitest'
import { setUp } from '../../src/app.ts'
import { openDatabases, STATEMENT_MS } from '../../src/databases.ts'
import { Client } from '../../src/db/client.ts'
import { noAnswer } from '../../src/db/deadline.ts'
import { isOutage } from '../../src/db/outage.ts'
import { closePool, destroyConnections, openPool } from '../../src/db/pool.ts'
import { inTransaction } from '../../src/db/transaction.ts'
import { createDatabase, createEmptyDatabase, useDatabase } from '../support/database.ts'
import { openProxy } from '../support/proxy.ts'
import { until } from '../support/runner.ts'

const database = useDatabase(createEmptyDatabase)

function open(timeoutMs?: number) {
  const pool = openPool(database.connectionString, { max: 2, ...(timeoutMs && { timeoutMs }) })
  onTestFinished(() => closePool(pool))
  return pool
}

const failure = (work: Promise<unknown>) => work.then(() => undefined).catch((error: Error) => error)

test('a statement that takes longer than its limit fails as in an outage, and its connection is destroyed', async () => {
  const pool = open(1_000)
  const error = await failure(pool.query('select pg_sleep(60)'))
  expect([isOutage(error), error?.message]).toEqual([true, expect.stringContaining('did not answer within 1 s')])
  await until(() => pool.totalCount === 0)
  expect((await pool.query('select 1')).rowCount).toBe(1)
})

test('a transaction whose statement took too long does not wait for its rollback', async () => {
  const pool = open(1_000)
  const began = performance.now()
  const error = await failure(inTransaction(pool, (connection) => connection.query('select pg_sleep(60)')))
  expect([isOutage(error), performance.now() - began < 4_000]).toEqual([true, true])
  await until(() => pool.totalCount === 0)
})

test('the limit does not count time in which this process was blocked', async () => {
  const pool = open(2_000)
  const answer = pool.query('select pg_sleep(0.5)')
  await until(() => pool.idleCount === 0 && pool.totalCount === 1)
  const began = performance.now()
  while (performance.now() - began < 4_000);
  expect((await answer).rowCount).toBe(1)
})

test('destroyed connections fail their statements at once, and the pool opens new ones', async () => {
  const pool = open()
  await pool.query('select 1')
  const [sleeping, held] = [failure(pool.query('select pg_sleep(60)')), await pool.connect()]
  destroyConnections(pool, noAnswer(5_000))
  expect(isOutage(await sleeping)).toBe(true)
  expect(isOutage(await failure(held.query('select 1')))).toBe(true)
  held.release()
  expect((await pool.query('select 1')).rowCount).toBe(1)
})

test('a pool closes although a task keeps one of its connections', async () => {
  const pool = openPool(database.connectionString)
  const held = await pool.connect()
  const sleeping = failure(held.query('select pg_sleep(60)'))
  await closePool(pool)
  expect(isOutage(await sleeping)).toBe(true)
})

test('a connection whose network is frozen closes', async () => {
  const proxy = await openProxy(database.connectionString)
  onTestFinished(() => proxy.close())
  const client = new Client({ connectionString: proxy.connectionString })
  await client.connect()
  proxy.freeze()
  const began = performance.now()
  await client.end()
  expect(performance.now() - began).toBeLessThan(4_000)
})

test('in a process without tasks, a page does not wait forever on a connection that died silently', async () => {
  const database = await createDatabase()
  onTestFinished(() => database.drop())
  const proxy = await openProxy(database.connectionString)
  const before = STATEMENT_MS.metadata
  onTestFinished(() => {
    STATEMENT_MS.metadata = before
    proxy.close()
  })
  STATEMENT_MS.metadata = 2_000
  const setup = await setUp({ env: { DATABASE_URL: proxy.connectionString }, withoutDags: true })
  const { db, close } = await openDatabases(setup, { create: false })
  onTestFinished(close)
  await db.query('select 1')
  proxy.freeze()
  const read = db.query('select 1')
  await expect(read).rejects.toSatisfy(isOutage)
  expect((await db.query('select 1 as one')).rows).toEqual([{ one: 1 }])
})
