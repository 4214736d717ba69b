import cron from 'node-cron'
import type { Clock } from '../clock.ts'
import type { Dag } from '../dag/dag.ts'
import { isOutage, logFailures } from '../db/outage.ts'
import type { Logger } from '../log.ts'
import { type QueuedRun, queueRuns } from '../metadata/dag-runs.ts'
import { registerDag } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { readSchedules, type ScheduleState, storeSchedule } from '../metadata/schedules.ts'
import { newRunId } from '../runner/run-id.ts'
import { Turn } from '../runner/turn.ts'
import { type Due, due, sinceOf, type Tick } from './due.ts'
import { openTimetable, type Timetable } from './timetable.ts'

export interface SchedulerOptions {
  db: Metadata
  dags: Iterable<Dag>
  clock: Clock
  log: Logger
}

interface Entry {
  dag: Dag
  timetable: Timetable
  /** Of the dag's graph; undefined until the database knows it. */
  dagVersionId: number | undefined
  /** When to look at it again, and until when all its ticks have been dealt with; ms. */
  next: number
  seen: number | undefined
}

/** Scheduled runs of one dag that wait at once, and runs queued in one turn: a long catch-up comes little by little. */
export const MOST_QUEUED = 64
const MOST_A_TURN = 2_000

/**
 * Queues a run of each dag at each of its ticks, for whoever executes. node-cron is the clock that ticks, every second;
 * what is due follows from the database, so that any number of schedulers may die or work side by side: of those that
 * queue the same tick the unique row lets one through.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #entries: Entry[]
  readonly #turn: Turn
  #ticker: ReturnType<typeof cron.schedule> | undefined
  #looked = Number.NEGATIVE_INFINITY
  /** When a look last came to its end, by the real clock: what a health check asks. */
  lookedAt: Date | undefined

  constructor(options: SchedulerOptions) {
    this.#options = options
    const failed = logFailures(options.log, 'the scheduler could not queue what is due and tries again')
    this.#turn = new Turn(() => this.#work(options.clock.now()), failed)
    this.#entries = [...options.dags].flatMap((dag) => {
      const timetable = dag.schedule === null ? undefined : openTimetable(dag.schedule, dag.timezone)
      const start = { dagVersionId: undefined, next: Number.NEGATIVE_INFINITY, seen: undefined }
      return timetable === undefined ? [] : { dag, timetable, ...start }
    })
  }

  start(): void {
    cron.setLogger({ info: noop, warn: noop, error: noop, debug: noop })
    this.#ticker = cron.schedule('* * * * * *', () => this.#turn.ask(), { timezone: 'UTC' })
    this.#turn.ask()
  }

  /** No tick is acted on any more; one under way is waited for. */
  async stop(): Promise<void> {
    await this.#ticker?.destroy()
    await this.#turn.done()
  }

  /** Looks at once; resolves when what is due is queued. */
  async look(): Promise<void> {
    this.#turn.ask()
    await this.#turn.done()
  }

  async #work(now: Date): Promise<void> {
    const isNew = this.#entries.filter(({ dagVersionId }) => dagVersionId === undefined)
    await Promise.all(isNew.map((entry) => this.#register(entry, now)))
    const open = this.#open(now.getTime())
    if (open.length > 0) await this.#queueDue(open, now)
    this.lookedAt = new Date()
  }

  async #queueDue(open: readonly Entry[], now: Date): Promise<void> {
    const { db, log } = this.#options
    const dagIds = open.map(({ dag }) => dag.id)
    const states = await readSchedules(db, dagIds, now)
    let room = MOST_A_TURN
    const found = open.map((entry) => {
      const one = dueOf(entry, states.get(entry.dag.id), now.getTime(), room)
      room -= one.ticks.length
      return { ...one, entry }
    })
    const runs = found.flatMap(({ entry, ticks }) => ticks.map((tick) => runOf(entry, tick)))
    for (const { dagId, runId } of await queueRuns(db, runs)) log.info({ dag_id: dagId, run_id: runId }, 'queued')
    for (const { entry, next } of found) Object.assign(entry, { next, seen: Math.min(now.getTime(), next - 1) })
  }

  /** Once a process. Who cannot be registered keeps no other dag waiting. */
  async #register(entry: Entry, now: Date): Promise<void> {
    const { db, log } = this.#options
    const { dag } = entry
    try {
      const dagVersionId = await registerDag(db, dag)
      await storeSchedule(db, dag, sinceOf(dag, now), now)
      entry.dagVersionId = dagVersionId
    } catch (error) {
      if (isOutage(error)) throw error
      log.error({ err: error, dag_id: dag.id }, 'a dag could not be registered; it is tried again')
    }
  }

  /** Those that have a tick by now, the one that waits longest first. */
  #open(now: number): Entry[] {
    for (const entry of this.#entries) {
      // A clock set back: what was next by the other time need not be it now.
      if (now < this.#looked) entry.next = now
      if (now < this.#looked || entry.next > now) entry.seen = now
    }
    this.#looked = now
    return this.#entries
      .filter(({ next, dagVersionId }) => next <= now && dagVersionId !== undefined)
      .sort((a, b) => a.next - b.next)
  }
}

function dueOf({ dag, timetable, seen }: Entry, state: ScheduleState | undefined, now: number, room: number): Due {
  if (state === undefined || state.paused) return { ticks: [], next: timetable.next(now) }
  const { last, since, queued } = state
  const history = { last: last?.getTime(), since: since?.getTime(), startDate: dag.startDate?.getTime(), seen }
  return due(timetable, dag.catchup, history, now, Math.max(0, Math.min(room, MOST_QUEUED - queued)))
}

function runOf({ dag, dagVersionId = 0 }: Entry, tick: Tick): QueuedRun {
  const ids = { dagId: dag.id, dagVersionId, runId: newRunId('scheduled', tick.logicalDate) }
  return { ...ids, runType: 'scheduled', ...tick }
}

function noop(): void {}
