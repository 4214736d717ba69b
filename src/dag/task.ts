import type { z } from 'zod'
import type { Http } from '../connectors/http.ts'
import type { Database } from '../db/pool.ts'
import type { Duration } from '../duration.ts'
import type { ParsedTaskOptions, parseChild } from './options.ts'
import type { DagRunState, RunType } from './state.ts'
import type { TriggerRule } from './trigger-rule.ts'

/** The second argument of a task, after its inputs. Dates are instants, in UTC. */
export interface TaskContext<Settings = Record<string, unknown>, Params = Record<string, unknown>> {
  dagId: string
  runId: string
  runType: RunType
  taskId: string
  /** The position of its element in the array; undefined if the task is not mapped. */
  mapIndex: number | undefined
  /** Counts every start of the task instance, from 1. */
  tryNumber: number
  /** When the first try began, since the last clear of the task instance. */
  firstStartedAt: Date
  /** How many tries failed since then. */
  previousFailures: number
  /** The number of failures after which the task fails: `retries` + 1. */
  maxTries: number
  /** True if a failure of this try is not retried. */
  isLastTry: boolean
  /** The dag's `settings`, read from the environment and parsed. */
  settings: Settings
  /** The parsed parameters (`params`) of the run, which the trigger passed. */
  params: Params
  logicalDate: Date
  dataIntervalStart: Date
  dataIntervalEnd: Date
  /** The first tick after `logicalDate`; undefined without a schedule. */
  nextLogicalDate: Date | undefined
  /** The logical date of the newest successful run of this dag before this run, as known when this try started. */
  previous: Date | undefined
  /** Aborts on timeout, cancel and shutdown. Pass it to every call that accepts a signal. */
  signal: AbortSignal
  log: TaskLog
  /** The launches' database (`DATABASE_URL`). */
  db: Database
  /** HTTP requests with limits; they are aborted when the task ends. */
  http: Http
  /** The current time by the setting `CLOCK`. Use it instead of `Date.now()` and of the database's time. */
  now(): Date
}

/** Writes log lines, stored with the try. `fields` appear after the message. */
export type TaskLog = Record<LogLevel, (message: string, fields?: Record<string, unknown>) => void>
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** `'512MB'` or `'2GB'`. */
export type Memory = `${number}${'MB' | 'GB'}`

export interface TaskDefaults {
  /** How often a failed task is tried again. Default 0. */
  retries?: number
  /** Wait before the second try. It doubles with each failure, plus jitter. Default 30s. */
  retryDelay?: Duration
  /** The longest wait between two tries. Default 1h. */
  maxRetryDelay?: Duration
  /** After this time `context.signal` aborts and the try fails. Default: no limit. */
  executionTimeout?: Duration
  /** The pool in which the task needs a slot. Default: none. */
  pool?: string
  /** With EXECUTOR=distributed, only workers that serve this queue (WORKER_QUEUES) run the task. Default 'default'. */
  queue?: string
  /** Tasks with a higher priority start first if slots are scarce. Default 0. */
  priority?: number
  /** Runs each try in a child process, where it cannot harm other tasks. Default false; see the setting ISOLATION. */
  isolate?: boolean
  /** Memory limit of an isolated try. Default: Node's own. */
  memory?: Memory
  /**
   * In scheduled and backfill runs, the task waits until this task of the run of the previous tick has ended with success
   * or was skipped. Default false.
   */
  dependsOnPast?: boolean
}

export type Schema = z.ZodType | undefined

/** A task or a group with any output. */
// biome-ignore lint/suspicious/noExplicitAny: an upstream may have any output
export type Member = Task<any> | Group<any>

/** Upstream tasks and groups by the name of the input that receives their output. */
export type Upstream = Readonly<Record<string, Member>>

/** Only `all_success` guarantees that every upstream returned an output. */
export type Inputs<U extends Upstream, R extends TriggerRule> = {
  readonly [Name in keyof U]: 'all_success' extends R ? OutputOf<U[Name]> : OutputOf<U[Name]> | undefined
}

export type OutputOf<T> =
  T extends Group<infer M> ? { readonly [K in keyof M]: OutputOf<M[K]> } : T extends Task<infer O> ? O : never

export interface TaskOptions<U extends Upstream, R extends TriggerRule, O extends Schema, Context>
  extends TaskDefaults {
  upstream?: U
  triggerRule?: R
  /** Skips the task in scheduled and backfill runs that are not the run of the latest tick. */
  latestOnly?: boolean
  /**
   * The schema of the value that `run` returns. It encodes the output for storage and decodes it for downstream tasks.
   */
  output?: O
  /** Markdown for the task's page. */
  doc?: string
  run: (inputs: Inputs<U, R>, context: Context) => Returned<O> | Promise<Returned<O>>
}

