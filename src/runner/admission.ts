import { CoalescedWork } from '../coalesced-work.ts'
import type { Dag } from '../dag/dag.ts'
import { taskOf } from '../dag/map.ts'
import type { Task } from '../dag/task.ts'
import { logUnlessOutage } from '../db/outage.ts'
import { DAG_POOL } from '../metadata/dags.ts'
import { type Blocked, findBlocked } from '../metadata/past.ts'
import { freeSlots, type SlotWanted, takeSlots } from '../metadata/pools.ts'
import type { TryKey } from '../metadata/task-instances.ts'
import { readyAtFirst } from './active-run.ts'
import type { OwnedRun } from './owned-run.ts'
import type { RunnerOptions } from './runner.ts'

export interface AdmissionOptions extends RunnerOptions {
  /** Called if a slot is free and no task instance waits for a slot. */
  idle(): void
}

/** A ready task instance, by its position in its run's graph. */
interface Entry extends SlotWanted, Blocked {
  run: OwnedRun
  index: number
  priority: number
  dependsOnPast: boolean | undefined
}

/** How often a wait for a run of another process is checked. In this process, the end of a task checks it at once. */
const LOOK_EVERY_MS = 1_000

/**
 * Decides which ready task instances start. A task instance needs a slot of this process. Until such a slot is free, it
 * is `queued`. It also needs a slot of each pool that it uses; until it has these, it is `scheduled`. Processes share
 * pools through the database. `maxActiveTasks` is such a pool. A task that waits for the previous run (`dependsOnPast`) is
 * `scheduled` too.
 */
export class Admission {
  readonly #options: AdmissionOptions
  /** The waiting task instances, in the order in which they start. */
  readonly #ready: Entry[] = []
  /** Keyed by run and position, because a reloaded run offers its tasks again. */
  readonly #limited = new Map<string, Entry>()
  /** Tries whose pool slots this class must free, because no write of a run frees them. */
  readonly #freed: TryKey[] = []
  readonly #slotRequest: CoalescedWork
  #used = 0
  #closed = false
  #look: NodeJS.Timeout | undefined

  constructor(options: AdmissionOptions) {
    this.#options = options
    // After an outage, the session calls `slotsFreed` when it has reconnected.
    const failed = logUnlessOutage(options.log, 'acquiring pool slots failed')
    this.#slotRequest = new CoalescedWork(() => this.#askForSlots(), failed)
  }

  /** Number of task instances that run here, including abandoned ones. */
  get executing(): number {
    return this.#used
  }

  /** True if a slot is free and no task instance waits for a slot: then this process can claim another run. */
  get hasRoom(): boolean {
    return this.#room > 0 && this.#ready.length === 0
  }

