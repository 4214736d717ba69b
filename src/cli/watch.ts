import type { App, Setup } from '../app.ts'
import type { Commands, Metric } from '../commands.ts'
import { DEFAULT_WEB_PORT } from '../config.ts'
import type { Databases } from '../databases.ts'
import type { Database } from '../db/pool.ts'
import { UsageError } from '../errors.ts'
import type { RunnerOptions } from '../runner/runner.ts'
import type { LastCheck, Scheduler } from '../scheduler/scheduler.ts'
import { askDags } from '../web/ask-dags.ts'
import { PORT_TAKEN } from '../web/door.ts'
import { type HealthOptions, openHealth } from '../web/health.ts'
import { type Metrics, openMetrics } from '../web/metrics.ts'
import { openProbes, probes } from '../web/probes.ts'
import { openWeb, type Web, type WebOptions } from '../web/server.ts'
import { pageWords } from './page-words.ts'
import type { Parent } from './reload/parent.ts'
import { codeNotice } from './stale-code.ts'
import { webOptions } from './web-options.ts'

type Hooks = Pick<RunnerOptions, 'onChange' | 'onLog'>

/** Serves `/health` and `/metrics` of a process that schedules and executes; `start` also serves the page. */
export class Watch {
  readonly #setup: Setup
  readonly #kind: 'start' | 'scheduler'
  readonly #parent: Parent | undefined
  #metrics: Metrics | undefined
  #served: Web | undefined

  constructor(setup: Setup, kind: 'start' | 'scheduler', parent?: Parent) {
    this.#setup = setup
    this.#kind = kind
    this.#parent = parent
  }

  /** The runner's hooks, extended to count runs and tasks for `/metrics`. */
  hooks({ onChange, onLog }: Required<Hooks>): Hooks {
    return {
      onLog,
      onChange: (run, change) => {
        onChange(run, change)
        this.#metrics?.onChange(run, change)
      },
    }
  }

  /** Throws UsageError if it cannot listen, or if the page is reachable from other machines and has no user yet. */
  async open(app: App, scheduler: Scheduler): Promise<void> {
    const { config, log } = this.#setup
    const lastCheck = () => scheduler.lastCheck
    this.#metrics = await metricsOf(this.#setup, app, lastCheck)
    const routes = probesOf(app, this.#metrics, { jobId: app.jobId, lastCheck })
    const mount: WebOptions['mount'] = (page) => void page.route('/', routes)
    const notice = codeNotice(app.metadata, this.#setup, this.#parent)
    const portBefore = this.#parent && (() => this.#parent?.takeOver())
    this.#served = await this.#listening(async (web) => {
      if (this.#kind === 'start')
        return await openWeb({ ...app, ...webOptions(this.#setup), web, portBefore, codeNotice: notice, mount })
      return await openProbes(routes, { ...web, port: (await portBefore?.()) ?? web.port })
    })
    const { url } = this.#served
    this.#parent?.runs(Number(new URL(url).port))
    if (this.#kind === 'start') log.info(pageWords(url, config.web.host))
    log.info(`health at ${url}/health${config.metrics ? `, metrics at ${url}/metrics` : ''}`)
  }

  /** If the default port is in use, for example by another T-minus, it listens on a free port. */
  async #listening(open: (web: Setup['config']['web']) => Promise<Web>): Promise<Web> {
    const { config, log } = this.#setup
    try {
      return await open(config.web)
    } catch (error) {
      const taken = error instanceof UsageError && error.code === PORT_TAKEN
      if (!taken || config.web.port !== DEFAULT_WEB_PORT) throw error
      log.warn(`port ${config.web.port} is used by another process; using any free one (WEB_PORT sets which)`)
      return await open({ ...config.web, port: 0 })
    }
  }

  /** The address of the page or the probes; undefined before `open`. */
  get url(): string | undefined {
    return this.#served?.url
  }

  async close(): Promise<void> {
    const closing = this.#served?.close()
    // The port is closed at once, before the last answers are finished.
    setImmediate(() => this.#parent?.yielded())
    await closing
  }
}

/** Builds the routes for monitoring. A process that schedules and executes runs passes `own`. */
export function probesOf({ db, metadata }: Databases, metrics: Metrics | undefined, own?: HealthOptions['own']) {
  return probes({ health: openHealth({ db, metadata, ...(own && { own }) }), metrics })
}

/** Undefined if METRICS is off. */
export async function metricsOf(
  setup: Setup,
  { db, metadata }: Databases,
  lastCheck: () => LastCheck | undefined,
): Promise<Metrics | undefined> {
  const { config, clock, log } = setup
  if (!config.metrics) return undefined
  return await openMetrics({
    metadata,
    lastCheck,
    now: () => clock.now(),
    ofDags: () => readDagMetrics(setup, db),
    log,
  })
}

const DAG_METRICS_MS = 5_000

/** A dag whose metrics fail is skipped and logged. */
async function readDagMetrics(setup: Setup, db: Database): Promise<Metric[]> {
  const failed = (dag_id: string, err: unknown) => {
    setup.log.warn({ err, dag_id }, 'the metrics of this dag could not be read')
    return []
  }
  const asked = { of: ({ metrics }: Commands) => metrics, timeoutMs: DAG_METRICS_MS, failed }
  return await askDags(setup.loaded.dags.values(), { ...webOptions(setup), db }, asked)
}
