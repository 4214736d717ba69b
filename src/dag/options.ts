import { z } from 'zod'
import type { Callback, RunLate, TaskFailure, TaskRetry } from '../callbacks/events.ts'
import type { Commands } from '../commands.ts'
import { type Duration, isDuration, milliseconds } from '../duration.ts'
import { isDate } from '../instant.ts'
import { CONTINUOUS } from '../timetable.ts'
import type { Schedule } from './dag.ts'
import { invalid } from './invalid.ts'
import { DAG_RUN_STATES } from './state.ts'
import type { Memory, Task, TaskRun } from './task.ts'
import { TRIGGER_RULES } from './trigger-rule.ts'

// biome-ignore lint/suspicious/noExplicitAny: an author without types may pass any value
const must = <T>(isRight: (value: any) => boolean, what: string) => z.custom<T>(isRight, `must be ${what}`)
const isSchema = (value: unknown): boolean => typeof value === 'object' && value !== null && '_zod' in value
export const isId = (value: unknown): boolean => typeof value === 'string' && /^[A-Za-z0-9_.-]{1,250}$/.test(value)
const isZodObject = (value: z.ZodType): boolean => isSchema(value) && value._zod.def.type === 'object'
const isWholeNumberFrom = (least: number) => (value: unknown) => Number.isSafeInteger(value) && Number(value) >= least
const oneOf = <T extends string>(words: readonly T[]) =>
  must<T>((value) => words.includes(value), `one of ${words.join(', ')}`)

const text = must<string>((value) => typeof value === 'string', 'a text')
const isWebAddress = (value: unknown) => /^https?:\/\//.test(String(value)) && URL.canParse(String(value))
const isCallable = (value: unknown) => typeof value === 'function'
const callback = <T>() => must<T>(isCallable, 'a function')
const schema = must<z.ZodType>(isSchema, 'a schema of zod 4')
// Postgres stores it in an int.
const positive = must<number>((value) => isWholeNumberFrom(1)(value) && value < 2 ** 31, 'a whole number from 1')
const isDateLike = (value: unknown) => isDate(typeof value === 'string' ? new Date(value) : value)
const date = must<Date | string>(isDateLike, "a date such as '2026-01-31T00:00:00Z'")
const isTick = (value: unknown) => typeof value === 'string' || isDate(value)
const isSchedule = (value: unknown) => (Array.isArray(value) ? value.length > 0 && value.every(isTick) : isTick(value))
/** Parsed to milliseconds. */
const duration = z
  .custom<Duration>(isDuration, "is not a duration; write '500ms', '30s', '5m', '1h' or milliseconds")
  .transform(milliseconds)

const dagId = z.preprocess((one) => Object(one).id ?? one, must<string>(isId, 'a dag or the id of a dag'))
const bool = must<boolean>((value) => typeof value === 'boolean', 'true or false')
const isSize = (value: unknown) => megabytes(value) >= 32
/** Parsed to whole megabytes. */
const memory = must<Memory>(isSize, "a size from 32MB, such as '512MB' or '2GB'").transform(megabytes)

const DEFAULT_ARGS = {
  retries: must<number>(isWholeNumberFrom(0), 'a whole number from 0').default(0),
  retryDelay: duration.prefault('30s'),
  maxRetryDelay: duration.prefault('1h'),
  executionTimeout: duration.optional(),
  pool: must<string>(isId, "the name of a pool: 1 to 250 letters, digits, '-', '_' and '.'").optional(),
  queue: must<string>(isId, "the name of a queue: 1 to 250 letters, digits, '-', '_' and '.'").default('default'),
  priority: must<number>(Number.isFinite, 'a number').default(0),
  isolate: bool.default(false),
  dependsOnPast: bool.default(false),
  memory: memory.optional(),
}

const name = z.string().regex(/^[^\p{Cc}\p{Cs}]{1,250}$/u)
const record = <V extends z.ZodType>(value: V, what: string) =>
  z.record(name, value, {
    error: ({ code }) => (code === 'invalid_key' ? 'is not a plain name of 1 to 250 characters' : `must be ${what}`),
  })

const options = <S extends z.ZodRawShape>(shape: S) => z.strictObject(shape, 'must be an object')

const TASK = options({
  ...DEFAULT_ARGS,
  upstream: record(z.any(), 'an object of tasks').default({}),
  triggerRule: oneOf(TRIGGER_RULES).default('all_success'),
  latestOnly: bool.default(false),
  output: schema.optional(),
  doc: text.default(''),
  teardown: must<Task>((value) => isCallable(value?.run), 'a task that is defined before it').optional(),
  failsRun: bool.default(false),
  run: callback<TaskRun>(),
})

// The stored output of an array has one JSON value for each element.
const isArrayTask = (one?: Task) => one?.over === undefined && one?.output?._zod?.def.type === 'array'
const MAP = options({
  over: must<Task>(isArrayTask, 'a task whose output is a z.array(…)'),
  label: callback<Task['label']>().optional(),
  maxMapLength: positive.default(10_000),
  run: callback<(...args: unknown[]) => unknown>(),
})

/** Parsed to a dag and a task of it. No task: '', the whole run. */
const source = z.union([dagId.transform((dag) => ({ dag, task: '' })), options({ dag: dagId, task: text })])
const sources = z.array(source).min(1, 'must name a dag')
const AFTER = 'must be a list, or { any: list }, of dags, ids of dags or { dag, task }'

