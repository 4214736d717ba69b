import { setTimeout as delay } from 'node:timers/promises'
import type { Dag } from '../dag/dag.ts'
import { buildGraph } from '../dag/graph.ts'
import type { RunType } from '../dag/state.ts'
import { isOutage, outlast } from '../db/outage.ts'
import { TminusError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type Claimable, claimRun, type DagRun, forgottenRun, type NewDagRun } from '../metadata/dag-runs.ts'
import { readGraph, registerDag } from '../metadata/dags.ts'
import type { LogLine } from '../metadata/logs.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { newInstance, readInstances } from '../metadata/task-instances.ts'
import type { Transition } from '../metadata/transitions.ts'
import { Admission } from './admission.ts'
import { callBack } from './callbacks.ts'
import { ABANDON_AFTER_MS } from './execute.ts'
import type { Executor } from './executor.ts'
import type { Job, JobListener } from './job.ts'
import { OwnedRun, type RunResult } from './owned-run.ts'
import { newRunId } from './run-id.ts'
import { Turn } from './turn.ts'
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

/** What a run needs of the process that owns it. */
export interface Owner extends RunnerOptions {
  writer: Writer
  admission: Admission
  ended(run: OwnedRun, result: RunResult | Error): void
}

/** Owns runs and advances them. One a process. */
export class Runner implements JobListener {
  readonly #options: RunnerOptions
  readonly #writer: Writer
  readonly #admission: Admission
  readonly #owner: Owner
  readonly #runs = new Map<number, OwnedRun>()
  readonly #versions = new Map<string, Promise<number>>()
  readonly #callbacks = new Set<Promise<void>>()
  readonly #claiming: Turn
  #claimable: Claimable | undefined
  #mayClaim = false
  /** A claim broke off, so that one may have been made without our knowing. */
  #unsure = false
  #inserting = 0
  #taken = 0

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#writer = new Writer(options)
    const slots = options.executor.slots
    this.#admission = new Admission({ ...options, slots, idle: () => this.#mayClaim && this.#claiming.ask() })
    const ended = (run: OwnedRun, result: RunResult | Error) => this.#ended(run, result)
    this.#owner = { ...options, writer: this.#writer, admission: this.#admission, ended }
    this.#claiming = new Turn(
      () => this.#claimAll(),
      // After an outage the session's new connection asks again.
      (error) => {
        this.#unsure = true
        if (!isOutage(error)) options.log.error({ err: error }, 'taking up a queued run failed')
      },
    )
  }

  /** Starts a run that this process owns from its first row on; it waits, queued, while its dag has no room. */
  async run(dag: Dag, trigger: Trigger): Promise<OwnedRun> {
    const wanted = await this.#describe(dag, trigger)
    const unstored = { dagRunId: 0, state: 'running', jobId: null, version: 0, reason: null, ranForMs: 0 } as const
    const options = { order: ++this.#taken, retries: trigger.retries ?? true }
    const owned = new OwnedRun(this.#owner, dag, dag.graph, { ...wanted, ...unstored, previous: null }, options)
    this.#inserting++
    try {
      const stored = await this.#writer.insert({ run: wanted, instances: owned.begin(), owned: true })
      if (stored === undefined) throw runExists(wanted.runId)
      this.#runs.set(stored.dagRunId, owned)
      owned.inserted(stored)
      if (stored.state === 'queued') this.runsWaiting()
      return owned
    } catch (error) {
      owned.discard()
      throw error
    } finally {
      this.#inserting--
    }
  }

  /** Queues a run for whichever process has room; undefined when that tick has its run already. */
  async enqueue(dag: Dag, trigger: Trigger): Promise<DagRun | undefined> {
    const instances = dag.graph.nodes.map(({ id }) => newInstance(id))
    return await this.#writer.insert({ run: await this.#describe(dag, trigger), instances, owned: false })
  }

  /** From here on takes up queued runs whenever there is room; resolves once those waiting now were looked at. */
  async claim(claimable: Claimable): Promise<void> {
    this.#claimable = claimable
    this.runsWaiting()
    await this.#claiming.done()
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
    this.#claiming.ask()
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

  /** One run after the other, as long as they do not only wait here for what others could do. */
  async #claimAll(): Promise<void> {
    while (this.#mayClaim && this.#claimable !== undefined && this.#admission.hasRoom) {
      this.#mayClaim = false
      if (await this.#claimOne(this.#claimable)) this.#mayClaim = true
    }
  }

  async #claimOne(claimable: Claimable): Promise<boolean> {
    const { db, job, dags } = this.#options
    const run = (await this.#forgotten()) ?? (await claimRun(db, job.id, claimable))
    const dag = run && dags.get(run.dagId)
    if (run === undefined || dag === undefined) return false
    const owned = this.#runs.get(run.dagRunId) ?? (await this.#adopt(run, dag))
    const rows = await outlast(() => readInstances(db, run.dagRunId))
    this.#runs.set(run.dagRunId, owned)
    owned.resume(run, rows)
    return true
  }

  /** After a claim that broke off: a run that is ours in the database and nobody's here. */
  async #forgotten(): Promise<DagRun | undefined> {
    if (!this.#unsure || this.#inserting > 0) return undefined
    const known = [...this.#runs.values()].filter(({ run }) => run.state === 'running').map(({ run }) => run.dagRunId)
    const run = await forgottenRun(this.#options.db, this.#options.job.id, known)
    if (run === undefined) this.#unsure = false
    return run
  }

  async #adopt(run: DagRun, dag: Dag): Promise<OwnedRun> {
    const nodes = await outlast(() => readGraph(this.#options.db, run.dagVersionId))
    return new OwnedRun(this.#owner, dag, buildGraph(run.dagId, nodes), run, { order: ++this.#taken })
  }

  async #describe(dag: Dag, trigger: Trigger): Promise<NewDagRun> {
    const { runType = 'manual', logicalDate, conf = {} } = trigger
    const { dataIntervalStart = logicalDate, dataIntervalEnd = logicalDate } = trigger
    const ids = { dagId: dag.id, dagVersionId: await this.#versionOf(dag), runId: newRunId(runType, logicalDate) }
    return { ...ids, runType, logicalDate, dataIntervalStart, dataIntervalEnd, conf }
  }

  #versionOf(dag: Dag): Promise<number> {
    const known = this.#versions.get(dag.id) ?? registerDag(this.#options.db, dag)
    this.#versions.set(dag.id, known)
    known.catch(() => this.#versions.delete(dag.id))
    return known
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
