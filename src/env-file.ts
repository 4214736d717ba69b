import { readFileSync, statSync } from 'node:fs'
import { parse } from 'dotenv'
import { UsageError } from './errors.ts'

export interface EnvFile {
  values: Readonly<Record<string, string>>
  /** One sentence for each line with no effect or a surprising effect. No sentence repeats a value. */
  problems: readonly string[]
}

const NAME = '.env'

/**
 * Reads `.env` of the current folder, in UTF-8 or UTF-16. No file: no values. Throws UsageError if the file cannot be
 * read.
 */
export function readEnvFile(): EnvFile {
  const bytes = readBytes()
  if (bytes === undefined) return { values: {}, problems: [] }
  const text = decode(bytes)
  if (text === undefined) throw new UsageError(`${NAME} is not a text file; save it as UTF-8`, { code: 'config' })
  const values = parse(text)
  return { values, problems: [...problemsOfLines(text, values), ...problemsOfBytes(bytes, values)] }
}

function readBytes(): Buffer | undefined {
  try {
    return readFileSync(NAME)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    const why = code === 'EISDIR' ? 'it is a folder' : code === 'EACCES' ? 'permission denied' : code
    throw new UsageError(`${NAME} in ${process.cwd()} cannot be read: ${why}; make it a file that this user can read`, {
      code: 'config',
      cause: error,
    })
  }
}

/** PowerShell's `>` writes UTF-16 with a byte order mark; other programs omit the mark. Undefined: not text. */
function decode(bytes: Buffer): string | undefined {
  const [first, second] = bytes
  const isBigEndian = (first === 0xfe && second === 0xff) || (first === 0 && second !== 0)
  const isUtf16 = isBigEndian || (first === 0xff && second === 0xfe) || (first !== 0 && second === 0)
  const encoding = isBigEndian ? 'utf-16be' : isUtf16 ? 'utf-16le' : 'utf-8'
  // TextDecoder removes the byte order mark.
  const text = new TextDecoder(encoding).decode(bytes)
  return text.includes('\0') ? undefined : text
}

/** Lines that dotenv silently skips or cuts off. */
function problemsOfLines(text: string, values: EnvFile['values']): string[] {
  const longValues = Object.values(values).filter((value) => value.includes('\n'))
  const isInsideValue = (line: string) =>
    longValues.some((value) => value.includes(line.replace(/['"`]\s*(#.*)?$/, '')))
  const seen = new Set<string>()
  return text.split(/\r\n?|\n/).flatMap((line, index) => {
    if (/^\s*(#|$)/.test(line) || isInsideValue(line)) return []
    const [name] = Object.keys(parse(line))
    if (name === undefined) return `Line ${index + 1} of ${NAME} is ignored: it is not NAME=value`
    if (seen.has(name)) return `${name} is set more than once in ${NAME}; the last value is used`
    seen.add(name)
    return isCutOff(line) ? `${name} in ${NAME} is cut off at its #; put a value with a # in quotes` : []
  })
}

/**
 * A # starts a comment anywhere in a value without quotes. If there is no space before the #, it was probably meant as
 * a part of the value.
 */
function isCutOff(line: string): boolean {
  const [, value = ''] = /[=:](.*)$/.exec(line) ?? []
  const [, before] = /^([^#]*)#/.exec(value) ?? []
  return before !== undefined && !/\s$/.test(before) && !/^\s*['"`]/.test(value)
}

const REPLACED = '\uFFFD'

/** Names or values in an older encoding, such as Windows-1252. Comments may have any encoding. */
function problemsOfBytes(bytes: Buffer, values: EnvFile['values']): string[] {
  if (bytes.includes(REPLACED)) return []
  return Object.entries(values)
    .filter(([name, value]) => (name + value).includes(REPLACED))
    .map(([name]) => `${name} in ${NAME} contains bytes that are not UTF-8; save the file as UTF-8`)
}

const MOST_BYTES = 65_536

export type SecretFile = { value: string } | { problem: string }

/** Reads the file named by a setting such as `POSTGRES_PASSWORD_FILE`, which is how Docker passes secrets. */
export function readSecretFile(path: string, newlinesAtEnd: RegExp): SecretFile {
  try {
    const { size } = statIn(path)
    if (size > MOST_BYTES) return { problem: `names a file of more than ${MOST_BYTES} bytes` }
    const text = decode(readFileSync(path))
    if (text === undefined) return { problem: 'names a file that is not text' }
    const value = text.replace(newlinesAtEnd, '')
    return value === '' ? { problem: 'names an empty file' } : { value }
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException
    return { problem: `names a file that cannot be read (${code})` }
  }
}

/** Accepts only plain files: a device may have no end, and a pipe is empty when read again. */
function statIn(path: string) {
  const found = statSync(path)
  if (found.isFile()) return found
  throw Object.assign(new Error('not a file'), { code: found.isDirectory() ? 'EISDIR' : 'not a plain file' })
}
