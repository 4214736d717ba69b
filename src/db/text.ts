import { messageOf, UsageError } from '../errors.ts'

/** The number of characters to keep of external text. Lists show all of these characters. */
export const MOST = { reason: 2_000, stacks: 50_000, line: 16_000, description: 2_000, tag: 100, tags: 50 }

/**
 * Makes text storable in Postgres: no NUL, no lone surrogates, at most `most` characters (see `shortened`). A result of
 * this function does not change if it is passed in again: a child process shortens texts, and its parent shortens them
 * again.
 */
export function storableText(text: string, most = Number.POSITIVE_INFINITY): string {
  const short = text.length > most && !SHORTENED.test(text.slice(most - 1)) ? shortened(text, most) : text
  const whole = short.isWellFormed() ? short : short.toWellFormed()
  return whole.includes('\u0000') ? whole.replaceAll('\u0000', '\uFFFD') : whole
}

/** The end of a shortened text, with the last character that is kept unless that would split a pair. */
const SHORTENED = /^.?… [\d.]+ (?:bytes|kB|MB) more$/s

/** The first `most` characters and the size of the rest: `Invalid line: 0,0,0,… 4.9 MB more`. */
function shortened(text: string, most: number): string {
  const splitsPair = /[\uD800-\uDBFF]/.test(text.charAt(most - 1))
  const kept = text.slice(0, splitsPair ? most - 1 : most)
  return `${kept}… ${humanBytes(Buffer.byteLength(text) - Buffer.byteLength(kept))} more`
}

/** `12 bytes`, `3.4 kB`, `4.9 MB`. */
export function humanBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`
  const [size, unit] = bytes < 999_950 ? [bytes / 1_000, 'kB'] : [bytes / 1_000_000, 'MB']
  return `${Math.round(size * 10) / 10} ${unit}`
}

/** JSON.stringify overflows the stack at about 2,500 levels, jsonb at about 15,000. */
const MOST_LEVELS = 500

/**
 * Returns JSON text that jsonb accepts. Its texts and keys are made storable. Returns undefined for undefined and
 * functions. Throws UsageError if JSON cannot represent the value (a bigint, a cycle), if it is nested too deep, or if
 * a getter or toJSON throws.
 */
export function storableJson(value: unknown): string | undefined {
  const levels = new Map<object, number>()
  function storable(this: object, _key: string, member: unknown): unknown {
    if (typeof member === 'string') return storableText(member)
    if (typeof member !== 'object' || member === null) return member
    const level = (levels.get(this) ?? 0) + 1
    if (level > MOST_LEVELS) throw new RangeError(`it is nested more than ${MOST_LEVELS} levels deep`)
    const renamed = withStorableKeys(member)
    levels.set(renamed, level)
    return renamed
  }
  try {
    return JSON.stringify(value, storable)
  } catch (cause) {
    // For a cycle, Node's message has more lines with a drawing of the cycle.
    throw new UsageError(`This cannot be stored as JSON: ${messageOf(cause).split('\n', 1)}`, { cause })
  }
}

function withStorableKeys(value: object): object {
  if (Array.isArray(value) || Object.keys(value).every((key) => storableText(key) === key)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [storableText(key), member]))
}

/** Returns the text of one record, for an array of a composite type. */
export function storableRecord(...values: readonly (string | number | null | undefined)[]): string {
  return `(${values.map((value) => (typeof value === 'string' ? quoted(value) : (value ?? ''))).join()})`
}

function quoted(text: string): string {
  return `"${/["\\]/.test(text) ? text.replaceAll(/["\\]/g, '\\$&') : text}"`
}
