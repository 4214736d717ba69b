import { setTimeout as delay } from 'node:timers/promises'
import type { Dag } from '../dag/dag.ts'
import { buildGraph } from '../dag/graph.ts'
import type { RunType } from '../dag/state.ts'
import { isOutage, outlast } from '../db/outage.ts'
import { TminusError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type Claimable, claimRun, type DagRun, type Insertion, insertRuns, readRun } from '../metadata/dag-runs.ts'
import { readGraph, registerDag } from '../metadata/dags.ts'
import type { LogLine } from '../metadata/logs.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { readInstances, readOutput } from '../metadata/task-instances.ts'
import type { Transition } from '../metadata/transitions.ts'
import { Admission } from './admission.ts'
import { Batch } from './batch.ts'
import { callBack } from './callbacks.ts'
import { ABANDON_AFTER_MS } from './execute.ts'
import type { Executor } from './executor.ts'
import type { Job, JobListener } from './job.ts'
import { type Host, OwnedRun, type RunResult } from './owned-run.ts'
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
  /** The same tables over connections of their own, for the statements that are run most (see BY_INDEX). */
  hot?: Metadata
  job: Pick<Job, 'id' | 'abdicate'>
  dags: ReadonlyMap<string, Dag>
  executor: Executor
  log: Logger
  /** Told of every written change of a run owned here. */
  onChange?: (run: OwnedRun, transitions: readonly Transition[]) => void
  /** Told of every line a task logs here. */
  onLog?: (line: LogLine) => void
}

/** How long the database may be away before a read is given up. */
const OUTAGE_MS = 60_000

/** Owns runs and advances them. One a process. */
export class Runner implements JobListener {
  readonly #options: RunnerOptions
  readonly #writer: Writer
  readonly #inserts: Batch<Insertion, DagRun | undefined>
  readonly #admission: Admission
  readonly #runs = new Map<number, OwnedRun>()
  readonly #versions = new Map<string, Promise<number>>()
  readonly #host: Host
  readonly #callbacks = new Set<Promise<void>>()
  #claimable: Claimable | undefined
  #mayClaim = false
  #claiming: Promise<void> | undefined
  #taken = 0

