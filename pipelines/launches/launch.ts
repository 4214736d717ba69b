import { SCHEMAS } from './schemas.ts'

export const API_VERSIONS = ['2.0.0', '2.2.0', '2.3.0', '2.4.0'] as const
export type ApiVersion = (typeof API_VERSIONS)[number]

/** A launch as this pipeline knows it, whichever version of the API told it. Null: not known. */
export interface Launch {
  /** The only key: names and slugs change. */
  launchId: string
  name: string
  slug: string | null
  /** No earlier than. A placeholder unless `isPrecise(netPrecision)`. */
  net: Date
  /**
   * Launch Library's id: 0 second, 1 minute, 2 hour, 3 morning, 4 afternoon, 5 day, 6 week, 7 month, 8–11 quarter,
   * 12/13 half, 14 year, 15 fiscal year, 16 decade; derived where the API does not give it.
   */
  netPrecision: number | null
  /** 1 go, 2 to be determined, 3 success, 4 failure, 5 hold, 6 in flight, 7 partial failure, 8 to be confirmed, 9 payload deployed. */
  status: { id: number; name: string }
  /** Absent in 2.0.0. Does not rise when only the image or the slug changes. */
  lastUpdated: Date | null
  windowStart: Date | null
  windowEnd: Date | null
  provider: string | null
  rocket: string | null
  family: string | null
  pad: string | null
  location: string | null
  /** Degrees, north and east positive. */
  latitude: number | null
  longitude: number | null
  missionName: string | null
  missionType: string | null
  missionDescription: string | null
  orbit: string | null
  /** Of the weather to be good, in percent. */
  probability: number | null
  holdReason: string | null
  failReason: string | null
  /** http(s) only, as are all addresses here. */
  imageUrl: string | null
  imageCredit: string | null
  /** True where it came in detailed mode, which alone tells `webcastUrl` and `infoUrl`. */
  detailed: boolean
  /** The best of the broadcasts. */
  webcastUrl: string | null
  webcastLive: boolean
  /** The best page about it. */
  infoUrl: string | null
}

/** Status ids of a launch that left the ground, whatever became of it. */
export const FLOWN: readonly number[] = [3, 4, 6, 7, 9]

/** Status ids after which nothing more is to come. */
export const FINAL: readonly number[] = [3, 4, 7]

export function isFlown(statusId: number | null): boolean {
  return statusId !== null && FLOWN.includes(statusId)
}

/** Precisions with which `net` is a time and not a placeholder: second, minute, hour. */
export const PRECISE: readonly number[] = [0, 1, 2]

export function isPrecise(netPrecision: number | null): boolean {
  return netPrecision !== null && PRECISE.includes(netPrecision)
}

/**
 * The version an address asks for, by its path alone. Never by the `url` inside a record, which names other versions.
 * Undefined where the path names none that is known here.
 */
export function apiVersion(url: string | URL): ApiVersion | undefined {
  const segments = URL.canParse(String(url)) ? new URL(url).pathname.split('/') : []
  return API_VERSIONS.find((version) => segments.includes(version))
}

export interface Issue {
  /** Dotted, as in `status.id`; empty for the launch as a whole. */
  path: string
  message: string
}

export type Parsed =
  /** `details`: the launch as received, as JSON that Postgres can store. */
  { launch: Launch; details: string } | { launchId?: string; issues: Issue[]; details: string }

/** Reads one element of `results`. Never throws: what does not fit comes back with the reasons. */
export function parseLaunch(version: ApiVersion, received: unknown): Parsed {
  if (deeperThan(MAX_DEPTH, received)) {
    const issue = { path: '', message: `Too deep: nested more than ${MAX_DEPTH} levels` }
    return { ...identified(received), issues: [issue], details: 'null' }
  }
  const { value, json } = storable(received)
  if (isListMode(value)) {
    const message = 'Wrong mode: mode=list lacks most of a launch; ask without mode, or with mode=detailed'
    return { ...identified(value), issues: [{ path: 'mode', message }], details: json }
  }
  const parsed = SCHEMAS[version].safeParse(value)
  if (parsed.success) return { launch: parsed.data, details: json }
  const issues = parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }))
  return { ...identified(value), issues, details: json }
}

/** Postgres' parser is recursive and gives up at a depth that depends on its stack. */
const MAX_DEPTH = 100

function deeperThan(depth: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (depth === 0) return true
  for (const child of Object.values(value)) if (typeof child === 'object' && deeperThan(depth - 1, child)) return true
  return false
}

function identified(value: unknown): { launchId?: string } {
  const { id } = (value ?? {}) as { id?: unknown }
  return typeof id === 'string' && id.length > 0 && id.length <= 255 ? { launchId: id } : {}
}

/** 2.2.0 has another shape there, with texts for objects; 2.3.0 says it in `response_mode`. */
function isListMode(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return 'lsp_name' in value || ('response_mode' in value && value.response_mode === 'list')
}

/** In JSON text, NUL and half surrogate pairs are escaped, and nothing else begins like this (save an escaped backslash). */
const SUSPICIOUS = /\\u(?:0000|d[89a-f])/

/** Postgres stores neither NUL (22P05) nor half a surrogate pair (22P02): both become U+FFFD. */
function storable(received: unknown): { value: unknown; json: string } {
  const json = JSON.stringify(received) ?? 'null'
  if (!SUSPICIOUS.test(json)) return { value: received, json }
  const value = cleaned(received)
  return { value, json: JSON.stringify(value) }
}

function cleaned(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\0', '\uFFFD')
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(cleaned)
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [cleaned(key), cleaned(child)]))
}
