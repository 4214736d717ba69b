import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { initializeSchema } from '../../../pipelines/launches/initialize-schema.ts'
import { parseLaunch } from '../../../pipelines/launches/parse-launch.ts'
import { storePage } from '../../../pipelines/launches/store-page.ts'
import { nearestLaunch } from '../../../pipelines/launches/upcoming.ts'
import { factsOf } from '../../../pipelines/rocket-launches/discord/card-facts.ts'
import { type Database, openPool } from '../../../src/db/pool.ts'
import { createEmptyDatabase, type TestDatabase } from '../../support/database.ts'
import { launch230 } from '../../support/launches.ts'
import { quietLog } from '../../support/quiet-log.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await createEmptyDatabase()
})
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.end()
  await database.drop()
})

const pools: Database[] = []

/** Connections to the same database with another default. */
async function withSetting(name: string, value: string): Promise<Database> {
  const [row] = await query('select current_database() as name')
  await query(`alter database ${row?.name} set ${name} to ${value.includes(',') ? value : `'${value}'`}`)
  const pool = openPool(database.connectionString)
  pools.push(pool)
  return pool
}

const query = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows
const initialize = (log = quietLog()) => initializeSchema({}, { db: database.pool, log })
const NOW = new Date('2026-01-15T00:00:00Z')
const ID = '00000000-0000-4000-8000-000000000001'

/** As the Airflow version made it. */
const AIRFLOW = `
  create table rocket_launches (
    id SERIAL PRIMARY KEY, launch_id VARCHAR(255) UNIQUE, name VARCHAR(255), image_url TEXT, net TIMESTAMP, details JSONB
  );
  insert into rocket_launches (launch_id, name, image_url, net, details) values
    ('gone', 'Gone', null, '2023-04-22 08:50:00', '{"image": {"thumbnail_url": "https://images.example/small.jpg"}}'),
    ('${ID}', 'Old name', 'https://images.example/old.jpg', '2026-02-01 10:30:00', '{"id": "x"}');`