  constructor(options: RunnerOptions) {
    this.#options = options
    const hot = options.hot ?? options.db
    this.#writer = new Writer(hot, options.job, options.log)
    this.#inserts = new Batch((insertions) => insertRuns(options.db, options.job.id, insertions))
    this.#admission = new Admission({
      ...options,
      slots: options.executor.slots,
      mark: (run) => this.#writer.mark(run),
      idle: () => this.#claimSoon(),
    })
    this.#host = this.#newHost()
  }

  get activeRuns(): number {
    return this.#runs.size
  }

  /** Starts a run that this process owns from its first row on; it waits, queued, while its dag has no room. */
  async run(dag: Dag, trigger: Trigger): Promise<OwnedRun> {
    const wanted = await this.#describe(dag, trigger)
    const draft: DagRun = {
      ...wanted,
      dagRunId: 0,
      state: 'running',
      jobId: null,
      version: 0,
      reason: null,
      ranForMs: 0,
      previous: null,
    }
    const order = ++this.#taken
    const owned = new OwnedRun(this.#host, dag, dag.graph, draft, { order, retries: trigger.retries ?? true })
    try {
      const stored = await this.#inserts.add({ run: wanted, instances: owned.begin(), owned: true })
      if (stored === undefined) throw runExists(wanted.runId)
      this.#runs.set(stored.dagRunId, owned)
      owned.inserted(stored)
      if (stored.state === 'queued') this.runsWaiting()
      return owned
    } catch (error) {
      owned.discard()
      throw error
    }
  }

  /** Queues a run for whichever process has room; undefined when that tick has its run already. */
  async enqueue(dag: Dag, trigger: Trigger): Promise<DagRun | undefined> {
    const wanted = await this.#describe(dag, trigger)
    const instances = dag.graph.nodes.map(({ id }) => ({
      taskId: id,
      state: 'none' as const,
      tryNumber: 0,
      reason: null,
    }))
    return await this.#inserts.add({ run: wanted, instances, owned: false })
  }

  /** From here on takes up queued runs whenever there is room; resolves once those waiting now were looked at. */
  async claim(claimable: Claimable): Promise<void> {
    this.#claimable = claimable
    this.runsWaiting()
    await this.#claiming
  }

  /** Resolves when no run is owned here any more. */
  async idle(): Promise<void> {
    while (this.#runs.size > 0) await Promise.allSettled([...this.#runs.values()].map((run) => run.finished))
  }

  /** Ends every run owned here, with this reason; returns once that is written. */
  async stop(reason: string): Promise<void> {
    this.#claimable = undefined
    this.#admission.close()
    for (const run of this.#runs.values()) run.stop(reason)
    await this.drained()
  }

  /**
   * Starts nothing more, gives running tasks time to end, tells the rest to stop, and gives unfinished runs back for
   * another process. Returns how many those were.
   */
  async release(graceMs: number, reason: string): Promise<number> {
    this.#claimable = undefined
    this.#admission.close()
    await until(() => this.#executing === 0, graceMs)
    for (const run of this.#runs.values()) run.interrupt(reason)
    await until(() => this.#executing === 0, ABANDON_AFTER_MS)
    await this.#writer.drained()
    const left = [...this.#runs.values()]
    for (const run of left) run.release(reason)
    await this.drained()
    return left.length
  }

  /** Resolves once everything decided and logged so far is written, and callbacks have ended. */
  async drained(): Promise<void> {
    await this.#writer.drained()
    await Promise.all(this.#callbacks)
  }

  runsWaiting(): void {
    this.#mayClaim = true
    this.#claimSoon()
  }

  slotsFreed(): void {
    this.#admission.slotsFreed()
  }

  runChanged(dagRunId: number): void {
    this.#runs.get(dagRunId)?.changedElsewhere()
  }

  deposed(): void {
    for (const run of this.#runs.values()) run.lose('this process was taken for dead')
    this.runsWaiting()
  }

  get #executing(): number {
    return [...this.#runs.values()].reduce((sum, run) => sum + run.executing, 0)
  }

  #claimSoon(): void {
    if (this.#claiming !== undefined || !this.#mayClaim || this.#claimable === undefined) return
    if (!this.#admission.hasRoom) return
    this.#claiming = this.#claimAll()
      .catch((error: Error) => {
        // After an outage the session's new connection asks again.
        if (!isOutage(error)) this.#options.log.error({ err: error }, 'taking up a queued run failed')
      })
      .finally(() => {
        this.#claiming = undefined
        this.#claimSoon()
      })
  }

  /** One run after the other, as long as they do not only wait here for what others could do. */
  async #claimAll(): Promise<void> {
    while (this.#mayClaim && this.#claimable !== undefined && this.#admission.hasRoom) {
      this.#mayClaim = false
      if (await this.#claimOne(this.#claimable)) this.#mayClaim = true
    }
  }

  async #claimOne(claimable: Claimable): Promise<boolean> {
    const { db, job, dags } = this.#options
    const run = await claimRun(db, job.id, claimable)
    const dag = run && dags.get(run.dagId)
    if (run === undefined || dag === undefined) return false
    const owned = this.#runs.get(run.dagRunId) ?? (await this.#adopt(run, dag))
    this.#runs.set(run.dagRunId, owned)
    owned.resume({ run, rows: await outlast(() => readInstances(db, run.dagRunId), { forMs: OUTAGE_MS }) })
    return true
  }

  async #adopt(run: DagRun, dag: Dag): Promise<OwnedRun> {
    const nodes = await outlast(() => readGraph(this.#options.db, run.dagVersionId), { forMs: OUTAGE_MS })
    return new OwnedRun(this.#host, dag, buildGraph(run.dagId, nodes), run, { order: ++this.#taken })
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
    const { db, job, executor, onChange, onLog } = this.#options
    const read = async (dagRunId: number) => {
      const run = await readRun(db, dagRunId)
      return run && { run, rows: await readInstances(db, dagRunId) }
    }
    return {
      jobId: () => job.id,
      random: Math.random,
      offer: (run, indexes) => this.#admission.offer(run, indexes),
      takeSlot: () => this.#admission.takeSlot(),
      freeSlot: () => this.#admission.freeSlot(),
      mark: (run) => this.#writer.mark(run),
      log: (line) => {
        this.#writer.log(line)
        onLog?.(line)
      },
      execute: (attempt) => executor.execute(attempt),
      readOutput: (dagRunId, taskId) => outlast(() => readOutput(db, dagRunId, taskId), { forMs: OUTAGE_MS }),
      read: (dagRunId) => outlast(() => read(dagRunId), { forMs: OUTAGE_MS }),
      changed: (run, transitions) => onChange?.(run, transitions),
      ended: (run, result) => this.#ended(run, result),
    }
  }

  #ended(run: OwnedRun, result: RunResult | Error): void {
    this.#runs.delete(run.run.dagRunId)
    this.runsWaiting()
    if (!(result instanceof Error)) {
      this.#callBack(run, result)
      return
    }
    this.#options.log.warn({ run_id: run.run.runId }, result.message)
    if (result instanceof TminusError && result.code === 'run_unwritable') this.#options.job.abdicate()
  }

  #callBack(run: OwnedRun, result: RunResult): void {
    const called = callBack(run, result, this.#options).catch((error: Error) => {
      this.#options.log.error({ err: error, run_id: run.run.runId }, 'a callback failed; the run is not affected')
    })
    this.#callbacks.add(called)
    called.finally(() => this.#callbacks.delete(called))
  }
}

async function until(met: () => boolean, ms: number): Promise<void> {
  const deadline = Date.now() + ms
  while (!met() && Date.now() < deadline) await delay(20)
}

function runExists(runId: string): TminusError {
  return new TminusError(`There is a run ${runId} already`, { code: 'run_exists', retryable: false })
}
