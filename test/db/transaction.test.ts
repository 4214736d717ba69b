import { beforeAll, beforeEach, expect, test } from 'vitest'
import { type Connection, type Database, openPool } from '../../src/db/pool.ts'
import { inTransaction } from '../../src/db/transaction.ts'
import { createEmptyDatabase, useDatabase } from '../support/database.ts'

const database = useDatabase(createEmptyDatabase)
/** Only one connection: if it is not released, the next call fails. */
let pool: Database

beforeAll(async () => {
  await database.pool.query('create table kept (x int primary key deferrable initially deferred)')
})
beforeEach(async () => {
  await database.pool.query('truncate kept')
  pool = openPool(database.connectionString, { max: 1 })
  return () => pool.end()
})

async function kept(): Promise<number[]> {
  const { rows } = await database.pool.query<{ x: number }>('select x from kept order by x')
  return rows.map((row) => row.x)
}

const insert = (connection: Connection, x: number) => connection.query('insert into kept values ($1)', [x])

async function pidOf(connection: Connection): Promise<number | undefined> {
  const { rows } = await connection.query<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]?.pid
}

/** Ends a session as an administrator would, and waits until it is gone. */
async function terminate(pid: number | undefined): Promise<void> {
  await database.pool.query('select pg_terminate_backend($1, 5000)', [pid])
}

test('commits the work and returns its result', async () => {
  const result = await inTransaction(pool, async (connection) => {
    await insert(connection, 1)
    await insert(connection, 2)
    expect(await kept()).toEqual([])
    return 'done'
  })
  expect(result).toBe('done')
  expect(await kept()).toEqual([1, 2])
  expect([pool.totalCount, pool.idleCount]).toEqual([1, 1])
})

test('rolls back if the work throws, and throws the same error', async () => {
  const error = new Error('changed my mind')
  const refused = inTransaction(pool, async (connection) => {
    await insert(connection, 1)
    throw error
  })
  await expect(refused).rejects.toBe(error)
  expect(await kept()).toEqual([])
  expect([pool.totalCount, pool.idleCount]).toEqual([1, 1])
  await inTransaction(pool, (connection) => insert(connection, 3))
  expect(await kept()).toEqual([3])
})

test("a statement's error rolls back and is thrown unchanged", async () => {
  const refused = inTransaction(pool, async (connection) => {
    await insert(connection, 1)
    await connection.query('select 1 / 0')
  })
  await expect(refused).rejects.toMatchObject({ code: '22012' })
  expect(await kept()).toEqual([])
})

test('an error of the commit is thrown', async () => {
  const refused = inTransaction(pool, async (connection) => {
    await insert(connection, 1)
    await insert(connection, 1)
  })
  await expect(refused).rejects.toMatchObject({ code: '23505' })
  expect(await kept()).toEqual([])
  expect([pool.totalCount, pool.idleCount]).toEqual([1, 1])
})

test('a swallowed error is no success: Postgres silently rolls such a transaction back', async () => {
  const refused = inTransaction(pool, async (connection) => {
    await insert(connection, 1)
    await connection.query('select 1 / 0').catch(() => {})
    return 'done'
  })
  await expect(refused).rejects.toMatchObject({ code: 'transaction_aborted' })
  expect(await kept()).toEqual([])
})

test('a connection lost during a statement is destroyed, not reused', async () => {
  const refused = inTransaction(pool, async (connection) => {
    const sleeping = connection.query('select pg_sleep(60)')
    sleeping.catch(() => {})
    await terminate((connection as Connection & { processID: number }).processID)
    await sleeping
  })
  await expect(refused).rejects.toThrow(/terminat/)
  expect(pool.totalCount).toBe(0)
  await inTransaction(pool, (connection) => insert(connection, 1))
  expect(await kept()).toEqual([1])
})

test('a connection lost between two statements fails the transaction, not the process', async () => {
  const refused = inTransaction(pool, async (connection) => {
    await insert(connection, 1)
    const gone = new Promise((resolve) => connection.once('end', resolve))
    await terminate(await pidOf(connection))
    await gone
    await insert(connection, 2)
  })
  await expect(refused).rejects.toThrow()
  expect(pool.totalCount).toBe(0)
  expect(await kept()).toEqual([])
  expect(await inTransaction(pool, async (connection) => (await pidOf(connection)) !== undefined)).toBe(true)
})

test('work that ends after its connection was lost fails', async () => {
  const refused = inTransaction(pool, async (connection) => {
    await insert(connection, 1)
    const gone = new Promise((resolve) => connection.once('end', resolve))
    await terminate(await pidOf(connection))
    await gone
    return 'done'
  })
  await expect(refused).rejects.toThrow()
  expect(pool.totalCount).toBe(0)
})

test('leaves no listener on a released connection', async () => {
  const count = () => inTransaction(pool, async (connection) => connection.listenerCount('error'))
  const first = await count()
  await count()
  await count()
  expect(await count()).toBe(first)
})

test('many concurrent transactions each get a connection in turn', async () => {
  const numbers = Array.from({ length: 20 }, (_, x) => x)
  await Promise.all(numbers.map((x) => inTransaction(pool, (connection) => insert(connection, x))))
  expect(await kept()).toEqual(numbers)
})
