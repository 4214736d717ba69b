import { setTimeout as delay } from 'node:timers/promises'
import { Timers } from '../clock.ts'
import type { Dag } from '../dag/dag.ts'
import type { Graph } from '../dag/graph.ts'
import { taskOf } from '../dag/map.ts'
import { isOver } from '../dag/state.ts'
import { retryDuringOutage } from '../db/outage.ts'
import { humanDuration } from '../duration.ts'
import { messageOf, TminusError } from '../errors.ts'
import { type DagRun, readRun } from '../metadata/dag-runs.ts'
import type { TaskInstance } from '../metadata/task-instances.ts'
import type { Ending, RunChange, RunResult } from '../metadata/transitions.ts'
import { ActiveRun } from './active-run.ts'
import { type Admission, poolsOf } from './admission.ts'
import type { RunnerOptions } from './runner.ts'
import { attempt, interruption, Tries, type Try } from './tries.ts'
import type { Writer } from './writer.ts'

/** What a run needs from its owner process. */
export interface Owner extends Required<Omit<RunnerOptions, 'onEnd'>> {
  readonly admission: Admission
  readonly writer: Writer
  /** This process no longer owns the run. If it lost the run, `error` says why. */
  onEnd(run: OwnedRun, result: RunResult | Error): void
}

/** The parts of a run that other folders may read. */
export type RunView = Pick<OwnedRun, 'dag' | 'run' | 'state'>

/** The pause after a refused write. Without it, a write that is always refused would repeat in a busy loop. */
const REFUSED_MS = 500

/** `reading`: the run is being reloaded. Until then its changes are not written. */
type Phase = 'idle' | 'writing' | 'reading' | 'over'

/**
 * How a run leaves before its tasks end. `stop`: it fails now. `time_out`: it fails after its teardowns. `interrupt`: its
 * tasks are aborted, then it is released; a success still counts. `release`: it is queued, and running tasks lose their try.
 */
interface Exit {
  how: 'stop' | 'time_out' | 'interrupt' | 'release'
  reason: string
}

/** A run that this process owns and advances. Each decision is written first and then carried out. */
export class OwnedRun {
  readonly dag: Dag
  readonly finished: Promise<RunResult>
  /** The run as this process knows it. Only this class changes it. */
  state: ActiveRun
  readonly #owner: Owner
  /** True if its tasks may hold pool slots, or wait for the previous run. */
  readonly #limited: boolean
  #phase: Phase = 'idle'
  /** True if another process has changed the stored run since this process read it. */
  #isStale = false
  /** The tries that waited for workers when this process adopted the run, by index. */
  readonly #foreign = new Map<number, number>()
  /** The requested exit. It is stored, because a run that is being reloaded can exit only after the reload. */
  #exit: Exit | undefined
  readonly #tries: Tries
  readonly #timers = new Timers<number | 'run'>()
  #finish: (result: RunResult | Promise<never>) => void = () => {}

  constructor(owner: Owner, dag: Dag, graph: Graph, run: DagRun) {
    this.#owner = owner
    this.#tries = new Tries(owner.admission, this.#freePools)
    this.dag = dag
    this.#limited = [...dag.tasks.values()].some(({ id, dependsOnPast: past }) => past || poolsOf(dag, id).length > 0)
    this.state = new ActiveRun(run, graph)
    this.finished = new Promise((resolve) => {
      this.#finish = resolve
    })
    this.finished.catch(() => {})
  }

  get run(): DagRun {
    return this.state.run
  }

  /** Continues a stored run from the state of its rows. */
  resume(run: DagRun, instances: readonly TaskInstance[]): void {
    this.#restore(run, instances)
    const limit = this.dag.dagrunTimeoutMs
    if (limit === undefined || run.stopReason !== null) return
    const stop = () => this.leave('time_out', `the run took longer than its dagrun timeout of ${humanDuration(limit)}`)
    this.#timers.wakeAfter('run', limit - run.ranForMs, stop)
  }

  /** True while the task instance waits to be started. */
  isWaiting(index: number): boolean {
    const { state } = this.state.instance(index)
    return this.#phase !== 'over' && this.#exit?.how !== 'release' && (state === 'queued' || state === 'scheduled')
  }

