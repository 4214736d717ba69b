import type { Dag } from '../dag/dag.ts'
import type { Graph } from '../dag/graph.ts'
import type { DagRunState } from '../dag/state.ts'
import type { Task } from '../dag/task.ts'
import { messageOf, TminusError } from '../errors.ts'
import type { DagRun } from '../metadata/dag-runs.ts'
import type { LogLine } from '../metadata/logs.ts'
import type { TaskInstanceRow } from '../metadata/task-instances.ts'
import type { RunChange, Transition, Written } from '../metadata/transitions.ts'
import { ActiveRun, type Ending } from './active-run.ts'
import type { Attempt } from './executor.ts'

/** What is stored of a run, read again when somebody else changed it. */
export interface StoredRun {
  run: DagRun
  rows: TaskInstanceRow[]
}

/** What a run needs of the process that owns it. */
export interface Host {
  random(): number
  /** These may start as soon as a slot is free. */
  offer(run: OwnedRun, indexes: readonly number[]): void
  takeSlot(): void
  freeSlot(): void
  mark(run: OwnedRun): void
  log(line: LogLine): void
  execute(attempt: Attempt): Promise<Ending>
  readOutput(dagRunId: number, taskId: string): Promise<unknown>
  /** Undefined when the run is no longer owned by this process. */
  read(dagRunId: number): Promise<StoredRun | undefined>
  changed(run: OwnedRun, transitions: readonly Transition[]): void
  ended(run: OwnedRun): void
}

export interface RunResult {
  state: DagRunState
  reason: string | null
}

interface Settled {
  index: number
  tryNumber: number
  ending: Ending
}

const NO_RETRIES = { retries: 0, retryDelayMs: 0, maxRetryDelayMs: 0 }

/** A run this process owns and advances: what it decides is written first, and only then done. */
export class OwnedRun {
  readonly dag: Dag
  /** Runs come into a process oldest first; who came first goes first. */
  readonly order: number
  readonly finished: Promise<RunResult>
  #active: ActiveRun
  #host: Host
  #retries: boolean
  #stored = false
  #over = false
  /** Endings taken into memory since the last write began, and those in the write under way. */
  #endings: Settled[] = []
  #flying: Settled[] = []
  /** Claimed in memory, not written yet. */
  #starting = new Set<number>()
  #executing = new Map<number, { tryNumber: number; abort: AbortController }>()
  #timers = new Map<number, NodeJS.Timeout>()
  #finish: (result: RunResult) => void = () => {}
  #give: (error: Error) => void = () => {}

