import { setTimeout as delay } from 'node:timers/promises'
import type { Dag } from '../dag/dag.ts'
import type { Graph } from '../dag/graph.ts'
import { type DagRunState, isOver } from '../dag/state.ts'
import { outlast } from '../db/outage.ts'
import { humanDuration } from '../duration.ts'
import { messageOf, TminusError } from '../errors.ts'
import { type DagRun, readRun } from '../metadata/dag-runs.ts'
import type { TaskInstance } from '../metadata/task-instances.ts'
import type { RunChange } from '../metadata/transitions.ts'
import { ActiveRun } from './active-run.ts'
import { hasLimits } from './admission.ts'
import type { Owner } from './runner.ts'
import { Timers } from './timers.ts'
import { attempt, interruption, Tries, type Try } from './tries.ts'

export interface RunResult {
  /** `queued`: given back unfinished, for another process. */
  state: DagRunState
  reason: string | null
}

/** Where no result was to blame, the same write would be refused again and again without a pause. */
const REFUSED_MS = 500
const NO_RETRIES = { retries: 0, retryDelayMs: 0, maxRetryDelayMs: 0 }

/** A run this process owns and advances: what it decides is written first, and only then done. */
export class OwnedRun {
  readonly dag: Dag
  /** Runs come into a process oldest first; who came first goes first. */
  readonly order: number
  readonly finished: Promise<RunResult>
  /** The run as this process knows it; for others to be looked at only. */
  state: ActiveRun
  readonly #owner: Owner
  readonly #retries: boolean
  /** True where its tasks may hold slots of pools. */
  readonly #limited: boolean
  /** Nothing of it is written while it is read again. */
  #stands: 'owned' | 'reading' | 'over' = 'owned'
  #writing = false
  /** Somebody else has changed it since it was read. */
  #stale = false
  /** Set once the process is told to stop: why. */
  #interrupted: string | undefined
  /** How it is to leave this process, once it is told to: also where it is just being read again. */
  #leave: ((state: ActiveRun) => void) | undefined
  readonly #tries: Tries
  readonly #timers = new Timers<number | 'run'>()
  #finish: (result: RunResult) => void = () => {}
  #giveUp: (error: Error) => void = () => {}

  constructor(owner: Owner, dag: Dag, graph: Graph, run: DagRun, order: number, retries = true) {
    this.#owner = owner
    this.#tries = new Tries(owner.admission, this.#freePools)
    this.order = order
    this.dag = dag
    this.#retries = retries
    this.#limited = hasLimits(dag)
    this.state = new ActiveRun(run, graph)
    this.finished = new Promise((resolve, reject) => {
      this.#finish = resolve
      this.#giveUp = reject
    })
    this.finished.catch(() => {})
  }

  get run(): DagRun {
    return this.state.run
  }

  /** Takes up a stored run where its rows stand. */
  resume(run: DagRun, instances: readonly TaskInstance[]): void {
    this.#restore(run, instances)
    const limit = this.dag.dagrunTimeoutMs
    if (limit === undefined) return
    const stop = () => this.stop(`the run took longer than its dagrun timeout of ${humanDuration(limit)}`)
    this.#timers.wakeAt('run', Date.now() + limit - run.ranForMs, stop)
  }

  /** True where the task instance still waits for its turn. */
  waits(index: number): boolean {
    const { state } = this.state.instance(index)
    return this.#stands !== 'over' && (state === 'queued' || state === 'scheduled')
  }

  /** Claims a task instance, and a slot for it; it starts once that is written. */
  start(index: number): void {
    this.state.start(index)
    this.#tries.claim(index, this.state.instance(index).tryNumber)
    this.#mark()
  }

  /** Ends the run now: running tasks are told to stop and have failed for this reason. */
  stop(reason: string): void {
    this.#leaveBy((state) => state.stop(reason))
    this.#tries.abortAll(reason)
  }

  /** Tells running tasks to stop, before the run is given back; one that ends well after all keeps its result. */
  interrupt(reason: string): void {
    this.#interrupted = reason
    this.#tries.abortAll(reason)
  }

  /** Gives the run back for another process, with whatever of it still runs. */
  release(reason: string): void {
    this.#leaveBy((state) => state.release(reason))
  }

  #leaveBy(leave: (state: ActiveRun) => void): void {
    if (this.#stands === 'over') return
    this.#leave = leave
    leave(this.state)
    this.#mark()
  }

