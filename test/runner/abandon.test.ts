import { expect, test } from 'vitest'
import { z } from 'zod'
import { dag } from '../../src/dag/dag.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, openTestRunner, statesOf, stored, uniqueId } from '../support/runner.ts'

const database = useDatabase()

test.concurrent('a task that ignores its signal is abandoned after 10 s, and its late result is refused', async () => {
  const late = deferred()
  const ended = deferred()
  const deaf = dag(uniqueId('deaf'), {}, ({ task }) => {
    const a = task('a', {
      executionTimeout: '50ms',
      run: async () => {
        await late.promise
        ended.resolve()
      },
    })
    task('b', { upstream: { a }, triggerRule: 'all_done', run: () => {} })
  })
  const { run, runner, metadata } = await openTestRunner(database, [deaf], { slots: 1 })
  const began = Date.now()
  const result = await run(deaf)
  expect(Date.now() - began).toBeGreaterThan(9_900)
  expect(statesOf(result)).toEqual({ a: 'failed', b: 'success' })
  expect(result.task_instances[0]?.reason).toBe('took longer than its execution timeout of 50 ms')
  late.resolve()
  await ended.promise
  await runner.drained()
  expect(statesOf(await stored(metadata, deaf.id, result.run_id)).a).toBe('failed')
})

test.concurrent('a task whose output schema never returns is abandoned too', async () => {
  const output = z.string().refine(() => new Promise<boolean>(() => {}))
  const hanging = dag(uniqueId('hanging'), {}, ({ task }) => {
    task('a', { executionTimeout: '50ms', output, run: () => 'out' })
  })
  const { run } = await openTestRunner(database, [hanging])
  const [a] = (await run(hanging)).task_instances
  expect(a).toMatchObject({ state: 'failed', reason: 'took longer than its execution timeout of 50 ms' })
})
