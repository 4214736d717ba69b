import { inspect } from 'node:util'

/** Details of an error besides its message; never a secret. */
export type ErrorFields = Readonly<Record<string, string | number | boolean | null | undefined>>

export interface TminusErrorOptions {
  /** Stable, for programs: `http_status`, `database_unreachable`, … */
  code: string
  /** False if a retry cannot help: the task fails at once, even if `retries` are left. Default true. */
  retryable?: boolean
  cause?: unknown
  fields?: ErrorFields
}

/** The base class of every error that T-minus throws on purpose. Its message is one sentence that says what to do. */
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

/** A wrong setting or command: the process exits with code 2. */
export class UsageError extends TminusError {
  override readonly name = 'UsageError'

  constructor(message: string, options: Partial<TminusErrorOptions> = {}) {
    super(message, { code: 'usage', retryable: false, ...options })
  }
}

/** The message of any thrown value. Never throws, even if a getter of that value throws. */
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
 * The stacks of an error and its causes (at most ten), for the log. Each message passes through `shorten`, so that a
 * message of megabytes leaves room for the stack. Throws if a getter of the error throws.
 */
export function stacksOf(error: unknown, shorten: (message: string) => string, most = 10): string {
  if (!(error instanceof Error) || most === 0) return shorten(messageOf(error))
  const [message, stack] = [String(error.message), String(error.stack ?? messageOf(error))]
  const at = stack.indexOf(message)
  const own = at < 0 ? stack : stack.slice(0, at) + shorten(message) + stack.slice(at + message.length)
  return error.cause === undefined ? own : `${own}\ncaused by ${stacksOf(error.cause, shorten, most - 1)}`
}

const MOST_ISSUES = 3

/**
 * Compares the class by name, because a pipeline may use its own copy of zod. A zod error's own message is JSON over
 * many lines.
 */
function issuesOf(error: Error): string | undefined {
  if (error.name !== 'ZodError' || !('issues' in error) || !Array.isArray(error.issues)) return undefined
  const lines = issueLines(error.issues)
  const more = lines.length > MOST_ISSUES ? [`and ${lines.length - MOST_ISSUES} more`] : []
  return [...lines.slice(0, MOST_ISSUES), ...more].join('; ')
}

/**
 * One line for each issue of a zod error: `launches.0.net: Invalid ISO datetime`.
 *
 * @param whole names the value itself, for an issue without a path
 */
export function issueLines(issues: readonly { path: readonly PropertyKey[]; message: string }[], whole = ''): string[] {
  return issues.map(({ path, message }) => [path.map(String).join('.') || whole, message].filter(Boolean).join(': '))
}

/** True unless the error itself says that a retry cannot help. */
export function isRetryable(error: unknown): boolean {
  return !(error instanceof Error && 'retryable' in error && error.retryable === false)
}
