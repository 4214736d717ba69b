import { randomBytes } from 'node:crypto'
import pg from 'pg'
import format from 'pg-format'
import { afterAll, beforeAll, inject } from 'vitest'
import { type Database, openPool } from '../../src/db/pool.ts'
import { address } from './address.ts'

export interface TestDatabase {
  connectionString: string
  pool: Database
  /** Ends the pool, then drops the database, even if others are still connected to it. */
  drop(): Promise<void>
}

/** A database for all tests of a file or `describe`: created before their own hooks, dropped after them. */
export function useDatabase(make = createDatabase): TestDatabase {
  let made: TestDatabase | undefined
  const database = () => {
    if (made === undefined) throw new Error('The database is there from beforeAll to afterAll')
    return made
  }
  beforeAll(async () => {
    made = await make()
  })
  afterAll(() => made?.drop())
  return {
    get connectionString() {
      return database().connectionString
    },
    get pool() {
      return database().pool
    },
    drop: () => database().drop(),
  }
}

/** A database for one test of several that run at once. */
export async function withDatabase(work: (database: TestDatabase) => Promise<void>): Promise<void> {
  const database = await createEmptyDatabase()
  await work(database).finally(() => database.drop())
}

/** A database with the runner's tables: a clone of the migrated template (20 ms). */
export function createDatabase(): Promise<TestDatabase> {
  return create('template')
}

/** A database with the tables of the runner and of the launches. */
export function createLaunchDatabase(): Promise<TestDatabase> {
  return create('launches')
}

/** A database without tables. */
export function createEmptyDatabase(): Promise<TestDatabase> {
  return create('template0')
}

async function create(template: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`
  await administer(format('create database %I template %I strategy file_copy', name, template))
  const connectionString = address(inject('postgres'), { database: name })
  const pool = openPool(connectionString, { applicationName: name })
  return {
    connectionString,
    pool,
    drop: async () => {
      if (!pool.ended) await pool.end()
      await administer(format('drop database if exists %I with (force)', name))
    },
  }
}

async function administer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: address(inject('postgres'), { database: 'postgres' }) })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
