import type { Dag } from '../dag/dag.ts'
import { humanDuration } from '../dag/duration.ts'
import type { Graph } from '../dag/graph.ts'
import type { DagRunState } from '../dag/state.ts'
import { outlast } from '../db/outage.ts'
import { messageOf, TminusError } from '../errors.ts'
import { type DagRun, readRun } from '../metadata/dag-runs.ts'
import { newInstance, readInstances, type TaskInstance } from '../metadata/task-instances.ts'
import type { Ending, RunChange } from '../metadata/transitions.ts'
import { ActiveRun } from './active-run.ts'
import { hasLimits } from './admission.ts'
import { Endings, type Settled } from './endings.ts'
import type { Owner } from './runner.ts'
import { Timers } from './timers.ts'
import { attempt, Tries } from './tries.ts'

export interface RunResult {
  /** `queued`: given back unfinished, for another process. */
  state: DagRunState
  reason: string | null
}

const NO_RETRIES = { retries: 0, retryDelayMs: 0, maxRetryDelayMs: 0 }

/** A run this process owns and advances: what it decides is written first, and only then done. */
export class OwnedRun {
  readonly dag: Dag
  /** Runs come into a process oldest first; who came first goes first. */
  readonly order: number
  readonly finished: Promise<RunResult>
  #active: ActiveRun
  readonly #owner: Owner
  readonly #retries: boolean
  /** True where its tasks may hold slots of pools. */
  readonly #limited: boolean
  /** Only a stored, running run of ours is written; not while it is being read again. */
  #writable = false
  #over = false
  #changedMeanwhile = false
  readonly #endings = new Endings()
  readonly #tries: Tries
  readonly #timers = new Timers<number | 'run'>()
  #finish: (result: RunResult) => void = () => {}
  #giveUp: (error: Error) => void = () => {}

  constructor(owner: Owner, dag: Dag, graph: Graph, run: DagRun, options: { order: number; retries?: boolean }) {
    this.#owner = owner
    this.#tries = new Tries(owner.admission)
    this.order = options.order
    this.dag = dag
    this.#retries = options.retries ?? true
    this.#limited = hasLimits(dag)
    this.#active = new ActiveRun(run, graph)
    this.finished = new Promise((resolve, reject) => {
      this.#finish = resolve
      this.#giveUp = reject
    })
    this.finished.catch(() => {})
  }

  get run(): DagRun {
    return this.#active.run
  }

  /** The run as this process knows it, to be looked at only. */
  get state(): ActiveRun {
    return this.#active
  }

  /** False while its rows are not written: it has no id yet. */
  get isStored(): boolean {
    return this.run.dagRunId !== 0
  }

  /** How many of its tasks run here. */
  get executing(): number {
    return this.#tries.size
  }

  /** Judges a run that is not stored yet; returns the rows to insert. */
  begin(): TaskInstance[] {
    this.#offer(this.#active.judgeAll())
    return this.#active.takeInitial()
  }

