import type { z } from 'zod'
import type { DagCallbacks } from '../callbacks/events.ts'
import type { Commands } from '../commands.ts'
import type { Duration } from '../duration.ts'
import { type Builder, checkId, TaskCollector } from './builder.ts'
import { buildGraph, type Graph } from './graph.ts'
import { invalid } from './invalid.ts'
import { type ParsedDagOptions, parseDagOptions } from './options.ts'
import { checkSchedule } from './schedule.ts'
import { type Task, type TaskContext, type TaskDefaults, tasksOf } from './task.ts'

export type Catchup = 'none' | 'latest' | 'all'

/** A text is a cron expression, an alias, or a date such as `2026-12-24T18:00:00Z`. */
export type Schedule = string | Date | readonly (string | Date)[]

/** A dag or its id; with `task`, only that task of its runs. */
export type Source = string | Dag | { dag: string | Dag; task: string }

export interface DagOptions<P extends z.ZodObject, S extends z.ZodRawShape>
  extends DagCallbacks<z.output<z.ZodObject<S>>> {
  description?: string
  /** Markdown for the dag's page, which shows no HTML of it. */
  doc?: string
  /** The person or team that looks after the dag. */
  owner?: string
  /** Addresses (http or https) by the text of the link, such as a runbook. */
  links?: Readonly<Record<string, string>>
  /**
   * Cron expression of five or six fields, an alias such as `@daily`, a date, or a list of these. `@continuous`: a run
   * starts when the last one has ended. Null: the dag only runs when triggered.
   */
  schedule?: Schedule | null
  /** Instead of `schedule`: the time between two ticks, counted from `startDate`. Whole seconds, from 1s to 366d. */
  every?: Duration
  /**
   * Beside or instead of a schedule: a run starts when all of these dags have succeeded since the last run that this
   * option started; with `{ any: [...] }`, one of them.
   */
  after?: readonly Source[] | { any: readonly Source[] }
  /** IANA time zone of the cron expressions. Default UTC. */
  timezone?: string
  /** The earliest logical date of a scheduled run. */
  startDate?: Date | string
  /** The missed ticks that run later: `none` (default), the `latest`, or `all`. */
  catchup?: Catchup
  /** Limit of concurrent runs; further runs stay `queued`. Default 16, with `@continuous` 1. */
  maxActiveRuns?: number
  /** Limit of concurrent task instances of this dag, over all processes. Default: only the slots limit them. */
  maxActiveTasks?: number
  /** If a run takes longer than this, it fails. */
  dagrunTimeout?: Duration
  defaultArgs?: TaskDefaults
  /** Schema of a run's parameters, which each trigger validates. */
  params?: P
  tags?: readonly string[]
  /** Schemas of the environment variables that this dag reads, by name. An empty variable counts as unset. */
  settings?: S
  /** The dag's own page: imports a module whose default export is a Hono app, mounted under the dag's id. */
  board?: () => Promise<unknown>
  /** The dag's own command-line verbs: imports a module that exports `register`, see `Commands`. */
  commands?: () => Promise<Commands<z.output<z.ZodObject<S>>>>
}

/** A dag as the runner holds it: options checked, defaults filled in, durations in milliseconds. */
export interface Dag extends Readonly<Omit<ParsedDagOptions, 'defaultArgs' | 'schedule' | 'every'>> {
  readonly [BRAND]: true
  readonly id: string
  /** The ticks as one text, see `checkSchedule`; null if the dag only runs when triggered. */
  readonly schedule: string | null
  readonly tasks: ReadonlyMap<string, Task>
  readonly graph: Graph
}

/** The same symbol in every copy of this package, so that source and build recognise each other's dags. */
const BRAND: unique symbol = Symbol.for('tminus.dag') as never

export function isDag(value: unknown): value is Dag {
  return typeof value === 'object' && value !== null && BRAND in value
}

/**
 * Defines a dag; make it the default export of `PIPELINES_DIR/<folder>/dag.ts`.
 *
 * Throws TminusError `dag_invalid` for a bad id, a duplicate task, a task of another dag, a cycle, or an invalid
 * schedule. The message says what to change.
 */
export function dag<
  P extends z.ZodObject = z.ZodObject<Record<never, never>>,
  S extends z.ZodRawShape = Record<never, never>,
>(
  id: string,
  options: DagOptions<P, S>,
  define: (builder: Builder<TaskContext<z.output<z.ZodObject<NoInfer<S>>>, z.output<NoInfer<P>>>>) => unknown,
): Dag {
  checkId(id, 'dag', id)
  const { defaultArgs: _, schedule, every, ...settled } = parseDagOptions(id, options)
  const collector = new TaskCollector(id, options.defaultArgs)
  const { tasks } = collector
  if (typeof define !== 'function') throw invalid(id, 'its third argument must be a function that defines its tasks')
  const defined = define(collector.builder() as never)
  if (defined instanceof Promise) throw invalid(id, 'the function that defines its tasks must not be async')
  checkUpstreams(id, tasks)
  if (schedule !== null || every !== undefined || settled.after) checkParams(id, settled.params)
  return {
    ...settled,
    [BRAND]: true,
    id,
    tasks: new Map(tasks.map((one) => [one.id, one])),
    graph: buildGraph(id, collector.nodes()),
    schedule: checkSchedule(id, { ...settled, schedule, every }),
  }
}

/** A run that no user starts has no parameters, so the empty object must be valid. */
function checkParams(dagId: string, params: z.ZodObject): void {
  const issue = params.safeParse({}).error?.issues[0]
  if (issue) throw invalid(dagId, `automatic runs have no params, so '${issue.path.join('.')}' needs a default`)
}

function checkUpstreams(dagId: string, tasks: readonly Task[]): void {
  const own = new Set<Task>(tasks)
  for (const { id, upstream } of tasks) {
    for (const [name, parent] of Object.entries(upstream).flatMap(([name, one]) => tasksOf(name, one))) {
      const problem = parent === undefined ? 'undefined; define that task first' : 'not a task'
      if (typeof parent?.run !== 'function') throw invalid(dagId, `upstream '${name}' of task '${id}' is ${problem}`)
      if (!own.has(parent)) throw invalid(dagId, `task '${id}' depends on '${parent.id}', a task of another dag`)
    }
  }
}