const DAG = options({
  description: text.default(''),
  doc: text.default(''),
  owner: text.default(''),
  links: record(must<string>(isWebAddress, 'an http or https address'), 'an object of addresses').default({}),
  schedule: must<Schedule>(isSchedule, 'a cron expression, a date or a list of these').nullable().default(null),
  every: duration
    .refine((ms) => ms % 1_000 === 0 && ms > 0 && ms <= 366 * 86_400_000, 'must be whole seconds from 1s to 366d')
    .optional(),
  after: z.union([sources.transform((all) => ({ all })), options({ any: sources })], AFTER).optional(),
  timezone: text.default('UTC'),
  startDate: date.transform((value) => new Date(value)).optional(),
  catchup: oneOf(['none', 'latest', 'all']).default('none'),
  maxActiveRuns: positive.optional(),
  maxActiveTasks: positive.optional(),
  dagrunTimeout: duration.optional(),
  defaultArgs: options(DEFAULT_ARGS).optional(),
  params: must<z.ZodObject>(isZodObject, 'a z.object({ … }) of zod 4').default(z.object({})),
  tags: z.array(text, 'must be a list of texts').default([]),
  onFailure: callback<Callback>().optional(),
  onSuccess: callback<Callback>().optional(),
  onTaskFailure: callback<Callback<TaskFailure>>().optional(),
  onRetry: callback<Callback<TaskRetry>>().optional(),
  onLate: options({ after: duration, call: callback<Callback<RunLate>>() })
    .transform(({ after, call }) => ({ afterMs: after, call }))
    .optional(),
  // A z.object is not valid here, although it is an object.
  settings: record(schema, 'an object of zod schemas by the names of environment variables').default({}),
  board: callback<() => Promise<unknown>>().optional(),
  commands: callback<() => Promise<Commands>>().optional(),
})

const WAIT = options({
  check: callback<TaskRun>(),
  every: duration,
  timeout: duration.optional(),
  onTimeout: oneOf(['fail', 'skip']).default('fail'),
})

const CHILD = options({
  dag: dagId,
  conf: callback<TaskRun>().default(() => () => ({})),
  wait: bool.default(false),
  cancelChildren: bool.default(false),
  allowedStates: z.array(oneOf(['success', 'failed'])).default(['success']),
  output: options({ task: text, schema }).optional(),
}).refine(({ wait, output }) => wait || !output, { path: ['output'], message: 'needs wait: true' })

export type ParsedDagOptions = ReturnType<typeof parseDagOptions>
export type ParsedTaskOptions = ReturnType<typeof parseTaskOptions>

/** Fills in defaults. Throws TminusError `dag_invalid` that names the first option with a wrong name or type. */
export function parseDagOptions(dagId: string, options: unknown) {
  const { dagrunTimeout, ...given } = parse(dagId, DAG, options, '')
  const { maxActiveRuns = given.schedule === CONTINUOUS ? 1 : 16 } = given
  if (given.schedule === CONTINUOUS && maxActiveRuns > 1)
    throw invalid(dagId, `maxActiveRuns must be 1 with ${CONTINUOUS}`)
  return { ...given, maxActiveRuns, dagrunTimeoutMs: dagrunTimeout }
}

/** As `parseDagOptions`. */
export function parseTaskOptions(dagId: string, taskId: string, options: unknown) {
  const parsed = parse(dagId, TASK, options, ` of '${taskId}'`)
  const { retryDelay, maxRetryDelay, executionTimeout, memory, ...given } = parsed
  const times = { retryDelayMs: retryDelay, maxRetryDelayMs: maxRetryDelay, executionTimeoutMs: executionTimeout }
  return { ...given, ...times, memoryMb: memory }
}

export type ParsedWait = ReturnType<typeof parseWait>

/** As `parseDagOptions`: the options of a wait, a mapped task or a task that starts a run, which other tasks do not have. */
export const parseWait = (dagId: string, id: string, options: unknown) => parse(dagId, WAIT, options, ` of '${id}'`)
export const parseMap = (dagId: string, id: string, options: unknown) => parse(dagId, MAP, options, ` of '${id}'`)
export const parseChild = (dagId: string, id: string, options: unknown) => parse(dagId, CHILD, options, ` of '${id}'`)

/** The schema of `ChildRun`. */
export const resultOf = ({ schema = z.undefined() as z.ZodType } = {}) =>
  z.object({ state: z.enum(DAG_RUN_STATES), runId: z.string(), output: schema.optional() })

/** NaN if the text is not a size. */
function megabytes(memory: unknown): number {
  const [, amount, unit] = /^(\d+)(MB|GB)$/.exec(String(memory)) ?? []
  return Number(amount) * (unit === 'GB' ? 1_024 : 1)
}

function parse<S extends z.ZodType>(dagId: string, options: S, given: unknown, whose: string): z.output<S> {
  const { data, error } = options.safeParse(given)
  const issue = error?.issues[0]
  if (issue?.code === 'unrecognized_keys') throw invalid(dagId, `'${issue.keys[0]}'${whose} is not an option`)
  if (issue) throw invalid(dagId, `${issue.path.join('.') || 'options'}${whose} ${issue.message}`)
  return data as z.output<S>
}
