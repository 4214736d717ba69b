import { humanDuration } from '../dag/duration.ts'
import type { Graph } from '../dag/graph.ts'
import { afterFailure, type RetryLimits } from '../dag/retry.ts'
import {
  type DagRunState,
  isTerminal,
  TASK_TRANSITIONS,
  type TaskInstanceState,
  type TerminalTaskState,
} from '../dag/state.ts'
import { count, emptyTally, judge, type Tally } from '../dag/trigger-rule.ts'
import type { DagRun, NewTaskInstance } from '../metadata/dag-runs.ts'
import type { TaskInstanceRow } from '../metadata/task-instances.ts'
import type { RunChange, Transition } from '../metadata/transitions.ts'

/** How one try of a task ended, as the executor reports it. */
export type Ending =
  /** `output`: JSON text of what it returned, null where the task declares none. */
  | { kind: 'success'; output: string | null }
  | { kind: 'failed'; reason: string; error: string | null; retryable: boolean }
  | { kind: 'skipped'; reason: string }
  | { kind: 'rescheduled'; at: Date; reason: string }

export interface Instance {
  state: TaskInstanceState
  tryNumber: number
  failures: number
  lost: number
  reason: string | null
  dueAt: Date | null
}

/**
 * A run as its owner holds it: the graph, where each task instance stands, and what of that is not written yet.
 * Decides and remembers; reads and writes nothing. Task instances are named by their position in the graph.
 */
export class ActiveRun {
  readonly graph: Graph
  readonly instances: Instance[]
  run: DagRun
  /** True where its tasks may hold slots of pools. */
  limited = false
  ended: { state: DagRunState; reason: string | null } | undefined
  #tallies: Tally[]
  #open: number
  #unwritten = new Map<number, Transition>()
  #endUnwritten = false

  constructor(run: DagRun, graph: Graph, rows: readonly TaskInstanceRow[] = []) {
    this.run = run
    this.graph = graph
    const byId = new Map(rows.map((row) => [row.task_id, row]))
    this.instances = graph.nodes.map((node) => instanceOf(byId.get(node.id)))
    this.#tallies = graph.upstream.map((parents) => emptyTally(parents.length))
    this.#open = graph.nodes.length
    this.instances.forEach((instance, index) => {
      if (isTerminal(instance.state)) this.#close(index, instance.state)
    })
  }

  taskId(index: number): string {
    return this.graph.nodes[index]?.id ?? ''
  }

  instance(index: number): Instance {
    const instance = this.instances[index]
    if (instance === undefined) throw new RangeError(`no task at position ${index}`)
    return instance
  }

  /** Judges every task still at `none`; returns those that are ready. */
  judgeAll(): number[] {
    return this.#judge(this.instances.keys())
  }

  /** Ready, waits for a slot (`queued`) or is held by a limit (`scheduled`). */
  hold(index: number, state: 'queued' | 'scheduled', reason: string | null = null): void {
    this.#move(index, { state, reason, dueAt: null })
  }

