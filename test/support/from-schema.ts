import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'

const FILE = fileURLToPath(new URL('../../../shared/data/ll2-schema/ll-2.4.0-launches.json', import.meta.url))

/** Launch Library's own schema is beside the checkout on development machines only. */
export const SCHEMA = existsSync(FILE)
export const WITHOUT_SCHEMA = 'skipped: ../shared/data/ll2-schema is not here'

/** The part of OpenAPI 3.0 that the schema uses. */
interface Schema {
  $ref?: string
  allOf?: Schema[]
  type?: string
  format?: string
  nullable?: boolean
  properties?: Record<string, Schema>
  items?: Schema
  minimum?: number
  maximum?: number
  maxLength?: number
  pattern?: string
}

type Schemas = Record<string, Schema>

/** Any value of the named schema, always with all properties, as the API serialises them. */
export function fromSchema(name: string): fc.Arbitrary<Record<string, unknown>> {
  const { components } = JSON.parse(readFileSync(FILE, 'utf8')) as { components: { schemas: Schemas } }
  return anyOf(components.schemas[name] ?? {}, components.schemas, 0) as fc.Arbitrary<Record<string, unknown>>
}

/** Below this depth lists are empty and nullable values null: a launch's docking events contain other launches. */
const DEEPEST = 5

function anyOf(schema: Schema, schemas: Schemas, depth: number): fc.Arbitrary<unknown> {
  if (schema.nullable && depth > DEEPEST) return fc.constant(null)
  const present = presentOf(schema, schemas, depth)
  return schema.nullable ? fc.option(present, { freq: 3 }) : present
}

function presentOf(schema: Schema, schemas: Schemas, depth: number): fc.Arbitrary<unknown> {
  const { $ref, allOf, type, items = {} } = schema
  if ($ref !== undefined) return anyOf(schemas[$ref.split('/').at(-1) ?? ''] ?? {}, schemas, depth)
  if (allOf?.[0] !== undefined) return presentOf(allOf[0], schemas, depth)
  switch (type) {
    case 'object': {
      const properties = Object.entries(schema.properties ?? {})
      return fc.record(Object.fromEntries(properties.map(([key, value]) => [key, anyOf(value, schemas, depth + 1)])))
    }
    case 'array':
      return fc.array(anyOf(items, schemas, depth + 1), { maxLength: depth > DEEPEST ? 0 : 2 })
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -2_147_483_648, max: schema.maximum ?? 2_147_483_647 })
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true })
    case 'boolean':
      return fc.boolean()
    case 'string':
      return textOf(schema)
    default:
      throw new Error(`The schema has a type that is not known here: ${type}`)
  }
}

function textOf({ format, pattern, maxLength = 300 }: Schema): fc.Arbitrary<string> {
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern))
  const instant = fc.date({ min: new Date('1900-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  switch (format) {
    case 'uuid':
      return fc.uuid()
    case 'uri':
      return fc.webUrl()
    case 'date-time':
      return instant.map((date) => date.toISOString())
    case 'date':
      return instant.map((date) => date.toISOString().slice(0, 10))
    default:
      return fc.string({ unit: 'binary', maxLength: Math.min(maxLength, 40) })
  }
}
