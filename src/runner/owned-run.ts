import type { Dag } from '../dag/dag.ts'
import { humanDuration } from '../dag/duration.ts'
import type { Graph } from '../dag/graph.ts'
import type { RetryLimits } from '../dag/retry.ts'
import type { DagRunState } from '../dag/state.ts'
import { messageOf, TminusError } from '../errors.ts'
import type { DagRun } from '../metadata/dag-runs.ts'
import type { LogLine } from '../metadata/logs.ts'
import type { TaskInstanceRow } from '../metadata/task-instances.ts'
import type { RunChange, Transition } from '../metadata/transitions.ts'
import { ActiveRun, type Ending } from './active-run.ts'
import type { Attempt } from './executor.ts'

/** What is stored of a run. */
export interface StoredRun {
  run: DagRun
  rows: readonly TaskInstanceRow[]
}

/** What a run needs of the process that owns it. */
export interface Host {
  jobId(): number
  random(): number
  /** These may start as soon as there is room for them. */
  offer(run: OwnedRun, indexes: readonly number[]): void
  takeSlot(): void
  freeSlot(): void
  mark(run: OwnedRun): void
  log(line: LogLine): void
  execute(attempt: Attempt): Promise<Ending>
  readOutput(dagRunId: number, taskId: string): Promise<unknown>
  read(dagRunId: number): Promise<StoredRun | undefined>
  changed(run: OwnedRun, transitions: readonly Transition[]): void
  ended(run: OwnedRun, result: RunResult | Error): void
}

export interface RunResult {
  /** `queued`: given back unfinished, for another process. */
  state: DagRunState
  reason: string | null
}

interface Settled {
  index: number
  tryNumber: number
  ending: Ending
}

const NO_RETRIES: RetryLimits = { retries: 0, retryDelayMs: 0, maxRetryDelayMs: 0 }

/** The longest a timer can wait: a longer time is looked at again on the way. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** A run this process owns and advances: what it decides is written first, and only then done. */
export class OwnedRun {
  readonly dag: Dag
  /** Runs come into a process oldest first; who came first goes first. */
  readonly order: number
  readonly finished: Promise<RunResult>
  #active: ActiveRun
  readonly #host: Host
  readonly #retries: boolean
  /** Only a stored, running run of ours is written; not while it is being read again. */
  #writable = false
  #over = false
  #writing = false
  #changedMeanwhile = false
  #handingBack: string | undefined
  /** Endings taken into memory since the last write began, and those in the write under way. */
  #endings: Settled[] = []
  #flying: Settled[] = []
  /** Claimed in memory, not written yet. */
  readonly #starting = new Set<number>()
  readonly #executing = new Map<number, { tryNumber: number; abort: AbortController }>()
  readonly #timers = new Map<number | 'run', NodeJS.Timeout>()
  #finish: (result: RunResult) => void = () => {}
  #giveUp: (error: Error) => void = () => {}

  constructor(host: Host, dag: Dag, graph: Graph, run: DagRun, options: { order: number; retries?: boolean }) {
    this.#host = host
    this.order = options.order
    this.dag = dag
    this.#retries = options.retries ?? true
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
    return this.#active.run.dagRunId !== 0
  }

  get executing(): number {
    return this.#executing.size
  }

  /** Judges a run that is not stored yet; returns the rows to insert. */
  begin(): ReturnType<ActiveRun['takeInitial']> {
    this.#host.offer(this, this.#active.judgeAll())
    return this.#active.takeInitial()
  }

