import { expect, onTestFinished, test } from 'vitest'
import { openPool } from '../../src/db/pool.ts'
import { Engine } from '../../src/worker/engine.ts'
import { migrateEngine } from '../../src/worker/engine-schema.ts'
import { useDatabase } from '../support/database.ts'
import { silent, until } from '../support/runner.ts'

const database = useDatabase()

test('an engine takes no job before its id is stored, so that its jobs can be unlocked after its death', async () => {
  const { pool, connectionString } = database
  await migrateEngine(pool, 'engine', 'metadata')
  await pool.query(`select engine.add_job('task', '{"dagRunId": 1, "taskId": "act", "tryNumber": 1}')`)
  const order: string[] = []
  const engine = new Engine({
    pool: openPool(connectionString, { max: 3 }),
    listenPool: openPool(connectionString, { max: 1 }),
    schema: 'engine',
    identifiers: ['task'],
    concurrency: 2,
    handle: async () => void order.push('took the job'),
    onStarted: async () => {
      // Long enough to take a job, if the engine did not wait.
      await pool.query('select pg_sleep(0.5)')
      order.push('stored its id')
    },
    log: silent,
  })
  onTestFinished(async () => {
    await engine.drain()
    await engine.close()
  })
  await engine.start()
  await until(() => order.length === 2)
  expect(order).toEqual(['stored its id', 'took the job'])
})
