import { setTimeout as delay } from 'node:timers/promises'
import type { Dag } from '../dag/dag.ts'
import { buildGraph } from '../dag/graph.ts'
import { isOver, type RunType } from '../dag/state.ts'
import { logUnlessOutage, outlast } from '../db/outage.ts'
import { TminusError } from '../errors.ts'
import { watching } from '../log.ts'
import { type Claimable, claimRun, type DagRun, type Inserted, readRun } from '../metadata/dag-runs.ts'
import { registerDag } from '../metadata/dags.ts'
import { firstInstance } from '../metadata/task-instances.ts'
import type { LogLine, RunChange, RunResult } from '../metadata/transitions.ts'
import type { RunView } from './active-run.ts'
import { Admission } from './admission.ts'
import { ABANDON_AFTER_MS } from './execute.ts'
import type { Executor } from './executor.ts'
import type { JobContext, JobListener } from './job.ts'
import { OwnedRun } from './owned-run.ts'
import type { Owner } from './owner.ts'
import { newRunId } from './run-id.ts'
import { Turn } from './turn.ts'
import { Writer } from './writer.ts'

export interface Trigger {
  runType?: RunType
  logicalDate: Date
  conf?: Record<string, unknown>
  /** False: each task is tried once. */
  retries?: boolean
}

export interface RunnerOptions extends JobContext {
  dags: ReadonlyMap<string, Dag>
  executor: Executor
  /** Told of every written change of a run owned here. What it throws is logged, and disturbs nothing. */
  onChange?: (run: RunView, change: RunChange) => void
  /** Told of every line a task logs here, in the same way. */
  onLog?: (line: LogLine) => void
  /** Called once a run owned here has ended, and waited for when this process stops; what it throws is logged. */
  onEnd?: (run: RunView, state: 'success' | 'failed') => Promise<void>
}

/** Owns runs and advances them. One a process. */
export class Runner implements JobListener {
  readonly #options: RunnerOptions
  readonly #owner: Owner
  readonly #runs = new Map<number, OwnedRun>()
  readonly #versions = new Map<string, Promise<number>>()
  /** Changed by somebody else, and not known here: perhaps of a run that is just being claimed. */
  readonly #missed = new Set<number>()
  /** Resolves once every callback that was started has returned. */
  #callbacks = Promise.resolve()
  readonly #claiming: Turn
  #claimable: Claimable | undefined
  #mayClaim = false
  /** True after a claim failed: perhaps it claimed a run, and only its answer was lost. */
  #hasLostClaim = false
  #inserting = 0
  #taken = 0

