import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { beforeEach, describe, expect, test } from 'vitest'
import { type MigrationSet, migrate, pendingMigrations } from '../../src/db/migrate.ts'
import { openPool } from '../../src/db/pool.ts'
import { migrateMetadata, pendingMetadata } from '../../src/maintenance/schema.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { runScript } from '../support/cli.ts'
import { createEmptyDatabase, useDatabase } from '../support/database.ts'
import { removeFolder, scratchFolder } from '../support/scratch.ts'

const database = useDatabase(createEmptyDatabase)
let folder: string
let schema: string
let count = 0

beforeEach(async () => {
  schema = `s${++count}`
  folder = await scratchFolder()
  return () => removeFolder(folder)
})

/** Writes the files and returns the migration set for them. */
async function setOf(files: Record<string, string>, rest: Partial<MigrationSet> = {}): Promise<MigrationSet> {
  for (const [name, sql] of Object.entries(files)) await writeFile(join(folder, name), sql)
  return { directory: pathToFileURL(`${folder}/`), schema, historyTable: 'history', ...rest }
}

async function ask(sql: string): Promise<unknown[]> {
  const { rows } = await database.pool.query({ text: sql, rowMode: 'array' })
  return rows.flat()
}

const tables = () =>
  ask(`select relname from pg_class c join pg_namespace n on n.oid = relnamespace
       where nspname = '${schema}' and relkind = 'r' order by relname`)
const history = () => ask(`select version || ' ' || name from ${schema}.history order by applied_at, version`)
const schemas = () => ask('select nspname from pg_namespace order by nspname')

const ONE = { '0001_one.sql': 'create table one (x int);' }
const TWO = { '0002_two.sql': 'insert into one values (2); create table two (y int);' }

describe('migrate', () => {
  test('applies the missing files in the order of their numbers, and then nothing', async () => {
    const first = await setOf({ ...TWO, ...ONE, 'README.md': 'no sql', '0003_notes.txt': 'none either' })
    expect(await pendingMigrations(database.pool, first)).toEqual(['0001_one.sql', '0002_two.sql'])
    expect(await migrate(database.pool, first)).toEqual({ applied: ['0001_one.sql', '0002_two.sql'], version: 2 })
    expect(await tables()).toEqual(['history', 'one', 'two'])
    expect(await migrate(database.pool, first)).toEqual({ applied: [], version: 2 })
    await setOf({ '0010_three.sql': 'create table three ()' })
    expect(await pendingMigrations(database.pool, first)).toEqual(['0010_three.sql'])
    expect(await migrate(database.pool, first)).toEqual({ applied: ['0010_three.sql'], version: 10 })
    expect(await history()).toEqual(['1 0001_one.sql', '2 0002_two.sql', '10 0010_three.sql'])
  })

  test('reading the pending files changes nothing', async () => {
    await pendingMigrations(database.pool, await setOf(ONE))
    expect(await schemas()).not.toContain(schema)
  })

  test('each file has its own transaction: a failed file is rolled back alone, and named', async () => {
    const id = 'insert into ids select txid_current();'
    const set = await setOf({
      '0001_ids.sql': `create table ids (id bigint); ${id}`,
      '0002_id.sql': id,
      '0003_bad.sql': 'create table half (); select 1 / 0;',
      '0004_never.sql': 'create table never ()',
    })
    await expect(migrate(database.pool, set)).rejects.toMatchObject({
      message: 'Migration 0003_bad.sql failed and was rolled back: division by zero',
      code: 'migration_failed',
      retryable: false,
    })
    expect(await tables()).toEqual(['history', 'ids'])
    expect(await ask(`select count(distinct id) from ${schema}.ids`)).toEqual([2])
    await setOf({ '0003_bad.sql': 'create table whole ()' })
    expect((await migrate(database.pool, set)).applied).toEqual(['0003_bad.sql', '0004_never.sql'])
  })

  test('a first file that fails leaves no schema behind', async () => {
    await expect(migrate(database.pool, await setOf({ '0001_bad.sql': 'nonsense' }))).rejects.toThrow('0001_bad.sql')
    expect(await schemas()).not.toContain(schema)
  })

  test('rejects a file that was edited after it was applied, before it applies another', async () => {
    const set = await setOf(ONE)
    await migrate(database.pool, set)
    await setOf({ '0001_one.sql': 'create table one (x bigint);', ...TWO })
    const refused = { code: 'migration_edited', message: expect.stringContaining('0001_one.sql was edited') }
    await expect(migrate(database.pool, set)).rejects.toMatchObject(refused)
    await expect(pendingMigrations(database.pool, set)).rejects.toMatchObject(refused)
    expect(await tables()).toEqual(['history', 'one'])
  })

  test('CRLF line ends and a byte order mark do not count as an edit', async () => {
    const sql = 'create table one (\n  x int\n);\n'
    const set = await setOf({ '0001_one.sql': sql })
    await migrate(database.pool, set)
    await setOf({ '0001_one.sql': `\uFEFF${sql.replaceAll('\n', '\r\n')}` })
    expect((await migrate(database.pool, set)).applied).toEqual([])
    await setOf({ '0002_two.sql': '\uFEFFcreate table two ();\r\n' })
    expect((await migrate(database.pool, set)).applied).toEqual(['0002_two.sql'])
  })

  test('rejects a database that a newer version has migrated', async () => {
    const set = await setOf({ ...ONE, ...TWO })
    await migrate(database.pool, set)
    await rm(join(folder, '0002_two.sql'))
    await setOf({ '0003_three.sql': 'create table three ()' })
    const refused = { code: 'migration_unknown', message: expect.stringContaining('0002_two.sql is unknown here') }
    await expect(migrate(database.pool, set)).rejects.toMatchObject(refused)
    await expect(pendingMigrations(database.pool, set)).rejects.toMatchObject(refused)
    expect(await tables()).toEqual(['history', 'one', 'two'])
  })

  test('rejects two files with the same number', async () => {
    const set = await setOf({ ...ONE, '0001_other.sql': 'create table other ()' })
    await expect(migrate(database.pool, set)).rejects.toThrow('0001_one.sql and 0001_other.sql have the same number')
    expect(await schemas()).not.toContain(schema)
  })

  test('four processes at once apply each file once', async () => {
    const set = await setOf({ ...ONE, ...TWO, '0003_slow.sql': 'select pg_sleep(0.2)' })
    const script = `
      import { migrate } from 'ROOT/src/db/migrate.ts'
      import { openPool } from 'ROOT/src/db/pool.ts'
      const pool = openPool(process.env.DATABASE_URL)
      const set = JSON.parse(process.env.SET)
      const { applied } = await migrate(pool, { ...set, directory: new URL(set.directory) })
      await pool.end()
      console.log(applied.join('\\n'))`
    const env = { DATABASE_URL: database.connectionString, SET: JSON.stringify(set) }
    const ended = await Promise.all([1, 2, 3, 4].map(() => runScript(script, { env })))
    expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(Array(4).fill([0, '']))
    const applied = ended.flatMap(({ stdout }) => stdout.split('\n').filter(Boolean))
    expect(applied.sort()).toEqual(['0001_one.sql', '0002_two.sql', '0003_slow.sql'])
    expect(await ask(`select x from ${schema}.one`)).toEqual([2])
  })
})

