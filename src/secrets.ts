import { z } from 'zod'
import { needsEnvironment } from './setting-types.ts'

/** Replaces known secrets, and text that looks like one, by `***`. */
export type Scrub = (text: string) => string

/** Shorter values also occur inside ordinary words. */
const SHORTEST = 6

type Values = Readonly<Record<string, string | undefined>>
type Shape = Readonly<Record<string, z.core.$ZodType>>

/**
 * Marks a setting as a secret, even if its name does not suggest one: `settings: { PARTNER_CODE: secret(z.string()) }`.
 * The mark survives `.optional()`, `.default(…)`, `.min(5)` and so on.
 */
export function secret<Schema extends z.core.$ZodType>(schema: Schema): Schema {
  // Every schema that is derived from this schema copies its definition or contains it as an inner schema.
  return z.clone(schema, { ...schema._zod.def, [SECRET]: true } as Schema['_zod']['def'])
}

/** Marks the schema of a secret; the name of the member by which an object of a class gives its secret, such as a token. */
export const SECRET = Symbol.for('tminus.secret')

function isMarked({ _zod: { def } }: z.core.$ZodType, depth = 0): boolean {
  if (SECRET in def) return true
  const inner = Object.entries(def).flatMap(([name, member]) => (INNER.has(name) ? [member as z.core.$ZodType] : []))
  return depth < 8 && inner.some((one) => isMarked(one, depth + 1))
}

/**
 * Members that hold the inner schemas of `.optional()`, `.default()`, `.pipe()`, `.transform()`, arrays, intersections
 * and records.
 */
const INNER = new Set(['innerType', 'in', 'out', 'element', 'left', 'right', 'valueType'])

/** Judges a name by its words: `STRIPE_KEY`, `apiKey`, `PGPASSWORD`, not `COMPASS`. The path of a file is no secret. */
export function isSecretName(name: string): boolean {
  const words = name
    .replaceAll(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, '_')
    .toUpperCase()
    .split(/[^A-Z]+/)
    .filter((word) => word !== '')
  if (/^(FILE|PATH|DIR)$/.test(words.at(-1) ?? '')) return false
  return words.some((word) => SECRET_WORD.test(word) || (word === 'PWD' && words.length > 1))
}

/** The first group matches whole words only, the second also the end of compounds: `PGPASSWORD`, `APIKEY`. */
const SECRET_WORD =
  /^(PASS|KEYS?|DSN|WEBHOOKS?)$|(PASSWD|PASSWORD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|(API|ACCESS|PRIVATE|SIGNING)KEY)S?$/

/**
 * Collects secrets from three places: environment variables with a secret's name, addresses in any variable, and the
 * settings that dags declare, including defaults.
 */
export function scrubber(env: Values, dags: Iterable<{ settings: Shape }> = []): Scrub {
  const secrets = new Set<string>()
  for (const [name, value] of Object.entries(env)) {
    if (!value) continue
    if (isSecretName(name)) for (const one of partsOf(value)) secrets.add(one)
    for (const one of secretsIn(value)) secrets.add(one)
  }
  for (const value of declared(env, dags)) {
    for (const one of [...partsOf(value), ...secretsIn(value)]) secrets.add(one)
  }
  const long = [...secrets].filter((one) => one.length >= SHORTEST)
  const known = [...new Set(long.flatMap(spellings))].sort((a, b) => b.length - a.length)
  return (text) => scrubByPlace(known.reduce((rest, one) => rest.replaceAll(one, '***'), text))
}

/**
 * Values of settings that are secret by name or by `secret()`: the raw value and the parsed one, which may be a
 * default.
 */
function declared(env: Values, dags: Iterable<{ settings: Shape }>): string[] {
  return [...dags].flatMap(({ settings }) =>
    Object.entries(settings).flatMap(([name, schema]) => {
      // Such a setting may read a file, whose text is in no variable.
      if (needsEnvironment(schema) && env[name] !== undefined) return membersIn(parsed(schema, env))
      if (!isMarked(schema) && !isSecretName(name)) return []
      return [...textsIn(env[name]), ...textsIn(parsed(schema, env[name]))]
    }),
  )
}

