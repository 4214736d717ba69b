import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrate } from '../../src/db/migrate.ts'
import { openPool } from '../../src/db/pool.ts'
import { isRetryable } from '../../src/errors.ts'
import { PIPELINES } from '../e2e/support.ts'
import { address } from '../support/address.ts'
import { runCli } from '../support/cli.ts'
import { createEmptyDatabase, createLaunchDatabase, useDatabase } from '../support/database.ts'

const PASSWORD = 'hunter2hunter2'

/** A role only for this test file: roles belong to the whole server. */
function roleOf(database: { connectionString: string }, kind: string): string {
  return `${kind}_${new URL(database.connectionString).pathname.slice(1)}`
}

const addressOf = (database: { connectionString: string }, role: string) => {
  const url = new URL(address(database.connectionString, { password: PASSWORD }))
  url.username = role
  return url.href
}

describe('an error about a missing right names the statement that grants it', () => {
  const database = useDatabase(createEmptyDatabase)
  let role = ''
  beforeAll(async () => {
    role = roleOf(database, 'poor')
    await database.pool.query(`
      create role ${role} login password '${PASSWORD}';
      create schema other; create table other.things (id int primary key); create table "Odd name" (id int);
      create sequence other.counter; create table other."order" (id int); create view other.seen as select 1 as one;
      create function other.answer() returns int language sql as 'select 42'; revoke execute on function other.answer from public;
      grant usage on schema other to ${role}`)
  })
  afterAll(() => database.pool.query(`drop owned by ${role}; drop role ${role}`))

  const owner = 'its owner or a superuser can run:'
  test.each([
    ['create table x (id int)', 'schema public', `${owner} GRANT USAGE, CREATE ON SCHEMA public TO ROLE`],
    ['create schema mine', 'database test_', `${owner} GRANT CREATE ON DATABASE test_`],
    [
      'select from other.things',
      'table things',
      `${owner} GRANT SELECT, INSERT, UPDATE, DELETE ON other.things TO ROLE`,
    ],
    ['insert into "Odd name" values (1)', 'table Odd name', 'ON "Odd name" TO ROLE'],
    ['delete from other."order"', 'table order', 'ON other."order" TO ROLE'],
    ['select * from other.seen', 'view seen', 'ON other.seen TO ROLE'],
    ["select nextval('other.counter')", 'sequence counter', 'GRANT USAGE, SELECT ON SEQUENCE other.counter TO ROLE'],
    ['select other.answer()', 'function answer', 'GRANT EXECUTE ON FUNCTION other.answer TO ROLE'],
    ['drop table other.things', 'must be owner of table things', 'ALTER TABLE other.things OWNER TO ROLE'],
    ['set session_replication_role = replica', 'set parameter', 'a superuser can GRANT the missing right to ROLE'],
  ])('%s', async (statement, what, mend) => {
    const pool = openPool(addressOf(database, role))
    const error = (await pool.query(statement).catch((thrown: unknown) => thrown)) as Error
    await pool.end()
    expect(error.message).toContain(what)
    expect(error.message).toContain(mend.replace('ROLE', role))
    expect(error).toMatchObject({ code: '42501' })
    expect(isRetryable(error)).toBe(false)
  })

  test('the statement can be pasted, and is sufficient', async () => {
    const pool = openPool(addressOf(database, role))
    const directory = new URL('../../sql/launches/', import.meta.url)
    const work = () => migrate(pool, { directory, historyTable: 'h_migration' })
    const error = (await work().catch((thrown: unknown) => thrown)) as Error
    const [, grant] = /: (GRANT .*)$/.exec(error.message) ?? []
    await database.pool.query(grant ?? '')
    expect((await work()).applied.length).toBeGreaterThan(0)
    await pool.end()
  })

  test('a database to which a role may not connect', async () => {
    const name = new URL(database.connectionString).pathname.slice(1)
    await database.pool.query(`revoke connect on database ${name} from public`)
    const { code, stderr } = await runCli(['dags', 'next', 'chain'], {
      env: { DATABASE_URL: addressOf(database, role) },
    })
    await database.pool.query(`grant connect on database ${name} to public`)
    expect(code).toBe(2)
    expect(stderr).toMatch(
      new RegExp(
        `^✖ DATABASE_URL: permission denied for database "${name}"; .* GRANT CONNECT ON DATABASE ${name} TO ${role}\\n$`,
      ),
    )
  })
})

describe('db check fails', () => {
  const database = useDatabase(createLaunchDatabase)
  let role = ''
  beforeAll(async () => {
    role = roleOf(database, 'reader')
    await database.pool.query(`
      create role ${role} login password '${PASSWORD}';
      grant usage on schema metadata to ${role};
      grant select on all tables in schema metadata, public to ${role}`)
  })
  afterAll(() => database.pool.query(`drop owned by ${role}; drop role ${role}`))
  const check = async (env: Record<string, string>) => {
    const { code, stdout } = await runCli(['db', 'check', '-o', 'json'], { env: { PIPELINES_DIR: PIPELINES, ...env } })
    const checks = JSON.parse(stdout) as { name: string; level: string; message: string }[]
    return { code, failed: checks.filter(({ level }) => level === 'fail') }
  }

  test('for a role that may only read, with the GRANT', async () => {
    const DATABASE_URL = addressOf(database, role)
    const { code, failed } = await check({ DATABASE_URL })
    expect(code).toBe(1)
    expect(failed).toEqual([
      {
        name: 'rights',
        level: 'fail',
        message: expect.stringMatching(/DELETE ON ALL TABLES IN SCHEMA metadata TO reader_test_\w+$/),
      },
      {
        name: 'launches',
        level: 'fail',
        message: expect.stringMatching(/ON public.discord_forum, .*public.rocket_launches.* TO reader_test_\w+$/),
      },
    ])
    const started = await runCli(['start'], { env: { DATABASE_URL } })
    expect([started.code, started.stderr.split('\n')[0]]).toEqual([
      1,
      `✖ permission denied for table job; its owner or a superuser can run: GRANT SELECT, INSERT, UPDATE, DELETE ON metadata.job TO ${role}`,
    ])
    for (const { message } of failed) await database.pool.query(/GRANT .*$/.exec(message)?.[0] ?? '')
    expect(await check({ DATABASE_URL })).toEqual({ code: 0, failed: [] })
  })

  test('for a role whose transactions are read-only', async () => {
    await database.pool.query(`alter role ${role} set default_transaction_read_only = on`)
    const DATABASE_URL = addressOf(database, role)
    const { code, failed } = await check({ DATABASE_URL })
    const started = await runCli(['start'], { env: { DATABASE_URL } })
    expect([started.code, started.stderr.split('\n')[0]]).toEqual([
      1,
      `✖ cannot execute INSERT in a read-only transaction; connect to the primary server; if this is it, ALTER ROLE ${role} SET default_transaction_read_only = off`,
    ])
    await database.pool.query(`alter role ${role} reset default_transaction_read_only`)
    expect([code, failed.map(({ name }) => name)]).toEqual([1, ['writes']])
    expect(failed[0]?.message).toContain(`ALTER ROLE ${role} SET default_transaction_read_only = off`)
  })

  test('for launches that a role may only read, if the runner has its own database', async () => {
    await database.pool.query(`revoke insert, update, delete on all tables in schema public from ${role}`)
    const { failed } = await check({
      DATABASE_URL: addressOf(database, role),
      METADATA_DATABASE_URL: database.connectionString,
    })
    expect(failed.map(({ name }) => name)).toEqual(['launches'])
  })
})
