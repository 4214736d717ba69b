import type { z } from 'zod'
import type { Http } from '../connectors/http.ts'
import type { Database } from '../db/pool.ts'
import type { Duration } from '../duration.ts'
import type { ParsedTaskOptions } from './options.ts'
import type { RunType } from './state.ts'
import type { TriggerRule } from './trigger-rule.ts'

/** What a task is given besides its inputs. Dates are instants; everything is UTC unless it says otherwise. */
export interface TaskContext<Settings = Record<string, unknown>, Params = Record<string, unknown>> {
  dagId: string
  runId: string
  runType: RunType
  taskId: string
  /** 1 for the first start; counts every start. */
  tryNumber: number
  /** The dag's `settings`, read from the environment and parsed. */
  settings: Settings
  /** The dag's `params`, given at the trigger and parsed. */
  params: Params
  logicalDate: Date
  dataIntervalStart: Date
  dataIntervalEnd: Date
  /** The latest logical date before this run's, of runs of this dag that had succeeded when this try started. */
  previous: Date | undefined
  /** Aborts on timeout, cancel and shutdown: hand it to every await that takes one. */
  signal: AbortSignal
  log: TaskLog
  /** The launches' database (`DATABASE_URL`). */
  db: Database
  /** Bounded requests that end with the task. */
  http: Http
  /** The time; follows `CLOCK`. Ask this, not `Date.now()` and not the database. */
  now(): Date
}

/** Lines kept with the try; `fields` are shown behind the message. */
export type TaskLog = Record<LogLevel, (message: string, fields?: Record<string, unknown>) => void>
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface TaskDefaults {
  /** How many failed tries are followed by another one. Default 0. */
  retries?: number
  /** Wait before the second try; doubles with each failure, jittered. Default 30s. */
  retryDelay?: Duration
  /** No wait is longer. Default 1h. */
  maxRetryDelay?: Duration
  /** After this long `context.signal` aborts and the try has failed. Default: no limit. */
  executionTimeout?: Duration
  /** Slots to take, see `pools`. Default: none. */
  pool?: string
  /** Higher starts first where slots are short. Default 0. */
  priority?: number
}

/** Upstream tasks by the name under which their output arrives. */
// biome-ignore lint/suspicious/noExplicitAny: a task of any output may stand upstream
export type Upstream = Readonly<Record<string, Task<any>>>

/** Only `all_success` promises that every parent returned. */
export type Inputs<U extends Upstream, R extends TriggerRule> = {
  readonly [Name in keyof U]: 'all_success' extends R ? OutputOf<U[Name]> : OutputOf<U[Name]> | undefined
}

export type OutputOf<T> = T extends Task<infer O> ? O : never

export interface TaskOptions<U extends Upstream, R extends TriggerRule, O extends z.ZodType | undefined, Context>
  extends TaskDefaults {
  upstream?: U
  triggerRule?: R
  /** Schema of what `run` returns: encoded when saved, decoded when a downstream task reads it. */
  output?: O
  run: (inputs: Inputs<U, R>, context: Context) => Returned<O> | Promise<Returned<O>>
}

/** Without an `output` schema nothing is kept of what a task returns. */
export type Returned<O> = O extends z.ZodType ? z.output<O> : unknown

/** `run` without the types of one task. */
export type TaskRun = (inputs: Record<string, unknown>, context: TaskContext) => unknown

/** A task as its dag holds it. `Output` is what a downstream task receives. */
export interface Task<Output = unknown> extends Readonly<Omit<ParsedTaskOptions, 'output' | 'upstream'>> {
  readonly id: string
  readonly upstream: Upstream
  readonly output?: z.ZodType<Output> | undefined
}
