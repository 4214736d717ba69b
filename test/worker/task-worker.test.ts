import { expect, onTestFinished, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import type { Ending } from '../../src/metadata/transitions.ts'
import { TaskWorker } from '../../src/worker/task-worker.ts'
import { deferred, jobOf, silent, until } from '../support/runner.ts'

const KEY = { dagRunId: 1, taskId: 'act', tryNumber: 1 }
const SUCCESS = { state: 'success', reason: null } as Ending
const acting = dag('acting', {}, ({ task }) => void task('act', { run: () => {} }))

test('a try that ends while a claim of the same job is answered is executed once', async () => {
  const [secondClaim, work] = [deferred(), deferred()]
  let claims = 0
  let executions = 0
  const query = async ({ name }: { name: string }) => {
    if (name !== 'claim_tries') return { rows: name === 'insert_reports' ? [KEY] : [] }
    // The second one was evaluated before the report was stored; its answer arrives late.
    if (++claims === 2) await secondClaim.promise
    return { rows: [{ ...KEY, alive: true, isolated: false, dagId: 'acting', runId: 'run' }] }
  }
  const execute = async () => {
    executions++
    await work.promise
    return SUCCESS
  }
  const db = { query } as unknown as Metadata
  const job = { ...jobOf(1), silentMs: 0 }
  const dags = new Map([['acting', acting]])
  const worker = new TaskWorker({ db, job, dags, executor: { execute }, unlock: async () => {}, log: silent })
  onTestFinished(() => void worker.drain(0, 'the test ended', 0))
  const first = worker.handle(KEY)
  await until(() => executions === 1)
  const again = worker.handle(KEY)
  await until(() => claims === 2)
  work.resolve()
  await first
  secondClaim.resolve()
  await again
  expect(executions).toBe(1)
})
