import { z } from 'zod'
import { milliseconds } from '../duration.ts'
import { isDate } from '../instant.ts'
import { invalid } from './invalid.ts'
import { TRIGGER_RULES } from './trigger-rule.ts'

// biome-ignore lint/suspicious/noExplicitAny: an author without types may give anything
const must = (isRight: (value: any) => boolean, what: string) => z.custom(isRight, `must be ${what}`)
const isSchema = (value: unknown): boolean => typeof value === 'object' && value !== null && '_zod' in value
const isPoolName = (value: unknown): boolean => typeof value === 'string' && /^[A-Za-z0-9_.-]{1,250}$/.test(value)
const isWholeNumberFrom = (least: number) => (value: unknown) => Number.isSafeInteger(value) && Number(value) >= least
const oneOf = (words: readonly string[]) => must((value) => words.includes(value), `one of ${words.join(', ')}`)

const text = must((value) => typeof value === 'string', 'a text')
const callback = must((value) => typeof value === 'function', 'a function')
const schema = must(isSchema, 'a schema of zod 4')
// Postgres keeps it in an int.
const positive = must((value) => isWholeNumberFrom(1)(value) && value < 2 ** 31, 'a whole number from 1')
const duration = z.any().superRefine((value, { addIssue }) => {
  try {
    milliseconds(value)
  } catch {
    addIssue("is not a duration; write '500ms', '30s', '5m', '1h' or milliseconds")
  }
})

const DEFAULT_ARGS = {
  retries: must(isWholeNumberFrom(0), 'a whole number from 0').optional(),
  retryDelay: duration.optional(),
  maxRetryDelay: duration.optional(),
  executionTimeout: duration.optional(),
  pool: must(isPoolName, "the name of a pool: 1 to 250 letters, digits, '-', '_' and '.'").optional(),
  priority: must(Number.isFinite, 'a number').optional(),
}

const name = z.string().regex(/^[^\p{Cc}\p{Cs}]{1,250}$/u)
const record = (value: z.ZodType, what: string) =>
  z.record(name, value, {
    error: ({ code }) => (code === 'invalid_key' ? 'is not a plain name of 1 to 250 characters' : `must be ${what}`),
  })

const TASK = z.strictObject(
  {
    ...DEFAULT_ARGS,
    upstream: record(z.any(), 'an object of tasks').optional(),
    triggerRule: oneOf(TRIGGER_RULES).optional(),
    output: schema.optional(),
    run: callback,
  },
  'must be an object',
)

const DAG = z.strictObject(
  {
    description: text.optional(),
    schedule: text.nullish(),
    timezone: text.optional(),
    startDate: must(
      (value) => isDate(typeof value === 'string' ? new Date(value) : value),
      "a date such as '2026-01-31T00:00:00Z'",
    ).optional(),
    catchup: oneOf(['none', 'latest', 'all']).optional(),
    maxActiveRuns: positive.optional(),
    maxActiveTasks: positive.optional(),
    dagrunTimeout: duration.optional(),
    defaultArgs: z.strictObject(DEFAULT_ARGS, 'must be an object').optional(),
    params: must(
      (value) => isSchema(value) && value._zod.def.type === 'object',
      'a z.object({ … }) of zod 4',
    ).optional(),
    tags: z.array(text, 'must be a list of texts').optional(),
    onFailure: callback.optional(),
    onSuccess: callback.optional(),
    // A z.object is an object too, of other things than schemas.
    settings: record(schema, 'an object of zod schemas by the names of environment variables').optional(),
    board: callback.optional(),
    commands: callback.optional(),
  },
  'must be an object',
)

/** Throws TminusError `dag_invalid` that names the first option which does not exist or is of a wrong type. */
export function checkDagOptions(dagId: string, options: unknown): void {
  check(dagId, DAG, options, '')
}

export function checkTaskOptions(dagId: string, taskId: string, options: unknown): void {
  check(dagId, TASK, options, ` of '${taskId}'`)
}

function check(dagId: string, options: z.ZodType, given: unknown, whose: string): void {
  const issue = options.safeParse(given).error?.issues[0]
  if (issue?.code === 'unrecognized_keys') throw invalid(dagId, `'${issue.keys[0]}'${whose} is not an option`)
  if (issue) throw invalid(dagId, `${issue.path.join('.') || 'options'}${whose} ${issue.message}`)
}
