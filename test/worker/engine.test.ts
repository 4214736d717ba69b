import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openPool } from '../../src/db/pool.ts'
import { Engine, type EngineOptions } from '../../src/worker/engine.ts'
import { migrateEngine } from '../../src/worker/engine-schema.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, silent, until } from '../support/runner.ts'

const database = useDatabase()

const KEY = '{"dagRunId": 1, "taskId": "act", "tryNumber": 1}'

async function start(options: Pick<EngineOptions, 'handle' | 'onStarted'>): Promise<Engine> {
  const { pool, connectionString } = database
  await migrateEngine(pool, 'engine', 'metadata')
  const engine = new Engine({
    pool: openPool(connectionString, { max: 3, applicationName: 'engine' }),
    listenPool: openPool(connectionString, { max: 1, applicationName: 'listener' }),
    schema: 'engine',
    identifiers: ['task'],
    concurrency: 2,
    log: silent,
    ...options,
  })
  onTestFinished(async () => {
    vi.useRealTimers()
    await Promise.all([engine.drain(), engine.close()])
  })
  await engine.start()
  return engine
}

const addJob = () => database.pool.query(`select engine.add_job('task', '${KEY}')`)
const listening = async () =>
  (await database.pool.query(`select from pg_stat_activity where application_name = 'listener' and query = 'select 1'`))
    .rowCount === 1
/** The engine has looked for jobs, and found none. */
const idle = async () =>
  (
    await database.pool.query(`select from pg_stat_activity where application_name = 'engine' having count(*) > 0
      and bool_and(state = 'idle' and state_change < now() - interval '500 ms')`)
  ).rowCount === 1

test('an engine takes no job before its id is stored, so that its jobs can be unlocked after its death', async () => {
  const { pool } = database
  await migrateEngine(pool, 'engine', 'metadata')
  await addJob()
  const order: string[] = []
  await start({
    handle: async () => void order.push('took the job'),
    onStarted: async () => {
      // Long enough to take a job, if the engine did not wait.
      await pool.query('select pg_sleep(0.5)')
      order.push('stored its id')
    },
  })
  await until(() => order.length === 2)
  expect(order).toEqual(['stored its id', 'took the job'])
})

test('an engine that was not listening when a job was added takes it when it listens again', async () => {
  // The engine polls and reconnects only when this test lets its timers run.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  let taken = 0
  await start({ handle: async () => void taken++, onStarted: async () => {} })
  await until(listening)
  await until(idle)
  const end = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'listener'`
  await database.pool.query(end)
  await until(async () => !(await listening()))
  await addJob()
  await until(async () => {
    await vi.advanceTimersByTimeAsync(100)
    return await listening()
  })
  await until(() => taken === 1, 10_000)
})

test('a try that ends after its worker has closed its connections causes no unhandled rejection', async () => {
  const rejections: unknown[] = []
  const record = (error: unknown) => void rejections.push(error)
  process.on('unhandledRejection', record)
  onTestFinished(() => void process.off('unhandledRejection', record))
  const [begun, work] = [deferred(), deferred()]
  const handle = async () => {
    begun.resolve()
    await work.promise
  }
  const engine = await start({ handle, onStarted: async () => {} })
  await addJob()
  await begun.promise
  const draining = engine.drain()
  await engine.close()
  work.resolve()
  await draining
  await turn()
  expect(rejections).toEqual([])
})
