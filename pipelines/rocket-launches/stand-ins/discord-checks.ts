/** An error in a message, in Discord's format. */
export interface Issue {
  path: (string | number)[]
  code: string
  message: string
}

export type Path = Issue['path']
/** A JSON object with unchecked fields. */
export type Fields = Record<string, unknown>

/** The length that Discord counts: code points, without white space at either end. */
export function discordLength(value: string): number {
  return [...value.trim()].length
}

interface TextRule {
  max: number
  required?: boolean
  /** True: Discord treats an empty text like a missing text. */
  empty?: boolean
}

export function text(value: unknown, path: Path, rule: TextRule): Issue[] {
  if (value === undefined || value === null) return rule.required ? [required(path)] : []
  if (typeof value !== 'string') {
    return [{ path, code: 'STRING_TYPE_CONVERT', message: `Could not interpret "${value}" as string.` }]
  }
  const size = discordLength(value)
  if (size === 0 && !rule.empty) return [required(path)]
  return size > rule.max ? [tooLong(path, rule.max)] : []
}

export const imageSchemes = ['http', 'https', 'attachment']

export function url(value: unknown, path: Path, schemes = ['http', 'https']): Issue[] {
  const address = String(value)
  const scheme = /^([a-z][\w+.-]*):/i.exec(address)?.[1] ?? address
  if (!schemes.includes(scheme.toLowerCase())) {
    const known = schemes.map((each) => `'${each}'`).join(', ')
    const message = `Scheme "${scheme.toLowerCase()}" is not supported. Scheme must be one of (${known}).`
    return [{ path, code: 'URL_TYPE_INVALID_SCHEME', message }]
  }
  if (address.length > 2048) return [tooLong(path, 2048)]
  if (/\s/.test(address) || !URL.canParse(address)) {
    return [{ path, code: 'URL_TYPE_INVALID_URL', message: 'Not a well formed URL.' }]
  }
  return []
}

export function color(value: unknown, path: Path): Issue[] {
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    return [{ path, code: 'NUMBER_TYPE_COERCE', message: `Value "${value}" is not int.` }]
  }
  if (value >= 0 && value <= 0xffffff) return []
  const bound = value < 0 ? 'greater than or equal to 0' : 'less than or equal to 16777215'
  const code = value < 0 ? 'NUMBER_TYPE_MIN' : 'NUMBER_TYPE_MAX'
  return [{ path, code, message: `int value should be ${bound}.` }]
}

export function timestamp(value: unknown, path: Path): Issue[] {
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\d/.test(value) && !Number.isNaN(Date.parse(value))) return []
  return [{ path, code: 'DATE_TIME_TYPE_PARSE', message: `Could not parse ${value}. Should be ISO8601.` }]
}

export function snowflake(value: unknown, path: Path): Issue[] {
  if (/^\d{1,20}$/.test(String(value))) return []
  return [{ path, code: 'NUMBER_TYPE_COERCE', message: `Value "${value}" is not snowflake.` }]
}

export function list(value: unknown, path: Path, max: number, check: (each: unknown, path: Path) => Issue[]): Issue[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) {
    return [{ path, code: 'LIST_TYPE_CONVERT', message: 'Only iterables may be used in a ListType' }]
  }
  if (value.length > max) return [tooLong(path, max)]
  return value.flatMap((each, index) => check(each, [...path, index]))
}

export function part(value: unknown, path: Path, check: (value: Fields, path: Path) => Issue[]): Issue[] {
  if (value === undefined) return []
  return isFields(value) ? check(value, path) : [notADict(path)]
}

export function optional(value: unknown, check: (value: unknown) => Issue[]): Issue[] {
  return value === undefined || value === null ? [] : check(value)
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isBlank(value: unknown): boolean {
  return !Array.isArray(value) || value.length === 0
}

export function required(path: Path): Issue {
  return { path, code: 'BASE_TYPE_REQUIRED', message: 'This field is required' }
}

export function tooLong(path: Path, max: number): Issue {
  return { path, code: 'BASE_TYPE_MAX_LENGTH', message: `Must be ${max} or fewer in length.` }
}

export function length(path: Path, min: number, max: number): Issue {
  return { path, code: 'BASE_TYPE_BAD_LENGTH', message: `Must be between ${min} and ${max} in length.` }
}

export function choice(path: Path, field: string, value: number): Issue {
  return { path, code: 'UNION_TYPE_CHOICES', message: `Value of field "${field}" must be one of (${value},).` }
}

export function notADict(path: Path): Issue {
  return { path, code: 'DICT_TYPE_CONVERT', message: 'Only dictionaries may be used in a DictType' }
}
