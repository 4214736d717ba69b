import { ABANDON_AFTER_MS } from '../abort.ts'
import { until } from '../clock.ts'
import { CoalescedWork } from '../coalesced-work.ts'
import type { Dag } from '../dag/dag.ts'
import { buildGraph } from '../dag/graph.ts'
import { isOver } from '../dag/state.ts'
import { logUnlessOutage, retryDuringOutage } from '../db/outage.ts'
import { TminusError } from '../errors.ts'
import { watching } from '../log.ts'
import { type ClaimFilter, claimRun, type DagRun, newDagRun, readRun, type Trigger } from '../metadata/dag-runs.ts'
import { registerDag } from '../metadata/dags.ts'
import { firstInstance } from '../metadata/task-instances.ts'
import type { LogLine, RunChange, RunResult } from '../metadata/transitions.ts'
import { Admission } from './admission.ts'
import type { Executor } from './executor.ts'
import { OwnedRun, type Owner, type RunView } from './owned-run.ts'
import type { JobContext, JobListener } from './process.ts'
import { Writer } from './writer.ts'

export interface RunnerOptions extends JobContext {
  dags: ReadonlyMap<string, Dag>
  executor: Executor
  /** Called for each written change of a run owned here. Its errors are only logged. */
  onChange?: (run: RunView, change: RunChange) => void
  /** Called for each log line of a task that runs here. Its errors are only logged. */
  onLog?: (line: LogLine) => void
  /** Called after a run owned here has ended. The process waits for it before it stops; its errors are only logged. */
  onEnd?: (run: RunView, state: 'success' | 'failed') => Promise<void>
}

/** Owns runs and advances them. Each process has one runner. */
export class Runner implements JobListener {
  readonly #options: RunnerOptions
  readonly #owner: Owner
  readonly #runs = new Map<number, OwnedRun>()
  readonly #versions = new Map<Dag, Promise<number>>()
  /**
   * Runs that another process changed and that are not in `#runs`. This process may be claiming one of them at this
   * moment.
   */
  readonly #changedUnknown = new Set<number>()
  /** Resolves when all started callbacks have returned. */
  #callbacks = Promise.resolve()
  readonly #claiming: CoalescedWork
  #filter: ClaimFilter | undefined
  #shouldClaim = false
  /** True after a failed claim. The claim may have succeeded, and only the answer was lost. */
  #mayHaveLostClaim = false
  #inserting = 0

  constructor(options: RunnerOptions) {
    this.#options = options
    const { log } = options
    const writer = new Writer(options)
    const idle = () => this.#shouldClaim && this.#claiming.request()
    const admission = new Admission({ ...options, idle })
    const onChange = watching(log, options.onChange)
    const onLog = watching(log, options.onLog)
    this.#owner = { ...options, writer, admission, onChange, onLog, onEnd: this.#onEnd }
    // After an outage, the session calls `runsWaiting` when it has reconnected.
    const failed = logUnlessOutage(log, 'claiming a queued run failed')
    this.#claiming = new CoalescedWork(() => this.#claimAll(), failed)
  }

