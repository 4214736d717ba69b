import { describe, expect, test } from 'vitest'
import { openPool } from '../../src/db/pool.ts'
import { migrateEngine } from '../../src/worker/engine-schema.ts'
import { useDatabase } from '../support/database.ts'

const database = useDatabase()

describe("the engine's tables", () => {
  test('several processes that migrate at once create them once, in the schema that is set', async () => {
    const pools = Array.from({ length: 4 }, () => openPool(database.connectionString, { max: 2 }))
    try {
      await Promise.all(pools.map((pool) => migrateEngine(pool, 'engine_2')))
      const { rows } = await database.pool.query(
        `select n.nspname, (select count(*)::int from engine_2.migrations) as migrations
         from pg_proc p join pg_namespace n on n.oid = p.pronamespace where proname = 'add_jobs'`,
      )
      expect(rows).toEqual([{ nspname: 'engine_2', migrations: 19 }])
    } finally {
      await Promise.all(pools.map((pool) => pool.end()))
    }
  })
})
