import { dueAfter } from '../clock.ts'
import { type Graph, type GraphNode, graphOf } from '../dag/graph.ts'
import { judgeMapped, mappedOver, partsOf, withElements } from '../dag/map.ts'
import { afterFailure, type RetryLimits } from '../dag/retry.ts'
import { type Skip, skipsOf } from '../dag/skips.ts'
import { type DagRunState, isTerminal, TASK_TRANSITIONS, type TerminalTaskState } from '../dag/state.ts'
import { count, emptyTally, judge, skipped, type Tally, type TriggerRule } from '../dag/trigger-rule.ts'
import { MOST, storableText } from '../db/text.ts'
import { humanDuration } from '../duration.ts'
import type { DagRun } from '../metadata/dag-runs.ts'
import { firstInstance, type TaskInstance } from '../metadata/task-instances.ts'
import type { Ending, Failure, RunChange, RunResult, Transition } from '../metadata/transitions.ts'

/**
 * The state of a run in its owner's memory: the graph, the task instances, and the changes that are not written yet.
 * This class decides the next states, without any I/O. An index identifies a task instance by its position in the
 * graph.
 */
export class ActiveRun {
  readonly graph: Graph
  readonly instances: TaskInstance[]
  run: DagRun
  ended: RunResult | undefined
  readonly #tallies: Tally[]
  #open: number
  /** For each task instance with unwritten changes: its stored state, and how its try ended. */
  readonly #unwritten = new Map<number, Pick<Transition, 'from' | 'fromTry' | 'ended' | 'isUnclaimed'>>()
  #skipsUnwritten: Skip[] = []
  /** Of mapped tasks that get elements. They are judged after the run is read again, with the rows of the elements. */
  readonly #elements: RunChange['elements'][number][] = []
  #endUnwritten: RunResult | null = null

  constructor(run: DagRun, graph: Graph, stored: readonly TaskInstance[] = []) {
    this.run = run
    const byId = new Map(stored.map((instance) => [instance.taskId, instance]))
    const nodes = withElements(graph.nodes, byId.keys())
    this.graph = nodes === graph.nodes ? graph : graphOf(nodes)
    this.instances = nodes.map(({ id }) => byId.get(id) ?? firstInstance(id))
    this.#tallies = this.graph.upstream.map((parents) => emptyTally(parents.length))
    this.#open = nodes.length
    this.instances.forEach(({ state }, index) => {
      if (isTerminal(state)) this.#close(index, state)
    })
  }

  instance(index: number): TaskInstance {
    const instance = this.instances[index]
    if (instance === undefined) throw new RangeError(`no task at position ${index}`)
    return instance
  }

  /** Judges every task in the state `none`; returns those that are ready. */
  judgeAll(): number[] {
    return this.#judge(this.instances.keys())
  }

  /** The task is ready, and waits for a slot (`queued`) or for a limit (`scheduled`). */
  markWaiting(index: number, state: 'queued' | 'scheduled', reason: string | null): void {
    const { state: known, reason: knownReason } = this.instance(index)
    if (known !== state || knownReason !== reason) this.#move(index, { state, reason, dueAt: null })
  }

  /**
   * Claims a ready task instance. Its new try starts after the claim is written: in a child process if `isolated`, else
   * in this process.
   */
  start(index: number, isolated = false): void {
    const { tryNumber: before, firstStartedAt = new Date() } = this.instance(index)
    const tryNumber = before + 1
    this.#move(index, { state: 'running', tryNumber, reason: null, dueAt: null, isolated, firstStartedAt })
  }

  /**
   * Applies the end of a try and its effect on all tasks downstream; returns the tasks that became ready. If this try
   * is no longer running, nothing changes.
   */
  finishTry(index: number, tryNumber: number, ending: Ending, random: number, limits?: RetryLimits): number[] {
    if (!this.isRunning(index, tryNumber)) return []
    if (ending.state === 'failed') return this.#fail(index, ending, random, limits)
    if (ending.state !== 'up_for_reschedule') {
      this.#skip(index, ending)
      return this.#end(index, ending.state, ending.reason, ending)
    }
    this.#move(index, { state: ending.state, reason: ending.reason, dueAt: ending.dueAt }, ending)
    return []
  }

