import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, onTestFinished } from 'vitest'
import type { Environment } from '../../src/config.ts'
import type { Dag } from '../../src/dag/dag.ts'
import { type Connection, type Database, openPool } from '../../src/db/pool.ts'
import { isolatedExecutor } from '../../src/executors/isolated.ts'
import { localExecutor } from '../../src/executors/local.ts'
import { type LoadedDags, loadDags, readSettingsOfAll } from '../../src/load-dags.ts'
import type { Resources } from '../../src/runner/execute.ts'
import type { Executor } from '../../src/runner/executor.ts'
import type { RunnerOptions } from '../../src/runner/runner.ts'
import { scrubber } from '../../src/secrets.ts'
import { Children } from '../../src/worker/children.ts'
import { type TestDatabase, useDatabase } from '../support/database.ts'
import { openTestRunner, silent, type TestRunner, testResources } from '../support/runner.ts'
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
}

/** An executor that the suite tests. */
export interface ExecutorUnderTest {
  name: keyof typeof DIFFERENCES
  /** The highest number of tries at once, whatever a test asks for. */
  mostSlots: number
  /** Starts what its tests share, such as processes. */
  start(surroundings: Surroundings): {
    /** The executor of one runner, with this many tries at once. */
    open(slots: number): Executor
    close(): Promise<void>
  }
}

export const LOCAL: ExecutorUnderTest = {
  name: 'local',
  mostSlots: 16,
  start: ({ resources }) => ({ open: (slots) => localExecutor(slots, resources), close: async () => {} }),
}

export const ONE_SLOT: ExecutorUnderTest = { ...LOCAL, name: 'one slot', mostSlots: 1 }

export const ISOLATED: ExecutorUnderTest = {
  name: 'isolated',
  mostSlots: 8,
  start: ({ database, loaded, env, resources: { now, scrub } }) => {
    const databaseUrl = database.connectionString
    const shared = { codeVersion: null, pipelinesDir: PIPELINES, env, databaseUrl, unnamed: false }
    const children = new Children({ slots: 8, log: silent, now, scrub, loaded, shared })
    // A task that runs in this process would fail.
    const execute = () => Promise.reject(new Error('not isolated'))
    const local = (slots: number): Executor => ({ slots, isolates: () => false, execute, close: async () => {} })
    return { open: (slots) => isolatedExecutor(local(slots), 'all', children), close: () => children.close() }
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
  let started: ReturnType<typeof start> | undefined
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
      ...testResources(database),
      db: tasksPool,
      settingsOf: ({ id }: { id: string }) => settings.get(id) ?? {},
      now: () => new Date(Date.now() + AHEAD_MS),
      scrub: scrubber(ENV, loaded.dags.values()),
    }
    started = start({ database, loaded, env: ENV, resources })
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
    open: ({ slots = 4, ...options } = {}) => {
      const executor = started?.open(Math.min(slots, mostSlots)) as Executor
      return openTestRunner(database, [...(loaded?.dags.values() ?? [])], { executor, ...options })
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
