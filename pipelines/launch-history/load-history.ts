import { fail, rescheduleAt, type TaskContext, TminusError } from 'tminus'
import { z } from 'zod'
import { type LaunchLibrary, openLaunchLibrary, type Page } from '../launches/launch-library/launch-library.ts'
import { type Budget, openBudget, QuotaExhausted } from '../launches/launch-library/quota.ts'
import { parseLaunch } from '../launches/parse-launch.ts'
import { addIssues, type Issues, mostlyRejected } from '../launches/rejects.ts'
import type { LaunchLibrarySettings } from '../launches/settings.ts'
import { type PageSummary, storePage } from '../launches/store-page.ts'
import { type Cursor, cursorAfter, freshOf, refuseRepeated } from './cursor.ts'
import { advanceLoad, beginLoad, type Load, readLoad } from './history-store.ts'
import { doneWords, pageWords, progressWords, RESERVE, timeWords } from './progress.ts'
import { type Span, spanName } from './span.ts'

const count = z.int().nonnegative()

/** Of the whole load, whatever number of tries and runs it took. */
export const HistorySummary = z.object({
  /** Received, each once; the last four add up to it. */
  launches: count,
  pages: count,
  inserted: count,
  updated: count,
  unchanged: count,
  rejected: count,
})
export type HistorySummary = z.output<typeof HistorySummary>

export type Context = Pick<TaskContext, 'db' | 'http' | 'log' | 'logicalDate' | 'now' | 'signal'> & {
  params: Span
  settings: LaunchLibrarySettings
}

/**
 * Loads the previous launches of a span of time page by page, from wherever the last try or run left off: what a page
 * holds and how far the load is are written in one transaction.
 *
 * Throws Rescheduled until the quota has calls again, so that it goes on hour after hour; and where a later page
 * failed in a way that waiting mends, so that retries are spent on what never moves. TminusError `failed` where the
 * answers are not Launch Library's.
 */
export async function loadHistory(_inputs: unknown, context: Context): Promise<HistorySummary> {
  const { log, now, settings, signal } = context
  const { LAUNCH_LIBRARY_URL: baseUrl, LAUNCH_LIBRARY_TOKEN: token } = settings
  const budget = openBudget({ ...context, baseUrl, token, reserve: RESERVE })
  const library = openLaunchLibrary({ ...context, baseUrl, token, budget })
  const reading: Reading = { ...context, library, issues: new Map(), pages: new Set() }
  const begun = await openLoad(context)
  if (begun.finishedAt) log.info(`this load came to its end at ${timeWords(begun.finishedAt, now())} already`)
  else if (begun.pages > 0) log.info(`goes on after ${progressWords(begun)}`)
  let load = begun
  try {
    while (load.finishedAt === null) {
      const { moved, stored } = await loadPage(load, reading)
      load = moved
      log.info(`${pageWords(load, stored)}${doneWords(load, await budget.left(), now())}`)
      signal.throwIfAborted()
    }
  } catch (error) {
    throw (await later(error, { begun, load, budget, context })) ?? error
  }
  return HistorySummary.parse(load)
}

/**
 * An unfinished load of the same span goes on. A finished one begins anew, unless it came to its end after this run
 * was asked for: a run that had to wait for another one finds its work done.
 */
async function openLoad({ db, logicalDate, now, params, settings }: Context): Promise<Load> {
  const at = now()
  const { from, to = at } = params
  if (from && from >= at) throw fail(`from (${from.toISOString()}) is not past: no launch can be before it yet`)
  const which = { source: settings.LAUNCH_LIBRARY_URL, span: spanName(params) }
  const load =
    (await beginLoad(db, { ...which, netTo: to < at ? to : at, askedAt: logicalDate, now: at })) ??
    (await readLoad(db, which))
  if (load !== undefined) return load
  throw new TminusError('the row of this load in rocket_launch_history was deleted meanwhile', {
    code: 'history_moved',
  })
}

type Reading = Context & {
  library: LaunchLibrary
  issues: Issues
  /** The ids of each page so far, as JSON. */
  pages: Set<string>
}

async function loadPage(load: Load, reading: Reading): Promise<{ moved: Load; stored: PageSummary }> {
  const { db, issues, library, now, params } = reading
  const cursor: Cursor = { net: load.cursorNet ?? params.from ?? null, offset: load.cursorOffset, ids: load.cursorIds }
  const from = cursor.net ?? undefined
  const answer = await library.previous({ ...(from && { from }), to: load.netTo, offset: cursor.offset })
  const page = freshOf(cursor, answer.results).map((launch) => parseLaunch(library.version, launch))
  const broken = answer.wrongNext ?? brokenOff(answer, cursor)
  const next = answer.last && broken === undefined ? null : cursorAfter(cursor, answer.results)
  if (next !== null) refuseRepeated(reading.pages, answer.results)
  const unread = page.filter((parsed) => 'issues' in parsed).length
  addIssues(issues, page)
  const refused = mostlyRejected({ fetched: load.launches + page.length, rejected: load.rejected + unread }, issues)
  const at = now()
  let moved = load
  const stored = await storePage(db, page, at, {
    // A page that is refused is asked again once it can be read: the load stays before it.
    ...(refused === undefined && {
      alongside: async (connection, { inserted, updated, unchanged, rejected }) => {
        const counts = { launches: page.length, inserted, updated, unchanged, rejected }
        moved = await advanceLoad(connection, load, { counts, cursor: next, total: answer.count, now: at })
      },
    }),
  })
  if (refused !== undefined) throw refused
  if (broken !== undefined) throw broken
  return { moved, stored }
}

/** What to throw where the list counts more launches than it gave and names no next page. */
function brokenOff({ results, count, last }: Page, { offset }: Cursor): TminusError | undefined {
  const received = offset + results.length
  if (!last || count === null || received >= count) return undefined
  return fail(`The list of previous launches ended after ${received} of ${count} launches; start the run again later`)
}

const SOON_MS = 30_000

/** The wait that an error asks for, in words; undefined where the try has failed. */
async function later(
  error: unknown,
  { begun, load, budget, context }: { begun: Load; load: Load; budget: Budget; context: Context },
): Promise<Error | undefined> {
  if (context.signal.aborted || !(error instanceof TminusError)) return undefined
  const now = context.now()
  const soon = load !== begun && error.retryable ? new Date(now.getTime() + SOON_MS) : undefined
  const at = error instanceof QuotaExhausted ? error.until : soon
  if (at === undefined) return undefined
  context.log.info(`waits until ${timeWords(at, now)}`)
  const reason = error instanceof QuotaExhausted ? '' : `${error.message}; `
  const done = doneWords(load, await budget.left(), at)
  return rescheduleAt(at, `${reason}${progressWords(load)}, goes on at ${timeWords(at, now)}${done}`)
}
