import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { initializeSchema } from '../../pipelines/launches/initialize-schema.ts'
import { openPool } from '../../src/db/pool.ts'
import { inTransaction } from '../../src/db/transaction.ts'
import { expectNothingRunning, withStandIns } from '../e2e/support.ts'
import { runCli } from '../support/cli.ts'
import { type TestDatabase, withDatabase } from '../support/database.ts'
import { FOREIGN, setDefaults } from '../support/foreign-defaults.ts'
import { quietLog } from '../support/quiet-log.ts'
import { withFolder } from '../support/scratch.ts'

/** A pool whose sessions start with the defaults of `database`. */
async function withPool<T>(
  { connectionString }: Pick<TestDatabase, 'connectionString'>,
  work: (pool: ReturnType<typeof openPool>) => Promise<T>,
): Promise<T> {
  const pool = openPool(connectionString)
  return await work(pool).finally(() => pool.end())
}

const VALUES = `select '2026-05-04T12:00:00Z'::timestamptz as instant, '2026-02-01'::date::text as date,
  ('02/01/2026'::date = '2026-02-01') as "monthFirst", interval '1 day -2 hours'::text as span, 28.60839694521::float8 as latitude,
  '\\xdeadbeef'::bytea::text as bytes, 'a\\b' as backslash, '{null}'::text[] as nothing, 'Kinéis 北' as letters`

test('a session behaves the same, whatever defaults database, role and PGOPTIONS set', async () => {
  await withDatabase(async (database) => {
    const usual = await withPool(database, async (pool) => (await pool.query(VALUES)).rows)
    await setDefaults(database, FOREIGN)
    const url = new URL(database.connectionString)
    url.searchParams.set('options', '-c DateStyle=SQL,DMY -c TimeZone=Asia/Tokyo')
    for (const connectionString of [database.connectionString, url.href])
      expect(await withPool({ connectionString }, async (pool) => (await pool.query(VALUES)).rows)).toEqual(usual)
  })
})

test('statements and transactions see concurrent commits, whatever the default isolation', async () => {
  await withDatabase(async (database) => {
    await setDefaults(database, { default_transaction_isolation: 'serializable' })
    await withPool(database, async (pool) => {
      const isolation = 'select current_setting($1) as level'
      const one = await pool.query(isolation, ['transaction_isolation'])
      const inside = await inTransaction(pool, (connection) => connection.query(isolation, ['transaction_isolation']))
      expect([...one.rows, ...inside.rows]).toEqual([{ level: 'read committed' }, { level: 'read committed' }])
    })
  })
})

test('a statement that failed in a conflict with another one is repeated', async () => {
  await withDatabase(async (database) => {
    await withPool(database, async (pool) => {
      await pool.query('create table counter as select 0 as count')
      // As behind a pooler, where the default of the database applies.
      const clients = await Promise.all(Array.from({ length: 5 }, () => pool.connect()))
      for (const client of clients) await client.query(`set default_transaction_isolation = 'serializable'`)
      for (const client of clients) client.release()
      const slowly = 'update counter set count = count + 1 from (select pg_sleep(0.02)) as slept'
      await Promise.all(Array.from({ length: 5 }, () => pool.query(slowly)))
      expect((await pool.query('select count from counter')).rows).toEqual([{ count: 5 }])
    })
  })
})

test('limits of the database close no idle connection and cancel no long migration', async () => {
  await withDatabase(async (database) => {
    await setDefaults(database, { idle_session_timeout: '50ms', statement_timeout: '40ms', lock_timeout: '30ms' })
    await withPool(database, async (pool) => {
      const pid = async () => (await pool.query('select pg_backend_pid() as pid')).rows
      const first = await pid()
      await delay(200)
      expect(await pid()).toEqual(first)
    })
    const both = await Promise.all([1, 2].map(() => runCli(['db', 'migrate'], environment(database))))
    expect(both.map(({ code, stderr }) => [code, stderr])).toEqual([
      [0, ''],
      [0, ''],
    ])
  })
})

const environment = ({ connectionString }: TestDatabase, more: Record<string, string> = {}) => ({
  env: { DATABASE_URL: connectionString, ...more },
})

test('two simultaneous first starts succeed on a database whose default is serializable', async () => {
  for (let round = 0; round < 3; round += 1) {
    await withDatabase(async (database) => {
      await setDefaults(database, FOREIGN)
      const starts = [1, 2].map(() => runCli(['pipeline', 'chain'], environment(database)))
      for (const { code, stderr } of await Promise.all(starts)) expect([code, stderr]).toEqual([0, ''])
      await expectNothingRunning(database.pool)
    })
  }
})

test('rocket-launches posts and reruns on a database with foreign defaults', async () => {
  await withDatabase((database) =>
    withStandIns(async ({ discord, env }) => {
      await setDefaults(database, FOREIGN)
      for (let run = 0; run < 2; run += 1) {
        const { code, stderr } = await runCli(['pipeline', 'rocket-launches'], environment(database, env))
        expect([code, stderr]).toEqual([0, ''])
      }
      expect(discord.messages).toHaveLength(1)
    }),
  )
})

test("the runner's tables need no search_path; a pipeline without a schema for its own tables says what to do", async () => {
  await withDatabase(async (database) => {
    await setDefaults(database, { search_path: 'missing' })
    expect(await runCli(['pipeline', 'chain'], environment(database))).toMatchObject({ code: 0, stderr: '' })
    await withPool(database, async (pool) => {
      const failed = await initializeSchema({}, { db: pool, log: quietLog() }).catch((error: Error) => error)
      expect(failed).toMatchObject({ code: 'no_schema', retryable: false, message: expect.stringContaining('ALTER') })
    })
  })
})

/** Meant for another server; node-postgres reads more of them than libpq. */
const SHELL = {
  PGOPTIONS: '-c datestyle=German -c nonsense=1',
  PGHOST: 'elsewhere.invalid',
  PGHOSTADDR: '192.0.2.1',
  PGPORT: '1',
  PGUSER: 'somebody',
  PGPASSWORD: 'hunter2hunter2',
  PGPASSFILE: '/no/such',
  PGDATABASE: 'elsewhere',
  PGDATA: '/no/such',
  PGSSLMODE: 'verify-full',
  PGSSLNEGOTIATION: 'direct',
  PGREPLICATION: 'true',
  PGAPPNAME: 'tminus embedded',
  PGTZ: 'Asia/Tokyo',
  PGDATESTYLE: 'German',
  PGCLIENTENCODING: 'LATIN1',
  PGCLIENT_ENCODING: 'latin1',
  PGBINARY: 'true',
  PGSERVICE: 'elsewhere',
  PGSERVICEFILE: '/no/such',
  PGCONNECT_TIMEOUT: '1',
}

test('the embedded server ignores the PG* variables of the shell', async () => {
  await withFolder(async (dataDir) => {
    const env = { ...SHELL, DATA_DIR: dataDir }
    for (const args of [
      ['pipeline', 'chain'],
      ['db', 'check'],
    ]) {
      const { code, stderr, stdout } = await runCli(args, { env })
      expect([code, stderr], stdout).toEqual([0, ''])
    }
  })
})
