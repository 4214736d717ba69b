import { expect, onTestFinished, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import type { Ending } from '../../src/metadata/transitions.ts'
import { endJob } from '../../src/processes/jobs.ts'
import type { Attempt } from '../../src/runner/executor.ts'
import { storeEngineId } from '../../src/worker/claims.ts'
import { TaskWorker } from '../../src/worker/task-worker.ts'
import { useDatabase } from '../support/database.ts'
import { aJob } from '../support/factories.ts'
import { deferred, jobOf, silent, until } from '../support/runner.ts'

const database = useDatabase()
const KEY = { dagRunId: 1, taskId: 'act', tryNumber: 1 }
const SUCCESS = { state: 'success', reason: null } as Ending
const acting = dag('acting', {}, ({ task }) => void task('act', { run: () => {} }))

test('a try that ends while a claim of the same job is answered is executed once', async () => {
  const [secondClaim, work] = [deferred(), deferred()]
  let claims = 0
  let executions = 0
  const query = async ({ name, values }: { name: string; values: unknown[][] }) => {
    if (name !== 'claim_tries') return { rows: name === 'insert_reports' ? [KEY] : [] }
    // The second one was evaluated before the report was stored; its answer arrives late.
    if (++claims === 2) await secondClaim.promise
    const asked = values[1]?.length === 1
    return {
      rows: [{ ...KEY, taskId: asked ? 'act' : null, alive: true, isolated: false, dagId: 'acting', runId: 'run' }],
    }
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

test('a try that was aborted because the worker is cut off is not executed again before the worker has a new job id', async () => {
  let executions = 0
  const query = async ({ name, values }: { name: string; values: unknown[][] }) => {
    if (name !== 'claim_tries') return { rows: [] }
    const isAsked = values[1]?.length === 1
    const answer = { alive: true, isolated: false, dagId: 'acting', runId: 'run' }
    return { rows: [isAsked ? { ...KEY, ...answer } : { ...answer, taskId: null }] }
  }
  const execute = async ({ abort }: Attempt) => {
    executions++
    if (executions === 1) await new Promise<void>((resolve) => Object.assign(abort, { onAbort: resolve }))
    return { state: 'failed', reason: 'aborted', retryable: false } as Ending
  }
  const db = { query } as unknown as Metadata
  const job = { ...jobOf(1), silentMs: 26_000 }
  const dags = new Map([['acting', acting]])
  const worker = new TaskWorker({ db, job, dags, executor: { execute }, unlock: async () => {}, log: silent })
  onTestFinished(() => void worker.drain(0, 'the test ended', 0))
  await worker.handle(KEY)
  await worker.handle(KEY)
  await worker.handle(KEY)
  expect(executions).toBe(1)
  worker.leaseLost()
  await worker.handle(KEY)
  expect(executions).toBe(2)
})

test('the jobs of a worker are unlocked again if it was declared dead before, went on with a new job id, and then died', async () => {
  const db = openMetadata(database.pool, 'metadata')
  const own = await aJob(db, { kind: 'worker' })
  const unlocked: string[] = []
  const unlock = async (engineIds: readonly string[]) => void unlocked.push(...engineIds)
  const job = { ...jobOf(own), silentMs: 0 }
  const executor = { execute: async () => SUCCESS }
  const worker = new TaskWorker({ db, job, dags: new Map(), executor, unlock, log: silent })
  onTestFinished(() => void worker.drain(0, 'the test ended', 0))
  for (const deaths of [1, 2]) {
    const jobId = await aJob(db, { kind: 'worker' })
    await storeEngineId(db, jobId, 'its engine')
    await endJob(db, jobId, 'failed', 'declared dead')
    worker.reported()
    await until(() => unlocked.length >= deaths, 10_000)
  }
  expect(unlocked).toEqual(['its engine', 'its engine'])
})
