import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, onTestFinished } from 'vitest'
import type { Environment } from '../../src/config.ts'
import type { Dag } from '../../src/dag/dag.ts'
import { type Connection, type Database, openPool } from '../../src/db/pool.ts'
import { distributedExecutor } from '../../src/executors/distributed.ts'
import { isolatedExecutor } from '../../src/executors/isolated.ts'
import { localExecutor } from '../../src/executors/local.ts'
import { type LoadedDags, loadDags, readSettingsOfAll } from '../../src/load-dags.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { insertJob } from '../../src/processes/jobs.ts'
import type { Resources } from '../../src/runner/execute.ts'
import type { Attempt, Executor } from '../../src/runner/executor.ts'
import type { JobListener } from '../../src/runner/process.ts'
import type { RunnerOptions } from '../../src/runner/runner.ts'
import { scrubber } from '../../src/secrets.ts'
import { Children } from '../../src/worker/children.ts'
import { Engine } from '../../src/worker/engine.ts'
import { migrateEngine } from '../../src/worker/engine-schema.ts'
import { handOverTo, identifiersOf, queuesOf } from '../../src/worker/hand-over.ts'
import { readReports } from '../../src/worker/reports.ts'
import { TaskWorker } from '../../src/worker/task-worker.ts'
import { type TestDatabase, useDatabase } from '../support/database.ts'
import { type ExecutorOf, jobOf, openTestRunner, silent, type TestRunner, testResources } from '../support/runner.ts'
import { DIFFERENCES, type Expectation } from './differences.ts'

/** The pipelines of the suite. An executor may load them in any process. */
export const PIPELINES = fileURLToPath(new URL('../fixtures/conformance-pipelines', import.meta.url))
/** The settings of the pipelines. */
export const ENV = { CONFORMANCE_TOKEN: 'sesame-open-up' }
/** The clock of the tasks is this much ahead of the system's. */
export const AHEAD_MS = 86_400_000

/** What an executor gets from the process it belongs to. */
export interface Surroundings {
  database: TestDatabase
  loaded: LoadedDags
  env: Environment
  /** For tasks that run in this process. */
  resources: Resources
  /** The runners of the tests, by the id of their job. */
  runners: ReadonlyMap<number, JobListener>
}

/** An executor that the suite tests. */
export interface ExecutorUnderTest {
  name: keyof typeof DIFFERENCES
  /** The highest number of tries at once, whatever a test asks for. */
  mostSlots: number
  /** Starts what its tests share, such as processes. */
  start(surroundings: Surroundings): Started | Promise<Started>
}

interface Started {
  /** For the executor of one runner, with this many tries at once. */
  open(slots: number): ExecutorOf | Promise<ExecutorOf>
  close(): Promise<void>
}

export const LOCAL: ExecutorUnderTest = {
  name: 'local',
  mostSlots: 16,
  start: ({ resources }) => ({ open: (slots) => () => localExecutor(slots, resources), close: async () => {} }),
}

export const ONE_SLOT: ExecutorUnderTest = { ...LOCAL, name: 'one slot', mostSlots: 1 }

export const ISOLATED: ExecutorUnderTest = {
  name: 'isolated',
  mostSlots: 8,
  start: ({ database, loaded, env, resources }) => {
    const { now, scrub } = resources
    const databaseUrl = database.connectionString
    const shared = { codeVersion: null, pipelinesDir: PIPELINES, env, databaseUrl, unnamed: false }
    const children = new Children({ slots: 8, log: silent, now, scrub, loaded, shared })
    // A task that runs in this process would fail, except one that starts a run.
    const execute = (attempt: Attempt) =>
      attempt.task.child ? localExecutor(1, resources).execute(attempt) : Promise.reject(new Error('not isolated'))
    const local = (slots: number): Executor => ({ slots, isolates: () => false, execute, close: async () => {} })
    return { open: (slots) => () => isolatedExecutor(local(slots), 'all', children), close: () => children.close() }
  },
}

export const DISTRIBUTED: ExecutorUnderTest = {
  name: 'distributed',
  mostSlots: 16,
  start: async ({ database, loaded: { dags }, resources, runners }) => {
    await migrateEngine(database.pool, 'tminus_worker', 'metadata')
    const db = openMetadata(database.pool, 'metadata')
    const workers = new Set<TaskWorker>()
    const session = await database.pool.connect()
    await session.query('listen tminus_metadata')
    session.on('notification', ({ payload = '' }) => {
      const [what, id] = payload.split(':')
      if (what === 'report') runners.get(Number(id))?.reported()
      if (what === 'changed') for (const worker of workers) worker.runChanged(Number(id))
    })
    return {
      open: async (slots) => {
        const engine: Engine = new Engine({
          pool: openPool(database.connectionString, { max: 3 }),
          listenPool: openPool(database.connectionString, { max: 1 }),
          schema: 'tminus_worker',
          identifiers: identifiersOf(dags.values(), queuesOf(dags.values())),
          concurrency: slots,
          handle: (key) => worker.handle(key),
          onStarted: (engineId) => worker.setEngineId(engineId),
          log: silent,
        })
        const executor = localExecutor(slots, resources)
        const unlock = (engineIds: readonly string[]) => engine.unlock(engineIds)
        const job = { ...jobOf(await insertJob(db, 'worker')), silentMs: 0 }
        const worker: TaskWorker = new TaskWorker({ db, job, dags, executor, unlock, log: silent })
        workers.add(worker)
        await engine.start()
        onTestFinished(async () => {
          const draining = engine.drain()
          await worker.drain(0, 'the test is over', 1_000)
          await draining
          await engine.close()
          workers.delete(worker)
        })
        return (db, jobId) =>
          distributedExecutor({
            isolates: () => false,
            handOver: handOverTo('tminus_worker'),
            readReports: () => readReports(db, jobId),
            failed: () => {},
          })
      },
      close: async () => session.release(true),
    }
  },
}

