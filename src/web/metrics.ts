import type { Metric } from '../commands.ts'
import { isTerminal } from '../dag/state.ts'
import type { Logger } from '../log.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { RunChange } from '../metadata/transitions.ts'
import { listPools } from '../operations/pools.ts'
import { countUnfinished } from '../operations/run-counts.ts'
import type { RunView } from '../runner/owned-run.ts'
import type { LastCheck } from '../scheduler/scheduler.ts'

export interface MetricsOptions {
  metadata: Metadata
  /** When the scheduler of this process last completed a check. */
  lastCheck: () => LastCheck | undefined
  /** Follows `CLOCK`. */
  now: () => Date
  /** The dags' own metrics. */
  ofDags: () => Promise<readonly Metric[]>
  log: Logger
}

export interface Metrics {
  contentType: string
  /** All metrics in Prometheus' text format. */
  text(): Promise<string>
  /** Call this after every written change of a run that this process owns. */
  onChange(run: RunView, change: RunChange): void
}

const SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1_800]

/** Counters and histograms cover this process; gauges cover the whole database. */
export async function openMetrics(options: MetricsOptions): Promise<Metrics> {
  const { Registry, Counter, Histogram, collectDefaultMetrics } = await import('prom-client')
  const register = new Registry()
  collectDefaultMetrics({ register })
  const registers = [register]
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers })
  const histogram = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Histogram({ name, help, labelNames, registers, buckets: SECONDS })
  const runs = counter('tminus_dag_runs_total', 'Runs that this process has finished', ['dag_id', 'state'])
  const tasks = counter('tminus_task_instances_total', 'Task instances that this process has finished', [
    'dag_id',
    'task_id',
    'state',
  ])
  const duration = histogram('tminus_task_duration_seconds', 'Duration of a try', ['dag_id', 'task_id'])
  const queued = histogram('tminus_task_queue_seconds', 'How long a ready task waited for a slot before it ran', [
    'dag_id',
  ])
  const delay = histogram('tminus_dag_run_start_delay_seconds', 'How long after its tick a scheduled run started', [
    'dag_id',
  ])
  const since = { ready: new Map<string, number>(), running: new Map<string, number>(), started: new Set<number>() }

  return {
    contentType: register.contentType,
    text: async () => `${await register.metrics()}${await gauges(options)}`,
    onChange: ({ run }, { transitions, run: end }) => {
      const dag_id = run.dagId
      if (run.runType === 'scheduled' && !since.started.has(run.dagRunId))
        delay.observe({ dag_id }, Math.max(0, options.now().getTime() - run.logicalDate.getTime()) / 1_000)
      since.started.add(run.dagRunId)
      for (const { taskId: task_id, to } of transitions) {
        const key = `${run.dagRunId}/${task_id}`
        const now = performance.now()
        if (to === 'scheduled' || to === 'queued') since.ready.set(key, since.ready.get(key) ?? now)
        else if (to === 'running') {
          queued.observe({ dag_id }, (now - (since.ready.get(key) ?? now)) / 1_000)
          since.running.set(key, now)
        } else {
          const start = since.running.get(key)
          if (start !== undefined) duration.observe({ dag_id, task_id }, (now - start) / 1_000)
          since.ready.delete(key)
          since.running.delete(key)
        }
        if (isTerminal(to)) tasks.inc({ dag_id, task_id, state: to })
      }
      if (end === null) return
      runs.inc({ dag_id, state: end.state })
      since.started.delete(run.dagRunId)
    },
  }
}

/** Gauges, read at each scrape. A source that fails is logged and skipped. */
async function gauges({ metadata, lastCheck, ofDags, log }: MetricsOptions): Promise<string> {
  const sources: (() => Promise<readonly Metric[]>)[] = [
    async () => ofScheduler(lastCheck()),
    () => ofRuns(metadata),
    () => ofPools(metadata),
    ofDags,
  ]
  const results = await Promise.allSettled(sources.map((source) => source()))
  for (const one of results) if (one.status === 'rejected') log.warn({ err: one.reason }, 'metrics could not be read')
  return exposition(results.flatMap((one) => (one.status === 'fulfilled' ? one.value : [])))
}

function ofScheduler(last: LastCheck | undefined): Metric[] {
  if (last === undefined) return []
  const help = 'Seconds since the scheduler completed a check; it checks once a second'
  return [{ name: 'tminus_scheduler_look_age_seconds', help, value: last.ageMs() / 1_000 }]
}

async function ofRuns(db: Metadata): Promise<Metric[]> {
  const counts = (await countUnfinished(db)).flatMap(({ dag_id, queued, running }) => [
    { value: queued, labels: { dag_id, state: 'queued' } },
    { value: running, labels: { dag_id, state: 'running' } },
  ])
  const shared = { name: 'tminus_dag_runs', help: 'Queued and running runs' }
  return counts.filter(({ value }) => value > 0).map((count) => ({ ...shared, ...count }))
}

async function ofPools(db: Metadata): Promise<Metric[]> {
  const help = 'Slots of a pool'
  return (await listPools(db)).flatMap(({ pool, slots, used }) => [
    { name: 'tminus_pool_slots', help, value: used, labels: { pool, state: 'used' } },
    { name: 'tminus_pool_slots', help, value: Math.max(0, slots - used), labels: { pool, state: 'free' } },
  ])
}

/**
 * https://prometheus.io/docs/instrumenting/exposition_formats: one HELP and TYPE per name, followed by all its lines.
 */
function exposition(metrics: readonly Metric[]): string {
  const names = [...new Set(metrics.map(({ name }) => name))]
  return names
    .map((name) => {
      const own = metrics.filter((metric) => metric.name === name)
      return `\n# HELP ${name} ${own[0]?.help}\n# TYPE ${name} gauge\n${own.map(line).join('\n')}\n`
    })
    .join('')
}

function line({ name, labels = {}, value }: Metric): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text.replaceAll(/[\\"\n]/g, escaped)}"`)
  return `${name}${pairs.length > 0 ? `{${pairs.join()}}` : ''} ${value}`
}

function escaped(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`
}
