import type { Dag } from '../dag/dag.ts'
import { buildGraph } from '../dag/graph.ts'
import type { RunType } from '../dag/state.ts'
import { TminusError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { claimRun, type DagRun, insertRun, readOwnedRun } from '../metadata/dag-runs.ts'
import { readGraph, registerDag } from '../metadata/dags.ts'
import type { LogLine } from '../metadata/logs.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { readInstances, readOutput } from '../metadata/task-instances.ts'
import type { Transition } from '../metadata/transitions.ts'
import type { Executor } from './executor.ts'
import { type Host, OwnedRun } from './owned-run.ts'
import { ReadyQueue } from './ready-queue.ts'
import { newRunId } from './run-id.ts'
import { Writer } from './writer.ts'

export interface Trigger {
  runType?: RunType
  logicalDate: Date
  dataIntervalStart?: Date
  dataIntervalEnd?: Date
  conf?: Record<string, unknown>
  /** False: each task is tried once. */
  retries?: boolean
}

export interface RunnerOptions {
  db: Metadata
  jobId: number
  dags: ReadonlyMap<string, Dag>
  executor: Executor
  log: Logger
  /** Told of every written change of a run owned here. */
  onChange?: (run: OwnedRun, transitions: readonly Transition[]) => void
  /** Told of every line a task logs here. */
  onLog?: (line: LogLine) => void
}

/** Owns runs and advances them. One a process. */
export class Runner {
  readonly #options: RunnerOptions
  readonly #writer: Writer
  readonly #runs = new Set<OwnedRun>()
  readonly #ready = new ReadyQueue<OwnedRun>()
  readonly #versions = new Map<string, Promise<number>>()
  readonly #host: Host
  #used = 0
  #taken = 0

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#writer = new Writer(options.db, options.jobId, options.log)
    this.#host = this.#newHost()
  }

  get activeRuns(): number {
    return this.#runs.size
  }

  /** Starts a run that this process owns from its first row on. */
  async run(dag: Dag, trigger: Trigger): Promise<OwnedRun> {
    const wanted = await this.#describe(dag, trigger)
    const draft: DagRun = { ...wanted, dagRunId: 0, state: 'running', version: 0, previous: undefined }
    const owned = new OwnedRun(this.#host, dag, dag.graph, draft, {
      order: ++this.#taken,
      retries: trigger.retries ?? true,
    })
    owned.begin()
    try {
      const stored = await insertRun(this.#options.db, wanted, owned.takeInitial(), this.#options.jobId)
      if (stored === undefined) throw runExists(wanted.runId)
      this.#runs.add(owned)
      owned.inserted(stored)
      return owned
    } catch (error) {
      owned.discard()
      throw error
    }
  }

  /** Queues a run for whichever process has room; undefined when that tick has its run already. */
  async enqueue(dag: Dag, trigger: Trigger): Promise<DagRun | undefined> {
    const wanted = await this.#describe(dag, trigger)
    const instances = dag.graph.nodes.map(({ id }) => ({ taskId: id, state: 'none' as const, tryNumber: 0 }))
    return await insertRun(this.#options.db, wanted, instances, null)
  }

  /** Takes over the oldest queued run that has room; undefined when there is none. */
  async claim(): Promise<OwnedRun | undefined> {
    const { db, jobId, dags } = this.#options
    const run = await claimRun(db, jobId, [...dags.keys()])
    const dag = run && dags.get(run.dagId)
    if (run === undefined || dag === undefined) return undefined
    const graph = buildGraph(run.dagId, await readGraph(db, run.dagVersionId))
    const owned = new OwnedRun(this.#host, dag, graph, run, { order: ++this.#taken })
    this.#runs.add(owned)
    owned.resume({ run, rows: await readInstances(db, run.dagRunId) })
    return owned
  }

  /** Ends every run owned here, with this reason; returns once that is written. */
  async stop(reason: string): Promise<void> {
    for (const run of this.#runs) run.stop(reason)
    await this.#writer.drained()
  }

  /** Resolves once everything decided and logged so far is written. */
  async drained(): Promise<void> {
    await this.#writer.drained()
  }

  async #describe(dag: Dag, trigger: Trigger) {
    const runType = trigger.runType ?? 'manual'
    const { logicalDate, dataIntervalStart = logicalDate, dataIntervalEnd = logicalDate, conf = {} } = trigger
    const dagVersionId = await this.#versionOf(dag)
    const runId = newRunId(runType, logicalDate)
    return {
      dagId: dag.id,
      dagVersionId,
      runId,
      runType,
      logicalDate,
      dataIntervalStart,
      dataIntervalEnd,
      conf,
    }
  }

  #versionOf(dag: Dag): Promise<number> {
    const known = this.#versions.get(dag.id) ?? registerDag(this.#options.db, dag)
    this.#versions.set(dag.id, known)
    known.catch(() => this.#versions.delete(dag.id))
    return known
  }

  #newHost(): Host {
    const { db, jobId, executor, onChange, onLog } = this.#options
    return {
      random: Math.random,
      offer: (run, indexes) => this.#offer(run, indexes),
      takeSlot: () => {
        this.#used++
      },
      freeSlot: () => {
        this.#used--
      },
      mark: (run) => this.#writer.mark(run),
      log: (line) => {
        this.#writer.log(line)
        onLog?.(line)
      },
      execute: (attempt) => executor.execute(attempt),
      readOutput: (dagRunId, taskId) => readOutput(db, dagRunId, taskId),
      read: async (dagRunId) => {
        const run = await readOwnedRun(db, jobId, dagRunId)
        return run && { run, rows: await readInstances(db, dagRunId) }
      },
      changed: (run, transitions) => onChange?.(run, transitions),
      ended: (run) => this.#runs.delete(run),
    }
  }

  #offer(run: OwnedRun, indexes: readonly number[]): void {
    for (const index of indexes) {
      run.hold(index)
      const priority = run.dag.tasks.get(run.state.taskId(index))?.priority ?? 0
      this.#ready.push({ run, index, priority, order: run.order })
    }
    this.#admit()
  }

  /** Fills free slots with what waits longest and matters most. */
  #admit(): void {
    while (this.#used < this.#options.executor.slots) {
      const next = this.#ready.pop()
      if (next === undefined) return
      if (!next.run.waits(next.index)) continue
      this.#used++
      next.run.start(next.index)
      this.#writer.mark(next.run)
    }
  }
}

function runExists(runId: string): TminusError {
  return new TminusError(`There is a run ${runId} already`, { code: 'run_exists', retryable: false })
}