  /** Records which tasks this end skips, and which get elements. They are skipped when they are judged. */
  #skip(index: number, ending: Ending & { state: TerminalTaskState }): void {
    const node = this.graph.nodes[index] as GraphNode
    const skips = skipsOf(this.graph, node, ending)
    for (const { taskId, reason } of skips) this.instance(this.graph.indexOf.get(taskId) ?? -1).skip = reason
    this.#skipsUnwritten.push(...skips)
    const mapped = ending.state === 'success' ? mappedOver(this.graph, node.id).map((one) => partsOf(one).id) : []
    for (const id of new Set(mapped))
      this.#elements.push({ over: node.id, id, length: JSON.parse(ending.output ?? '[]').length })
  }

  isRunning(index: number, tryNumber: number): boolean {
    const instance = this.instance(index)
    return instance.state === 'running' && instance.tryNumber === tryNumber
  }

  /**
   * The run fails for this reason: running tasks fail now, the others are skipped. Unless `isFinal`, teardowns whose
   * setup succeeded still run before the run ends; returns those that are ready.
   */
  stop(reason: string, isFinal: boolean): number[] {
    if (this.ended !== undefined || (this.run.stopReason !== null && !isFinal)) return []
    this.run.stopReason = reason
    const all = [...this.instances.keys()]
    const stopped = isFinal ? all : all.filter((index) => this.#setupOf(index)?.state !== 'success')
    for (const index of stopped)
      if (this.instance(index).state === 'running' && !this.#undoStart(index))
        this.#end(index, 'failed', reason, failure(reason, true))
    for (const index of stopped) if (!isTerminal(this.instance(index).state)) this.#end(index, 'skipped', reason)
    if (this.ended === undefined) this.#endUnwritten = { state: 'running', reason }
    return this.judgeAll()
  }

  #setupOf(index: number): TaskInstance | undefined {
    const setup = this.graph.nodes[index]?.teardown
    return setup === undefined ? undefined : this.instance(this.graph.indexOf.get(setup) ?? -1)
  }

  /**
   * Releases the run to another process: the run is queued, and its running tasks become `scheduled`, unless they run
   * on workers.
   */
  release(reason: string, onWorkers = false): void {
    if (this.ended !== undefined) return
    this.instances.forEach(({ state }, index) => {
      if (state !== 'running' || this.#undoStart(index) || onWorkers) return
      this.#move(index, { state: 'scheduled', reason, dueAt: null }, failure(reason, true))
    })
    this.#endRun('queued', reason)
  }

  /**
   * Ends a try of another process, which is not charged. The task is ready again.
   *
   * @param isUnclaimed see `Transition.isUnclaimed`
   */
  takeBack(index: number, isUnclaimed: boolean): void {
    this.#move(index, { state: 'scheduled', reason: 'taken back by the owner of the run', dueAt: null })
    Object.assign(this.#unwritten.get(index) ?? {}, { isUnclaimed })
  }

  /** Returns the changes since the last call, to be written together; undefined if there are none. */
  takeChange(): Omit<RunChange, 'limited'> | undefined {
    const { dagRunId, version } = this.run
    const transitions: Transition[] = []
    for (const [index, { from, fromTry, ended, isUnclaimed }] of this.#unwritten) {
      const { taskId, state: to, tryNumber, failures, lost, reason, dueAt, isolated } = this.instance(index)
      // A task that goes on waiting may have another reason.
      if (from === to && fromTry === tryNumber && to !== 'scheduled') continue
      const facts = { tryNumber, failures, lost, reason, dueAt, isolated }
      transitions.push({ taskId, from, fromTry, isUnclaimed, to, ...facts, ended })
    }
    const [skips, run] = [this.#skipsUnwritten, this.#endUnwritten]
    this.#unwritten.clear()
    this.#skipsUnwritten = []
    this.#endUnwritten = null
    if (transitions.length === 0 && run === null) return undefined
    return { dagRunId, version, transitions, skips, elements: this.#elements, run, stopReason: this.run.stopReason }
  }

  #fail(index: number, ending: Failure, random: number, limits?: RetryLimits): number[] {
    const failures = ++this.instance(index).failures
    const next = afterFailure(limits, failures, ending.retryable, random)
    if (next === undefined) return this.#end(index, 'failed', ending.reason, ending)
    const reason = `retrying in ${humanDuration(next.nominalMs)} (${failures + 1} of ${next.tries}): ${ending.reason}`
    this.#move(index, { state: 'up_for_retry', reason, dueAt: dueAfter(next.delayMs) }, ending)
    return []
  }

  /** Moves a task instance to a final state, then judges the tasks downstream. */
  #end(index: number, state: TerminalTaskState, reason: string | null, ending?: Ending): number[] {
    this.#move(index, { state, reason, dueAt: null }, ending)
    this.#close(index, state)
    return this.#judge(this.graph.downstream[index] ?? [])
  }

  /** This call also skips the tasks downstream of a skip, so that one write covers the whole branch. */
  #judge(candidates: Iterable<number>): number[] {
    const ready = new Set<number>()
    const open = [...candidates]
    for (const index of open) {
      const node = this.graph.nodes[index] as GraphNode
      const isUndecided = this.graph.choosers[index]?.some((one) => !isTerminal(this.instance(one).state))
      if (this.instance(index).state !== 'none' || isUndecided || (this.#elements.length > 0 && node.over)) continue
      const skip = this.#skipOf(index)
      const verdict = skip ? skipped(skip) : judgeMapped(node, judge(node.triggerRule, this.#tallies[index] as Tally))
      if (verdict?.state === 'ready') ready.add(index)
      if (verdict === undefined || verdict.state === 'ready') continue
      this.#move(index, { state: verdict.state, reason: verdict.reason, dueAt: null })
      this.#close(index, verdict.state)
      open.push(...(this.graph.downstream[index] ?? []))
    }
    if (this.#open === 0 && this.ended === undefined) this.#conclude()
    return [...ready]
  }

  /** Why a task is skipped, whatever its rule: by another task, with its mapped task, or as a teardown without setup. */
  #skipOf(index: number): string | undefined {
    const { taskId, skip } = this.instance(index)
    const by = skip ?? this.instance(this.graph.indexOf.get(partsOf(taskId).id) ?? index).skip
    if (by) return by
    const setup = this.#setupOf(index)
    if (setup === undefined || !isTerminal(setup.state) || setup.state === 'success') return undefined
    return `its setup ${setup.taskId} did not succeed`
  }

  /** Takes back a claim that is not written yet: the try has not started. */
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

  /** Any failed task fails the run, even if the last tasks succeeded. Only teardowns may fail without that effect. */
  #conclude(): void {
    const { stopReason } = this.run
    const counted = this.instances.filter((_, index) => {
      const { teardown, failsRun } = this.graph.nodes[index] ?? {}
      return teardown === undefined || failsRun
    })
    const failed = counted.find(({ state }) => state === 'failed')
    const cause = failed ?? counted.find(({ state }) => state === 'upstream_failed')
    const why = cause && `${cause.taskId} ${failed ? 'failed' : 'could not run'}: ${cause.reason ?? 'no reason given'}`
    // A stopped run fails even if no task was running, for example while the run waited for a retry.
    const reason = failed ? why : (stopReason ?? why)
    this.#endRun(reason === undefined ? 'success' : 'failed', reason ?? null)
  }

  #endRun(state: DagRunState, reason: string | null): void {
    this.ended = this.#endUnwritten = { state, reason }
  }

  /** Remembers the last stored state of the task instance. So several moves before a write become one transition. */
  #move(index: number, to: Partial<TaskInstance>, ending?: Ending): void {
    const instance = this.instance(index)
    const { taskId, state, tryNumber } = instance
    // Only a bug in this file can cause an unknown transition. Then an error is better than a wrong write.
    if (to.state !== undefined && to.state !== state && !TASK_TRANSITIONS[state].includes(to.state))
      throw new RangeError(`task '${taskId}' cannot go from ${state} to ${to.state}`)
    const unwritten = this.#unwritten.get(index) ?? { from: state, fromTry: tryNumber, ended: null }
    if (ending !== undefined) unwritten.ended = ending
    this.#unwritten.set(index, unwritten)
    Object.assign(instance, to)
  }
}

/** Returns the tasks that are ready when a run starts. */
export function readyAtFirst({ nodes, upstream, choosers }: Graph): string[] {
  const isReady = (rule: TriggerRule, parents = 0) => judge(rule, emptyTally(parents))?.state === 'ready'
  const ready = nodes.filter(
    (node, index) => isReady(node.triggerRule, upstream[index]?.length) && !choosers[index]?.length,
  )
  return ready.map(({ id }) => id)
}

/** The ending of a try that failed for a reason outside the task's code. */
export function failure(reason: string, isStopping = false): Failure {
  return { state: 'failed', reason: storableText(reason, MOST.reason), retryable: false, isStopping }
}
