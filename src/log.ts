import { createRequire } from 'node:module'
import { Writable } from 'node:stream'
import pino, { type Logger } from 'pino'
import type { PrettyOptions } from 'pino-pretty'
import type { Scrub } from './secrets.ts'
import { visibleJson, visibleText } from './visible-text.ts'

export type { Logger }

export interface LogOptions {
  level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** `auto`: pretty on a terminal, JSON lines otherwise. */
  format: 'auto' | 'pretty' | 'json'
  scrub: Scrub
  /** Default: standard output. */
  to?: LogTarget
}

export type LogTarget = NodeJS.WritableStream & { isTTY?: boolean }

/**
 * Opens the process log. The logger scrubs whole lines of JSON, so it also finds secrets inside messages and stacks.
 */
export function openLog({ level, format, scrub, to = process.stdout }: LogOptions): Logger {
  const isPretty = format === 'pretty' || (format === 'auto' && to.isTTY === true)
  const out = isPretty
    ? prettyStream({
        destination: to,
        colorize: to.isTTY === true,
        ignore: ['pid', 'hostname', ...WHERE, 'try_number', 'reason', level === 'debug' ? '' : 'err'].join(),
        messageFormat: inOneLine,
        singleLine: true,
        translateTime: 'HH:MM:ss',
        sync: true,
      })
    : to
  const sink = new Writable({
    decodeStrings: false,
    // Scrub before formatting: formatting breaks and indents lines, which would hide a secret from the scrubber.
    write: (line: string | Buffer, _encoding, done) => {
      const scrubbed = scrub(line.toString())
      out.write(isPretty ? visibleLine(scrubbed) : visibleJson(scrubbed))
      done()
    },
  })
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, sink)
}

/** Makes every text in the line safe for a terminal: the formatter prints JSON's escapes as real characters. */
function visibleLine(line: string): string {
  try {
    return `${JSON.stringify(visibleValue(JSON.parse(line)))}\n`
  } catch {
    return visibleText(line)
  }
}

function visibleValue(value: unknown): unknown {
  if (typeof value === 'string') return visibleText(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(visibleValue)
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [visibleText(key), visibleValue(member)]))
}

/** Loaded on demand: JSON output does not need it. */
const prettyStream = (options: PrettyOptions): NodeJS.WritableStream =>
  createRequire(import.meta.url)('pino-pretty')(options)

const WHERE = ['dag_id', 'run_id', 'task_id']

/** `rocket-launches scheduled__… fetch_and_store_data: failed: why` */
function inOneLine(line: Record<string, unknown>, messageKey: string): string {
  const where = WHERE.flatMap((field) => line[field] ?? []).join(' ')
  const { message } = (line.err ?? {}) as { message?: unknown }
  return [where, line[messageKey], line.reason, message].filter(Boolean).join(': ')
}

/** Wraps an observer so that it cannot disturb a run: its errors are logged. */
export function watching<A extends unknown[]>(log: Logger, watch?: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      watch?.(...args)
    } catch (err) {
      log.error({ err }, 'displaying the progress of a run failed; the run is not affected')
    }
  }
}

/** Writes the lines of a callback into the log of the process. */
export function openTaskLog(log: Logger) {
  const line = (level: 'debug' | 'info' | 'warn' | 'error') => (message: string, fields?: Record<string, unknown>) =>
    log[level](fields ?? {}, message)
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
}
