import { number } from './pages/pick.tsx'

/** The part of a JSON schema that limits values. */
export interface Limited {
  type?: string | string[]
  format?: string
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  multipleOf?: number
  minLength?: number
  maxLength?: number
  pattern?: string
  minItems?: number
  maxItems?: number
}

/** `A whole number, 1 to 1,000`; '' without limits. */
export function limitsOf(schema: Limited): string {
  const { type, format, exclusiveMinimum, exclusiveMaximum, multipleOf, minLength, maxLength, minItems, maxItems } =
    schema
  const words = [
    type === 'integer' && 'a whole number',
    range(bound(schema.minimum), bound(schema.maximum)),
    exclusiveMinimum !== undefined && `more than ${number(exclusiveMinimum)}`,
    exclusiveMaximum !== undefined && `less than ${number(exclusiveMaximum)}`,
    multipleOf !== undefined && `a multiple of ${number(multipleOf)}`,
    range(minLength, maxLength, 'character'),
    range(minItems, maxItems, 'item'),
    patternWords(schema),
    format === 'email' && 'an email address',
    format === 'uri' && 'a web address',
    format === 'uuid' && 'a UUID',
  ]
  const text = words.filter(Boolean).join(', ')
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** zod limits each whole number to what JavaScript can hold. Readers need not know. */
function bound(value: number | undefined): number | undefined {
  return Math.abs(value ?? 0) === Number.MAX_SAFE_INTEGER ? undefined : value
}

function range(least: number | undefined, most: number | undefined, unit = ''): string {
  if (least === undefined && most === undefined) return ''
  const plural = unit && ` ${unit}${(most ?? least) === 1 ? '' : 's'}`
  if (most === undefined) return `at least ${number(least ?? 0)}${plural}`
  if (least === undefined) return `at most ${number(most)}${plural}`
  return least === most ? `exactly ${number(most)}${plural}` : `${number(least)} to ${number(most)}${plural}`
}

const LONGEST_PATTERN = 60

/** A format has a pattern too, which is long and says less than the format. */
function patternWords({ pattern, format }: Limited): string {
  const isShown = pattern !== undefined && format === undefined && pattern.length <= LONGEST_PATTERN
  return isShown ? `matches ${pattern}` : ''
}