  constructor(
    host: Host,
    dag: Dag,
    graph: Graph,
    run: DagRun,
    options: { order: number; retries?: boolean },
  ) {
    this.#host = host
    this.order = options.order
    this.dag = dag
    this.#retries = options.retries ?? true
    this.#active = new ActiveRun(run, graph)
    this.finished = new Promise((resolve, reject) => {
      this.#finish = resolve
      this.#give = reject
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

  /** Judges a run that is not stored yet; `takeInitial` then gives the rows to insert. */
  begin(): void {
    this.#host.offer(this, this.#active.judgeAll())
  }

  takeInitial(): ReturnType<ActiveRun['takeInitial']> {
    return this.#active.takeInitial()
  }

  /** The run is stored as `takeInitial` said: what was claimed starts. */
  inserted(run: DagRun): void {
    this.#active.run = run
    this.#stored = true
    for (const index of [...this.#starting]) this.#execute(index)
    this.#host.mark(this)
  }

  /** The run could not be stored: gives back what it had taken. */
  discard(): void {
    this.#over = true
    for (const _ of this.#starting) this.#host.freeSlot()
    this.#starting.clear()
  }

  /** Takes up a stored run where its rows stand. */
  resume({ run, rows }: StoredRun): void {
    this.#stored = true
    this.#restore(run, rows)
    this.#host.mark(this)
  }

  /** True where the task instance still waits for a slot. */
  waits(index: number): boolean {
    return !this.#over && this.#active.instance(index).state === 'queued'
  }

  hold(index: number): void {
    this.#active.hold(index, 'queued')
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

  takeChange(): RunChange | undefined {
    if (!this.#stored || this.#over) return undefined
    this.#flying = this.#endings
    this.#endings = []
    return this.#active.takeChange()
  }

  written(change: RunChange, result: Written | Error): void {
    if (result === 'written') this.#carryOn(change)
    else if (result === 'fenced') this.#lose('another process took it over')
    else void this.#reload(result === 'stale' ? undefined : result)
  }

  #carryOn(change: RunChange): void {
    this.#flying = []
    for (const { taskId, to, dueAt } of change.transitions) {
      const index = this.#active.graph.indexOf.get(taskId) ?? -1
      if (to === 'running') this.#execute(index)
      if (dueAt !== null) this.#startAt(index, dueAt)
    }
    this.#host.changed(this, change.transitions)
    if (change.run !== null) this.#close({ state: change.run.state, reason: change.run.reason })
  }

  #execute(index: number): void {
    const { state, tryNumber } = this.#active.instance(index)
    if (!this.#starting.delete(index)) return
    if (state !== 'running') {
      this.#host.freeSlot()
      return
    }
    const abort = new AbortController()
    this.#executing.set(index, { tryNumber, abort })
    void this.#attempt(index, tryNumber, abort.signal).then((ending) =>
      this.#settle({ index, tryNumber, ending }),
    )
  }

  async #attempt(index: number, tryNumber: number, signal: AbortSignal): Promise<Ending> {
    const taskId = this.#active.taskId(index)
    const task = this.dag.tasks.get(taskId)
    if (task === undefined) {
      const reason = `task '${taskId}' is no longer in the dag's code`
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
    if (this.#executing.get(settled.index)?.tryNumber === settled.tryNumber)
      this.#executing.delete(settled.index)
    this.#host.freeSlot()
    if (this.#over) this.#host.offer(this, [])
    else this.#apply(settled)
    this.#host.mark(this)
  }

  #apply(settled: Settled): void {
    this.#endings.push(settled)
    const { index, tryNumber, ending } = settled
    const limits = this.#limits(index)
    this.#host.offer(this, this.#active.settle(index, tryNumber, ending, limits, this.#host.random()))
  }

  #limits(index: number): Pick<Task, 'retries' | 'retryDelayMs' | 'maxRetryDelayMs'> {
    const task = this.dag.tasks.get(this.#active.taskId(index))
    return this.#retries && task !== undefined ? task : NO_RETRIES
  }

  #startAt(index: number, dueAt: Date): void {
    clearTimeout(this.#timers.get(index))
    const wait = Math.max(0, dueAt.getTime() - Date.now())
    // A wait longer than a timer holds (24 days) is looked at again on the way.
    const timer = setTimeout(() => this.#due(index), Math.min(wait, 2 ** 31 - 1))
    this.#timers.set(index, timer)
  }

  #due(index: number): void {
    this.#timers.delete(index)
    const { state, dueAt } = this.#active.instance(index)
    if (this.#over || (state !== 'up_for_retry' && state !== 'up_for_reschedule')) return
    if (dueAt !== null && dueAt.getTime() > Date.now()) {
      this.#startAt(index, dueAt)
      return
    }
    this.#host.offer(this, [index])
    this.#host.mark(this)
  }

  /** Somebody else changed the run, or the database refused a row: back to what is stored, then on from there. */
  async #reload(refused?: Error): Promise<void> {
    const stored = await this.#host.read(this.run.dagRunId).catch((error: Error) => error)
    if (stored === undefined || stored instanceof Error) {
      this.#lose(stored === undefined ? 'another process took it over' : messageOf(stored))
      return
    }
    const endings = [
      ...this.#flying.map((one) => (refused ? notStored(one, refused) : one)),
      ...this.#endings,
    ]
    this.#flying = []
    this.#endings = []
    this.#restore(stored.run, stored.rows, endings)
    this.#host.mark(this)
  }

  #restore(run: DagRun, rows: readonly TaskInstanceRow[], endings: readonly Settled[] = []): void {
    for (const _ of this.#starting) this.#host.freeSlot()
    this.#starting.clear()
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    this.#active = new ActiveRun(run, this.#active.graph, rows)
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
      abort.abort(new TminusError('cancelled', { code: 'cancelled', retryable: false }))
    }
  }

  #lose(reason: string): void {
    this.#abortAll(`this process no longer owns the run: ${reason}`)
    this.#close(new TminusError(`Run ${this.run.runId} was given up: ${reason}`, { code: 'run_lost' }))
  }

  #abortAll(reason: string): void {
    const error = new TminusError(reason, { code: 'interrupted', retryable: false })
    for (const { abort } of this.#executing.values()) abort.abort(error)
  }

  #close(result: RunResult | Error): void {
    this.#over = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    this.#host.ended(this)
    if (result instanceof Error) this.#give(result)
    else this.#finish(result)
  }
}

function notStored(settled: Settled, error: Error): Settled {
  const reason = `its result could not be stored: ${messageOf(error)}`
  return { ...settled, ending: { kind: 'failed', reason, error: null, retryable: false } }
}
