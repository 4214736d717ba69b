/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { isOutage } from '../db/outage.ts'
import { messageOf, TminusError, UsageError } from '../errors.ts'
import { Page } from './layout.tsx'
import type { WebContext } from './site.ts'

/** The reason why a request was refused or failed. */
export interface Problem {
  status: ContentfulStatusCode
  title: string
  detail: string
  /** Messages by field name. */
  errors?: Readonly<Record<string, string>>
}

/** Refuses a request. Pages and the API may throw it anywhere. */
export class ProblemError extends TminusError {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail, { code: 'http_problem', retryable: false })
    this.problem = problem
  }
}

export function refused(status: 413 | 415 | 429, detail: string): ProblemError {
  return new ProblemError({ status, title: TITLES[status] ?? 'Refused', detail })
}

export function notFound(detail: string): ProblemError {
  return new ProblemError({ status: 404, title: 'Not found', detail })
}

export function badRequest(detail: string, errors?: Problem['errors']): ProblemError {
  return new ProblemError({ status: 400, title: 'Invalid request', detail, ...(errors && { errors }) })
}

/** For a page that cannot be shown now, but can be later. */
export function unavailable(detail: string): ProblemError {
  return new ProblemError({ status: 503, title: 'Not available now', detail })
}

/** Shows an error: as a page, or as RFC 9457 JSON below /api/. Logs unexpected errors. */
export function showError(error: Error, c: WebContext) {
  const problem = problemOf(error)
  if (problem.status === 500) c.var.site?.log.error({ err: error, path: c.req.path.slice(0, 500) }, 'a request failed')
  if (BUSY.has(problem.status) && !c.res.headers.has('retry-after')) c.header('retry-after', '5')
  if (c.req.path.startsWith('/api/')) return problemJson(c, problem)
  const { status, title, detail } = problem
  return c.html(
    <Page c={c} title={title}>
      <section class="problem">
        <p class="problem-status">{status}</p>
        <h1>{title}</h1>
        <p>{detail}</p>
        <p>
          <a href="/">Start page</a> · <a href="/dags">All pipelines</a>
        </p>
      </section>
    </Page>,
    status,
  )
}

/** https://www.rfc-editor.org/rfc/rfc9457 */
export function problemJson(c: WebContext, { status, title, detail, errors }: Problem) {
  c.header('content-type', 'application/problem+json')
  return c.body(JSON.stringify({ type: 'about:blank', title, status, detail, ...(errors && { errors }) }), status)
}

const BUSY = new Set<number>([429, 503])

/** Most characters of an error in an answer, because it may repeat text of the request. */
const LONGEST_DETAIL = 500
const MOST_ERRORS = 20

function problemOf(error: Error): Problem {
  const { detail, errors, ...problem } = classify(error)
  return {
    ...problem,
    detail: detail.slice(0, LONGEST_DETAIL),
    ...(errors && { errors: Object.fromEntries(Object.entries(errors).slice(0, MOST_ERRORS).map(shortened)) }),
  }
}

function shortened([name, error]: [string, string]): [string, string] {
  return [name.slice(0, 100), error.slice(0, LONGEST_DETAIL)]
}

function classify(error: Error): Problem {
  if (error instanceof ProblemError) return error.problem
  if (error instanceof HTTPException) {
    return {
      status: error.status as ContentfulStatusCode,
      title: TITLES[error.status] ?? 'Refused',
      detail: messageOf(error),
    }
  }
  if (error instanceof TminusError && error.code === 'login_busy')
    return { status: 503, title: 'Busy', detail: error.message }
  if (error instanceof TminusError && error.code === 'login_share')
    return { status: 429, title: 'Too many tries', detail: error.message }
  if (error instanceof UsageError && error.code === 'run_in_use')
    return { status: 409, title: TITLES[409] ?? '', detail: error.message }
  if (error instanceof UsageError) return { status: 400, title: 'Invalid request', detail: error.message }
  // Postgres cannot store NUL, neither in text nor in JSON.
  if ('code' in error && (error.code === '22021' || error.code === '22P05'))
    return { status: 400, title: TITLES[400] ?? '', detail: 'The request contains text that cannot be stored.' }
  if (isOutage(error)) {
    return { status: 503, title: 'The database is unreachable', detail: 'It does not answer. Try again in a moment.' }
  }
  return { status: 500, title: 'Something went wrong', detail: 'The log of this process has the reason.' }
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Invalid request',
  401: 'Sign in first',
  403: 'Not allowed',
  404: 'Not found',
  409: 'In conflict',
  413: 'Too large',
  415: 'Unsupported format',
  421: 'Wrong address',
  429: 'Too many tries',
}