  /** The run is stored: as `begin` said, or queued because its dag has no room, to be resumed once it has. */
  inserted(run: DagRun): void {
    this.#active.run = run
    this.#writable = true
    if (run.state === 'queued') {
      this.#tries.forgetClaimed()
      // Its rows say that nothing has begun; what it would have begun with is not to be written.
      const rows = this.dag.graph.nodes.map(({ id }) => newInstance(id))
      this.#active = new ActiveRun(run, this.#active.graph, rows)
      return
    }
    this.#limitDuration()
    for (const index of this.#tries.claimed()) this.#execute(index)
    // What waits for a pool can be asked for now that it has an id.
    this.#offer([])
    this.#mark()
  }

  /** The run could not be stored. */
  discard(): void {
    this.#over = true
    this.#tries.forgetClaimed()
  }

  /** Takes up a stored run where its rows stand. */
  resume(run: DagRun, instances: readonly TaskInstance[]): void {
    this.#endings.takeAll()
    this.#restore(run, instances)
    this.#limitDuration()
  }

  /** True where the task instance still waits for its turn. */
  waits(index: number): boolean {
    const { state } = this.#active.instance(index)
    return !this.#over && (state === 'queued' || state === 'scheduled')
  }

  /** Claims a task instance; it starts once that is written. The caller has taken a slot for it. */
  start(index: number): void {
    this.#active.start(index)
    this.#tries.claim(index, this.#active.instance(index).tryNumber)
    this.#mark()
  }

  /** Ends the run now: running tasks are told to stop and have failed for this reason. */
  stop(reason: string): void {
    if (this.#over) return
    this.#active.stop(reason)
    this.#tries.abortAll(reason)
    this.#mark()
  }

  /** Tells running tasks to stop; each is handed back as it does, and keeps its result if it ends well after all. */
  interrupt(reason: string): void {
    this.#tries.interrupted = reason
    this.#tries.abortAll(reason)
  }

  /** Gives the run back for another process, with whatever of it still runs. */
  release(reason: string): void {
    if (this.#over) return
    this.#active.release(reason)
    this.#mark()
  }

  /** Somebody else changed the stored run. */
  changedElsewhere(): void {
    if (this.#endings.isWriting) this.#changedMeanwhile = true
    else if (this.#writable) void this.#reload()
  }

  /** The run was given to somebody else: nothing of it is ours any more. */
  lose(reason: string, code: 'run_lost' | 'run_unwritable' = 'run_lost'): void {
    if (this.#over) return
    this.#tries.abortAll(`this process no longer owns the run: ${reason}`)
    this.#close(new TminusError(`Run ${this.run.runId} was given up: ${reason}`, { code }))
  }

  takeChange(): RunChange | undefined {
    if (!this.#writable || this.#over) return undefined
    const change = this.#active.takeChange()
    if (change === undefined) return undefined
    this.#endings.writing()
    return { ...change, limited: this.#limited }
  }

  written(change: RunChange, result: boolean | Error): void {
    this.#endings.written(result)
    if (this.#over) return
    if (result === true) this.#carryOn(change)
    if (result !== true || this.#changedMeanwhile) void this.#reload()
    this.#changedMeanwhile = false
  }

  #carryOn(change: RunChange): void {
    for (const { taskId, to, dueAt } of change.transitions) {
      const index = this.#active.graph.indexOf.get(taskId) ?? -1
      if (to === 'running') this.#execute(index)
      if (dueAt !== null) this.#startAt(index, dueAt)
    }
    this.#owner.onChange?.(this, change.transitions)
    if (change.run !== null) this.#close(change.run)
  }

  #execute(index: number): void {
    const own = this.#tries.begin(index, this.#active)
    if (own === undefined) return
    const { tryNumber, abort } = own
    const { taskId } = this.#active.instance(index)
    const settle = (ending: Ending) => this.#settle({ index, tryNumber, ending })
    void attempt(this, taskId, tryNumber, abort.signal, this.#owner).then(settle)
  }

  #settle(settled: Settled): void {
    this.#tries.ended(settled.index, settled.tryNumber)
    if (this.#over) this.#offer([])
    else this.#apply(settled)
    this.#mark()
  }

  #apply(settled: Settled): void {
    const { index, tryNumber, ending } = settled
    this.#endings.add(settled)
    if (this.#tries.interrupted !== undefined && ending.state === 'failed') {
      this.#active.handBack(index, tryNumber, this.#tries.interrupted)
      return
    }
    const task = this.dag.tasks.get(this.#active.instance(index).taskId)
    const limits = this.#retries && task !== undefined ? task : NO_RETRIES
    this.#offer(this.#active.settle(index, tryNumber, ending, limits, Math.random()))
  }

  #startAt(index: number, dueAt: Date): void {
    this.#timers.wakeAt(index, dueAt.getTime(), () => {
      const { state } = this.#active.instance(index)
      if (state !== 'up_for_retry' && state !== 'up_for_reschedule') return
      this.#offer([index])
      this.#mark()
    })
  }

  #limitDuration(): void {
    const limit = this.dag.dagrunTimeoutMs
    if (limit === undefined || this.#over) return
    const stop = () => this.stop(`the run took longer than its dagrun timeout of ${humanDuration(limit)}`)
    this.#timers.wakeAt('run', Date.now() + limit - this.run.ranForMs, stop)
  }

  /** Somebody else changed the run, or the database refused a row: back to what is stored, then on from there. */
  async #reload(): Promise<void> {
    this.#writable = false
    const stored = await outlast(() => this.#read()).catch((error: Error) => error)
    if (this.#over) return
    if (stored instanceof Error) return this.lose(messageOf(stored), 'run_unwritable')
    if (stored === undefined) return this.lose('it was deleted')
    const { run, instances } = stored
    const { jobId, state, reason } = run
    if (jobId !== this.#owner.job.id || state === 'queued') return this.lose('another process took it over')
    if (state === 'running') return this.#restore(run, instances)
    this.#tries.abortAll(reason ?? `the run is ${state}`)
    this.#close({ state, reason })
  }

  async #read() {
    const { db } = this.#owner
    const run = await readRun(db, this.run.dagRunId)
    return run && { run, instances: await readInstances(db, run.dagRunId) }
  }

  #restore(run: DagRun, stored: readonly TaskInstance[]): void {
    this.#tries.forgetClaimed()
    this.#timers.clear('run')
    this.#active = new ActiveRun(run, this.#active.graph, stored)
    this.#writable = true
    this.#tries.abortStrays(this.#active)
    for (const settled of this.#endings.takeAll()) this.#apply(settled)
    this.#active.instances.forEach(({ state, dueAt }, index) => {
      if (state === 'running' && !this.#tries.has(index)) this.#startClaimed(index)
      if (state === 'queued' || state === 'scheduled') this.#offer([index])
      if (dueAt !== null) this.#startAt(index, dueAt)
    })
    this.#offer(this.#active.judgeAll())
    this.#mark()
  }

  /** Claimed by a write whose answer was lost: it is ours, and nobody runs it. */
  #startClaimed(index: number): void {
    this.#owner.admission.takeSlot()
    this.#tries.claim(index, this.#active.instance(index).tryNumber)
    this.#execute(index)
  }

  #offer(indexes: readonly number[]): void {
    this.#owner.admission.offer(this, indexes)
  }

  #mark(): void {
    this.#owner.writer.mark(this)
  }

  #close(result: RunResult | Error): void {
    this.#over = true
    this.#tries.forgetClaimed()
    this.#timers.clear()
    this.#owner.ended(this, result)
    if (result instanceof Error) this.#giveUp(result)
    else this.#finish({ state: result.state, reason: result.reason })
  }
}
