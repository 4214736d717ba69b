import { fail, rescheduleAt, type TaskContext, TminusError } from 'tminus'
import { z } from 'zod'
import { type LaunchLibrary, openLaunchLibrary, type Page } from '../launches/launch-library/launch-library.ts'
import { type Budget, openBudget, QuotaExhausted } from '../launches/launch-library/quota.ts'
import { parseLaunch } from '../launches/parse-launch.ts'
import { addIssues, type Issues, mostlyRejected } from '../launches/rejects.ts'
import type { LaunchLibrarySettings } from '../launches/settings.ts'
import { type PageSummary, storePage } from '../launches/store-page.ts'
import { type Cursor, cursorAfter, newOf, refuseRepeated } from './cursor.ts'
import { advanceLoad, type Load, readLoad, startLoad } from './history-store.ts'
import { doneText, pageText, progressText, RESERVE, timeText } from './progress.ts'
import { type Span, spanName } from './span.ts'

const count = z.int().nonnegative()

/** Counts of the whole load, over all its tries and runs. */
export const HistorySummary = z.object({
  /** Distinct launches received: the sum of the last four. */
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
 * Loads the previous launches of a span page by page. It continues where the last try or run stopped, because one
 * transaction writes the launches of a page and the progress of the load.
 *
 * Throws Rescheduled if the quota is used up. Also throws Rescheduled instead of a retryable error if this try has
 * stored a page, so only a try without progress uses up a retry. Throws TminusError `failed` if the answers are not
 * from Launch Library.
 */
export async function loadHistory(_inputs: unknown, context: Context): Promise<HistorySummary> {
  const { log, now, settings, signal } = context
  const { LAUNCH_LIBRARY_URL: baseUrl, LAUNCH_LIBRARY_TOKEN: token } = settings
  const budget = openBudget({ ...context, baseUrl, token, reserve: RESERVE })
  const library = openLaunchLibrary({ ...context, baseUrl, token, budget })
  const reading: Reading = { ...context, library, issues: new Map(), pages: new Set() }
  const first = await openLoad(context)
  if (first.finishedAt) log.info(`already finished at ${timeText(first.finishedAt, now())}`)
  else if (first.pages > 0) log.info(`continues after ${progressText(first)}`)
  let load = first
  try {
    while (load.finishedAt === null) {
      const { moved, stored } = await loadPage(load, reading)
      load = moved
      log.info(`${pageText(load, stored)}${doneText(load, await budget.left(), now())}`)
      signal.throwIfAborted()
    }
  } catch (error) {
    throw (await rescheduled(error, { first, load, budget, context })) ?? error
  }
  return HistorySummary.parse(load)
}

/**
 * Continues an unfinished load of the same span. Restarts a finished load. If the load finished after this run was
 * triggered, does nothing, because another run has just done the work.
 */
async function openLoad({ db, logicalDate, now, params, settings }: Context): Promise<Load> {
  const at = now()
  const { from, to = at } = params
  if (from && from >= at) throw fail(`from (${from.toISOString()}) must be in the past`)
  const which = { source: settings.LAUNCH_LIBRARY_URL, span: spanName(params) }
  const load =
    (await startLoad(db, { ...which, netTo: to < at ? to : at, askedAt: logicalDate, now: at })) ??
    (await readLoad(db, which))
  if (load !== undefined) return load
  throw new TminusError('the row of this load in rocket_launch_history was deleted; start the run again', {
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
  const page = newOf(cursor, answer.results).map((launch) => parseLaunch(library.version, launch))
  const broken = answer.wrongNext ?? endedEarly(answer, cursor)
  const next = answer.last && broken === undefined ? null : cursorAfter(cursor, answer.results)
  if (next !== null) refuseRepeated(reading.pages, answer.results)
  const unread = page.filter((parsed) => 'issues' in parsed).length
  addIssues(issues, page)
  const refused = mostlyRejected({ fetched: load.launches + page.length, rejected: load.rejected + unread }, issues)
  const at = now()
  let moved = load
  const stored = await storePage(db, page, at, {
    // A refused page is not recorded as progress, so the next run requests it again.
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

/** The error for a list without a next page, although its count is higher than the number of received launches. */
function endedEarly({ results, count, last }: Page, { offset }: Cursor): TminusError | undefined {
  const received = offset + results.length
  if (!last || count === null || received >= count) return undefined
  return fail(`The list of previous launches ended after ${received} of ${count} launches; start the run again later`)
}

const SOON_MS = 30_000

/** The error that reschedules the task; undefined if the try failed. */
async function rescheduled(
  error: unknown,
  { first, load, budget, context }: { first: Load; load: Load; budget: Budget; context: Context },
): Promise<Error | undefined> {
  if (context.signal.aborted || !(error instanceof TminusError)) return undefined
  const now = context.now()
  const soon = load !== first && error.retryable ? new Date(now.getTime() + SOON_MS) : undefined
  const at = error instanceof QuotaExhausted ? error.until : soon
  if (at === undefined) return undefined
  context.log.info(`waiting until ${timeText(at, now)}`)
  const reason = error instanceof QuotaExhausted ? '' : `${error.message}; `
  const done = doneText(load, await budget.left(), at)
  return rescheduleAt(at, `${reason}${progressText(load)}, continues at ${timeText(at, now)}${done}`)
}
