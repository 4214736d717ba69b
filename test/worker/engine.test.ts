import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { openPool } from '../../src/db/pool.ts'
import { Engine } from '../../src/worker/engine.ts'
import { migrateEngine } from '../../src/worker/engine-schema.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, silent } from '../support/runner.ts'

const database = useDatabase()

test('a try that ends after its worker has closed its connections causes no unhandled rejection', async () => {
  const rejections: unknown[] = []
  const record = (error: unknown) => void rejections.push(error)
  process.on('unhandledRejection', record)
  onTestFinished(() => void process.off('unhandledRejection', record))
  await migrateEngine(database.pool, 'tminus_worker', 'metadata')
  const [begun, work] = [deferred(), deferred()]
  const engine = new Engine({
    pool: openPool(database.connectionString, { max: 3 }),
    listenPool: openPool(database.connectionString, { max: 1 }),
    schema: 'tminus_worker',
    identifiers: ['a:1'],
    concurrency: 2,
    handle: async () => {
      begun.resolve()
      await work.promise
    },
    onStarted: async () => {},
    log: silent,
  })
  await engine.start()
  await database.pool.query(`select tminus_worker.add_job('a:1')`)
  await begun.promise
  const draining = engine.drain()
  await engine.close()
  work.resolve()
  await draining
  await turn()
  expect(rejections).toEqual([])
})