  /** Inserts a run that this process owns. The run stays queued while `max_active_runs` runs of its dag are running. */
  async run(dag: Dag, trigger: Trigger): Promise<OwnedRun> {
    const version = this.#versions.get(dag) ?? registerDag(this.#options.db, dag)
    this.#versions.set(dag, version)
    version.catch(() => this.#versions.delete(dag))
    const run = newDagRun(dag.id, await version, trigger)
    const started = this.#owner.admission.reserve(dag)
    this.#inserting++
    const inserted = await this.#owner.writer.insert({ ...run, started: [...started] }).finally(() => {
      this.#inserting--
      this.#owner.admission.freeSlots(started.size)
    })
    if (inserted === undefined)
      throw new TminusError(`Run ${run.runId} already exists`, { code: 'run_exists', retryable: false })
    const facts = { version: 0, reason: null, stopReason: null, ranForMs: 0 }
    const stored: DagRun = { ...run, ...inserted, ...facts, jobId: this.#options.job.id }
    const owned = new OwnedRun(this.#owner, dag, dag.graph, stored)
    this.#runs.set(stored.dagRunId, owned)
    const instances = dag.graph.taskIds.map((id) => firstInstance(id, started.has(id)))
    if (stored.state === 'running') owned.resume(stored, instances)
    else this.runsWaiting()
    return owned
  }

  /** Starts to claim queued runs whenever a slot is free. Resolves after the first claims. */
  async claim(filter: Omit<ClaimFilter, 'inOrder'>): Promise<void> {
    const dags = [...this.#options.dags.values()]
    const dependent = dags.filter(({ tasks }) => [...tasks.values()].some(({ dependsOnPast }) => dependsOnPast))
    this.#filter = { ...filter, inOrder: dependent.map(({ id }) => id) }
    this.runsWaiting()
    await this.#claiming.done()
  }

  /** Resolves when this process owns no runs, and none that it could claim waits. */
  async idle(): Promise<void> {
    for (await this.#claiming.done(); this.#runs.size > 0; await this.#claiming.done())
      await Promise.allSettled([...this.#runs.values()].map((run) => run.finished))
  }

  /** Stops every run of this process, with this reason. Resolves when the stops are written. */
  async stop(reason: string): Promise<void> {
    this.#owner.admission.close()
    for (const run of this.#runs.values()) run.leave('stop', reason)
    await this.#allLeft()
  }

  /**
   * Starts no further tasks, waits up to `graceMs` for running ones, aborts the rest, waits up to `abandonMs` for them,
   * and releases unfinished runs to other processes. Returns the number of released runs. After that the runner does
   * not use the database.
   */
  async release(graceMs: number, reason: string, abandonMs = ABANDON_AFTER_MS): Promise<number> {
    this.#owner.admission.close()
    // Tries on workers go on without this process.
    const handsOver = this.#options.executor.handOver !== undefined
    const ended = () => handsOver || this.#owner.admission.executing === 0
    await until(ended, graceMs)
    await this.#claiming.done()
    for (const run of this.#runs.values()) run.leave('interrupt', reason)
    await until(ended, abandonMs)
    await this.#owner.writer.drained()
    const left = [...this.#runs.values()]
    for (const run of left) run.leave('release', reason)
    await this.#allLeft()
    return left.length
  }

  /** Waits for all runs: a run that is being reloaded is released only after the reload. */
  async #allLeft(): Promise<void> {
    await until(() => this.#runs.size === 0, ABANDON_AFTER_MS)
    await this.drained()
  }

  /** Resolves when all decisions and log lines so far are written and all callbacks have returned. */
  async drained(): Promise<void> {
    await this.#owner.writer.drained()
    await this.#callbacks
  }

  runsWaiting(): void {
    this.#shouldClaim = true
    this.#claiming.request()
  }

  slotsFreed(): void {
    this.#owner.admission.slotsFreed()
  }

  runChanged(dagRunId?: number, parentTask?: string): void {
    const changed = dagRunId === undefined ? [...this.#runs.values()] : [this.#runs.get(dagRunId)]
    for (const run of changed) run?.changedElsewhere(parentTask)
    if (dagRunId !== undefined && !this.#runs.has(dagRunId)) this.#changedUnknown.add(dagRunId)
  }

  reported(): void {
    this.#options.executor.reported?.()
  }

  leaseLost(): void {
    for (const run of this.#runs.values()) run.lose('this process was declared dead')
    this.runsWaiting()
  }

  /** Claims runs one by one while a slot is free, so that other processes can claim the rest. */
  async #claimAll(): Promise<void> {
    try {
      while (this.#shouldClaim && this.#filter !== undefined && this.#owner.admission.hasRoom) {
        this.#shouldClaim = false
        this.#shouldClaim = (await this.#claimOne(this.#filter)) || this.#shouldClaim
      }
    } catch (error) {
      this.#mayHaveLostClaim = true
      throw error
    }
  }

  /** Claims and continues the next queued run. After a failed claim, also finds the run that it may have claimed. */
  async #claimOne(filter: ClaimFilter): Promise<boolean> {
    const { db, job, dags } = this.#options
    const running = [...this.#runs.values()].filter(({ run }) => run.state === 'running')
    const known = this.#mayHaveLostClaim && this.#inserting === 0 ? running.map(({ run }) => run.dagRunId) : null
    this.#changedUnknown.clear()
    const id = await claimRun(db, job.id, filter, known)
    if (id === undefined && known !== null) this.#mayHaveLostClaim = false
    if (id === undefined) return false
    const stored = await retryDuringOutage(() => readRun(db, id))
    const dag = dags.get(stored?.run.dagId ?? '')
    if (stored === undefined || dag === undefined) return false
    const { run, nodes, instances } = stored
    // The run was cancelled after the claim. It has ended, or after a clear another process may own it.
    if (run.state !== 'running' || run.jobId !== job.id) return true
    const owned = this.#runs.get(id) ?? new OwnedRun(this.#owner, dag, buildGraph(run.dagId, nodes), run)
    this.#runs.set(id, owned)
    owned.resume(run, instances)
    if (this.#changedUnknown.has(id)) owned.changedElsewhere()
    return true
  }

  readonly #onEnd = (run: RunView, result: RunResult | Error): void => {
    const { job, log, onEnd } = this.#options
    const { dagRunId, runId } = run.run
    this.#runs.delete(dagRunId)
    this.runsWaiting()
    if (result instanceof Error) log.warn({ run_id: runId }, result.message)
    if (result instanceof TminusError && result.code === 'run_unwritable') job.stepDown()
    if (result instanceof Error || onEnd === undefined || !isOver(result.state)) return
    const called = onEnd(run, result.state).catch((err: Error) =>
      log.error({ err, run_id: runId }, 'a callback failed; the run is not affected'),
    )
    this.#callbacks = this.#callbacks.then(() => called)
  }
}
