import { expect, test } from 'vitest'
import { currentTry } from '../../src/blame.ts'
import { dag } from '../../src/dag/dag.ts'
import { listPools, setPool } from '../../src/operations/pools.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, openTestRunner, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()

test('a try that an unhandled error fails ends at once and is retried; it keeps its pool slot until its code ends', async () => {
  const [pool, gate] = [uniqueId('pool'), deferred()]
  const signals: AbortSignal[] = []
  const careless = dag(uniqueId('careless'), {}, ({ task }) => {
    task('a', {
      pool,
      retries: 1,
      retryDelay: 1,
      run: async (_inputs, { tryNumber, signal }) => {
        if (tryNumber > 1) return
        signals.push(signal)
        setImmediate(() => currentTry()?.fail(new Error('boom')))
        await gate.promise
      },
    })
  })
  const own = await openTestRunner(database, [careless])
  await setPool(own.metadata, pool, 1, null)
  const run = await own.runner.run(careless, { logicalDate: new Date() })
  const task = async () =>
    (await own.metadata.query('select state, try_number, failures from metadata.task_instance')).rows[0]
  await until(async () => {
    const { state, failures } = (await task()) ?? {}
    return state === 'scheduled' && failures === 1
  })
  expect([await task(), signals[0]?.aborted]).toEqual([{ state: 'scheduled', try_number: 1, failures: 1 }, true])
  expect(await listPools(own.metadata)).toContainEqual(expect.objectContaining({ pool, used: 1 }))
  gate.resolve()
  expect(await run.finished).toMatchObject({ state: 'success' })
  await until(async () => (await listPools(own.metadata)).every(({ used }) => used === 0))
})
