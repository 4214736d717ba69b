import type { Dag } from '../dag/dag.ts'
import type { Graph } from '../dag/graph.ts'
import { afterFailure, type RetryLimits } from '../dag/retry.ts'
import { type DagRunState, isTerminal, TASK_TRANSITIONS, type TerminalTaskState } from '../dag/state.ts'
import { count, emptyTally, judge, type Tally, type TriggerRule } from '../dag/trigger-rule.ts'
import { MOST, storableText } from '../db/text.ts'
import { humanDuration } from '../duration.ts'
import type { DagRun } from '../metadata/dag-runs.ts'
import { firstInstance, type TaskInstance } from '../metadata/task-instances.ts'
import type { Ending, RunChange, RunResult, Transition } from '../metadata/transitions.ts'
import { dueAfter } from './timers.ts'

/**
 * A run as its owner holds it: the graph, where each task instance stands, and what of that is not written yet.
 * Decides and remembers; reads and writes nothing. Task instances are named by their position in the graph.
 */
export class ActiveRun {
  readonly graph: Graph
  readonly instances: TaskInstance[]
  run: DagRun
  ended: RunResult | undefined
  readonly #tallies: Tally[]
  #open: number
  /** Where those stand in the database that have moved since, and how a try of theirs ended. */
  readonly #unwritten = new Map<number, Pick<Transition, 'from' | 'fromTry' | 'ended'>>()
  #endUnwritten: RunResult | null = null

  constructor(run: DagRun, graph: Graph, stored: readonly TaskInstance[] = []) {
    this.run = run
    this.graph = graph
    const byId = new Map(stored.map((instance) => [instance.taskId, instance]))
    this.instances = graph.nodes.map(({ id }) => byId.get(id) ?? firstInstance(id))
    this.#tallies = graph.upstream.map((parents) => emptyTally(parents.length))
    this.#open = graph.nodes.length
    this.instances.forEach(({ state }, index) => {
      if (isTerminal(state)) this.#close(index, state)
    })
  }

  instance(index: number): TaskInstance {
    const instance = this.instances[index]
    if (instance === undefined) throw new RangeError(`no task at position ${index}`)
    return instance
  }

  /** Judges every task still at `none`; returns those that are ready. */
  judgeAll(): number[] {
    return this.#judge(this.instances.keys())
  }

  /** Ready, waits for a slot (`queued`) or is held by a limit (`scheduled`). */
  hold(index: number, state: 'queued' | 'scheduled', reason: string | null): void {
    this.#move(index, { state, reason, dueAt: null })
  }

  /** Claims a ready task instance: a new try starts once this is written. */
  start(index: number): void {
    const tryNumber = this.instance(index).tryNumber + 1
    this.#move(index, { state: 'running', tryNumber, reason: null, dueAt: null })
  }

  /**
   * Takes in how a try ended and what follows from it, all the way down; returns the tasks that became ready.
   * A try that is not the running one changes nothing.
   */
  settle(index: number, tryNumber: number, ending: Ending, limits: RetryLimits | undefined, random: number): number[] {
    if (!this.isRunning(index, tryNumber)) return []
    if (ending.state === 'failed') return this.#fail(index, ending, limits, random)
    if (ending.state !== 'up_for_reschedule') return this.#end(index, ending.state, ending.reason, ending)
    this.#move(index, { state: ending.state, reason: ending.reason, dueAt: ending.dueAt }, ending)
    return []
  }

  isRunning(index: number, tryNumber: number): boolean {
    const instance = this.instance(index)
    return instance.state === 'running' && instance.tryNumber === tryNumber
  }

