import { Logger, runMigrations } from 'graphile-worker'
import format from 'pg-format'
import { afterEach, describe, expect, test } from 'vitest'
import { type Database, openPool } from '../../src/db/pool.ts'
import { engineProblem, migrateEngine } from '../../src/worker/engine-schema.ts'
import { useDatabase } from '../support/database.ts'

const database = useDatabase()
let pools: Database[] = []
afterEach(async () => {
  await Promise.all(pools.map((pool) => pool.end()))
  pools = []
})

function open(connectionString = database.connectionString): Database {
  const pool = openPool(connectionString, { max: 2 })
  pools.push(pool)
  return pool
}

const problem = async (schema: string, pool = database.pool) => await engineProblem(pool, schema, 'metadata')

describe("the engine's tables", () => {
  test('several processes that migrate at once create them once, in the schema that is set', async () => {
    expect(await problem('engine_2')).toMatchObject({ code: 'engine_old', isFatal: false })
    await Promise.all(Array.from({ length: 4 }, () => migrateEngine(open(), 'engine_2', 'metadata')))
    const { rows } = await database.pool.query(
      `select n.nspname, (select count(*)::int from engine_2.migrations) as migrations
       from pg_proc p join pg_namespace n on n.oid = p.pronamespace where proname = 'add_jobs'`,
    )
    expect(rows).toEqual([{ nspname: 'engine_2', migrations: 19 }])
    expect(await problem('engine_2')).toBeUndefined()
  })

  test('an interrupted migration is continued', async () => {
    await migrateEngine(open(), 'continued', 'metadata')
    await database.pool.query('delete from continued.migrations where id = 19')
    expect((await problem('continued'))?.message).toBe('schema "continued" is at revision 18 of 19')
    await migrateEngine(open(), 'continued', 'metadata')
    expect(await problem('continued')).toBeUndefined()
  })

  test("migrating stops no worker of another application's graphile-worker", async () => {
    const listener = await database.pool.connect()
    const heard: (string | undefined)[] = []
    listener.on('notification', ({ payload }) => heard.push(payload))
    try {
      await listener.query('listen "worker:migrate"')
      await migrateEngine(open(), 'silent', 'metadata')
      await listener.query('select 1')
      expect(heard).toEqual([])
      const other = open().on('connect', () => {})
      await runMigrations({ pgPool: other, schema: 'loud', logger: new Logger(() => () => {}) })
      await listener.query('select 1')
      expect(heard).toHaveLength(19)
    } finally {
      listener.release(true)
    }
  })

  test('a schema with the tables of another application or of another runner is refused and left alone', async () => {
    await database.pool.query('create schema theirs; create table theirs.alembic_version (version_num text)')
    await expect(migrateEngine(open(), 'theirs', 'metadata')).rejects.toMatchObject({
      code: 'engine_foreign',
      message: 'Schema "theirs" holds tables of another application (alembic_version); set WORKER_SCHEMA to another',
    })
    await expect(migrateEngine(open(), 'engine_2', 'metadata_2')).rejects.toMatchObject({
      code: 'engine_foreign',
      message: expect.stringContaining('Schema "engine_2" holds tables of another T-minus ('),
    })
    const { rows } = await database.pool.query(`select tablename from pg_tables where schemaname = 'theirs'`)
    expect(rows).toEqual([{ tablename: 'alembic_version' }])
  })

  test('a newer engine is accepted, unless it made a change that is not compatible; no exit code is set', async () => {
    await migrateEngine(open(), 'newer', 'metadata')
    await database.pool.query('insert into newer.migrations (id, breaking) values (20, false)')
    await migrateEngine(open(), 'newer', 'metadata')
    expect(await problem('newer')).toMatchObject({ code: 'engine_newer', isFatal: false })
    await database.pool.query('insert into newer.migrations (id, breaking) values (21, true)')
    await expect(migrateEngine(open(), 'newer', 'metadata')).rejects.toMatchObject({
      code: 'engine_newer',
      message:
        'Schema "newer" is at revision 21 of a graphile-worker newer than graphile-worker@0.17.3; update T-minus, or set WORKER_SCHEMA to another schema',
    })
    expect(process.exitCode).toBeUndefined()
  })

  describe('for another role', () => {
    const role = `role_${process.pid}_${Math.random().toString(36).slice(2)}`
    const asRole = () => {
      const url = new URL(database.connectionString)
      Object.assign(url, { username: role, password: 'secret' })
      return open(url.href)
    }
    const rights = `${format.ident(role)}`
    const create = () => database.pool.query(`create role ${rights} login password 'secret'`)
    const drop = () => database.pool.query(`drop owned by ${rights}; drop role ${rights}`)

    test('a missing right is named; tables of a different owner are refused, although every right was granted', async () => {
      await create()
      try {
        await expect(migrateEngine(asRole(), 'role_of', 'metadata')).rejects.toThrow(
          new RegExp(`permission denied for database .* GRANT CREATE ON DATABASE .* TO ${role}`),
        )
        await migrateEngine(open(), 'role_of', 'metadata')
        await database.pool.query(`
          grant all on schema role_of to ${rights}; grant all on all tables in schema role_of to ${rights};
          grant all on all sequences in schema role_of to ${rights}`)
        await expect(migrateEngine(asRole(), 'role_of', 'metadata')).rejects.toMatchObject({
          code: 'engine_role',
          message: expect.stringMatching(
            `Role ${role} sees no jobs in schema "role_of", because its tables belong to \\w+; use one role for all processes`,
          ),
        })
      } finally {
        await drop()
      }
    })
  })
})
