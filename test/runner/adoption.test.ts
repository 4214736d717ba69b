import { expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { endJob, insertJob } from '../../src/processes/jobs.ts'
import { failure } from '../../src/runner/active-run.ts'
import type { Executor } from '../../src/runner/executor.ts'
import { claimTries } from '../../src/worker/claims.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, openTestRunner, until } from '../support/runner.ts'
import { someoneWaits } from '../support/waits.ts'

const database = useDatabase()

/** An executor whose tries wait for workers, until they are aborted. */
function executorOf(begun: string[]): Executor {
  const jobOf = (_dag: unknown, taskId: string) => ({ taskId, identifier: '', priority: 0, index: 0 })
  const execute: Executor['execute'] = ({ task, tryNumber, abort }) => {
    begun.push(`${task.id}${tryNumber}`)
    return new Promise((resolve) => {
      abort.onAbort = ({ message }) => resolve(failure(message))
    })
  }
  const handOver = { sql: 'handed as (select 1)', jobOf }
  return { slots: 4, isolates: () => false, handOver, execute, close: async () => {} }
}

test('a try that a worker claims while its run is adopted is not taken back', async () => {
  const two = dag('two', { schedule: null }, ({ task }) => {
    for (const id of ['claimed', 'waiting']) task(id, { run: () => {} })
  })
  const [before, begun]: [string[], string[]] = [[], []]
  const first = await openTestRunner(database, [two], { executorOf: () => executorOf(before) })
  const { dagRunId } = (await first.runner.run(two, { logicalDate: new Date() })).run
  await until(() => before.length === 2)
  await endJob(first.metadata, first.jobId, 'success', null)

  // The claim of the worker is not committed when the new owner reads the run.
  const workerId = await insertJob(first.metadata, 'worker')
  const gate = deferred()
  const claimed = deferred()
  const claiming = first.metadata.transaction(async (tx) => {
    await claimTries(tx, workerId, [{ dagRunId, taskId: 'claimed', tryNumber: 1 }])
    claimed.resolve()
    await gate.promise
  })
  await claimed.promise
  const second = await openTestRunner(database, [two], { executorOf: () => executorOf(begun) })
  const adopting = second.runner.claim({ dagIds: ['two'], onlyBegun: false })
  await someoneWaits(database)
  gate.resolve()
  await Promise.all([claiming, adopting])

  await until(() => begun.length === 2)
  expect(begun.sort()).toEqual(['claimed1', 'waiting2'])
  const { rows } = await database.pool.query(
    'select task_id, state, try_number, job_id from metadata.task_instance order by task_id',
  )
  expect(rows).toEqual([
    { task_id: 'claimed', state: 'running', try_number: 1, job_id: workerId },
    { task_id: 'waiting', state: 'queued', try_number: 2, job_id: null },
  ])
  await Promise.all([first.runner.release(0, 'done', 0), second.runner.release(0, 'done', 0)])
})
