import { CoalescedWork } from '../coalesced-work.ts'
import type { Dag } from '../dag/dag.ts'
import { logUnlessOutage, retryDuringOutage } from '../db/outage.ts'
import type { Logger } from '../log.ts'
import type { DagRun } from '../metadata/dag-runs.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { RunChange } from '../metadata/transitions.ts'
import type { Resources } from '../runner/execute.ts'
import { callWithLimit } from './call-with-limit.ts'
import { claimCallback } from './claim.ts'
import { claimLateRuns, type LateFilter } from './claim-late-runs.ts'
import { claimEvents, readUnclaimedFailures, type TaskEvent } from './claim-task-callbacks.ts'

export interface CallbackOptions {
  db: Metadata
  resources: Resources
  log: Logger
}

type OwnedRun = { dag: Dag; run: DagRun }

/** How often late runs are looked for, ms. */
const LATE_EVERY_MS = 2_000
/** Many tasks may fail at one moment. */
const MOST_AT_ONCE = 10
const NONE = () => {}

/**
 * Calls what dags want to be called for the runs of this process. A row is written before each call, so that no event is
 * called twice, even if this process dies in between. The callbacks of one run follow each other.
 */
export class Callbacks {
  readonly #options: CallbackOptions
  /** The newest callback of each run; it waits for the earlier ones. */
  readonly #newest = new Map<number, Promise<void>>()
  readonly #ofLateRuns = new Set<Promise<void>>()
  #stopLate = async () => {}

  constructor(options: CallbackOptions) {
    this.#options = options
  }

  /** A change of the run was written. */
  changed(owned: OwnedRun, { transitions }: Pick<RunChange, 'transitions'>): void {
    const { onRetry, onTaskFailure } = owned.dag
    const events = transitions.flatMap(({ taskId, tryNumber, to, reason, ended, dueAt }): TaskEvent[] => {
      if (to === 'up_for_retry' && onRetry)
        return [{ kind: 'retry', taskId, tryNumber, reason: ended?.reason ?? '', retryAt: dueAt }]
      if (to !== 'failed' || onTaskFailure === undefined) return []
      return [{ kind: 'failure', taskId, tryNumber, reason: reason ?? '', retryAt: null }]
    })
    if (events.length > 0) void this.#enqueue(owned, () => this.#callForTasks(owned, events))
  }

  /** The run has ended. Resolves when its callbacks have returned. */
  async ended(owned: OwnedRun, state: 'success' | 'failed'): Promise<void> {
    const { db } = this.#options
    await this.#enqueue(owned, async () => {
      const read = () => readUnclaimedFailures(db, owned.run.dagRunId)
      if (owned.dag.onTaskFailure) await this.#callForTasks(owned, await retryDuringOutage(read))
      await this.#callForRun(owned, state)
    })
  }

  /** Looks for late runs of these dags until `close`. */
  watchLate(dags: Iterable<Dag>, filter: () => Omit<LateFilter, 'afterMs'>): void {
    const { log } = this.#options
    const known = new Map([...dags].flatMap((dag) => (dag.onLate ? [[dag.id, dag] as const] : [])))
    if (known.size === 0) return
    const failed = logUnlessOutage(log, 'looking for late runs failed')
    const looking = new CoalescedWork(() => this.callForLateRuns(known, filter()), failed)
    const timer = setInterval(() => looking.request(), LATE_EVERY_MS).unref()
    this.#stopLate = async () => {
      clearInterval(timer)
      await looking.done()
    }
  }

  /** Calls `onLate` for the late runs of these dags; does not wait for the calls. */
  async callForLateRuns(dags: ReadonlyMap<string, Dag>, filter: Omit<LateFilter, 'afterMs'>): Promise<void> {
    const { db, resources } = this.#options
    const afterMs = new Map([...dags].flatMap(([id, { onLate }]) => (onLate ? [[id, onLate.afterMs] as const] : [])))
    for (const late of await claimLateRuns(db, { afterMs, ...filter })) {
      const dag = dags.get(late.dagId)
      if (dag?.onLate === undefined) continue
      const called = this.#logging(late.runId, callWithLimit(dag, dag.onLate.call, late, resources))
      this.#ofLateRuns.add(called)
      void called.then(() => this.#ofLateRuns.delete(called))
    }
  }

  /** Stops looking for late runs. Resolves when all started callbacks have returned. */
  async close(): Promise<void> {
    await this.#stopLate()
    await Promise.all([...this.#newest.values(), ...this.#ofLateRuns])
  }

  #enqueue({ run: { dagRunId, runId } }: OwnedRun, call: () => Promise<void>): Promise<void> {
    const next = this.#logging(runId, (this.#newest.get(dagRunId) ?? Promise.resolve()).then(call))
    this.#newest.set(dagRunId, next)
    return next.then(() => {
      if (this.#newest.get(dagRunId) === next) this.#newest.delete(dagRunId)
    })
  }

  async #callForTasks({ dag, run }: OwnedRun, events: readonly TaskEvent[]): Promise<void> {
    const { db, resources } = this.#options
    const { dagRunId, runId } = run
    const claimed = events.length > 0 ? await retryDuringOutage(() => claimEvents(db, dagRunId, events)) : []
    const call = async ({ retryAt, taskId, tryNumber, reason }: TaskEvent) => {
      const failure = { dagId: dag.id, runId, taskId, tryNumber, reason }
      if (retryAt === null) await callWithLimit(dag, dag.onTaskFailure ?? NONE, failure, resources)
      else await callWithLimit(dag, dag.onRetry ?? NONE, { ...failure, retryAt }, resources)
    }
    for (let at = 0; at < claimed.length; at += MOST_AT_ONCE)
      await Promise.all(claimed.slice(at, at + MOST_AT_ONCE).map((event) => this.#logging(runId, call(event))))
  }

  async #callForRun({ dag, run }: OwnedRun, state: 'success' | 'failed'): Promise<void> {
    const { db, resources } = this.#options
    const callback = state === 'failed' ? dag.onFailure : dag.onSuccess
    const claimed = callback && (await claimCallback(db, run.dagRunId, state === 'failed' ? 'failure' : 'success'))
    if (claimed) await callWithLimit(dag, callback, { dagId: dag.id, runId: run.runId, state, ...claimed }, resources)
  }

  #logging(runId: string, called: Promise<void>): Promise<void> {
    return called.catch((err: Error) =>
      this.#options.log.error({ err, run_id: runId }, 'a callback failed; the run is not affected'),
    )
  }
}
