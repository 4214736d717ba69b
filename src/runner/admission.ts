import type { Dag } from '../dag/dag.ts'
import { isOutage } from '../db/outage.ts'
import type { Logger } from '../log.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { freeSlots, keepPool, takeSlots } from '../metadata/pools.ts'
import type { OwnedRun } from './owned-run.ts'
import { compareReady, type Ready, ReadyQueue } from './ready-queue.ts'

export interface AdmissionOptions {
  db: Metadata
  job: { readonly id: number }
  log: Logger
  /** Task instances this process may run at once. */
  slots: number
  /** The run has something to write. */
  mark(run: OwnedRun): void
  /** There is room, and nothing here waits for it. */
  idle(): void
}

type Entry = Ready<OwnedRun>

/** How many of those that wait for a pool are asked for at once. */
const ASKED_AT_ONCE = 100

/**
 * Who may start: by this process's slots (`queued` until one is free) and by the limits processes share, pools and
 * `maxActiveTasks` (`scheduled` until the database gave a slot of each).
 */
export class Admission {
  readonly #options: AdmissionOptions
  readonly #ready = new ReadyQueue<OwnedRun>()
  #limited: Entry[] = []
  #asking = false
  #askAgain = false
  #used = 0
  #closed = false
  readonly #kept = new Map<string, number>()

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  /** True while a further run would not just wait behind others here. */
  get hasRoom(): boolean {
    return !this.#closed && this.#used < this.#options.slots && this.#ready.size === 0
  }

  offer(run: OwnedRun, indexes: readonly number[]): void {
    for (const index of indexes) this.#place(run, index)
    this.#admit()
  }

  takeSlot(): void {
    this.#used++
  }

  freeSlot(): void {
    this.#used--
  }

  /** Somewhere a slot of a pool came free. */
  slotsFreed(): void {
    this.#ask()
  }

  /** Nothing starts any more. */
  close(): void {
    this.#closed = true
  }

  #place(run: OwnedRun, index: number): void {
    const entry = {
      run,
      index,
      priority: run.dag.tasks.get(run.state.taskId(index))?.priority ?? 0,
      order: run.order,
    }
    const pools = poolsOf(run, index)
    if (pools.length === 0) {
      run.hold(index, 'queued', null)
      this.#ready.push(entry)
      return
    }
    run.state.limited = true
    run.hold(index, 'scheduled', `waits for a slot of ${pools.join(' and ')}`)
    this.#limited.push(entry)
    this.#ask()
  }

  /** Fills free slots with what matters most and waits longest. */
  #admit(): void {
    while (!this.#closed && this.#used < this.#options.slots) {
      const next = this.#ready.pop()
      if (next === undefined) break
      if (!next.run.waits(next.index)) continue
      this.#start(next)
    }
    if (this.#limited.length > 0) this.#ask()
    if (this.hasRoom) this.#options.idle()
  }

  #start({ run, index }: Entry): void {
    this.#used++
    run.start(index)
    this.#options.mark(run)
  }

  /** Asks the database for slots of pools; one question at a time, and once more if something changed meanwhile. */
  #ask(): void {
    this.#askAgain = true
    if (this.#asking) return
    this.#asking = true
    void this.#askAll()
      .catch((error: Error) => {
        // After an outage the session's new connection says that slots may be free.
        if (!isOutage(error)) this.#options.log.error({ err: error }, 'taking slots of a pool failed')
      })
      .finally(() => {
        this.#asking = false
        if (this.#askAgain && !this.#closed) this.#ask()
      })
  }

  async #askAll(): Promise<void> {
    while (this.#askAgain && !this.#closed) {
      this.#askAgain = false
      this.#limited = stillWaiting(this.#limited)
      const room = this.#options.slots - this.#used
      const asked = this.#limited.filter(({ run }) => run.isStored).slice(0, ASKED_AT_ONCE)
      if (room > 0 && asked.length > 0) await this.#askFor(asked, room)
    }
  }

  async #askFor(asked: readonly Entry[], room: number): Promise<void> {
    const { db, job } = this.#options
    for (const { run } of asked) await this.#keepPool(run.dag)
    const wanted = asked.map(({ run, index }) => ({
      dagRunId: run.run.dagRunId,
      taskId: run.state.taskId(index),
      pools: poolsOf(run, index),
    }))
    const taken = new Set((await takeSlots(db, job.id, wanted, room)).map((position) => asked[position]))
    this.#limited = this.#limited.filter((entry) => !taken.has(entry))
    const late: { dagRunId: number; taskId: string }[] = []
    for (const entry of taken) {
      if (entry === undefined) continue
      const { run, index } = entry
      if (run.waits(index) && !this.#closed) this.#start(entry)
      else late.push({ dagRunId: run.run.dagRunId, taskId: run.state.taskId(index) })
    }
    if (late.length > 0) await freeSlots(db, late)
  }

  async #keepPool(dag: Dag): Promise<void> {
    if (dag.maxActiveTasks === undefined || this.#kept.get(dag.id) === dag.maxActiveTasks) return
    await keepPool(this.#options.db, dagPool(dag), dag.maxActiveTasks)
    this.#kept.set(dag.id, dag.maxActiveTasks)
  }
}

/** In their order, each once: a run that was read again offered its tasks again. */
function stillWaiting(entries: readonly Entry[]): Entry[] {
  const seen = new Map<OwnedRun, Set<number>>()
  const waiting = entries.filter(({ run, index }) => {
    const known = seen.get(run) ?? new Set()
    seen.set(run, known)
    return run.waits(index) && !known.has(index) && known.add(index)
  })
  return waiting.sort(compareReady)
}

/** The limits a task instance needs a slot of, all of them. */
function poolsOf(run: OwnedRun, index: number): string[] {
  const pool = run.dag.tasks.get(run.state.taskId(index))?.pool
  const own = run.dag.maxActiveTasks === undefined ? [] : [dagPool(run.dag)]
  return pool === undefined ? own : [pool, ...own]
}

function dagPool(dag: Dag): string {
  return `dag:${dag.id}`
}
