import { Cron } from 'croner'
import cron from 'node-cron'
import type { Clock } from '../clock.ts'
import type { Dag } from '../dag/dag.ts'
import { cronOf } from '../dag/schedule.ts'
import type { Logger } from '../log.ts'
import { isPaused } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { Runner } from '../runner/runner.ts'
import { Turn } from '../runner/turn.ts'

export interface SchedulerOptions {
  db: Metadata
  dags: Iterable<Dag>
  runner: Runner
  clock: Clock
  log: Logger
}

interface Due {
  dag: Dag
  cron: Cron
  /** The tick to come, and the one before it: the run's data interval. */
  next: Date | null
  last: Date
}

/**
 * Queues a run of each dag at each of its ticks, for whoever executes. node-cron is the clock that ticks, every
 * second; what is due is computed with croner, so neither a missed second nor a change of clocks loses a tick.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #due: Due[]
  #ticker: ReturnType<typeof cron.schedule> | undefined
  readonly #turn: Turn

  constructor(options: SchedulerOptions) {
    this.#options = options
    const failed = (error: Error) => options.log.error({ err: error }, 'the scheduler missed a turn and goes on')
    this.#turn = new Turn(() => this.#work(), failed)
    const now = options.clock.now()
    this.#due = [...options.dags]
      .filter((dag) => dag.schedule !== null)
      .map((dag) => {
        const own = new Cron(cronOf(dag.schedule ?? ''), { timezone: dag.timezone, paused: true })
        return { dag, cron: own, next: own.nextRun(now), last: now }
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

  /** When each dag runs next. */
  next(): { dagId: string; at: Date | null }[] {
    return this.#due.map(({ dag, next }) => ({ dagId: dag.id, at: next }))
  }

  async #work(): Promise<void> {
    const now = this.#options.clock.now()
    for (const due of this.#due) {
      if (due.next !== null && due.next <= now) await this.#queue(due, due.next)
    }
  }

  async #queue(due: Due, tick: Date): Promise<void> {
    const { db, runner, log, clock } = this.#options
    if (!(await isPaused(db, due.dag.id))) {
      const interval = { dataIntervalStart: due.last, dataIntervalEnd: tick }
      const run = await runner.enqueue(due.dag, { runType: 'scheduled', logicalDate: tick, ...interval })
      if (run !== undefined) log.info({ dag_id: run.dagId, run_id: run.runId }, 'queued')
    }
    due.last = tick
    due.next = due.cron.nextRun(clock.now())
  }
}

function noop(): void {}