  /** The run is stored: as `begin` said, or queued because its dag has no room, to be resumed once it has. */
  inserted(run: DagRun): void {
    this.#active.run = run
    if (run.state === 'queued') {
      this.#forgetStarting()
      return
    }
    this.#writable = true
    this.#limitDuration()
    for (const index of [...this.#starting]) this.#execute(index)
    // What waits for a pool can be asked for now that it has an id.
    this.#host.offer(this, [])
    this.#host.mark(this)
  }

  /** The run could not be stored. */
  discard(): void {
    this.#over = true
    this.#forgetStarting()
  }

  /** Takes up a stored run where its rows stand. */
  resume({ run, rows }: StoredRun): void {
    this.#restore(run, rows, [])
    this.#limitDuration()
    this.#host.mark(this)
  }

  /** True where the task instance still waits for its turn. */
  waits(index: number): boolean {
    const { state } = this.#active.instance(index)
    return !this.#over && (state === 'queued' || state === 'scheduled')
  }

  hold(index: number, state: 'queued' | 'scheduled', reason: string | null): void {
    this.#active.hold(index, state, reason)
  }

  /** Claims a task instance; it starts once that is written. The caller has taken a slot for it. */
  start(index: number): void {
    this.#active.start(index)
    this.#starting.add(index)
  }

  /** Ends the run now: running tasks are told to stop and have failed for this reason. */
  stop(reason: string): void {
    if (this.#over) return
    this.#active.stop(reason)
    this.#abortAll(reason)
    this.#host.mark(this)
  }

  /** Tells running tasks to stop; each is handed back as it does, and keeps its result if it ends well after all. */
  interrupt(reason: string): void {
    this.#handingBack = reason
    this.#abortAll(reason)
  }

  /** Gives the run back for another process, with whatever of it still runs. */
  release(reason: string): void {
    if (this.#over) return
    this.#active.release(reason)
    this.#host.mark(this)
  }

  /** Somebody else changed the stored run. */
  changedElsewhere(): void {
    if (this.#writing) this.#changedMeanwhile = true
    else if (this.#writable) void this.#reload()
  }

  /** The run was given to somebody else: nothing of it is ours any more. */
  lose(reason: string, code: 'run_lost' | 'run_unwritable' = 'run_lost'): void {
    if (this.#over) return
    this.#abortAll(`this process no longer owns the run: ${reason}`)
    this.#close(new TminusError(`Run ${this.run.runId} was given up: ${reason}`, { code }))
  }

  takeChange(): RunChange | undefined {
    if (!this.#writable || this.#over) return undefined
    const change = this.#active.takeChange()
    if (change === undefined) return undefined
    this.#flying = this.#endings
    this.#endings = []
    this.#writing = true
    return change
  }

  written(change: RunChange, result: boolean | Error): void {
    this.#writing = false
    if (this.#over) return
    if (result === true) this.#carryOn(change)
    if (result !== true || this.#changedMeanwhile) void this.#reload(result instanceof Error ? result : undefined)
    this.#changedMeanwhile = false
  }

  #carryOn(change: RunChange): void {
    this.#flying = []
    for (const { taskId, to, dueAt } of change.transitions) {
      const index = this.#active.graph.indexOf.get(taskId) ?? -1
      if (to === 'running') this.#execute(index)
      if (dueAt !== null) this.#startAt(index, dueAt)
    }
    this.#host.changed(this, change.transitions)
    if (change.run !== null) this.#close(change.run)
  }

  #execute(index: number): void {
    if (!this.#starting.delete(index)) return
    const { state, tryNumber } = this.#active.instance(index)
    if (state !== 'running') {
      this.#host.freeSlot()
      return
    }
    const abort = new AbortController()
    this.#executing.set(index, { tryNumber, abort })
    if (this.#handingBack !== undefined) abort.abort(interruption(this.#handingBack))
    void this.#attempt(index, tryNumber, abort.signal).then((ending) => this.#settle({ index, tryNumber, ending }))
  }

  async #attempt(index: number, tryNumber: number, signal: AbortSignal): Promise<Ending> {
    const taskId = this.#active.taskId(index)
    const task = this.dag.tasks.get(taskId)
    if (task === undefined) {
      const reason = `task '${taskId}' is no longer in the code of dag '${this.dag.id}'`
      return { kind: 'failed', reason, error: null, retryable: false }
    }
    return await this.#host.execute({
      run: this.run,
      dag: this.dag,
      task,
      tryNumber,
      signal,
      readOutput: (upstream) => this.#host.readOutput(this.run.dagRunId, upstream),
      log: (line) => this.#host.log(line),
    })
  }

  #settle(settled: Settled): void {
    if (this.#executing.get(settled.index)?.tryNumber === settled.tryNumber) this.#executing.delete(settled.index)
    this.#host.freeSlot()
    if (this.#over) this.#host.offer(this, [])
    else this.#apply(settled)
    this.#host.mark(this)
  }

  #apply(settled: Settled): void {
    const { index, tryNumber, ending } = settled
    this.#endings.push(settled)
    if (this.#handingBack !== undefined && ending.kind === 'failed') {
      this.#active.handBack(index, tryNumber, this.#handingBack)
      return
    }
    const ready = this.#active.settle(index, tryNumber, ending, this.#retryLimits(index), this.#host.random())
    this.#host.offer(this, ready)
  }

  #retryLimits(index: number): RetryLimits {
    const task = this.dag.tasks.get(this.#active.taskId(index))
    return this.#retries && task !== undefined ? task : NO_RETRIES
  }

  #startAt(index: number, dueAt: Date): void {
    const wait = Math.max(0, dueAt.getTime() - Date.now())
    this.#setTimer(index, Math.min(wait, LONGEST_TIMER_MS), () => this.#due(index))
  }

  #due(index: number): void {
    const { state, dueAt } = this.#active.instance(index)
    if (this.#over || (state !== 'up_for_retry' && state !== 'up_for_reschedule')) return
    if (dueAt !== null && dueAt.getTime() > Date.now()) {
      this.#startAt(index, dueAt)
      return
    }
    this.#host.offer(this, [index])
    this.#host.mark(this)
  }

  #limitDuration(): void {
    const limit = this.dag.dagrunTimeoutMs
    if (limit === undefined || this.#over) return
    const left = Math.max(0, limit - this.run.ranForMs)
    const stop = () => this.stop(`the run took longer than its dagrun timeout of ${humanDuration(limit)}`)
    this.#setTimer('run', Math.min(left, LONGEST_TIMER_MS), stop)
  }

  #setTimer(key: number | 'run', ms: number, act: () => void): void {
    clearTimeout(this.#timers.get(key))
    const timer = setTimeout(() => {
      this.#timers.delete(key)
      act()
    }, ms)
    this.#timers.set(key, timer)
  }

  /** Somebody else changed the run, or the database refused a row: back to what is stored, then on from there. */
  async #reload(refused?: Error): Promise<void> {
    this.#writable = false
    const stored = await this.#host.read(this.run.dagRunId).catch((error: Error) => error)
    if (this.#over) return
    if (stored instanceof Error) {
      this.lose(messageOf(stored), 'run_unwritable')
      return
    }
    if (stored === undefined) {
      this.lose('it was deleted')
      return
    }
    const { run, rows } = stored
    if (run.jobId !== this.#host.jobId() || run.state === 'queued') {
      this.lose('another process took it over')
      return
    }
    if (run.state !== 'running') {
      this.#abortAll(run.reason ?? `the run is ${run.state}`)
      this.#close({ state: run.state, reason: run.reason })
      return
    }
    const endings = [...this.#flying.map((one) => (refused ? notStored(one, refused) : one)), ...this.#endings]
    this.#restore(run, rows, endings)
    this.#host.mark(this)
  }

  #restore(run: DagRun, rows: readonly TaskInstanceRow[], endings: readonly Settled[]): void {
    this.#forgetStarting()
    this.#flying = []
    this.#endings = []
    for (const [key, timer] of this.#timers) if (key !== 'run') clearTimeout(timer)
    this.#active = new ActiveRun(run, this.#active.graph, rows)
    this.#writable = true
    this.#abortStrays()
    for (const settled of endings) this.#apply(settled)
    this.#active.instances.forEach(({ state, dueAt }, index) => {
      if (state === 'running' && !this.#executing.has(index)) this.#startClaimed(index)
      if (state === 'queued' || state === 'scheduled') this.#host.offer(this, [index])
      if (dueAt !== null) this.#startAt(index, dueAt)
    })
    this.#host.offer(this, this.#active.judgeAll())
  }

  /** Claimed by a write whose answer was lost: it is ours, and nobody runs it. */
  #startClaimed(index: number): void {
    this.#host.takeSlot()
    this.#starting.add(index)
    this.#execute(index)
  }

  /** What runs here but not in the rows was cleared, marked or cancelled: its result would be refused anyway. */
  #abortStrays(): void {
    for (const [index, { tryNumber, abort }] of this.#executing) {
      const instance = this.#active.instance(index)
      if (instance.state === 'running' && instance.tryNumber === tryNumber) continue
      abort.abort(interruption(instance.reason ?? 'cancelled'))
      this.#executing.delete(index)
    }
  }

  #forgetStarting(): void {
    for (const _ of this.#starting) this.#host.freeSlot()
    this.#starting.clear()
  }

  #abortAll(reason: string): void {
    for (const { abort } of this.#executing.values()) abort.abort(interruption(reason))
  }

  #close(result: RunResult | Error): void {
    this.#over = true
    this.#forgetStarting()
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    this.#host.ended(this, result)
    if (result instanceof Error) this.#giveUp(result)
    else this.#finish({ state: result.state, reason: result.reason })
  }
}

/** True once nothing of the run is to come. */
export function isOver(result: RunResult): boolean {
  return result.state === 'success' || result.state === 'failed'
}

function interruption(reason: string): TminusError {
  return new TminusError(reason, { code: 'interrupted', retryable: false })
}

function notStored(settled: Settled, error: Error): Settled {
  const reason = `its result could not be stored: ${messageOf(error)}`
  return { ...settled, ending: { kind: 'failed', reason, error: null, retryable: false } }
}
