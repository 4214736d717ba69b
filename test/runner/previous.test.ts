import { expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { setPool } from '../../src/operations/pools.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, openTestRunner, uniqueId } from '../support/runner.ts'

const database = useDatabase()

const day = (number: number) => new Date(`2026-03-0${number}T00:00:00Z`)

test('context.previous is read when a try starts, and is the latest by logical date', async () => {
  const gates = new Map([1, 2, 3, 4].map((one) => [day(one).getTime(), deferred()]))
  const seen: string[] = []
  const note = (taskId: string, date: Date, previous: Date | undefined) =>
    seen.push(`${date.getUTCDate()} ${taskId}: ${previous?.getUTCDate() ?? 'none'}`)
  const chain = dag(uniqueId('chain'), {}, ({ task }) => {
    const a = task('a', {
      run: async (_inputs, { logicalDate, previous }) => {
        note('a', logicalDate, previous)
        await gates.get(logicalDate.getTime())?.promise
      },
    })
    task('b', { upstream: { a }, run: (_inputs, { logicalDate, previous }) => note('b', logicalDate, previous) })
  })
  const { runner } = await openTestRunner(database, [chain], { slots: 8 })
  const runs = []
  // The third run starts last, as in a backfill.
  for (const one of [1, 2, 4, 3]) runs.push(await runner.run(chain, { logicalDate: day(one) }))
  for (const index of [0, 1, 3, 2]) {
    const run = runs[index]
    gates.get(run?.run.logicalDate.getTime() ?? 0)?.resolve()
    await run?.finished
  }
  expect(seen.filter((line) => line.includes('a'))).toEqual(['1 a: none', '2 a: none', '4 a: none', '3 a: none'])
  expect(seen.filter((line) => line.includes('b'))).toEqual(['1 b: none', '2 b: 1', '3 b: 2', '4 b: 3'])
})

test("a run counts as previous even if it ends in the same write that starts the other run's task", async () => {
  const metadata = (await openTestRunner(database, [])).metadata
  const pool = uniqueId('pool')
  await setPool(metadata, pool, 1, null)
  const gate = deferred()
  const seen: (number | undefined)[] = []
  const one = dag(uniqueId('one'), {}, ({ task }) => {
    task('only', {
      pool,
      run: async (_inputs, { previous }) => {
        seen.push(previous?.getUTCDate())
        await gate.promise
      },
    })
  })
  const { runner } = await openTestRunner(database, [one])
  const runs = [await runner.run(one, { logicalDate: day(1) }), await runner.run(one, { logicalDate: day(2) })]
  gate.resolve()
  await runs[0]?.finished
  // This runner does not listen. Its own request for slots may come before the write that frees one.
  runner.slotsFreed()
  await runs[1]?.finished
  expect(seen).toEqual([undefined, 1])
})

test('a retry sees what has succeeded since its first try', async () => {
  const seen: (number | undefined)[] = []
  const failed = deferred()
  const flaky = dag(uniqueId('flaky'), { defaultArgs: { retries: 1, retryDelay: '1s' } }, ({ task }) => {
    task('only', {
      run: (_inputs, { logicalDate, tryNumber, previous }) => {
        if (logicalDate.getTime() === day(1).getTime()) return
        seen.push(previous?.getUTCDate())
        failed.resolve()
        if (tryNumber === 1) throw new Error('once')
      },
    })
  })
  const { runner, run } = await openTestRunner(database, [flaky])
  const second = await runner.run(flaky, { logicalDate: day(2) })
  await failed.promise
  await run(flaky, { logicalDate: day(1) })
  await second.finished
  expect(seen).toEqual([undefined, 1])
})
