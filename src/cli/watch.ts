import type { App, Databases, Setup } from '../app.ts'
import type { Metric } from '../commands.ts'
import { DEFAULT_WEB_PORT } from '../config.ts'
import type { Dag } from '../dag/dag.ts'
import type { Database } from '../db/pool.ts'
import { UsageError } from '../errors.ts'
import type { RunnerOptions } from '../runner/runner.ts'
import type { Scheduler } from '../scheduler/scheduler.ts'
import { PORT_TAKEN } from '../web/door.ts'
import { type HealthOptions, openHealth } from '../web/health.ts'
import { type Metrics, openMetrics } from '../web/metrics.ts'
import { openProbes, probes } from '../web/probes.ts'
import { openWeb, type Web, type WebOptions } from '../web/server.ts'
import { pageWords } from './page-words.ts'
import { webOptions } from './web-options.ts'

type Hooks = Pick<RunnerOptions, 'onChange' | 'onLog'>

/** What a process that schedules and executes serves: the page (but for `scheduler`), `/health` and `/metrics`. */
export class Watch {
  readonly #setup: Setup
  readonly #kind: 'start' | 'scheduler'
  #metrics: Metrics | undefined
  #served: Web | undefined

  constructor(setup: Setup, kind: 'start' | 'scheduler') {
    this.#setup = setup
    this.#kind = kind
  }

  /** What the runner is to tell, beside what it tells already. */
  hooks({ onChange, onLog }: Required<Hooks>): Hooks {
    return {
      onLog,
      onChange: (run, change) => {
        onChange(run, change)
        this.#metrics?.onChange(run, change)
      },
    }
  }

  /** Throws UsageError where it cannot listen, or where strangers could reach the page and nobody can sign in. */
  async open(app: App, scheduler: Scheduler): Promise<void> {
    const { config, log } = this.#setup
    const lookedAt = () => scheduler.lookedAt
    this.#metrics = await metricsOf(this.#setup, app, lookedAt)
    const routes = probesOf(app, this.#metrics, { jobId: app.jobId, lookedAt })
    const mount: WebOptions['mount'] = (page) => void page.route('/', routes)
    this.#served = await this.#listening((web) =>
      this.#kind === 'start' ? openWeb({ ...app, ...webOptions(this.#setup), web, mount }) : openProbes(routes, web),
    )
    const { url } = this.#served
    if (this.#kind === 'start') log.info(pageWords(url, config.web.host))
    log.info(`health at ${url}/health${config.metrics ? `, metrics at ${url}/metrics` : ''}`)
  }

  /** Another process of ours on this machine has the port that nobody chose: no reason not to launch. */
  async #listening(open: (web: Setup['config']['web']) => Promise<Web>): Promise<Web> {
    const { config, log } = this.#setup
    try {
      return await open(config.web)
    } catch (error) {
      const taken = error instanceof UsageError && error.code === PORT_TAKEN
      if (!taken || config.web.port !== DEFAULT_WEB_PORT) throw error
      log.warn(`port ${config.web.port} is taken by another process; using any free one (WEB_PORT sets which)`)
      return await open({ ...config.web, port: 0 })
    }
  }

  async close(): Promise<void> {
    await this.#served?.close()
  }
}

/** Routes for whoever watches; `own` of a process that schedules and executes. */
export function probesOf({ db, metadata }: Databases, metrics: Metrics | undefined, own?: HealthOptions['own']) {
  return probes({ health: openHealth({ db, metadata, ...(own && { own }) }), metrics })
}

/** Undefined where METRICS is off. */
export async function metricsOf(
  setup: Setup,
  { db, metadata }: Databases,
  lookedAt: () => Date | undefined,
): Promise<Metrics | undefined> {
  const { config, clock, log } = setup
  if (!config.metrics) return undefined
  return await openMetrics({ metadata, lookedAt, now: () => clock.now(), ofDags: () => toldByDags(setup, db), log })
}

const DAG_METRICS_MS = 5_000

/** A dag that cannot tell is left out and logged. */
async function toldByDags({ loaded, settings, clock, log }: Setup, db: Database): Promise<Metric[]> {
  const ofDag = async (dag: Dag) => {
    const commands = await dag.commands?.()
    if (commands?.metrics === undefined) return []
    return await commands.metrics({
      settings: () => settings.get(dag.id) ?? {},
      now: clock.now,
      signal: AbortSignal.timeout(DAG_METRICS_MS),
      withDatabase: (work) => work(db),
    })
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