  /** Claims a task instance and a slot for it; it starts after the claim is written. */
  start(index: number): void {
    const { taskId, lostTry } = this.state.instance(index)
    const task = taskOf(this.dag, taskId)
    this.state.start(index, task !== undefined && this.#owner.executor.isolates(task, lostTry > 0))
    this.#tries.claim(index, this.state.instance(index).tryNumber)
    this.#mark()
  }

  /** Stores why the task instance waits. A run that gives way, and runs no task, is released. */
  hold(index: number, { reason, givesWay }: { reason: string; givesWay: boolean }): void {
    if (!this.isWaiting(index)) return
    this.state.markWaiting(index, 'scheduled', reason)
    if (givesWay && this.state.instances.every(({ state }) => state !== 'running')) this.leave('release', reason)
    this.#mark()
  }

  /** Stops, interrupts or releases the run, see `Exit`. */
  leave(how: Exit['how'], reason: string): void {
    if (this.#phase === 'over') return
    this.#exit = { how, reason }
    // Tries on workers go on while the run has no owner.
    if (how === 'stop' || (how === 'interrupt' && !this.#handOver)) this.#tries.abortAll(reason)
    this.#applyExit()
    this.#mark()
  }

  #applyExit(): void {
    const { how, reason = '' } = this.#exit ?? {}
    if (how === 'release') this.state.release(reason, this.#handOver !== undefined)
    if (how === 'stop' || how === 'time_out') this.#offer(this.state.stop(reason, how === 'stop'))
    if (how === 'time_out') this.#tries.abortStrays(this.state)
  }

  get #handOver() {
    return this.#owner.executor.handOver
  }

  /** The reason for aborting tasks when the process ends; undefined if the process does not end. */
  get #interruption(): string | undefined {
    const { how, reason } = this.#exit ?? {}
    return how === 'stop' || how === 'time_out' ? undefined : reason
  }

  /** See `JobListener.runChanged`. A waiting parent task checks its run now, or as soon as it waits. */
  changedElsewhere(parentTask?: string): void {
    if (parentTask !== undefined) this.#timers.hurry(this.state.graph.indexOf.get(parentTask) ?? -1)
    else this.#isStale = true
    if (this.#phase === 'idle' && this.#isStale) void this.#reload()
  }

  /** Drops the run, because this process no longer owns it or cannot write it. */
  lose(reason: string, code: 'run_lost' | 'run_unwritable' = 'run_lost'): void {
    if (this.#phase === 'over') return
    this.#tries.abortAll(`this process no longer owns the run: ${reason}`)
    this.#close(new TminusError(`This process gave up run ${this.run.runId}: ${reason}`, { code }))
  }

  /** Called directly before a write, so that the changes that wait merge. */
  takeChange(): RunChange | undefined {
    const change = this.#phase === 'idle' ? this.state.takeChange() : undefined
    if (change === undefined) return undefined
    this.#phase = 'writing'
    this.#tries.writing()
    const started = this.#handOver ? change.transitions.filter(({ to }) => to === 'running') : []
    const handedOver = started.flatMap(({ taskId }) => this.#handOver?.jobOf(this.dag, taskId) ?? [])
    return Object.assign(change, { limited: this.#limited, handedOver })
  }

  /** Called after the write: true if the change was written, an error if the database refused this change alone. */
  written(change: RunChange, result: boolean | Error): void {
    this.#tries.written(result)
    if (this.#phase === 'over') return
    this.#phase = 'idle'
    if (result === true) this.#carryOut(change)
    // The database has added the elements of mapped tasks.
    if (this.#phase === 'idle' && (result !== true || this.#isStale || change.elements.length > 0))
      void this.#reload(result instanceof Error ? REFUSED_MS : 0)
  }

  #carryOut(change: RunChange): void {
    for (const { taskId, to, dueAt } of change.transitions) {
      const index = this.state.graph.indexOf.get(taskId) ?? -1
      if (to === 'running') this.#execute(index)
      if (dueAt !== null) this.#startAt(index, dueAt)
    }
    this.#owner.onChange(this, change)
    if (this.#limited) this.#owner.admission.slotsFreed()
    // If a stop is stored, a clear or a mark may undo it from now on.
    if (change.run?.state === 'running' && this.#exit?.how === 'time_out') this.#exit = undefined
    if (change.run !== null && change.run.state !== 'running') this.#close(change.run)
    else this.#applyEnded()
  }

  #execute(index: number): void {
    const thisTry = this.#tries.begin(index, this.state)
    if (thisTry === undefined) return
    if (this.#interruption !== undefined) thisTry.abort.abort(interruption(this.#interruption))
    void attempt(this, thisTry, this.#owner).then((ending) => this.#tryEnded(thisTry, ending))
  }

  /** While the run is being reloaded, this only stores the ended try. `#restore` applies it later. */
  #tryEnded(thisTry: Try, ending: Ending): void {
    const isKnown = this.#tries.end(thisTry, ending) && this.#phase !== 'over'
    void thisTry.abort.codeEnded?.then(() => this.#freePools(thisTry))
    if (isKnown && this.#phase === 'reading') return
    if (isKnown && this.state.isRunning(thisTry.index, thisTry.tryNumber)) this.#apply(thisTry)
    else this.#freePools(thisTry)
  }

  readonly #freePools = ({ index, tryNumber }: Try): void => {
    const { taskId } = this.state.instance(index)
    if (this.#limited) this.#owner.admission.freePools({ dagRunId: this.run.dagRunId, taskId, tryNumber })
  }

  #apply({ index, tryNumber, ending }: Try): void {
    // If a task fails because its process ends, the failure does not count: the task is released with its run.
    if (ending === undefined || (this.#interruption !== undefined && ending.state === 'failed')) return
    const task = taskOf(this.dag, this.state.instance(index).taskId)
    this.#offer(this.state.finishTry(index, tryNumber, ending, Math.random(), task))
    this.#mark()
  }

  #applyEnded(): void {
    for (const thisTry of this.#tries.unwritten) this.#apply(thisTry)
  }

  #startAt(index: number, dueAt: Date): void {
    this.#timers.wakeAfter(index, dueAt.getTime() - Date.now(), () => {
      const { state } = this.state.instance(index)
      if (state !== 'up_for_retry' && state !== 'up_for_reschedule') return
      this.#offer([index])
      this.#mark()
    })
  }

  /** Continues from the stored state, because another process changed it or the database refused a write. */
  async #reload(afterMs = 0): Promise<void> {
    this.#phase = 'reading'
    if (afterMs > 0) await delay(afterMs)
    this.#isStale = false
    const { db, job } = this.#owner
    const stored = await retryDuringOutage(() => readRun(db, this.run.dagRunId)).catch((error: Error) => error)
    if (this.#phase !== 'reading') return
    if (stored instanceof Error) return this.lose(messageOf(stored), 'run_unwritable')
    if (stored === undefined) return this.lose('it was deleted')
    const { run, instances } = stored
    const { jobId, state, reason } = run
    if (jobId !== job.id) return this.lose(jobId === null ? 'it was queued again' : 'another process took it over')
    this.#restore(run, instances)
    if (this.#isStale) return await this.#reload()
    if (!isOver(state)) return
    this.#tries.abortAll(reason ?? `the run is ${state}`)
    this.#close({ state, reason })
  }

  #restore(run: DagRun, stored: readonly TaskInstance[]): void {
    this.#tries.forgetClaimed()
    this.#timers.clear('run')
    this.state = new ActiveRun(run, this.state.graph, stored)
    const isReading = this.#phase === 'reading'
    if (isReading) this.#phase = 'idle'
    this.#tries.abortStrays(this.state)
    this.#applyEnded()
    this.#applyExit()
    this.#mark()
    if (run.state !== 'running') return
    const ready = this.state.judgeAll()
    this.state.instances.forEach(({ taskId, state, tryNumber, dueAt, heldBy }, index) => {
      // A previous owner may have used other workers. Without `handOver`, there are none.
      const isUnclaimed = heldBy === 'queue'
      if (isUnclaimed && !isReading) this.#foreign.set(index, tryNumber)
      const isForeign = isUnclaimed ? this.#foreign.get(index) === tryNumber : heldBy === 'worker' && !this.#handOver
      // The try is stored as running, but its code has not started: the try started with its run, or the answer to its
      // claim was lost.
      if (state === 'running' && !this.#tries.has(index)) {
        if (isForeign) this.state.takeBack(index, isUnclaimed)
        else this.#tries.claim(index, tryNumber)
        if (isForeign) ready.push(index)
        else this.#execute(index)
      }
      if (state === 'queued' || state === 'scheduled') ready.push(index)
      if ((dueAt || heldBy) && this.dag.tasks.get(taskId)?.child) this.#timers.hurry(index) // the child may have ended
      if (dueAt !== null) this.#startAt(index, dueAt)
    })
    this.#offer(ready)
  }

  #offer(indexes: readonly number[]): void {
    this.#owner.admission.offer(this, indexes)
  }

  #mark(): void {
    this.#owner.writer.mark(this)
  }

  #close(result: RunResult | Error): void {
    this.#phase = 'over'
    this.#tries.forgetClaimed()
    for (const thisTry of this.#tries.unwritten) this.#freePools(thisTry)
    this.#timers.clear()
    this.#owner.onEnd(this, result)
    this.#finish(result instanceof Error ? Promise.reject(result) : result)
  }
}
