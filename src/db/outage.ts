import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../errors.ts'
import { SILENT } from './deadline.ts'

/**
 * SQLSTATE codes that concern the connection or the server, not the statement. They include a server without memory,
 * connections or disk space (53…), one that cannot read its files (58…), and one that is read-only, for example after a
 * failover (25006).
 */
const OUTAGE_STATES = /^(08...|57P0[1-5]|53[0-3]00|580[03]0|25006|25P0[34])$/
/** Node's codes for a temporary failure of network, name server or machine. EAGAIN: a socket's queue is full. */
const SYSTEM_CODES = new Set(
  `ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ENOTCONN ETIMEDOUT ENOENT EAGAIN ENOTFOUND EAI_AGAIN EAI_FAIL EAI_MEMORY
  EHOSTUNREACH EHOSTDOWN ENETUNREACH ENETDOWN ENETRESET EADDRNOTAVAIL EMFILE ENFILE ENOBUFS ERR_STREAM_DESTROYED`.split(
    /\s+/,
  ),
)
/** Messages of node-postgres that come without a code. */
const LOST =
  /connection terminated|connection error|timeout expired|query read timeout|timeout exceeded when trying to connect|not queryable|error establishing an SSL connection/i

/** True if the database was unreachable or the connection broke: the same statement may succeed in a moment. */
export function isOutage(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isOutage)
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? String(error.code) : ''
  if (code === SILENT) return true
  // The message of Node's error for a file, and only that, begins with the code.
  if (SYSTEM_CODES.has(code) && error.message.startsWith(`${code}: `)) return false
  return OUTAGE_STATES.test(code) || SYSTEM_CODES.has(code) || LOST.test(error.message)
}

/** How long to retry while the database is unreachable. */
const OUTAGE_MS = 60_000
const BROKEN_MS = 5_000
const FIRST_WAIT_MS = 50
const LONGEST_WAIT_MS = 1_000

/**
 * Repeats work that is safe to repeat while the database is unreachable. After `forMs`, or when the signal aborts, it
 * throws the last error. Calls `onWait` at the first failure of an outage.
 */
export async function retryDuringOutage<T>(
  work: () => Promise<T>,
  { forMs = OUTAGE_MS, signal, onWait }: { forMs?: number; signal?: AbortSignal; onWait?: (error: Error) => void } = {},
): Promise<T> {
  const deadline = performance.now() + forMs
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      return await work()
    } catch (error) {
      if (!isOutage(error) || performance.now() + wait > deadline || signal?.aborted) throw error
      if (wait === FIRST_WAIT_MS) onWait?.(error as Error)
      await delay(wait, undefined, signal && { signal }).catch(() => {})
    }
  }
}

/**
 * How long to wait for a server that has never answered before, ms. The address is right if a Postgres server says that it
 * starts, stops or ends this session. A server that breaks a connection may be such a server, or none of Postgres.
 */
export function restartMs(error: Error): number {
  const code = 'code' in error ? String(error.code) : ''
  // node-postgres says "not queryable" only of a connection that was open.
  if (/^57P0[123]$/.test(code) || /not queryable/.test(error.message)) return OUTAGE_MS
  return /^(ECONNRESET|EPIPE)$/.test(code) || /^connection terminated unexpectedly/i.test(error.message) ? BROKEN_MS : 0
}

const REPORT_EVERY_MS = 60_000

interface Log {
  warn(message: string): void
  error(fields: object, message: string): void
}

/** Returns a logger for work that restarts by itself after an outage. It does not log the outage. */
export function logUnlessOutage(log: Pick<Log, 'error'>, message: string): (error: Error) => void {
  return (error) => isOutage(error) || log.error({ err: error }, message)
}

/**
 * Returns a logger for the errors of repeated work. It logs the same error once a minute, and an outage without a stack.
 * `fields`: of which part of the work the error is, such as the dag. Each part is logged by itself.
 */
export function logFailures(log: Log, message: string): (error: Error, fields?: object) => void {
  const logged = new Map<string, { text: string; at: number }>()
  return (error, fields = {}) => {
    const isAway = isOutage(error)
    const [key, text] = [JSON.stringify(fields), isAway ? '' : messageOf(error)]
    const last = logged.get(key)
    if (last?.text === text && performance.now() - last.at < REPORT_EVERY_MS) return
    logged.set(key, { text, at: performance.now() })
    if (isAway) log.warn(`the database is unreachable (${messageOf(error)}): ${message}`)
    else log.error({ ...fields, err: error }, message)
  }
}
