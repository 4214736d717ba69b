import type { App, Setup } from '../app.ts'
import type { Metric, MetricsHost } from '../commands.ts'
import type { Dag } from '../dag/dag.ts'
import type { RunnerOptions } from '../runner/runner.ts'
import type { Scheduler } from '../scheduler/scheduler.ts'
import { openHealth } from '../web/health.ts'
import { type Metrics, openMetrics } from '../web/metrics.ts'
import { openProbes, type Probes, probes } from '../web/probes.ts'

type Hooks = Pick<RunnerOptions, 'onChange' | 'onLog'>

/** `/health` and, with METRICS=on, `/metrics` of a process that schedules and executes. */
export class Watch {
  readonly #setup: Setup
  #metrics: Metrics | undefined
  #probes: Probes | undefined

  constructor(setup: Setup) {
    this.#setup = setup
  }

  /** What the runner is to tell, beside what it tells already. */
  hooks({ onChange, onLog }: Required<Hooks>): Hooks {
    return {
      onLog,
      onChange: (run, transitions) => {
        onChange(run, transitions)
        this.#metrics?.onChange(run, transitions)
      },
    }
  }

  /** Throws UsageError where it cannot listen. */
  async open(app: App, scheduler: Scheduler): Promise<void> {
    const { config, clock, log } = this.#setup
    const lookedAt = () => scheduler.lookedAt
    const { db, metadata, jobId } = app
    const ofDags = () => metricsOf(this.#setup, app)
    if (config.metrics) this.#metrics = await openMetrics({ metadata, lookedAt, now: clock.now, ofDags, log })
    const health = openHealth({ db, metadata, own: { jobId, lookedAt } })
    this.#probes = await openProbes(probes({ health, metrics: this.#metrics }), config.web)
    log.info(`health at ${this.#probes.url}/health${config.metrics ? `, metrics at ${this.#probes.url}/metrics` : ''}`)
  }

  async close(): Promise<void> {
    await this.#probes?.close()
  }
}

const DAG_METRICS_MS = 5_000

/** A dag that cannot tell is left out and logged. */
async function metricsOf({ loaded, settings, clock, log }: Setup, { db }: App): Promise<Metric[]> {
  const ofDag = async (dag: Dag) => {
    const host: MetricsHost = {
      settings: () => settings.get(dag.id) ?? {},
      now: clock.now,
      signal: AbortSignal.timeout(DAG_METRICS_MS),
      withDatabase: (work) => work(db),
    }
    return (await (await dag.commands?.())?.metrics?.(host)) ?? []
  }
  const told = await Promise.all(
    [...loaded.dags.values()].map((dag) =>
      ofDag(dag).catch((error: unknown) => {
        log.warn({ err: error, dag_id: dag.id }, 'its metrics could not be read')
        return []
      }),
    ),
  )
  return told.flat()
}