  /** Claims a ready task instance: a new try starts once this is written. */
  start(index: number): void {
    this.#move(index, {
      state: 'running',
      tryNumber: this.instance(index).tryNumber + 1,
      reason: null,
      dueAt: null,
    })
  }

  /**
   * Takes in how a try ended and what follows from it, all the way down; returns the tasks that became ready.
   * A try that is not the running one changes nothing.
   */
  settle(index: number, tryNumber: number, ending: Ending, limits: RetryLimits, random: number): number[] {
    const instance = this.instance(index)
    if (instance.state !== 'running' || instance.tryNumber !== tryNumber) return []
    switch (ending.kind) {
      case 'success':
        return this.#end(index, 'success', null, ending)
      case 'skipped':
        return this.#end(index, 'skipped', ending.reason, ending)
      case 'rescheduled':
        this.#move(index, { state: 'up_for_reschedule', reason: ending.reason, dueAt: ending.at }, ending)
        return []
      case 'failed':
        return this.#fail(index, ending, limits, random)
    }
  }

  /** Ends the run now: running tasks have failed for this reason, the others are skipped. */
  stop(reason: string): void {
    this.instances.forEach(({ state }, index) => {
      if (state !== 'running') return
      if (this.#isStartUnwritten(index)) this.#undoStart(index)
      else this.#end(index, 'failed', reason, { kind: 'failed', reason, error: null, retryable: false })
    })
    this.instances.forEach(({ state }, index) => {
      if (!isTerminal(state)) this.#end(index, 'skipped', reason)
    })
  }

  /** The process is told to stop: a running try ends here, and its task waits for the next process. */
  handBack(index: number, tryNumber: number, reason: string): void {
    const instance = this.instance(index)
    if (instance.state !== 'running' || instance.tryNumber !== tryNumber) return
    const ending = { kind: 'failed', reason, error: null, retryable: true } as const
    if (this.#isStartUnwritten(index)) this.#undoStart(index)
    else this.#move(index, { state: 'scheduled', reason, dueAt: null }, ending)
  }

  /** Gives the run back: whatever still runs is handed back, and the run waits for another owner. */
  release(reason: string): void {
    if (this.ended !== undefined) return
    this.instances.forEach(({ state, tryNumber }, index) => {
      if (state === 'running') this.handBack(index, tryNumber, reason)
    })
    this.ended = { state: 'queued', reason }
    this.#endUnwritten = true
  }

  /** What has changed since the last call, to be written in one piece; undefined when nothing has. */
  takeChange(): RunChange | undefined {
    const transitions = [...this.#unwritten.values()].filter(
      (one) => one.from !== one.to || one.fromTry !== one.tryNumber,
    )
    this.#unwritten.clear()
    const run = this.#endUnwritten && this.ended ? { ...this.ended, released: this.ended.state === 'queued' } : null
    this.#endUnwritten = false
    if (transitions.length === 0 && run === null) return undefined
    return { dagRunId: this.run.dagRunId, version: this.run.version, transitions, limited: this.limited, run }
  }

  /** Where each instance of a run that is not stored yet stands; they count as written from here on. */
  takeInitial(): NewTaskInstance[] {
    this.#unwritten.clear()
    return this.graph.nodes.map((node, index) => {
      const { state, tryNumber, reason } = this.instance(index)
      return { taskId: node.id, state, tryNumber, reason }
    })
  }

  #fail(index: number, ending: Ending & { kind: 'failed' }, limits: RetryLimits, random: number): number[] {
    const instance = this.instance(index)
    instance.failures++
    const next = afterFailure(limits, instance.failures, ending.retryable, random)
    if (next.state === 'failed') return this.#end(index, 'failed', ending.reason, ending)
    const tries = `${instance.failures + 1} of ${limits.retries + 1}`
    const reason = `retrying in ${humanDuration(next.nominalMs)} (${tries}): ${ending.reason}`
    this.#move(index, { state: 'up_for_retry', reason, dueAt: new Date(Date.now() + next.delayMs) }, ending)
    return []
  }

  /** To a final state, then judges what hangs on it. */
  #end(index: number, state: TerminalTaskState, reason: string | null, ending?: Ending): number[] {
    this.#move(index, { state, reason, dueAt: null }, ending)
    this.#close(index, state)
    const ready = this.#judge(this.graph.downstream[index] ?? [])
    if (this.#open === 0 && this.ended === undefined) this.#endRun()
    return ready
  }

  /** Skips cascade within this one call, so a whole branch is decided and written at once. */
  #judge(candidates: Iterable<number>): number[] {
    const ready = new Set<number>()
    const open = [...candidates]
    for (let next = 0; next < open.length; next++) {
      const index = open[next] ?? 0
      if (this.instance(index).state !== 'none') continue
      const verdict = judge(this.graph.nodes[index]?.triggerRule ?? 'all_success', this.#tallyOf(index))
      if (verdict === undefined) continue
      if (verdict.state === 'ready') {
        ready.add(index)
        continue
      }
      this.#move(index, { state: verdict.state, reason: verdict.reason, dueAt: null })
      this.#close(index, verdict.state)
      open.push(...(this.graph.downstream[index] ?? []))
    }
    if (this.#open === 0 && this.ended === undefined) this.#endRun()
    return [...ready]
  }

  #isStartUnwritten(index: number): boolean {
    const unwritten = this.#unwritten.get(index)
    return unwritten !== undefined && unwritten.from !== 'running'
  }

  /** Claimed, but nobody knows yet: it was never started. */
  #undoStart(index: number): void {
    this.#move(index, { state: 'scheduled', tryNumber: this.instance(index).tryNumber - 1, reason: null })
  }

  #tallyOf(index: number): Tally {
    return this.#tallies[index] ?? emptyTally(0)
  }

  #close(index: number, state: TerminalTaskState): void {
    this.#open--
    for (const child of this.graph.downstream[index] ?? []) count(this.#tallyOf(child), this.taskId(index), state)
  }

  /** A green leaf never hides a red task: any failure fails the run. */
  #endRun(): void {
    const index = this.instances.findIndex(({ state }) => state === 'failed')
    const failed = index >= 0 || this.instances.some(({ state }) => state === 'upstream_failed')
    const reason =
      index < 0 ? null : `${this.taskId(index)} failed: ${this.instance(index).reason ?? 'no reason given'}`
    this.ended = { state: failed ? 'failed' : 'success', reason: failed ? reason : null }
    this.#endUnwritten = true
  }

  /** Remembers the first state and the last one, so that several moves before a write are one transition. */
  #move(index: number, to: Partial<Instance>, ending?: Ending): void {
    const instance = this.instance(index)
    refuseImpossible(this.taskId(index), instance.state, to.state ?? instance.state)
    const before = this.#unwritten.get(index)
    const from = before?.from ?? instance.state
    const fromTry = before?.fromTry ?? instance.tryNumber
    Object.assign(instance, to)
    this.#unwritten.set(index, {
      taskId: this.taskId(index),
      from,
      fromTry,
      to: instance.state,
      tryNumber: instance.tryNumber,
      failures: instance.failures,
      lost: instance.lost,
      reason: instance.reason,
      dueAt: instance.dueAt,
      ended: ending === undefined ? (before?.ended ?? null) : endedTry(ending),
      output: ending?.kind === 'success' ? ending.output : (before?.output ?? null),
    })
  }
}

/** A move the state machine does not know is a mistake in this file; better no write than a wrong one. */
function refuseImpossible(taskId: string, from: TaskInstanceState, to: TaskInstanceState): void {
  if (from === to || TASK_TRANSITIONS[from].includes(to)) return
  throw new RangeError(`task '${taskId}' cannot go from ${from} to ${to}`)
}

function instanceOf(row: TaskInstanceRow | undefined): Instance {
  return {
    state: row?.state ?? 'none',
    tryNumber: row?.try_number ?? 0,
    failures: row?.failures ?? 0,
    lost: row?.lost ?? 0,
    reason: row?.reason ?? null,
    dueAt: row?.due_at ?? null,
  }
}

function endedTry(ending: Ending): Transition['ended'] {
  switch (ending.kind) {
    case 'success':
      return { state: 'success', reason: null, error: null }
    case 'failed':
      return { state: 'failed', reason: ending.reason, error: ending.error }
    case 'skipped':
      return { state: 'skipped', reason: ending.reason, error: null }
    case 'rescheduled':
      return { state: 'up_for_reschedule', reason: ending.reason, error: null }
  }
}