async function columns(schema = 'public'): Promise<Record<string, string>> {
  const rows = await query(
    `select attname as name, format_type(atttypid, atttypmod) || case attidentity when '' then '' else ' identity' end
              || case when attnotnull then ' not null' else '' end as type
     from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
    [`${schema}.rocket_launches`],
  )
  return Object.fromEntries(rows.map(({ name, type }) => [name, type]))
}

describe('a fresh database', () => {
  test('gets the tables once, with comments', async () => {
    const log = quietLog()
    await initialize(log)
    await initialize(log)
    expect(log.lines).toEqual([
      expect.stringMatching(/^info applied 0001_rocket_launches\.sql, /),
      expect.stringMatching(/^info tables are up to date \(version \d+\)$/),
    ])
    expect(await query('SELECT id, launch_id, name, net, image_url FROM rocket_launches;')).toEqual([])
    expect(await columns()).toMatchObject({
      id: 'bigint identity not null',
      launch_id: 'text not null',
      name: 'text not null',
      net: 'timestamp with time zone not null',
      image_url: 'text',
      details: 'jsonb',
    })
    const [comment] = await query(`select col_description('rocket_launches'::regclass, 5) as text`)
    expect(comment?.text).toMatch(/^No earlier than/)
  })

  test('gets them in its default schema, beside other applications', async () => {
    await query('create table customers (id int)')
    await query('create schema elsewhere')
    await query(`create table elsewhere.rocket_launches (thrust int)`)
    await query('create schema launches')
    const elsewhere = await withSetting('search_path', 'launches, public')
    await initializeSchema({}, { db: elsewhere, log: quietLog() })
    expect(await query(`select to_regclass('launches.rocket_launches') is not null as there`)).toEqual([
      { there: true },
    ])
    expect((await elsewhere.query('select count(*) from rocket_launches')).rows).toEqual([{ count: 0 }])
    expect(await columns('elsewhere')).toEqual({ thrust: 'integer' })
  })

  test('has an outbox with unique messages in known states', async () => {
    await initialize()
    const insert = (state: string) =>
      query(
        `insert into discord_outbox (target, launch_id, kind, subject, state, facts, facts_hash)
         values ('1', 'a', 'card', 'card', $1, '{}', 'h') returning outbox_id, attempts, created_at`,
        [state],
      )
    expect(await insert('pending')).toMatchObject([{ outbox_id: 1, attempts: 0, created_at: expect.any(Date) }])
    await expect(insert('pending')).rejects.toThrow(/discord_outbox_once/)
    await expect(insert('lost')).rejects.toThrow(/discord_outbox_state/)
  })

  test('compresses details with lz4 if the server supports it', async () => {
    await initialize()
    const [able] = await query(
      `select 'lz4' = any (enumvals) as lz4 from pg_settings where name = 'default_toast_compression'`,
    )
    const [row] = await query(
      `select attcompression from pg_attribute where attrelid = 'rocket_launches'::regclass and attname = 'details'`,
    )
    expect(row?.attcompression).toBe(able?.lz4 ? 'l' : '')
  })
})

describe('the older Airflow table', () => {
  test('is migrated in place: rows and ids are kept, net becomes UTC', async () => {
    await query(AIRFLOW)
    const [{ oid }] = await query(`select 'rocket_launches'::regclass::oid as oid`)
    await initializeSchema({}, { db: await withSetting('timezone', 'Asia/Tokyo'), log: quietLog() })
    expect((await query(`select 'rocket_launches'::regclass::oid as oid`))[0]?.oid).toBe(oid)
    expect(await query('SELECT id, launch_id, name, net, image_url FROM rocket_launches ORDER BY id;')).toEqual([
      { id: 1, launch_id: 'gone', name: 'Gone', net: new Date('2023-04-22T08:50:00Z'), image_url: null },
      {
        id: 2,
        launch_id: ID,
        name: 'Old name',
        net: new Date('2026-02-01T10:30:00Z'),
        image_url: 'https://images.example/old.jpg',
      },
    ])
    expect(await query('select thumbnail_url from rocket_launches order by id')).toEqual([
      { thumbnail_url: 'https://images.example/small.jpg' },
      { thumbnail_url: null },
    ])
    const fresh = await createEmptyDatabase()
    try {
      await initializeSchema({}, { db: fresh.pool, log: quietLog() })
      const { rows } = await fresh.pool.query(`select array_agg(attname::text order by attname) as names
        from pg_attribute where attrelid = 'rocket_launches'::regclass and attnum > 0`)
      expect(Object.keys(await columns()).sort()).toEqual([...rows[0].names].sort())
    } finally {
      await fresh.drop()
    }
    expect(await columns()).toMatchObject({
      id: 'bigint identity not null',
      launch_id: 'text not null',
      name: 'text not null',
      net: 'timestamp with time zone not null',
      details: 'jsonb',
    })
    expect(await query(`select to_regclass('rocket_launches_id_seq1') as sequence`)).toEqual([{ sequence: null }])
  })

  test('continues its ids, gets current data, and records changes only of columns that it had', async () => {
    await query(AIRFLOW)
    await query('delete from rocket_launches where id < 2; update rocket_launches set id = 41')
    await initialize()
    const nearest = await nearestLaunch(database.pool, NOW)
    expect(nearest).toMatchObject({
      ...{ id: 41, launch_id: ID, net_precision: null, status_id: null, status_name: null, webcast_live: null },
      first_seen_at: null,
    })
    expect(nearest && factsOf(nearest)).toMatchObject({ status: 0, statusName: 'Unknown', webcast: null })
    const page = [launch230(), launch230({ id: 'new' })].map((launch) => parseLaunch('2.3.0', launch))
    expect(await storePage(database.pool, page, NOW)).toMatchObject({ inserted: 1, updated: 1 })
    // The insert that turned into an update used a number up, as it does in any table with an identity.
    expect(
      await query('select id, launch_id, status_id, updated_at, first_seen_at from rocket_launches order by id'),
    ).toEqual([
      { id: 41, launch_id: ID, status_id: 1, updated_at: NOW, first_seen_at: null },
      {
        id: expect.toSatisfy((id: number) => id === 42 || id === 43),
        launch_id: 'new',
        status_id: 1,
        updated_at: NOW,
        first_seen_at: NOW,
      },
    ])
    expect(await query('select field, old, new from rocket_launch_changes order by id')).toEqual([
      { field: 'name', old: 'Old name', new: 'Falcon 9 Block 5 | Example' },
      { field: 'image_url', old: 'https://images.example/old.jpg', new: 'https://images.example/falcon.jpg' },
    ])
  })

  test('is migrated when empty', async () => {
    await query(AIRFLOW)
    await query('truncate rocket_launches')
    await initialize()
    const [row] = await query(
      `insert into rocket_launches (launch_id, name, net) values ('a', 'b', now()) returning id`,
    )
    expect(row).toEqual({ id: 1 })
  })

  test('loses no row if it has no keys, gaps in its ids or duplicates', async () => {
    await query(`
      create table rocket_launches (
        id SERIAL, launch_id VARCHAR(255), name VARCHAR(255), image_url TEXT, net TIMESTAMP, details JSONB
      );
      insert into rocket_launches (launch_id, name, net) values
        ('a', 'first', null), ('a', 'second', '2026-02-01'), (null, null, null), (null, 'x', '2026-02-01 00:00:00.5'), ('b', 'b', null);`)
    await initialize()
    expect(await query('select id, launch_id, name, net from rocket_launches order by id')).toEqual([
      { id: 1, launch_id: null, name: 'first', net: null },
      { id: 2, launch_id: 'a', name: 'second', net: new Date('2026-02-01T00:00:00Z') },
      { id: 3, launch_id: null, name: null, net: null },
      { id: 4, launch_id: null, name: 'x', net: new Date('2026-02-01T00:00:00.500Z') },
      { id: 5, launch_id: 'b', name: 'b', net: null },
    ])
    expect((await nearestLaunch(database.pool, NOW))?.launch_id).toBe('a')
    const page = ['a', 'b'].map((id) => parseLaunch('2.3.0', launch230({ id })))
    expect(await storePage(database.pool, page, NOW)).toMatchObject({ inserted: 0, updated: 2 })
    await expect(query(`insert into rocket_launches (id, launch_id) values (1, 'c')`)).rejects.toThrow(/pkey/)
  })

  test('may have another column, index and sequence', async () => {
    await query('create sequence numbers start 100')
    await query(`create table rocket_launches (
      id int primary key default nextval('numbers'), launch_id varchar(255) unique, name varchar(255), image_url text,
      net timestamp, details jsonb, remark text, made_at timestamp not null default now())`)
    await query(`create index on rocket_launches (net)`)
    await query(`insert into rocket_launches (launch_id, name, net, remark) values ('a', 'b', '2026-02-01', 'mine')`)
    await initialize()
    expect(await query('select id, remark from rocket_launches')).toEqual([{ id: 100, remark: 'mine' }])
    expect(await columns()).toMatchObject({ id: 'bigint identity not null', remark: 'text' })
  })
})

describe('another application’s table of the same name', () => {
  test.each<[string, string, RegExp]>([
    [
      'of other columns',
      'create table rocket_launches (id serial primary key, thrust int)',
      /its column details, image_url/,
    ],
    [
      'of other types',
      'create table rocket_launches (id uuid, launch_id text, name text, image_url text, net timestamp, details jsonb)',
      /its column id is missing or of another type/,
    ],
    [
      'of text for details',
      'create table rocket_launches (id serial, launch_id varchar, name varchar, image_url text, net timestamp, details text)',
      /its column details/,
    ],
    [
      'that wants more than we know',
      'create table rocket_launches (id serial, launch_id varchar, name varchar, image_url text, net timestamp, details jsonb, owner int not null)',
      /unexpected column owner/,
    ],
    [
      'with a column where ours goes',
      'create table rocket_launches (id serial, launch_id varchar, name varchar, image_url text, net timestamp, details jsonb, pad int)',
      /unexpected column pad/,
    ],
    ['that is a view', `create view rocket_launches as select 1 as id`, /is not a table/],
    [
      'of ids given twice',
      `create table rocket_launches (id int, launch_id varchar, name varchar, image_url text, net timestamp, details jsonb);
       insert into rocket_launches (id, launch_id) values (1, 'a'), (1, 'b')`,
      /several rows of the same id/,
    ],
  ])('%s is refused and untouched', async (_, sql, message) => {
    await query(sql)
    const dump = () =>
      query(`select c.relname, a.attname, format_type(a.atttypid, a.atttypmod) as type, pg_get_expr(d.adbin, d.adrelid) as fill
             from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
             left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
             where c.relnamespace = 'public'::regnamespace order by 1, 2`)
    const before = await dump()
    const error = await initialize().then(
      () => undefined,
      (thrown) => thrown,
    )
    expect(error).toMatchObject({ code: 'migration_failed', retryable: false })
    expect(error.message).toMatch(/"public\.rocket_launches"/)
    expect(error.message).toMatch(message)
    expect(await dump()).toEqual(before)
  })
})
