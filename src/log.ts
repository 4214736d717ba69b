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

/** The process's own log. Whole lines of JSON are scrubbed, so a secret inside a message or a stack is caught too. */
export function openLog({ level, format, scrub, to = process.stdout }: LogOptions): Logger {
  const isPretty = format === 'pretty' || (format === 'auto' && to.isTTY === true)
  const out = isPretty
    ? prettied({
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
    // Before it is made pretty: that breaks and indents lines, and a secret in them would no longer be found.
    write: (line: string | Buffer, _encoding, done) => {
      const scrubbed = scrub(line.toString())
      out.write(isPretty ? visibleLine(scrubbed) : visibleJson(scrubbed))
      done()
    },
  })
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, sink)
}

/** The same line with every text in it as a terminal may show it: made pretty, escapes of JSON are written out. */
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

/** Loaded here: who writes JSON has no need of it. */
const prettied = (options: PrettyOptions): NodeJS.WritableStream =>
  createRequire(import.meta.url)('pino-pretty')(options)

const WHERE = ['dag_id', 'run_id', 'task_id']

/** `rocket-launches scheduled__… fetch_and_store_data: failed: why` */
function inOneLine(line: Record<string, unknown>, messageKey: string): string {
  const where = WHERE.flatMap((field) => line[field] ?? []).join(' ')
  const { message } = (line.err ?? {}) as { message?: unknown }
  return [where, line[messageKey], line.reason, message].filter(Boolean).join(': ')
}

/** What only looks on cannot disturb a run: what it throws is logged. */
export function watching<A extends unknown[]>(log: Logger, watch?: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      watch?.(...args)
    } catch (err) {
      log.error({ err }, 'showing what a run does failed; the run is not affected')
    }
  }
}
