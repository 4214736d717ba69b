import { describe, expect, test } from 'vitest'
import { openPool } from '../../src/db/pool.ts'
import { isSameDatabase, type Pooling, poolingOf } from '../../src/db/pooler.ts'
import { useDatabase, withDatabase } from '../support/database.ts'
import { openPooler, PGBOUNCER, type PoolerOptions } from '../support/pgbouncer.ts'

const database = useDatabase()

const NAMES = 'select array_agg(name) as names from pg_prepared_statements'

/** Names of a session's prepared statements after a named query. */
async function namesKept(options: { unnamed?: boolean }): Promise<unknown> {
  const pool = openPool(database.connectionString, { max: 1, ...options })
  await pool.query({ name: 'find_one', text: 'select $1::int', values: [1] })
  const { rows } = await pool.query(NAMES)
  await pool.end()
  return rows[0]?.names
}

test('without a pooler, a named statement is prepared once; with DIRECT_DATABASE_URL it is sent unnamed', async () => {
  expect([await namesKept({}), await namesKept({ unnamed: true })]).toEqual([['find_one'], null])
})

test('without a pooler, none is detected', async () => {
  expect(await poolingOf(database.pool)).toBe('none')
})

test('distinguishes two addresses of one database from addresses of two databases', async () => {
  const same = openPool(database.connectionString)
  expect(await isSameDatabase(database.pool, same)).toBe(true)
  await same.end()
  await withDatabase(async (other) => expect(await isSameDatabase(database.pool, other.pool)).toBe(false))
})

describe.skipIf(PGBOUNCER === undefined)('behind PgBouncer (skipped if it is not installed)', () => {
  const CASES: [PoolerOptions, Pooling][] = [
    [{ mode: 'transaction' }, 'transaction'],
    [{ mode: 'transaction', size: 1 }, 'transaction'],
    [{ mode: 'transaction', size: 2, roundRobin: true }, 'transaction'],
    [{ mode: 'session' }, 'session'],
    [{ mode: 'session', size: 1 }, 'session'],
    [{ mode: 'session', size: 2, roundRobin: true }, 'session'],
  ]
  test.each(CASES)('%j is detected', async (options, pooling) => {
    const pooler = await openPooler(options)
    const url = pooler.through(database.connectionString)
    const others = options.mode === 'session' ? [] : [openPool(url), openPool(url)]
    const pool = openPool(url)
    let busy = true
    // Other clients of the same pooler, inside and outside transactions.
    const traffic = others.map(async (other) => {
      while (busy) await other.query('select pg_sleep(0.001)')
    })
    expect(await poolingOf(pool)).toBe(pooling)
    busy = false
    await Promise.all(traffic)
    await Promise.all([...others, pool].map((one) => one.end()))
    await pooler.close()
  })

  test('named statements of many clients do not collide, and no session setting is changed', async () => {
    const pooler = await openPooler({ mode: 'transaction', size: 3 })
    const pool = openPool(pooler.through(database.connectionString), { max: 6, settings: { enable_seqscan: 'off' } })
    await Promise.all(
      Array.from({ length: 50 }, (_, x) => pool.query({ name: 'echo', text: 'select $1::int', values: [x] })),
    )
    const { rows } = await pool.query(`select current_setting('enable_seqscan') as seqscan`)
    expect(rows).toEqual([{ seqscan: 'on' }])
    await pool.end()
    await pooler.close()
  })
})