/** Inputs may be missing: a teardown starts however its upstream tasks ended. */
export interface TeardownOptions<U extends Upstream, O extends Schema, Context>
  extends Omit<TaskOptions<U, 'all_done', O, Context>, 'triggerRule'> {
  /**
   * The task whose work this task undoes. If it succeeded, this task runs after everything downstream of it has ended,
   * also after a cancel.
   */
  // biome-ignore lint/suspicious/noExplicitAny: as in Member
  teardown: Task<any>
  /** True: the run fails if this task fails. Default false. */
  failsRun?: boolean
}

export interface BranchOptions<K extends string, U extends Upstream, R extends TriggerRule, Context>
  extends Omit<TaskOptions<U, R, undefined, Context>, 'run' | 'output'> {
  /** The tasks to choose from, by the word that `run` returns. A task may be in several options. */
  // biome-ignore lint/suspicious/noExplicitAny: as in Member
  options: Readonly<Record<K, readonly Task<any>[]>>
  /** Returns the option, or the list of options, that runs. */
  run: (inputs: Inputs<U, R>, context: Context) => Chosen<K> | Promise<Chosen<K>>
}

/** The task runs in the process of the run's owner or of a worker, also with ISOLATION=all. */
export interface TriggerOptions<U extends Upstream, R extends TriggerRule, O extends Schema, Context>
  extends Omit<TaskOptions<U, R, undefined, Context>, 'run' | 'output' | 'isolate' | 'memory'> {
  /** The dag that gets a run, or its id. */
  dag: string | { id: string }
  /** Returns the params of the run. Default: none. */
  conf?: (inputs: Inputs<U, R>, context: Context) => object | Promise<object>
  /** True: the task ends when the run has ended. It holds no slot meanwhile. Default false. */
  wait?: boolean
  /** True: if this run is cancelled or runs out of time, the started run is cancelled too. Default false. */
  cancelChildren?: boolean
  /** With `wait`: the end states with which the task succeeds. Default: only `success`. */
  allowedStates?: readonly ('success' | 'failed')[]
  /** With `wait`: a task of the dag whose output is read, and the schema of that output. */
  output?: { task: string; schema: O }
}

/**
 * The output of a task that starts a run. `state` is the state of the run as the task ended. `output` is undefined if the
 * named task has no output, for example because it was skipped.
 */
export type ChildRun<O> = { state: DagRunState; runId: string; output?: O extends z.ZodType ? z.output<O> : undefined }

type Chosen<K extends string> = NoInfer<K> | readonly NoInfer<K>[]

/** Without an `output` schema the returned value is discarded. */
export type Returned<O> = O extends z.ZodType ? z.output<O> : unknown

/** `run` without the types of one task. */
export type TaskRun = (inputs: Record<string, unknown>, context: TaskContext) => unknown

/** A task as its dag holds it. `Output` is what a downstream task receives. */
export interface Task<Output = unknown> extends Readonly<Omit<ParsedTaskOptions, 'output' | 'upstream' | 'teardown'>> {
  readonly id: string
  readonly upstream: Upstream
  readonly output?: z.ZodType<Output> | undefined
  /** Of a task whose array is mapped: `output` without the limit of its length, which counts only when the task returns. */
  readonly stored?: z.ZodType<Output> | undefined
  /** Of a mapped task: the task that returns the array, and the name of an element. */
  readonly over?: Task
  readonly label?: ((element: unknown) => string) | undefined
  /** Of an element of a mapped task: its position in the array. */
  readonly mapIndex?: number
  /** Of a teardown: its setup. */
  readonly teardown?: Task | undefined
  /** The run of another dag that the task starts. Its `run` returns the params. */
  readonly child?: ReturnType<typeof parseChild>
}

/** Tasks that are named as an upstream together. */
export interface Group<M extends Readonly<Record<string, Member>> = Readonly<Record<string, Member>>> {
  readonly id: string
  /** What `define` returned, by the names in the input. */
  readonly members: M
  /** The tasks that no other task of the group has as its upstream. */
  readonly last: readonly Task[]
}

// biome-ignore lint/suspicious/noExplicitAny: as in Member
export function isGroup(member: Member): member is Group<any> {
  return Array.isArray((member as Group | undefined)?.last)
}

/** The tasks that an upstream stands for, by the name of the edge in the stored graph. */
export function tasksOf(name: string, member: Member): [string, Task][] {
  if (!isGroup(member)) return [[name, member]]
  const members = Object.entries<Member>(member.members).flatMap(([key, one]) => tasksOf(`${name}.${key}`, one))
  const known = new Set(members.map(([, task]) => task))
  const others = member.last.filter((task) => !known.has(task))
  return [...members, ...others.map((task): [string, Task] => [`${name}.${task.id}`, task])]
}
