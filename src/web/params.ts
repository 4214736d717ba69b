import { z } from 'zod'
import type { Dag } from '../dag/dag.ts'
import { whyNotStorable } from './form.ts'

/** A field of the trigger form. */
export interface ParamField {
  name: string
  /** `any`: the value is text if the schema accepts text (for example a date), else JSON. */
  kind: 'text' | 'number' | 'boolean' | 'choice' | 'json' | 'any'
  required: boolean
  description: string
  /** The default value as text. */
  standard: string | undefined
  choices: readonly string[]
}

interface Property {
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
  const schema = z.toJSONSchema(dag.params, { io: 'input', unrepresentable: 'any' }) as {
    properties?: Record<string, Property>
    required?: string[]
  }
  return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    ...kindOf(property),
    required: schema.required?.includes(name) ?? false,
    description: property.description ?? '',
    standard: property.default === undefined ? undefined : textOf(property.default),
  }))
}

type Kind = Pick<ParamField, 'kind' | 'choices'>

function kindOf({ type, enum: values, anyOf }: Property): Kind {
  const texts = values?.filter((value) => typeof value === 'string')
  if (texts !== undefined && texts.length === values?.length) return { kind: 'choice', choices: texts }
  const types = [type ?? []].flat().filter((one) => one !== 'null')
  const options = anyOf ?? (types.length > 1 ? types.map((one) => ({ type: one })) : [])
  if (options.length > 0) return kindOfUnion(options)
  const kind = KINDS[types[0] as keyof typeof KINDS]
  return { kind: kind ?? (types.length === 0 ? 'any' : 'json'), choices: [] }
}

const KINDS = { string: 'text', number: 'number', integer: 'number', boolean: 'boolean' } as const

/** `null` in a union is ignored: an empty field means null. */
function kindOfUnion(options: readonly Property[]): Kind {
  const [first, ...others] = options.filter(({ type }) => type !== 'null').map(kindOf)
  const same = first !== undefined && others.every(({ kind }) => kind === first.kind && kind !== 'choice')
  return same ? first : { kind: 'any', choices: [] }
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
      errors[name] = kind === 'number' ? 'This must be a number' : 'This must be JSON; put text in quotes'
    }
  }
  return { conf, errors: { ...checkConf(dag, conf), ...errors } }
}

function read(kind: ParamField['kind'], text: string, fits: (value: unknown) => boolean): unknown {
  if (kind === 'boolean') return text === 'true'
  if (kind === 'json') return JSON.parse(text)
  if (kind === 'any') return fits(text) || !isJson(text) ? text : JSON.parse(text)
  if (kind !== 'number') return text
  const number = Number(text)
  if (!Number.isFinite(number)) throw new Error('not a number')
  return number
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
  const errors: ParamErrors = Object.fromEntries(unknown.map((name) => [name, `'${dag.id}' has no param of this name`]))
  const why = whyNotStorable(conf)
  if (why !== undefined) return { ...errors, '': `The conf ${why}` }
  const parsed = dag.params.safeParse(conf)
  for (const { path, message, code } of parsed.error?.issues ?? []) {
    const name = String(path[0] ?? '')
    const missing = code === 'invalid_type' && conf[name] === undefined
    errors[name] ??= missing ? 'This is required' : path.length > 1 ? `${path.slice(1).join('.')}: ${message}` : message
  }
  return errors
}
