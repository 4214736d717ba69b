/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { MiddlewareHandler } from 'hono'
import { within } from '../clock.ts'
import { commandFor } from '../command-for.ts'
import type { Check } from '../commands.ts'
import { listExecuting } from '../maintenance/alive.ts'
import { beginning, SHOWN } from './excerpt.ts'
import { Notice } from './parts.tsx'
import { checkDags } from './queries/checks.ts'
import type { Site, WebContext, WebEnv } from './site.ts'

/** The problems that need a person. */
export type Attention = readonly Check[]

const CACHED_MS = 5_000
/** A page waits at most this long for the checks, then shows the last known problems. The first checks import modules. */
const WAIT_MS = { first: 2_000, later: 300 }

/** Reads the problems for requests of whole pages. Pages within five seconds share one reading. */
export function readAttention(): MiddlewareHandler<WebEnv> {
  let known: { at: number; problems: Attention } | undefined
  let reading: Promise<unknown> | undefined
  const read = async (site: Site) => {
    const problems = await findProblems(site)
    known = { at: performance.now(), problems }
  }
  return async (c, next) => {
    if (c.req.method === 'GET' && c.req.header('accept')?.includes('text/html')) {
      if (known === undefined || performance.now() - known.at > CACHED_MS) {
        // If the database does not answer, the page itself says so.
        reading ??= read(c.var.site)
          .catch(() => {})
          .finally(() => {
            reading = undefined
          })
        await within(known === undefined ? WAIT_MS.first : WAIT_MS.later, reading)
      }
      c.set('attention', known?.problems ?? [])
    }
    await next()
  }
}

async function findProblems(site: Site): Promise<Attention> {
  const [executing, checks] = await Promise.all([listExecuting(site.metadata), checkDags(site)])
  const urgent = checks.filter(({ level, urgent = level === 'fail' }) => urgent)
  return executing.length > 0 ? urgent : [nothingExecutes(), ...urgent]
}

function nothingExecutes(): Check {
  const message = `no running process executes scheduled runs; start one with ${commandFor('start')}`
  return { name: 'processes', level: 'fail', message }
}

/** The number of problems beside the link to the health page. */
export function AttentionBadge({ problems }: { problems: Attention | undefined }) {
  if (problems === undefined || problems.length === 0) return null
  return (
    <>
      {' '}
      <span class="badge">
        {problems.length}
        <span class="hidden"> {problems.length === 1 ? 'problem' : 'problems'}</span>
      </span>
    </>
  )
}

const MOST = 3

/** The problems that need a person, for the top of a board. Empty if there is none. */
export function AttentionNotice({ c }: { c: WebContext }) {
  const { attention = [], site } = c.var as Partial<WebEnv['Variables']>
  return (
    <>
      {attention.slice(0, MOST).map(({ name, message }) => (
        <Notice kind="bad">
          <strong>{name}</strong>: {site && beginning(message, SHOWN.sentence, site.scrub)}.{' '}
          <a href="/status">See all checks</a>
        </Notice>
      ))}
    </>
  )
}
