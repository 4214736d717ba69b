import { z } from 'zod'
import { DAG_RUN_STATES, RUN_TYPES } from '../../dag/state.ts'
import { readInstant } from '../../instant.ts'
import type { RunFilter } from '../../operations/list-runs.ts'
import { whyNotStorable } from '../form.ts'
import { badRequest } from '../problem.tsx'
import type { WebContext } from '../site.ts'

/** The query of a request. An unknown name is an error, so that a misspelt filter is not ignored. */
export function readQuery<S extends z.ZodRawShape>(c: WebContext, shape: S): z.output<z.ZodObject<S>> {
  return checked(z.strictObject(shape) as unknown as z.ZodObject<S>, c.req.query())
}

/** The JSON body of a request. */
export async function readBody<S extends z.ZodRawShape>(c: WebContext, shape: S): Promise<z.output<z.ZodObject<S>>> {
  if (!/^application\/json\b/i.test(c.req.header('content-type') ?? ''))
    throw badRequest('Send JSON with the content-type application/json.')
  const body: unknown = await c.req.json().catch(() => {
    throw badRequest('The body is not JSON.')
  })
  const why = whyNotStorable(body)
  if (why !== undefined) throw badRequest(`The body ${why}.`)
  return checked(z.strictObject(shape) as unknown as z.ZodObject<S>, body)
}

function checked<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => [key, 'is not a known field'] as const)
      : [[issue.path.join('.') || 'body', issue.message] as const],
  )
  throw badRequest('The request has invalid fields; see errors.', Object.fromEntries(issues))
}

export const instant = z
  .string()
  .transform(readInstant)
  .refine((date) => date !== undefined, "must be an instant such as '2026-01-31T12:00:00Z'")
  .optional()

/** Chooses runs; the range of logical dates includes both ends. */
export const runFilter = {
  state: z.enum(DAG_RUN_STATES).optional(),
  run_type: z.enum(RUN_TYPES).optional(),
  logical_date_gte: instant,
  logical_date_lte: instant,
}

export function filterOf(given: z.output<z.ZodObject<typeof runFilter>>): Omit<RunFilter, 'dagId'> {
  const { state = null, run_type = null, logical_date_gte = null, logical_date_lte = null } = given
  return { state, runType: run_type, since: logical_date_gte, until: logical_date_lte }
}

export const limit = z.coerce.number().int().min(1).max(200).default(50)
/** A run's number; the page continues with older runs. */
export const runCursor = z.coerce.number().int().positive().optional()
