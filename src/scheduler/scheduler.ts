import cron from 'node-cron'
import { type Clock, stopwatch } from '../clock.ts'
import { CoalescedWork } from '../coalesced-work.ts'
import type { Dag } from '../dag/dag.ts'
import { isOutage, logFailures } from '../db/outage.ts'
import type { Logger } from '../log.ts'
import { insertRuns, newDagRun } from '../metadata/dag-runs.ts'
import { readSchedules, registerDag, type ScheduleState } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { CONTINUOUS, timetableOf } from '../timetable.ts'
import { type Due, due, sinceOf } from './due.ts'

export interface SchedulerOptions {
  db: Metadata
  dags: Iterable<Dag>
  clock: Clock
  log: Logger
}

interface Entry {
  dag: Dag
  /** Version of the dag's graph; undefined until it is stored. */
  dagVersionId: number | undefined
  /** The next instant to check, and the instant up to which every tick was handled; ms since 1970. */
  next: number
  seen: number | undefined
}

/** Limits of queued scheduled runs, per dag and per check, which spread out a long catch-up. */
export const MAX_QUEUED = 64
const MAX_QUEUED_AT_ONCE = 2_000
const CHECK_EVERY_MS = 1_000

export interface LastCheck {
  /** Measured by the system clock. */
  at: Date
  /** Returns the time since that check. A change of the clock does not affect it. */
  ageMs(): number
}

/**
 * Queues a run of each dag at each of its ticks, for any process that executes runs. node-cron triggers a check at each
 * second of the clock. A timer also triggers checks, because node-cron stops for an hour when the clock is set back by
 * an hour. The database determines which ticks are due. So schedulers may stop at any time, and several may run at
 * once: a unique constraint accepts each tick only once.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #entries: Entry[]
  readonly #failed: ReturnType<typeof logFailures>
  readonly #checking: CoalescedWork
  #ticker: ReturnType<typeof cron.schedule> | undefined
  #timer: NodeJS.Timeout | undefined
  #checkedAt = Number.NEGATIVE_INFINITY
  /** The last completed check. */
  lastCheck: LastCheck | undefined

  constructor(options: SchedulerOptions) {
    this.#options = options
    this.#failed = logFailures(options.log, 'the scheduler could not queue the due runs and tries again')
    this.#checking = new CoalescedWork(() => this.#checkAll(options.clock.now()), this.#failed)
    const start = { dagVersionId: undefined, next: Number.NEGATIVE_INFINITY, seen: undefined }
    const scheduled = [...options.dags].filter(({ schedule }) => schedule !== null)
    this.#entries = scheduled.map((dag) => ({ dag, ...start }))
  }

  start(): void {
    cron.setLogger({ info() {}, warn() {}, error() {}, debug() {} })
    this.#ticker = cron.schedule('* * * * * *', () => this.#checking.request(), { timezone: 'UTC' })
    this.#timer = setInterval(() => this.#checking.request(), CHECK_EVERY_MS)
    this.#checking.request()
  }

  /** Waits for the running check. No further check starts. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#ticker?.destroy()
    await this.#checking.done()
  }

  /** Checks now; resolves when all due runs are queued. */
  check(): Promise<void> {
    return this.#checking.now()
  }

  async #checkAll(now: Date): Promise<void> {
    const isNew = this.#entries.filter(({ dagVersionId }) => dagVersionId === undefined)
    await Promise.all(isNew.map((entry) => this.#register(entry, now)))
    const overdue = this.#overdue(now.getTime())
    if (overdue.length > 0) await this.#queueDue(overdue, now)
    this.lastCheck = { at: new Date(), ageMs: stopwatch() }
  }

  async #queueDue(overdue: readonly Entry[], now: Date): Promise<void> {
    const { db, log } = this.#options
    const dagIds = overdue.map(({ dag }) => dag.id)
    const states = await readSchedules(db, dagIds, now)
    let room = MAX_QUEUED_AT_ONCE
    const found = overdue.map((entry) => {
      const one = dueOf(entry, states.get(entry.dag.id), now.getTime(), room)
      room -= one.ticks.length
      return { ...one, entry }
    })
    const runs = found.flatMap(({ entry: { dag, dagVersionId = 0 }, ticks }) =>
      ticks.map((tick) => ({ ...tick, ...newDagRun(dag.id, dagVersionId, { runType: 'scheduled', ...tick }) })),
    )
    for (const { dagId, runId } of await insertRuns(db, null, runs))
      log.info({ dag_id: dagId, run_id: runId }, 'queued')
    for (const { entry, next } of found) Object.assign(entry, { next, seen: Math.min(now.getTime(), next - 1) })
  }

  /** Stores a dag and its schedule, once per process. A dag that fails does not delay the others. */
  async #register(entry: Entry, now: Date): Promise<void> {
    const { dag } = entry
    try {
      entry.dagVersionId = await registerDag(this.#options.db, dag, { since: sinceOf(dag, now), now })
    } catch (error) {
      if (isOutage(error)) throw error
      this.#failed(error as Error, { dag_id: dag.id })
    }
  }

  /** The dags that may have a due tick, the longest overdue first. */
  #overdue(now: number): Entry[] {
    for (const entry of this.#entries) {
      // The clock was set back, so the next tick may be earlier than the known next tick.
      if (now < this.#checkedAt) entry.next = now
      if (now < this.#checkedAt || entry.next > now) entry.seen = now
    }
    this.#checkedAt = now
    return this.#entries
      .filter(({ next, dagVersionId }) => next <= now && dagVersionId !== undefined)
      .sort((a, b) => a.next - b.next)
  }
}

function dueOf({ dag, seen }: Entry, state: ScheduleState | undefined, now: number, room: number): Due {
  const timetable = timetableOf(dag)
  const isOff = state === undefined || state.paused
  const moment = { logicalDate: new Date(now), dataIntervalStart: state?.last ?? new Date(now), isNext: true }
  const isEarly = isOff || now < Number(dag.startDate ?? 0)
  if (dag.schedule === CONTINUOUS) return { ticks: isEarly ? [] : [moment], next: now + 1 }
  if (isOff) return { ticks: [], next: timetable.next(now) }
  const { last, since, queued } = state
  const history = { last: last?.getTime(), since: since?.getTime(), startDate: dag.startDate?.getTime(), seen }
  return due(timetable, dag.catchup, history, now, Math.max(0, Math.min(room, MAX_QUEUED - queued)))
}