type Options = Partial<Omit<RunnerOptions, 'executor'>> & { slots?: number }

/** What a test of the suite uses. */
export interface Suite {
  database: TestDatabase
  mostSlots: number
  dag(id: string): Dag
  /** A runner whose executor is the one under test. `slots`: default 4. */
  open(options?: Options): Promise<TestRunner>
  /** What the tasks have noted since the test began, in order. */
  notes(): Promise<string[]>
  /** Closes a gate; the result opens it. */
  closeGate(name: string): Promise<() => Promise<void>>
  /** How many calls with this name run now, ran at once at most, and have run. */
  gauge(name: string): Promise<{ now: number; most: number; total: number } | undefined>
  /** What this executor must yield: `usual`, unless the table of differences lists another value. */
  expected<Value>(expectation: Expectation, usual: Value): Value
  /** The differences of this executor that no test has asked for. */
  unused(): string[]
}

/** For all tests of a file. */
export function useSuite({ name, mostSlots, start }: ExecutorUnderTest): Suite {
  const database = useDatabase()
  const differences = new Map(Object.entries(DIFFERENCES[name]))
  const unused = new Set(differences.keys())
  let loaded: LoadedDags | undefined
  let started: Awaited<ReturnType<typeof start>> | undefined
  const runners = new Map<number, JobListener>()
  /** Holds the locks that are closed gates. */
  let gates: Connection | undefined
  let tasksPool: Database | undefined
  beforeAll(async () => {
    await database.pool.query('create table note (id int generated always as identity, text text)')
    await database.pool.query('create table gauge (name text primary key, now int, most int, total int)')
    gates = await database.pool.connect()
    // Tasks that wait at a gate must not take the connections of the runner.
    tasksPool = openPool(database.connectionString, { max: 20 })
    loaded = await loadDags(PIPELINES)
    const settings = new Map<string, Record<string, unknown>>()
    readSettingsOfAll(loaded, ENV, settings)
    const resources = {
      ...testResources(database, [...loaded.dags.values()]),
      db: tasksPool,
      settingsOf: ({ id }: { id: string }) => settings.get(id) ?? {},
      now: () => new Date(Date.now() + AHEAD_MS),
      scrub: scrubber(ENV, loaded.dags.values()),
    }
    started = await start({ database, loaded, env: ENV, resources, runners })
  })
  beforeEach(async () => {
    await database.pool.query('truncate note, gauge')
  })
  afterAll(async () => {
    await started?.close()
    await tasksPool?.end()
    gates?.release(true)
  })
  return {
    database,
    mostSlots,
    dag: (id) => {
      const found = loaded?.dags.get(id)
      if (found === undefined) throw new Error(`no dag '${id}'`)
      return found
    },
    open: async ({ slots = 4, ...options } = {}) => {
      const executorOf = await started?.open(Math.min(slots, mostSlots))
      const dags = [...(loaded?.dags.values() ?? [])]
      const own = await openTestRunner(database, dags, { ...(executorOf && { executorOf }), ...options })
      runners.set(own.jobId, own.runner)
      return own
    },
    notes: async () =>
      (await database.pool.query<{ text: string }>('select text from note order by id')).rows.map(({ text }) => text),
    closeGate: async (gate) => {
      await gates?.query('select pg_advisory_lock(hashtext($1))', [gate])
      let isOpen = false
      const openGate = async () => {
        if (!isOpen) await gates?.query('select pg_advisory_unlock(hashtext($1))', [gate])
        isOpen = true
      }
      onTestFinished(openGate)
      return openGate
    },
    gauge: async (of) =>
      (await database.pool.query('select now, most, total from gauge where name = $1', [of])).rows[0],
    expected: (expectation, usual) => {
      unused.delete(expectation)
      const different = differences.get(expectation)
      if (different === undefined) return usual
      if (JSON.stringify(different.value) === JSON.stringify(usual))
        throw new Error(`'${expectation}' is listed as different for ${name}, but it has the usual value`)
      return different.value as never
    },
    unused: () => [...unused],
  }
}
