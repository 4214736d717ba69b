import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll } from 'vitest'
import type { Config } from '../../src/config.ts'
import type { Dag } from '../../src/dag/dag.ts'
import { isolatedExecutor } from '../../src/executors/isolated.ts'
import { localExecutor } from '../../src/executors/local.ts'
import { type LoadedDags, loadDags } from '../../src/load-dags.ts'
import { openLog } from '../../src/log.ts'
import type { Trigger } from '../../src/metadata/dag-runs.ts'
import type { LogLine } from '../../src/metadata/transitions.ts'
import { Children, type ChildrenOptions } from '../../src/worker/children.ts'
import type { TestDatabase } from './database.ts'
import { openTestRunner, type TestRunner, testResources } from './runner.ts'

export const ISOLATED_PIPELINES = fileURLToPath(new URL('../fixtures/isolated-pipelines', import.meta.url))

export interface IsolatedRunner extends TestRunner {
  dag(id: string): Dag
  children: Children
  /** What the tasks have logged. */
  lines: LogLine[]
  /** What the process has logged. */
  processLog: string[]
  /** Runs a dag with these params; returns its task `act` and what that has logged. */
  act(dagId: string, conf: Record<string, unknown>, trigger?: Partial<Trigger>): Promise<Acted>
  close(): Promise<void>
}

export interface Acted {
  state: string
  reason: string | null
  error: string | null
  /** The process that executed it. */
  pid: number
  /** What the task returned. */
  output: Record<string, unknown> | undefined
  lines: LogLine[]
}

let loaded: Promise<LoadedDags> | undefined

export interface IsolatedOptions extends Partial<Omit<ChildrenOptions, 'shared'>> {
  isolation?: Config['isolation']
  env?: Readonly<Record<string, string>>
  codeVersion?: string | null
}

/** A runner whose isolated tasks run in real child processes. */
export async function openIsolatedRunner(
  database: TestDatabase,
  options: IsolatedOptions = {},
): Promise<IsolatedRunner> {
  loaded ??= loadDags(ISOLATED_PIPELINES)
  const { dags, files } = await loaded
  const { isolation = 'asked', env = {}, codeVersion = null, ...given } = options
  const lines: LogLine[] = []
  const processLog: string[] = []
  const to = { write: (line: string) => processLog.push(line) > 0 } as unknown as NodeJS.WritableStream
  const log = openLog({ level: 'info', format: 'json', scrub: (text) => text, to })
  const children = new Children({
    slots: 4,
    log,
    now: () => new Date(),
    scrub: (text) => text,
    loaded: { files },
    shared: {
      codeVersion,
      pipelinesDir: ISOLATED_PIPELINES,
      env,
      databaseUrl: database.connectionString,
      unnamed: false,
    },
    ...given,
  })
  const executor = isolatedExecutor(localExecutor(4, testResources(database)), isolation, children)
  const runner = await openTestRunner(database, [...dags.values()], {
    executor,
    log,
    onLog: (line) => lines.push(line),
  })
  const dag = (id: string) => {
    const found = dags.get(id)
    if (found === undefined) throw new Error(`no dag '${id}'`)
    return found
  }
  const act = async (dagId: string, conf: Record<string, unknown>, trigger: Partial<Trigger> = {}) => {
    const run = await runner.run(dag(dagId), { conf, ...trigger })
    const { rows } = await runner.metadata.query<Acted & { dag_run_id: number }>(
      `select dag_run_id, state, reason, error, value as output from metadata.task_instance
       left join metadata.xcom using (dag_run_id, task_id)
       where task_id = 'act' and dag_run_id = (select dag_run_id from metadata.dag_run where run_id = $1)`,
      [run.run_id],
    )
    const { dag_run_id: id, ...acted } = rows[0] as Acted & { dag_run_id: number }
    const own = lines.filter(({ dagRunId }) => dagRunId === id)
    const pid = Number(/^pid (\d+)$/.exec(own.find(({ message }) => /^pid \d+$/.test(message))?.message ?? '')?.[1])
    return { ...acted, pid, lines: own }
  }
  return { ...runner, dag, children, lines, processLog, act, close: () => children.close() }
}

/** For all tests of a file or `describe`. */
export function useIsolatedRunner(database: TestDatabase, options: IsolatedOptions = {}): () => IsolatedRunner {
  let runner: IsolatedRunner | undefined
  beforeAll(async () => {
    runner = await openIsolatedRunner(database, options)
  })
  afterAll(() => runner?.close())
  return () => runner as IsolatedRunner
}

/** True if a process of this group runs. One that has ended stays known until its parent asks for its exit code. */
export function hasGroup(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-eo', 'pgid=,stat='], { encoding: 'utf8' })
  return stdout.split('\n').some((line) => new RegExp(`^ *${pid} +[^Z]`).test(line))
}
