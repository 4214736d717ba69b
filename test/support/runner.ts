import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { Callbacks } from '../../src/callbacks/callbacks.ts'
import { openHttp } from '../../src/connectors/http.ts'
import type { Dag } from '../../src/dag/dag.ts'
import { localExecutor } from '../../src/executors/local.ts'
import { openLog } from '../../src/log.ts'
import type { Trigger } from '../../src/metadata/dag-runs.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import { childRuns } from '../../src/operations/child-runs.ts'
import { type DagRunDetails, showRun } from '../../src/operations/list-runs.ts'
import { deliver } from '../../src/processes/job.ts'
import { insertJob } from '../../src/processes/jobs.ts'
import type { Resources } from '../../src/runner/execute.ts'
import type { Executor } from '../../src/runner/executor.ts'
import { Runner, type RunnerOptions } from '../../src/runner/runner.ts'
import type { TestDatabase } from './database.ts'

export interface TestRunner {
  metadata: Metadata
  jobId: number
  runner: Runner
  /** Runs a dag to its end and returns the stored states. */
  run(dag: Dag, trigger?: Partial<Trigger>): Promise<DagRunDetails>
}

export const silent = openLog({ level: 'silent', format: 'json', scrub: (text) => text })

/** Makes the executor of the process with this job. */
export type ExecutorOf = (db: Metadata, jobId: number) => Executor

/** A runner on a test database, as in one process. */
export async function openTestRunner(
  database: TestDatabase,
  dags: readonly Dag[],
  options: { slots?: number; resources?: Resources; executorOf?: ExecutorOf } & Partial<RunnerOptions> = {},
): Promise<TestRunner> {
  const metadata = openMetadata(database.pool, 'metadata')
  const jobId = await insertJob(metadata, 'pipeline')
  const { slots = 4, resources = testResources(database, dags), executorOf, ...given } = options
  const executor = executorOf?.(metadata, jobId) ?? localExecutor(slots, resources)
  const callbacks = new Callbacks({ db: metadata, resources, log: given.log ?? silent })
  const known = new Map(dags.map((dag) => [dag.id, dag]))
  const runner = new Runner({
    db: metadata,
    job: jobOf(jobId),
    dags: known,
    executor,
    log: silent,
    onEnd: (run, state) => callbacks.ended(run, state),
    ...given,
    onChange: (run, change) => {
      callbacks.changed(run, change)
      given.onChange?.(run, change)
    },
  })
  const run = async (dag: Dag, trigger: Partial<Trigger> = {}) => {
    const owned = await runner.run(dag, { logicalDate: new Date(), ...trigger })
    await owned.finished
    await runner.drained()
    return await stored(metadata, dag.id, owned.run.runId)
  }
  return { metadata, jobId, runner, run }
}

/** Delivers the notifications of the database to the runners of this list until the test has ended. */
export async function notify(database: TestDatabase, runners: readonly TestRunner[]): Promise<void> {
  const session = await database.pool.connect()
  onTestFinished(() => session.release(true))
  session.on('notification', ({ payload = '' }) => {
    for (const { jobId, runner } of runners) deliver(payload, jobId, runner)
  })
  await session.query('listen tminus_metadata')
}

/** A job that is always alive. */
export function jobOf(id: number): RunnerOptions['job'] {
  return { id, stepDown() {}, confirmAlive: () => undefined }
}

export function testResources(database: TestDatabase, dags: readonly Dag[] = []): Resources {
  const known = new Map(dags.map((dag) => [dag.id, dag]))
  const db = openMetadata(database.pool, 'metadata')
  return {
    db: database.pool,
    childRun: childRuns({ db, dags: known, now: () => new Date() }),
    openHttp: (signal) => openHttp({ userAgent: 'tminus/test', signal }),
    settingsOf: () => ({}),
    now: () => new Date(),
    log: () => ({ debug() {}, info() {}, warn() {}, error() {} }),
    scrub: (text) => text,
  }
}

export async function stored(metadata: Metadata, dagId: string, runId: string): Promise<DagRunDetails> {
  const run = await showRun(metadata, dagId, runId)
  if (run === undefined) throw new Error(`run ${runId} is not stored`)
  return run
}

/** `{a: 'success', b: 'failed'}` */
export function statesOf(run: DagRunDetails): Record<string, string> {
  return Object.fromEntries(run.task_instances.map(({ task_id, state }) => [task_id, state]))
}

/** An id no other test uses. */
export function uniqueId(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`
}

/** A promise that the test resolves: a gate that it opens. */
export function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

/** Waits for a condition; throws if it does not become true. */
export async function until(met: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!(await met())) {
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms for what never came: ${met}`)
    await delay(10)
  }
}