  constructor(options: RunnerOptions) {
    this.#options = options
    const { log, executor } = options
    const writer = new Writer(options)
    const idle = () => this.#mayClaim && this.#claiming.ask()
    const admission = new Admission({ ...options, slots: executor.slots, idle })
    const onChange = watching(log, options.onChange)
    const onLog = watching(log, (line: LogLine) => {
      writer.log(line)
      options.onLog?.(line)
    })
    this.#owner = { ...options, writer, admission, onChange, onLog, onEnd: this.#onEnd }
    const failed = logUnlessOutage(log, 'claiming a queued run failed')
    this.#claiming = new Turn(
      () => this.#claimAll(),
      // After an outage the session's new connection calls `runsWaiting`.
      (error) => {
        this.#hasLostClaim = true
        failed(error)
      },
    )
  }

  /** Starts a run that this process owns from its first row on; it waits, queued, while its dag has no room. */
  async run(dag: Dag, { runType = 'manual', logicalDate, conf = {}, retries }: Trigger): Promise<OwnedRun> {
    const ids = { dagId: dag.id, dagVersionId: await this.#versionOf(dag), runId: newRunId(runType, logicalDate) }
    const run = { ...ids, runType, logicalDate, dataIntervalStart: logicalDate, conf }
    const started = this.#owner.admission.reserve(dag)
    let inserted: Inserted | undefined
    this.#inserting++
    try {
      inserted = await this.#owner.writer.insert({ run, taskIds: dag.graph.taskIds, started })
    } finally {
      this.#inserting--
      this.#owner.admission.freeSlots(started.size)
    }
    if (inserted === undefined)
      throw new TminusError(`There is a run ${run.runId} already`, { code: 'run_exists', retryable: false })
    const stored: DagRun = { ...run, ...inserted, jobId: this.#options.job.id, version: 0, reason: null, ranForMs: 0 }
    const owned = new OwnedRun(this.#owner, dag, dag.graph, stored, ++this.#taken, retries)
    this.#runs.set(stored.dagRunId, owned)
    const instances = dag.graph.taskIds.map((id) => firstInstance(id, started.has(id)))
    if (stored.state === 'running') owned.resume(stored, instances)
    else this.runsWaiting()
    return owned
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
    this.#owner.admission.close()
    for (const run of this.#runs.values()) run.leave('stop', reason)
    await this.#left()
  }

  /**
   * Starts nothing more, gives running tasks time to end, tells the rest to stop, and gives unfinished runs back for
   * another process. Returns how many those were. Nothing here uses the database any more after that.
   */
  async release(graceMs: number, reason: string): Promise<number> {
    this.#claimable = undefined
    this.#owner.admission.close()
    await until(() => this.#owner.admission.executing === 0, graceMs)
    await this.#claiming.done()
    for (const run of this.#runs.values()) run.leave('interrupt', reason)
    await until(() => this.#owner.admission.executing === 0, ABANDON_AFTER_MS)
    await this.#owner.writer.drained()
    const left = [...this.#runs.values()]
    for (const run of left) run.leave('release', reason)
    await this.#left()
    return left.length
  }

  /** One that is being read again leaves only after that. */
  async #left(): Promise<void> {
    await until(() => this.#runs.size === 0, ABANDON_AFTER_MS)
    await this.drained()
  }

  /** Resolves once everything decided and logged so far is written, and nobody is being told of an end any more. */
  async drained(): Promise<void> {
    await this.#owner.writer.drained()
    await this.#callbacks
  }

  runsWaiting(): void {
    this.#mayClaim = true
    this.#claiming.ask()
  }

  slotsFreed(): void {
    this.#owner.admission.slotsFreed()
  }

  runChanged(dagRunId?: number): void {
    const changed = dagRunId === undefined ? [...this.#runs.values()] : [this.#runs.get(dagRunId)]
    for (const run of changed) run?.changedElsewhere()
    if (dagRunId !== undefined && !this.#runs.has(dagRunId)) this.#missed.add(dagRunId)
  }

  deposed(): void {
    for (const run of this.#runs.values()) run.lose('this process was taken for dead')
    this.runsWaiting()
  }

  /** One run after the other, as long as they do not only wait here for what others could do. */
  async #claimAll(): Promise<void> {
    while (this.#mayClaim && this.#claimable !== undefined && this.#owner.admission.hasRoom) {
      this.#mayClaim = false
      this.#mayClaim = (await this.#claimOne(this.#claimable)) || this.#mayClaim
    }
  }

  async #claimOne(claimable: Claimable): Promise<boolean> {
    const { db, job, dags } = this.#options
    const id = await this.#claimNext(claimable)
    if (id === undefined) return false
    const stored = await outlast(() => readRun(db, id))
    const dag = dags.get(stored?.run.dagId ?? '')
    if (stored === undefined || dag === undefined) return false
    const { run, nodes, instances } = stored
    // Cancelled since it was claimed, and perhaps cleared: then it is not this process's any more, or it is over.
    if (run.state !== 'running' || run.jobId !== job.id) return true
    const owned = this.#runs.get(id) ?? new OwnedRun(this.#owner, dag, buildGraph(run.dagId, nodes), run, ++this.#taken)
    this.#runs.set(id, owned)
    owned.resume(run, instances)
    if (this.#missed.has(id)) owned.changedElsewhere()
    return true
  }

  /** Claims the next queued run; after a lost claim also finds the run it may have claimed. */
  async #claimNext(claimable: Claimable): Promise<number | undefined> {
    const { db, job } = this.#options
    const running = [...this.#runs.values()].filter(({ run }) => run.state === 'running')
    const known = this.#hasLostClaim && this.#inserting === 0 ? running.map(({ run }) => run.dagRunId) : null
    this.#missed.clear()
    const id = await claimRun(db, job.id, claimable, known)
    if (id === undefined && known !== null) this.#hasLostClaim = false
    return id
  }

  #versionOf(dag: Dag): Promise<number> {
    const known = this.#versions.get(dag.id) ?? registerDag(this.#options.db, dag)
    this.#versions.set(dag.id, known)
    known.catch(() => this.#versions.delete(dag.id))
    return known
  }

  readonly #onEnd = (run: RunView, result: RunResult | Error): void => {
    const { job, log, onEnd } = this.#options
    const { dagRunId, runId } = run.run
    this.#runs.delete(dagRunId)
    this.runsWaiting()
    if (result instanceof Error) log.warn({ run_id: runId }, result.message)
    if (result instanceof TminusError && result.code === 'run_unwritable') job.abdicate()
    if (result instanceof Error || onEnd === undefined || !isOver(result.state)) return
    const called = onEnd(run, result.state).catch((err: Error) =>
      log.error({ err, run_id: runId }, 'a callback failed; the run is not affected'),
    )
    this.#callbacks = this.#callbacks.then(() => called)
  }
}

async function until(met: () => boolean, ms: number): Promise<void> {
  const deadline = Date.now() + ms
  while (!met() && Date.now() < deadline) await delay(20)
}