  /** Ends the run now, as failed: running tasks have failed for this reason, the others are skipped. */
  stop(reason: string): void {
    if (this.ended !== undefined) return
    this.instances.forEach(({ state }, index) => {
      if (state === 'running' && !this.#undoStart(index)) this.#end(index, 'failed', reason, failure(reason, true))
    })
    this.instances.forEach(({ state }, index) => {
      if (!isTerminal(state)) this.#end(index, 'skipped', reason)
    })
    // Also where nothing ran just then: a run cut short while it waited for a retry is no success.
    if (!this.instances.some(({ state }) => state === 'failed')) this.#endRun('failed', reason)
  }

  /** Gives the run back: whatever still runs is handed back, and the run waits for another owner. */
  release(reason: string): void {
    if (this.ended !== undefined) return
    this.instances.forEach(({ state }, index) => {
      if (state !== 'running' || this.#undoStart(index)) return
      this.#move(index, { state: 'scheduled', reason, dueAt: null }, failure(reason, true))
    })
    this.#endRun('queued', reason)
  }

  /** What has changed since the last call, to be written in one piece; undefined when nothing has. */
  takeChange(): Omit<RunChange, 'limited'> | undefined {
    const { dagRunId, version } = this.run
    const transitions: Transition[] = []
    for (const [index, { from, fromTry, ended }] of this.#unwritten) {
      const { taskId, state: to, tryNumber, failures, lost, reason, dueAt } = this.instance(index)
      if (from === to && fromTry === tryNumber) continue
      transitions.push({ taskId, from, fromTry, to, tryNumber, failures, lost, reason, dueAt, ended })
    }
    const run = this.#endUnwritten
    this.#unwritten.clear()
    this.#endUnwritten = null
    if (transitions.length === 0 && run === null) return undefined
    return { dagRunId, version, transitions, run }
  }

  #fail(
    index: number,
    ending: Ending & { state: 'failed' },
    limits: RetryLimits | undefined,
    random: number,
  ): number[] {
    const failures = ++this.instance(index).failures
    const next = afterFailure(limits, failures, ending.retryable, random)
    if (next === undefined) return this.#end(index, 'failed', ending.reason, ending)
    const reason = `retrying in ${humanDuration(next.nominalMs)} (${failures + 1} of ${next.tries}): ${ending.reason}`
    this.#move(index, { state: 'up_for_retry', reason, dueAt: dueAfter(next.delayMs) }, ending)
    return []
  }

  /** To a final state, then judges what hangs on it. */
  #end(index: number, state: TerminalTaskState, reason: string | null, ending?: Ending): number[] {
    this.#move(index, { state, reason, dueAt: null }, ending)
    this.#close(index, state)
    return this.#judge(this.graph.downstream[index] ?? [])
  }

  /** Skips cascade within this one call, so a whole branch is decided and written at once. */
  #judge(candidates: Iterable<number>): number[] {
    const ready = new Set<number>()
    const open = [...candidates]
    for (const index of open) {
      if (this.instance(index).state !== 'none') continue
      const verdict = judge(this.graph.nodes[index]?.triggerRule ?? 'all_success', this.#tallies[index] as Tally)
      if (verdict?.state === 'ready') ready.add(index)
      if (verdict === undefined || verdict.state === 'ready') continue
      this.#move(index, { state: verdict.state, reason: verdict.reason, dueAt: null })
      this.#close(index, verdict.state)
      open.push(...(this.graph.downstream[index] ?? []))
    }
    if (this.#open === 0 && this.ended === undefined) this.#conclude()
    return [...ready]
  }

  /** Claimed, but nobody knows yet: then it was never started. */
  #undoStart(index: number): boolean {
    const undone = this.#unwritten.has(index) && this.#unwritten.get(index)?.from !== 'running'
    if (undone) this.#move(index, { state: 'scheduled', tryNumber: this.instance(index).tryNumber - 1, reason: null })
    return undone
  }

  #close(index: number, state: TerminalTaskState): void {
    this.#open--
    const { taskId } = this.instance(index)
    for (const child of this.graph.downstream[index] ?? []) count(this.#tallies[child] as Tally, taskId, state)
  }

  /** A green leaf never hides a red task: any failure fails the run. */
  #conclude(): void {
    const failed = this.instances.find(({ state }) => state === 'failed')
    const red = failed ?? this.instances.find(({ state }) => state === 'upstream_failed')
    const reason = red && `${red.taskId} ${failed ? 'failed' : 'could not run'}: ${red.reason ?? 'no reason given'}`
    this.#endRun(red ? 'failed' : 'success', reason ?? null)
  }

  #endRun(state: DagRunState, reason: string | null): void {
    this.ended = this.#endUnwritten = { state, reason }
  }

  /** Remembers the first state, so that several moves before a write are one transition. */
  #move(index: number, to: Partial<TaskInstance>, ending?: Ending): void {
    const instance = this.instance(index)
    const { taskId, state, tryNumber } = instance
    // A move the state machine does not know is a mistake in this file; better no write than a wrong one.
    if (to.state !== undefined && to.state !== state && !TASK_TRANSITIONS[state].includes(to.state))
      throw new RangeError(`task '${taskId}' cannot go from ${state} to ${to.state}`)
    const unwritten = this.#unwritten.get(index) ?? { from: state, fromTry: tryNumber, ended: null }
    if (ending !== undefined) unwritten.ended = ending
    this.#unwritten.set(index, unwritten)
    Object.assign(instance, to)
  }
}

/** An owned run as others may look at it. */
export interface RunView {
  readonly dag: Dag
  readonly run: DagRun
  readonly state: ActiveRun
}

/** The tasks with which a new run starts. */
export function readyAtFirst({ nodes, upstream }: Graph): string[] {
  const isReady = (rule: TriggerRule, parents = 0) => judge(rule, emptyTally(parents))?.state === 'ready'
  return nodes.filter((node, index) => isReady(node.triggerRule, upstream[index]?.length)).map(({ id }) => id)
}

/** A try that ended without the task's doing. */
export function failure(reason: string, isStopping = false): Ending {
  return { state: 'failed', reason: storableText(reason, MOST.reason), retryable: false, isStopping }
}
