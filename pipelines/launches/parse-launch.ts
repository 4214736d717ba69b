import type { ApiVersion } from './api-version.ts'
import type { Launch } from './launch.ts'
import { SCHEMAS } from './schemas.ts'

export interface Issue {
  /** The path of the field, such as `status.id`; empty for the launch as a whole. */
  path: string
  message: string
}

/** The parsed launch, or the issues with it. `details`: the launch as received, as JSON that Postgres can store. */
export type Parsed = ParsedLaunch | { launchId?: string; issues: Issue[]; details: string }

export interface ParsedLaunch {
  launch: Launch
  /** True: received in detailed mode, so `webcast_url` and `info_url` are known. */
  detailed: boolean
  details: string
}

/** Parses one element of `results`. Never throws: a launch that does not match the schema is returned with its issues. */
export function parseLaunch(version: ApiVersion, received: unknown): Parsed {
  if (isDeeperThan(MAX_DEPTH, received)) {
    const issue = { path: '', message: `Too deep: nested more than ${MAX_DEPTH} levels` }
    return { ...idOf(received), issues: [issue], details: 'null' }
  }
  const { value, json } = storable(received)
  if (isListMode(value)) {
    const message = 'Wrong mode: mode=list lacks most fields of a launch; remove mode, or use mode=detailed'
    return { ...idOf(value), issues: [{ path: 'mode', message }], details: json }
  }
  const parsed = SCHEMAS[version].safeParse(value)
  if (parsed.success) return { ...parsed.data, details: json }
  const issues = parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }))
  return { ...idOf(value), issues, details: json }
}

/** Postgres' parser is recursive and fails at a depth that depends on its stack size. */
const MAX_DEPTH = 100

function isDeeperThan(depth: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (depth === 0) return true
  for (const child of Object.values(value)) if (typeof child === 'object' && isDeeperThan(depth - 1, child)) return true
  return false
}

function idOf(value: unknown): { launchId?: string } {
  const { id } = (value ?? {}) as { id?: unknown }
  return typeof id === 'string' && id.length > 0 && id.length <= 255 ? { launchId: id } : {}
}

/** In list mode, 2.2.0 has texts instead of objects; 2.3.0 names the mode in `response_mode`. */
function isListMode(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return 'lsp_name' in value || ('response_mode' in value && value.response_mode === 'list')
}

/** Matches JSON text with an escaped NUL or unpaired surrogate. It may also match an escaped backslash. */
const SUSPICIOUS = /\\u(?:0000|d[89a-f])/

/** Postgres stores neither NUL (22P05) nor an unpaired surrogate (22P02). Both become U+FFFD. */
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
