import { messageOf } from '../errors.ts'
import { storableText } from './text.ts'

/** The limit for the fields of one log line, keys and values together. */
const MOST_CHARACTERS = 32_000
const MOST_CHARACTERS_OF_A_TEXT = 4_000
const MOST_LEVELS = 20

/**
 * Copies a log line's fields into a form that can be stored. Values that JSON or Postgres cannot store become a
 * description in brackets; long texts are shortened. Never throws.
 *
 * @param scrub removes secrets from texts and keys
 */
export function loggable(fields: unknown, scrub: (text: string) => string): Record<string, unknown> {
  const copy = new Copier(scrub).copy(fields, [])
  return isRecord(copy) ? copy : { fields: copy }
}

class Copier {
  readonly #scrub: (text: string) => string
  #left = MOST_CHARACTERS

  constructor(scrub: (text: string) => string) {
    this.#scrub = scrub
  }

  /** @param above the objects that contain it, to detect cycles */
  copy(value: unknown, above: readonly object[]): unknown {
    try {
      this.#left--
      if (typeof value === 'object' && value !== null) return this.#object(value, above)
      return typeof value === 'boolean' || Number.isFinite(value) ? value : this.#scalar(value)
    } catch (error) {
      return this.#text(`[cannot be read: ${messageOf(error)}]`)
    }
  }

  #scalar(value: unknown): unknown {
    if (value === undefined || value === null) return value
    return this.#text(typeof value === 'function' ? `[function ${value.name}]` : String(value))
  }

  #object(value: object, above: readonly object[]): unknown {
    if (above.includes(value)) return '[circular]'
    if (above.length === MOST_LEVELS) return '[nested too deep]'
    const inside = [...above, value]
    if (value instanceof Error) return this.#text(messageOf(value))
    if (value instanceof Date && Number.isNaN(value.getTime())) return '[invalid date]'
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
    if ('toJSON' in value && typeof value.toJSON === 'function') return this.copy(value.toJSON(), inside)
    if (Array.isArray(value)) return this.#array(value, inside)
    const entries: [string, unknown][] = []
    for (const key of Object.keys(value)) {
      if (this.#left <= 0) return Object.fromEntries([...entries, ['…', 'and more']])
      entries.push([this.#text(key), this.copy(read(value, key), inside)])
    }
    return Object.fromEntries(entries)
  }

  #array(values: readonly unknown[], inside: readonly object[]): unknown[] {
    const copied: unknown[] = []
    for (const value of values) {
      if (this.#left <= 0) return [...copied, `… ${values.length - copied.length} more`]
      copied.push(this.copy(value, inside))
    }
    return copied
  }

  #text(text: string): string {
    const most = Math.max(0, Math.min(this.#left, MOST_CHARACTERS_OF_A_TEXT))
    const storable = storableText(this.#scrub(text), most)
    this.#left -= storable.length
    return storable
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** If one getter throws, the other members are still copied. */
function read(value: object, key: string): unknown {
  try {
    return (value as Record<string, unknown>)[key]
  } catch (error) {
    return `[cannot be read: ${messageOf(error)}]`
  }
}