describe('versions', () => {
  /** Version 1.3.0 has applied two files; this code knows the first one. */
  async function migrated(): Promise<MigrationSet> {
    const set = await setOf({ ...ONE, ...TWO }, { version: '1.3.0' })
    await migrate(database.pool, set)
    await rm(join(folder, '0002_two.sql'))
    return set
  }

  test('a database that the next minor version has migrated is accepted', async () => {
    const set = await migrated()
    expect(await pendingMigrations(database.pool, { ...set, version: '1.2.7' })).toEqual([])
    expect(await migrate(database.pool, { ...set, version: '1.2.7' })).toEqual({ applied: [], version: 1 })
  })

  test.each(['1.1.0', '0.9.0'])('version %s refuses the database of a version that is too new', async (version) => {
    const refused = {
      code: 'migration_unknown',
      message: `Schema "${schema}" was migrated by version 1.3.0 (0002_two.sql is unknown here); run that version or a newer one`,
    }
    const set = { ...(await migrated()), version }
    await expect(migrate(database.pool, set)).rejects.toMatchObject(refused)
    await expect(pendingMigrations(database.pool, set)).rejects.toMatchObject(refused)
  })

  test('an unknown file is refused while files of this version are missing', async () => {
    const set = await migrated()
    await setOf({ '0003_three.sql': 'create table three ()' })
    await expect(migrate(database.pool, set)).rejects.toMatchObject({ code: 'migration_unknown' })
    expect(await tables()).toEqual(['history', 'one', 'two'])
  })

  test('a history that does not record versions is continued', async () => {
    const set = await setOf(ONE, { version: '1.3.0' })
    await migrate(database.pool, set)
    await database.pool.query(`alter table ${schema}.history drop column applied_by`)
    expect(await pendingMigrations(database.pool, set)).toEqual([])
    await setOf(TWO)
    await migrate(database.pool, set)
    expect(await ask(`select applied_by from ${schema}.history order by version`)).toEqual([null, '1.3.0'])
  })
})

