import { inspect } from 'node:util'

/** What is known about an error besides its sentence; never a secret. */
export type ErrorFields = Readonly<Record<string, string | number | boolean | null | undefined>>

export interface TminusErrorOptions {
  /** Stable, for programs: `http_status`, `database_unreachable`, … */
  code: string
  /** False where waiting cannot mend it: the task fails at once, whatever its `retries`. Default true. */
  retryable?: boolean
  cause?: unknown
  fields?: ErrorFields
}

/** The base of every error thrown on purpose. Its message is one sentence that says what to do, without secrets. */
export class TminusError extends Error {
  override readonly name: string = 'TminusError'
  readonly code: string
  readonly retryable: boolean
  readonly fields: ErrorFields

  constructor(message: string, { code, retryable = true, cause, fields = {} }: TminusErrorOptions) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.retryable = retryable
    this.fields = fields
  }
}

/** A wrong setting or a wrong command: the process ends with exit code 2. */
export class UsageError extends TminusError {
  override readonly name = 'UsageError'

  constructor(message: string, options: Partial<TminusErrorOptions> = {}) {
    super(message, { code: 'usage', retryable: false, ...options })
  }
}

/** The sentence in whatever was thrown. Never throws, though what a task throws may have getters that do. */
export function messageOf(error: unknown): string {
  try {
    return sentenceOf(error)
  } catch {
    return 'an error whose message cannot be read'
  }
}

function sentenceOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  if (error instanceof Error) return issuesOf(error) ?? String(error.message || error.name)
  return typeof error === 'string' ? error : inspect(error, { breakLength: Number.POSITIVE_INFINITY })
}

/**
 * For the log: the stacks of an error and its causes, at most ten of them. `shorten` is given each message, so that one
 * of megabytes leaves room for the stack. Throws what a getter of the error throws.
 */
export function stacksOf(error: unknown, shorten: (message: string) => string, most = 10): string {
  if (!(error instanceof Error) || most === 0) return shorten(messageOf(error))
  const [message, stack] = [String(error.message), String(error.stack ?? messageOf(error))]
  const at = stack.indexOf(message)
  const own = at < 0 ? stack : stack.slice(0, at) + shorten(message) + stack.slice(at + message.length)
  return error.cause === undefined ? own : `${own}\ncaused by ${stacksOf(error.cause, shorten, most - 1)}`
}

const MOST_ISSUES = 3

/** The message of a zod error, of whatever copy of zod, is JSON over many lines. */
function issuesOf(error: Error): string | undefined {
  if (error.name !== 'ZodError' || !('issues' in error) || !Array.isArray(error.issues)) return undefined
  const issues = error.issues as { path: PropertyKey[]; message: string }[]
  const told = issues.slice(0, MOST_ISSUES).map(({ path, message }) => [path.map(String).join('.'), message])
  const more = issues.length > MOST_ISSUES ? `; and ${issues.length - MOST_ISSUES} more` : ''
  return `${told.map((parts) => parts.filter(Boolean).join(': ')).join('; ')}${more}`
}

/** True unless the error itself says that waiting cannot mend it. */
export function isRetryable(error: unknown): boolean {
  return !(error instanceof Error && 'retryable' in error && error.retryable === false)
}
