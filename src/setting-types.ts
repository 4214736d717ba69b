import { z } from 'zod'
import { addressProblem } from './database-address.ts'

export const connectionString = z.string().superRefine((value, ctx) => {
  const problem = addressProblem(value)
  if (problem !== undefined) ctx.addIssue({ code: 'custom', message: problem })
})

export const flag = z
  .enum(['on', 'off', 'true', 'false', '1', '0'], 'must be on or off')
  .default('off')
  .transform((value) => value === 'on' || value === 'true' || value === '1')

export const wholeNumber = (least: number, most: number) =>
  z.string().transform((value, ctx) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
    if (number >= least && number <= most) return number
    ctx.addIssue({ code: 'custom', message: `must be a whole number from ${least} to ${most}` })
    return z.NEVER
  })

const WHOLE = Symbol.for('tminus.environment')

/** Marks a setting that depends on other variables: if it is set, its schema gets the whole environment. */
export function fromEnvironment<Schema extends z.core.$ZodType>(schema: Schema): Schema {
  return z.clone(schema, { ...schema._zod.def, [WHOLE]: true } as Schema['_zod']['def'])
}

export function needsEnvironment({ _zod: { def } }: z.core.$ZodType): boolean {
  return WHOLE in def || ('innerType' in def && needsEnvironment(def.innerType as z.core.$ZodType))
}

/** Separated by commas. */
export const queueNames = z
  .string()
  .regex(
    /^[\w.-]{1,250}( *, *[\w.-]{1,250})*$/,
    "must be names of queues (letters, digits, '-', '_', '.'; at most 250), separated by commas",
  )
  .transform((names) => [...new Set(names.split(/ *, */))])

export const instant = z.string().transform((value, ctx) => {
  const date = new Date(value)
  if (/^\d{4}-\d\d-\d\dT.+(Z|[+-]\d\d:?\d\d)$/.test(value) && !Number.isNaN(date.getTime())) return date
  ctx.addIssue({ code: 'custom', message: "must be an instant such as '2026-01-31T12:00:00Z'" })
  return z.NEVER
})