  get #room(): number {
    return this.#closed ? 0 : this.#options.executor.slots - this.#used
  }

  /**
   * Reserves free slots for the first tasks of a run before the run is inserted. Returns the tasks that start with the
   * run. Isolated tasks and tasks for workers start later, because the insertion cannot record where they run.
   */
  reserve(dag: Dag): Set<string> {
    if (!this.hasRoom || this.#options.executor.handOver) return new Set()
    const tasks = readyAtFirst(dag.graph).flatMap((taskId) => dag.tasks.get(taskId) ?? [])
    const isFree = (task: Task) => !task.dependsOnPast && poolsOf(dag, task.id).length === 0
    const ready = tasks.filter((task) => isFree(task) && !this.#options.executor.isolates(task, false))
    const first = ready.sort((a, b) => b.priority - a.priority).slice(0, this.#room)
    this.#used += first.length
    return new Set(first.map(({ id }) => id))
  }

  /** Adds ready task instances. Each of them starts as soon as it has its slots. */
  offer(run: OwnedRun, indexes: readonly number[]): void {
    for (const index of indexes) this.#place(run, index)
    this.#admit()
  }

  takeSlot(): void {
    this.#used++
  }

  /** The caller's follow-up tasks get the slots first, then the waiting tasks. */
  freeSlots(count = 1): void {
    this.#used -= count
    queueMicrotask(() => this.#admit())
  }

  /**
   * Frees the pool slots of a try that ended, or did not start, without a write. When the job ends, the database frees
   * the other slots.
   */
  freePools(ended: TryKey): void {
    if (this.#closed) return
    this.#freed.push(ended)
    this.#slotRequest.request()
  }

  /** Call this when a process has freed a slot of a pool. */
  slotsFreed(): void {
    this.#slotRequest.request()
  }

  /** From now on no task instance starts. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#look)
  }

  #place(run: OwnedRun, index: number): void {
    const { taskId, tryNumber } = run.state.instance(index)
    const pools = poolsOf(run.dag, taskId)
    const { dependsOnPast, priority = 0 } = taskOf(run.dag, taskId) ?? {}
    const reason = `waits for a slot${pools.length > 0 ? ` of ${pools.join(' and ')}` : ''}`
    const wanted = { dagRunId: run.run.dagRunId, taskId, tryNumber: tryNumber + 1, pools, reason, givesWay: false }
    const entry = { ...wanted, run, index, priority, dependsOnPast }
    if (pools.length > 0 || dependsOnPast) {
      run.state.markWaiting(index, 'scheduled', reason)
      this.#limited.set(`${wanted.dagRunId}:${index}`, entry)
      return
    }
    run.state.markWaiting(index, 'queued', null)
    let [from, to] = [0, this.#ready.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if (compare(this.#ready[middle] as Entry, entry) <= 0) from = middle + 1
      else to = middle
    }
    this.#ready.splice(from, 0, entry)
  }

  /** Starts waiting task instances in free slots, in order. */
  #admit(): void {
    while (this.#room > 0) {
      const next = this.#ready.shift()
      if (next === undefined) break
      if (next.run.isWaiting(next.index)) next.run.start(next.index)
    }
    if (this.#limited.size > 0) this.#slotRequest.request()
    if (this.hasRoom) this.#options.idle()
  }

  async #askForSlots(): Promise<void> {
    for (const [key, { run, index }] of this.#limited) if (!run.isWaiting(index)) this.#limited.delete(key)
    const { db, job } = this.#options
    const ended = [...this.#freed]
    if (ended.length > 0) await freeSlots(db, ended)
    this.#freed.splice(0, ended.length)
    const free = await this.#withoutBlocked([...this.#limited.values()].sort(compare))
    const room = this.#room
    const asked = limitPerPools(free, room)
    if (asked.length === 0) return
    for (const entry of await takeSlots(db, job.id, asked, room)) {
      if (this.#room > 0 && entry.run.isWaiting(entry.index)) entry.run.start(entry.index)
      else this.freePools(entry)
    }
  }

  /** Returns the task instances that no previous run blocks. Stores why the others wait, and looks at them again. */
  async #withoutBlocked(entries: Entry[]): Promise<Entry[]> {
    const dependent = entries.filter(({ dependsOnPast }) => dependsOnPast)
    clearTimeout(this.#look)
    if (dependent.length === 0 || this.#closed) return entries
    this.#look = setTimeout(() => this.slotsFreed(), LOOK_EVERY_MS).unref()
    const blocked = await findBlocked(this.#options.db, dependent)
    for (const entry of dependent) entry.run.hold(entry.index, blocked.get(entry) ?? entry)
    return entries.filter((entry) => !blocked.has(entry))
  }
}

/** Returns at most `most` tasks for each set of pools. So tasks that wait for a full pool do not delay other tasks. */
function limitPerPools(entries: readonly Entry[], most: number): Entry[] {
  const taken = new Map<string, number>()
  return entries.filter(({ pools }) => {
    const before = taken.get(String(pools)) ?? 0
    return taken.set(String(pools), before + 1) && before < most
  })
}

/** Sorts by priority (highest first), then by the age of the runs (oldest first), then by the order of the graph. */
function compare(a: Entry, b: Entry): number {
  return b.priority - a.priority || a.dagRunId - b.dagRunId || a.index - b.index
}

/** The pools in which a task needs a slot. */
export function poolsOf(dag: Dag, taskId: string): string[] {
  const pool = taskOf(dag, taskId)?.pool
  const own = dag.maxActiveTasks === undefined ? [] : [`${DAG_POOL}${dag.id}`]
  return pool === undefined ? own : [pool, ...own]
}
