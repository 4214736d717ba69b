import type { Dag } from '../dag/dag.ts'
import { logUnlessOutage } from '../db/outage.ts'
import { DAG_POOL } from '../metadata/dags.ts'
import { freeSlots, type SlotWanted, takeSlots } from '../metadata/pools.ts'
import type { TryKey } from '../metadata/task-instances.ts'
import { type RunView, readyAtFirst } from './active-run.ts'
import type { JobContext } from './job.ts'
import { Turn } from './turn.ts'

export interface AdmissionOptions extends JobContext {
  /** Task instances this process may run at once. */
  slots: number
  /** There is room, and nothing here waits for it. */
  idle(): void
}

/** A run whose ready tasks ask for slots. */
export interface Candidate extends RunView {
  /** Runs that came to this process earlier go first. */
  readonly order: number
  /** True while the task instance waits to be started. */
  isWaiting(index: number): boolean
  start(index: number): void
}

/** A ready task instance, by its position in its run's graph. */
interface Entry extends SlotWanted {
  run: Candidate
  index: number
  priority: number
}

/**
 * Who may start: by this process's slots (`queued` until one is free) and by the limits processes share, pools and
 * `maxActiveTasks` (`scheduled` until the database gave a slot of each).
 */
export class Admission {
  readonly #options: AdmissionOptions
  /** In the order in which they are to start. */
  readonly #ready: Entry[] = []
  /** By run and position: a run that was read again offers its tasks again. */
  readonly #limited = new Map<string, Entry>()
  /** Slots of pools that no write gives back. */
  readonly #freed: TryKey[] = []
  readonly #asking: Turn
  #used = 0
  #closed = false

  constructor(options: AdmissionOptions) {
    this.#options = options
    // After an outage the session's new connection calls `slotsFreed`.
    this.#asking = new Turn(() => this.#askForSlots(), logUnlessOutage(options.log, 'acquiring pool slots failed'))
  }

  /** How many task instances run here, those among them that nobody waits for any more. */
  get executing(): number {
    return this.#used
  }

  /** True while a further run would not just wait behind others here. */
  get hasRoom(): boolean {
    return this.#room > 0 && this.#ready.length === 0
  }

  get #room(): number {
    return this.#closed ? 0 : this.#options.slots - this.#used
  }

  /** Takes the free slots for tasks of a run still to be stored; returns which of them start with it. */
  reserve(dag: Dag): Set<string> {
    if (!this.hasRoom) return new Set()
    const ready = readyAtFirst(dag.graph).filter((taskId) => poolsOf(dag, taskId).length === 0)
    const first = ready.sort((a, b) => priorityOf(dag, b) - priorityOf(dag, a)).slice(0, this.#room)
    this.#used += first.length
    return new Set(first)
  }

  /** These may start as soon as there is room for them. */
  offer(run: Candidate, indexes: readonly number[]): void {
    for (const index of indexes) this.#place(run, index)
    this.#admit()
  }

  takeSlot(): void {
    this.#used++
  }

  /** Who gives one back first offers what follows from that; then it is for whoever waits. */
  freeSlots(count = 1): void {
    this.#used -= count
    queueMicrotask(() => this.#admit())
  }

  /** A try has ended, or did not start, and no write of its run says so. A process that ends gives back all it took. */
  freePools(ended: TryKey): void {
    if (this.#closed) return
    this.#freed.push(ended)
    this.#asking.ask()
  }

  /** Somewhere a slot of a pool came free. */
  slotsFreed(): void {
    this.#asking.ask()
  }

  /** Nothing starts any more. */
  close(): void {
    this.#closed = true
  }

  #place(run: Candidate, index: number): void {
    const { taskId, tryNumber } = run.state.instance(index)
    const pools = poolsOf(run.dag, taskId)
    const wanted = { dagRunId: run.run.dagRunId, taskId, tryNumber: tryNumber + 1, pools }
    const entry = { ...wanted, run, index, priority: priorityOf(run.dag, taskId) }
    if (pools.length > 0) {
      run.state.hold(index, 'scheduled', `waits for a slot of ${pools.join(' and ')}`)
      this.#limited.set(`${run.order}:${index}`, entry)
      return
    }
    run.state.hold(index, 'queued', null)
    let [from, to] = [0, this.#ready.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if (compare(this.#ready[middle] as Entry, entry) <= 0) from = middle + 1
      else to = middle
    }
    this.#ready.splice(from, 0, entry)
  }

  /** Fills free slots with what matters most and waits longest. */
  #admit(): void {
    while (this.#room > 0) {
      const next = this.#ready.shift()
      if (next === undefined) break
      if (next.run.isWaiting(next.index)) next.run.start(next.index)
    }
    if (this.#limited.size > 0) this.#asking.ask()
    if (this.hasRoom) this.#options.idle()
  }

  async #askForSlots(): Promise<void> {
    for (const [key, { run, index }] of this.#limited) if (!run.isWaiting(index)) this.#limited.delete(key)
    const { db, job } = this.#options
    const ended = [...this.#freed]
    if (ended.length > 0) await freeSlots(db, ended)
    this.#freed.splice(0, ended.length)
    const room = this.#room
    const asked = firstOfEach([...this.#limited.values()].sort(compare), room)
    if (asked.length === 0) return
    for (const entry of await takeSlots(db, job.id, asked, room)) {
      if (this.#room > 0 && entry.run.isWaiting(entry.index)) entry.run.start(entry.index)
      else this.freePools(entry)
    }
  }
}

/** So many for each pool, or pools: however many wait for one that is full, they keep nobody from another. */
function firstOfEach(entries: readonly Entry[], most: number): Entry[] {
  const taken = new Map<string, number>()
  return entries.filter(({ pools }) => {
    const before = taken.get(String(pools)) ?? 0
    return taken.set(String(pools), before + 1) && before < most
  })
}

/** Highest priority first, then the run that came first, then the order of its graph. */
function compare(a: Entry, b: Entry): number {
  return b.priority - a.priority || a.run.order - b.run.order || a.index - b.index
}

function priorityOf(dag: Dag, taskId: string): number {
  return dag.tasks.get(taskId)?.priority ?? 0
}

/** True where task instances of this dag may hold slots of pools. */
export function hasLimits(dag: Dag): boolean {
  return [...dag.tasks.keys()].some((taskId) => poolsOf(dag, taskId).length > 0)
}

/** The limits a task needs a slot of, all of them. */
function poolsOf(dag: Dag, taskId: string): string[] {
  const pool = dag.tasks.get(taskId)?.pool
  const own = dag.maxActiveTasks === undefined ? [] : [`${DAG_POOL}${dag.id}`]
  return pool === undefined ? own : [pool, ...own]
}