/** Ignores parse errors, which `parseSettings` reports. */
function parsed(schema: z.core.$ZodType, value: unknown): unknown {
  try {
    return z.safeParse(schema, value).data
  } catch {
    return undefined
  }
}

/**
 * Skips an object of a class, such as a webhook. Not all its values are secret, and its text is collected in another
 * place.
 */
function textsIn(value: unknown, depth = 0): string[] {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return [String(value)]
  if (value instanceof URL) return [value.href]
  if (typeof value !== 'object' || value === null || depth > 4) return []
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return []
  return Object.values(value).flatMap((member) => textsIn(member, depth + 1))
}

/** The secrets of objects that have a member `SECRET`. */
function membersIn(value: unknown, depth = 0): string[] {
  if (typeof value !== 'object' || value === null || depth > 4) return []
  if (SECRET in value) return [String(value[SECRET])]
  return Object.values(value).flatMap((member) => membersIn(member, depth + 1))
}

/** The whole value, its comma-separated parts, and the lines of a key (a log may show single lines). */
function partsOf(value: string): string[] {
  const lines = value.split(/\r?\n|\\n/).map((line) => line.trim())
  const long = lines.filter((line) => line.length >= LINE && !line.startsWith('-----'))
  return [value, value.replaceAll('\\n', '\n'), ...value.split(','), ...long].map((part) => part.trim())
}

const LINE = 16

/**
 * A secret as plain text, in JSON (escaped once or twice), in URLs and forms, and inside base64 (Basic credentials).
 */
function spellings(one: string): string[] {
  const text = one.toWellFormed()
  const json = JSON.stringify(text).slice(1, -1)
  const encoded = encodeURIComponent(text)
  const strict = encoded.replaceAll(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
  const inUrl = [encoded, strict, encoded.replaceAll('%20', '+'), userinfo(text)]
  const lower = inUrl.map((part) => part.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()))
  return [one, json, JSON.stringify(json).slice(1, -1), ...inUrl, ...lower, ...base64(text)].filter(
    (part) => part.length >= SHORTEST,
  )
}

/** Encodes a text in the way `URL` encodes a password: some punctuation marks stay unchanged. */
function userinfo(text: string): string {
  const url = new URL('http://user@host')
  url.password = text
  return url.password
}

/**
 * The base64 of a secret, without the parts that depend on the text around the secret: `user:password` is encoded as
 * one text.
 */
function base64(text: string): string[] {
  const bytes = Buffer.from(text)
  return [0, 1, 2].flatMap((before) => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    const same = whole.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
    return [same, same.replaceAll('+', '-').replaceAll('/', '_')]
  })
}

/** Replaces secrets recognised by their place: a webhook's token, a password or token in an address. */
function scrubByPlace(text: string): string {
  return text
    .replace(/(\/webhooks\/\d+\/)[\w-]+/g, '$1***')
    .replace(/(\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/@"'<>]*:)(?!PASSWORD@)[^\s/@"'<>\\]+@/gi, '$1***@')
    .replace(/([?&](?:password|token)=)[^\s&#"'<>\\]+/gi, '$1***')
    .replace(/\b(Basic\s+)[A-Za-z0-9+/_-]{8,}={0,2}/g, '$1***')
    .replace(/(Authorization["']?\s*[:=]\s*["']?(?:Token|Bearer|Basic)\s+)[^\s"',]+/gi, '$1***')
}

/** The password of an address, even of a malformed one, and the token of a webhook address. */
function secretsIn(value: string): string[] {
  const [, address] = /^\s*[a-z][a-z0-9+.-]*:\/\/(.+)/is.exec(value) ?? []
  if (address === undefined) return []
  const places = [
    /^[^:/@]*:([^/?#]+)@/, // up to the last @ before the path
    /^[^:/@]*:(.+)@/s, // up to the very last @, for a password that contains a /
    /[?&]password=([^&#]+)/i,
    /\/webhooks\/\d+\/([\w-]+)/,
  ]
  const found = places.flatMap((place) => place.exec(address)?.[1] ?? [])
  return [...found, ...found.map(decode)]
}

/** Leaves a % that does not start an encoding unchanged. */
function decode(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (encoded) => {
    try {
      return decodeURIComponent(encoded)
    } catch {
      return encoded
    }
  })
}
