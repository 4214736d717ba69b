import { z } from 'zod'
import type { Dag } from '../dag/dag.ts'
import { whyNotStorable } from './form.ts'
import { type Limited, limitsOf } from './param-limits.ts'

/** A field of the trigger form. */
export interface ParamField {
  name: string
  /**
   * `instant`: a date and time in UTC. `choice`: one of `choices`, which are JSON unless the schema accepts their text.
   * `any`: the value is text if the schema accepts text, else JSON.
   */
  kind: 'text' | 'number' | 'boolean' | 'choice' | 'date' | 'instant' | 'json' | 'any'
  required: boolean
  description: string
  /** The default value; undefined if there is none. */
  standard: unknown
  choices: readonly string[]
  /** What the schema accepts, such as `1 to 1,000`; '' if it accepts all of the kind. */
  limits: string
}

interface Property extends Limited {
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  description?: string
  default?: unknown
  format?: string
  anyOf?: Property[]
}

/** The fields of a dag's params, from the JSON schema of its input. */
export function paramFields(dag: Dag): ParamField[] {
  const schema = z.toJSONSchema(dag.params, { io: 'input', unrepresentable: 'any', override: dateAsText }) as {
    properties?: Record<string, Property>
    required?: string[]
  }
  return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    ...kindOf(property),
    required: schema.required?.includes(name) ?? false,
    description: property.description ?? '',
    standard: property.default,
  }))
}

/** JSON Schema has no dates. Conf has them as text, which `z.coerce.date()` reads. */
function dateAsText({
  zodSchema,
  jsonSchema,
}: {
  zodSchema: z.core.$ZodTypes
  jsonSchema: z.core.JSONSchema.BaseSchema
}) {
  if (zodSchema._zod.def.type === 'date') Object.assign(jsonSchema, { type: 'string', format: 'date-time' })
}

type Kind = Pick<ParamField, 'kind' | 'choices' | 'limits'>

function kindOf(property: Property): Kind {
  const { type, format, anyOf } = property
  const values = valuesOf(property)
  if (values !== undefined) return { kind: 'choice', choices: values.map(textOf), limits: '' }
  const types = [type ?? []].flat().filter((one) => one !== 'null')
  const options = anyOf ?? (types.length > 1 ? types.map((one) => ({ ...property, type: one })) : [])
  if (options.length > 0) return kindOfUnion(options)
  const kind = FORMATS[format as keyof typeof FORMATS] ?? KINDS[types[0] as keyof typeof KINDS]
  return { kind: kind ?? (types.length === 0 ? 'any' : 'json'), choices: [], limits: limitsOf(property) }
}

const KINDS = { string: 'text', number: 'number', integer: 'number', boolean: 'boolean' } as const
const FORMATS = { date: 'date', 'date-time': 'instant' } as const

/** All values that an enum, a literal or a union of literals accepts; undefined for other schemas. */
function valuesOf({ enum: values, const: only, anyOf }: Property): unknown[] | undefined {
  if (values !== undefined || only !== undefined) return (values ?? [only]).filter((one) => one !== null)
  const options = anyOf?.filter(({ type }) => type !== 'null').map(valuesOf)
  return options?.every((one) => one !== undefined) ? options.flat() : undefined
}

/** `null` in a union is ignored: an empty field means null. */
function kindOfUnion(options: readonly Property[]): Kind {
  const [first, ...others] = options.filter(({ type }) => type !== 'null').map(kindOf)
  const isDay = (kind: ParamField['kind']) => kind === 'date' || kind === 'instant'
  const asText = [first, ...others].every((one) => one?.kind === 'text' || (one && isDay(one.kind)))
  if (first === undefined) return { kind: 'any', choices: [], limits: '' }
  if (others.every(({ kind }) => kind === first.kind)) return others.length === 0 ? first : { ...first, limits: '' }
  return { kind: asText ? 'text' : 'any', choices: [], limits: '' }
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

export type ParamErrors = Record<string, string>

/**
 * Turns form fields into the conf of a run. Empty fields are skipped. Errors are keyed by field name; '' is for errors
 * that belong to no field.
 */
export function confOf(
  dag: Dag,
  given: Readonly<Record<string, string>>,
): { conf: Record<string, unknown>; errors: ParamErrors } {
  const errors: ParamErrors = {}
  const conf: Record<string, unknown> = {}
  for (const { name, kind } of paramFields(dag)) {
    const text = given[name] ?? ''
    if (text.trim() === '') continue
    try {
      conf[name] = read(kind, text, (value) => dag.params.shape[name]?.safeParse(value).success ?? false)
    } catch {
      conf[name] = text
      errors[name] = kind === 'number' ? 'This must be a number' : 'This must be JSON; put text in quotes'
    }
  }
  return { conf, errors: { ...checkConf(dag, conf), ...errors } }
}

function read(kind: ParamField['kind'], text: string, fits: (value: unknown) => boolean): unknown {
  if (kind === 'boolean') return text === 'true'
  if (kind === 'json') return JSON.parse(text)
  if (kind === 'any' || kind === 'choice') return fits(text) || !isJson(text) ? text : JSON.parse(text)
  if (kind === 'instant') return instantText(text).find(fits) ?? text
  if (kind !== 'number') return text
  const number = Number(text)
  if (!Number.isFinite(number)) throw new Error('not a number')
  return number
}

/** The texts of an instant that a schema may ask for, from the text of a date-time field, which is in UTC. */
function instantText(text: string): string[] {
  if (!/T\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(text)) return [text]
  return [text.length > 16 ? `${text}Z` : `${text}:00Z`, `${text}Z`, text]
}

/** Reads the whole conf from JSON. Errors are keyed as those of `confOf`. */
export function confOfJson(dag: Dag, text: string): { conf: Record<string, unknown>; errors: ParamErrors } {
  const conf = isJson(text) ? JSON.parse(text) : undefined
  if (typeof conf !== 'object' || conf === null || Array.isArray(conf))
    return { conf: {}, errors: { '': 'This must be a JSON object, such as {"rows": 20}' } }
  return { conf, errors: checkConf(dag, conf) }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/**
 * Returns for each field why the dag rejects this conf; empty if the dag accepts the conf. An unknown name is an error
 * too.
 */
export function checkConf(dag: Dag, conf: Record<string, unknown>): ParamErrors {
  const known = Object.keys(dag.params.shape)
  const unknown = dag.params.def.catchall === undefined ? Object.keys(conf).filter((name) => !known.includes(name)) : []
  // A map: each object seems to have an error for `toString` and `constructor`.
  const errors = new Map(unknown.map((name) => [name, `'${dag.id}' has no param of this name`]))
  const why = whyNotStorable(conf)
  if (why !== undefined) return { ...Object.fromEntries(errors), '': `The conf ${why}` }
  const parsed = dag.params.safeParse(conf)
  for (const { path, message, code } of parsed.error?.issues ?? []) {
    const name = String(path[0] ?? '')
    const missing = code === 'invalid_type' && conf[name] === undefined
    const problem = path.length > 1 ? `${path.slice(1).join('.')}: ${message}` : message
    if (!errors.has(name)) errors.set(name, missing ? 'This is required' : problem)
  }
  return Object.fromEntries(errors)
}