  /** Somebody else changed the stored run. */
  changedElsewhere(): void {
    this.#stale = true
    if (this.#stands === 'owned' && !this.#writing) void this.#reload()
  }

  /** The run was given to somebody else: nothing of it is ours any more. */
  lose(reason: string, code: 'run_lost' | 'run_unwritable' = 'run_lost'): void {
    if (this.#stands === 'over') return
    this.#tries.abortAll(`this process no longer owns the run: ${reason}`)
    this.#close(new TminusError(`Run ${this.run.runId} was given up: ${reason}`, { code }))
  }

  takeChange(): RunChange | undefined {
    const change = this.#stands === 'owned' ? this.state.takeChange() : undefined
    if (change === undefined) return undefined
    this.#writing = true
    this.#tries.writing()
    return Object.assign(change, { limited: this.#limited })
  }

  written(change: RunChange, result: boolean | Error): void {
    this.#writing = false
    this.#tries.written(result)
    if (this.#stands === 'over') return
    if (result === true) this.#carryOn(change)
    if (result === true) this.#applyEnded()
    if (result !== true || this.#stale) void this.#reload(result instanceof Error ? REFUSED_MS : 0)
  }

  #carryOn(change: RunChange): void {
    for (const { taskId, to, dueAt } of change.transitions) {
      const index = this.state.graph.indexOf.get(taskId) ?? -1
      if (to === 'running') this.#execute(index)
      if (dueAt !== null) this.#startAt(index, dueAt)
    }
    this.#owner.onChange(this, change)
    if (change.run !== null) this.#close(change.run)
  }

  #execute(index: number): void {
    const own = this.#tries.begin(index, this.state)
    if (own === undefined) return
    if (this.#interrupted !== undefined) own.abort.abort(interruption(this.#interrupted))
    void attempt(this, own, this.#owner).then((ending) => {
      const isRunning = this.state.isRunning(index, own.tryNumber)
      const wanted = this.#tries.end(own, ending)
      if (!wanted || this.#stands === 'over' || (this.#stands === 'owned' && !isRunning)) this.#freePools(own)
      else if (this.#stands === 'owned') this.#apply(own)
      this.#mark()
    })
  }

  readonly #freePools = ({ index, tryNumber }: Try): void => {
    const { taskId } = this.state.instance(index)
    if (this.#limited) this.#owner.admission.freePools({ dagRunId: this.run.dagRunId, taskId, tryNumber })
  }

  #apply({ index, tryNumber, ending }: Try): void {
    // Stopped with the process, it did not fail by itself: it is handed back with its run.
    if (ending === undefined || (this.#interrupted !== undefined && ending.state === 'failed')) return
    const task = this.dag.tasks.get(this.state.instance(index).taskId)
    const limits = this.#retries && task !== undefined ? task : NO_RETRIES
    this.#offer(this.state.settle(index, tryNumber, ending, limits, Math.random()))
  }

  #applyEnded(): void {
    for (const own of this.#tries.unwritten) {
      this.#apply(own)
      this.#mark()
    }
  }

  #startAt(index: number, dueAt: Date): void {
    this.#timers.wakeAt(index, dueAt.getTime(), () => {
      const { state } = this.state.instance(index)
      if (state !== 'up_for_retry' && state !== 'up_for_reschedule') return
      this.#offer([index])
      this.#mark()
    })
  }

  /** Somebody else changed the run, or the database refused a row: back to what is stored, then on from there. */
  async #reload(afterMs = 0): Promise<void> {
    this.#stands = 'reading'
    if (afterMs > 0) await delay(afterMs)
    this.#stale = false
    const { db, job } = this.#owner
    const stored = await outlast(() => readRun(db, this.run.dagRunId)).catch((error: Error) => error)
    if (this.#stands !== 'reading') return
    if (stored instanceof Error) return this.lose(messageOf(stored), 'run_unwritable')
    if (stored === undefined) return this.lose('it was deleted')
    const { run, instances } = stored
    const { jobId, state, reason } = run
    if (jobId === null) return this.lose('it was queued again, for any process')
    if (jobId !== job.id) return this.lose('another process took it over')
    this.#restore(run, instances)
    if (this.#stale) return await this.#reload()
    if (!isOver(state)) return
    this.#tries.abortAll(reason ?? `the run is ${state}`)
    this.#close({ state, reason })
  }

  #restore(run: DagRun, stored: readonly TaskInstance[]): void {
    this.#tries.forgetClaimed()
    this.#timers.clear('run')
    this.state = new ActiveRun(run, this.state.graph, stored)
    this.#stands = 'owned'
    this.#tries.abortStrays(this.state)
    this.#applyEnded()
    this.#leave?.(this.state)
    this.#mark()
    if (run.state !== 'running') return
    const ready = this.state.judgeAll()
    this.state.instances.forEach(({ state, dueAt }, index) => {
      if (state === 'running' && !this.#tries.has(index)) this.#startClaimed(index)
      if (state === 'queued' || state === 'scheduled') ready.push(index)
      if (dueAt !== null) this.#startAt(index, dueAt)
    })
    this.#offer(ready)
  }

  /** Claimed by the row that began it, or by a write whose answer was lost: it is ours, and nobody runs it. */
  #startClaimed(index: number): void {
    this.#tries.claim(index, this.state.instance(index).tryNumber)
    this.#execute(index)
  }

  #offer(indexes: readonly number[]): void {
    this.#owner.admission.offer(this, indexes)
  }

  #mark(): void {
    this.#owner.writer.mark(this)
  }

  #close(result: RunResult | Error): void {
    this.#stands = 'over'
    this.#tries.forgetClaimed()
    for (const own of this.#tries.unwritten) this.#freePools(own)
    this.#timers.clear()
    this.#owner.ended(this, result)
    if (result instanceof Error) this.#giveUp(result)
    else this.#finish({ state: result.state, reason: result.reason })
  }
}