test('a migration that waits for a lock does not block the statements of others for long', async () => {
  const set = await setOf(ONE)
  await migrate(database.pool, set)
  await setOf({ '0002_alter.sql': 'alter table one add column y int' })
  const backup = await database.pool.connect()
  await backup.query(`begin; select from ${schema}.one`)
  const migrating = migrate(database.pool, set)
  const waits = `select from pg_locks where relation = '${schema}.one'::regclass and not granted`
  try {
    await expect.poll(async () => (await database.pool.query(waits)).rowCount).toBe(1)
    // This statement waits behind the migration. Without a limit, it would wait until the end of the backup.
    await database.pool.query(`begin; set local statement_timeout = '20s'; select from ${schema}.one; commit`)
  } finally {
    await backup.query('commit')
    backup.release()
  }
  expect((await migrating).applied).toEqual(['0002_alter.sql'])
})

describe('schemas', () => {
  test("an exclusive schema with another application's tables is rejected and not changed", async () => {
    await database.pool.query(`create schema ${schema}; create table ${schema}.theirs (x int)`)
    const set = await setOf(ONE, { exclusive: true })
    await expect(migrate(database.pool, set)).rejects.toMatchObject({
      code: 'schema_foreign',
      message: `Schema "${schema}" holds another application's tables (theirs); choose another schema or database`,
    })
    expect(await tables()).toEqual(['theirs'])
    expect((await migrate(database.pool, { ...set, exclusive: false })).applied).toEqual(['0001_one.sql'])
  })

  test("a table with the history's name that is no history is rejected, in a shared schema or not", async () => {
    await database.pool.query(`create schema ${schema}; create table ${schema}.history (id int)`)
    await expect(migrate(database.pool, await setOf(ONE))).rejects.toMatchObject({ code: 'schema_foreign' })
    expect(await tables()).toEqual(['history'])
  })

  test('an exclusive schema that exists and is empty is accepted', async () => {
    await database.pool.query(`create schema ${schema}`)
    await migrate(database.pool, await setOf(ONE, { exclusive: true }))
    expect(await tables()).toEqual(['history', 'one'])
  })

  test("two sets in one schema have separate histories, whatever the files' numbers", async () => {
    const one = await setOf(ONE)
    await migrate(database.pool, one)
    const other = join(folder, 'other')
    await mkdir(other)
    await writeFile(join(other, '0001_other.sql'), 'create table other ()')
    const set = { ...one, directory: pathToFileURL(`${other}/`), historyTable: 'other_history' }
    expect((await migrate(database.pool, set)).applied).toEqual(['0001_other.sql'])
    expect((await migrate(database.pool, one)).applied).toEqual([])
    expect(await tables()).toEqual(['history', 'one', 'other', 'other_history'])
  })

  test("the connection's own schema is the default, and needs no right to create schemas", async () => {
    const role = `role_${randomBytes(4).toString('hex')}`
    await database.pool.query(`
      create schema ${schema};
      create role ${role} login password 'only-its-own';
      grant usage, create on schema ${schema} to ${role};
      alter role ${role} set search_path to ${schema}`)
    const url = new URL(database.connectionString)
    url.username = role
    url.password = 'only-its-own'
    const pool = openPool(url.href)
    const before = await schemas()
    const { schema: _, ...set } = await setOf({ ...ONE, ...TWO })
    expect((await migrate(pool, set)).applied).toHaveLength(2)
    expect(await pendingMigrations(pool, set)).toEqual([])
    await pool.end()
    expect(await tables()).toEqual(['history', 'one', 'two'])
    expect(await schemas()).toEqual(before)
    await database.pool.query(`drop owned by ${role}; drop role ${role}`)
  })

  test('the search path of the connection is restored afterwards', async () => {
    const pool = openPool(database.connectionString, { max: 1 })
    await migrate(pool, await setOf(ONE))
    const { rows } = await pool.query('show search_path')
    await pool.end()
    expect(rows).toEqual([{ search_path: '"$user", public' }])
  })
})

describe("the runner's own schema", () => {
  test.each(['metadata', 'user', '_odd1'])('may be named %s, and statements find it', async (name) => {
    const pool = openPool(database.connectionString)
    expect(await pendingMetadata(pool, name)).not.toEqual([])
    await migrateMetadata(pool, name)
    expect(await pendingMetadata(pool, name)).toEqual([])
    const metadata = openMetadata(pool, name)
    expect(metadata.schema).toBe(name)
    await metadata.query('insert into metadata.dag (dag_id) values ($1)', [`of ${name}`])
    await metadata.transaction(async (tx) => {
      await tx.query({ text: 'insert into metadata.dag (dag_id) select dag_id || $1 from metadata.dag', values: ['!'] })
    })
    const { rows } = await pool.query(`select dag_id from "${name}".dag order by dag_id`)
    await pool.end()
    expect(rows).toEqual([{ dag_id: `of ${name}` }, { dag_id: `of ${name}!` }])
  })
})
