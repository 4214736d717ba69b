import { fail, type TaskContext, TminusError } from 'tminus'
import type { Queryable } from 'tminus/db'
import { z } from 'zod'
import { PAGE_SIZE, upcomingUrl } from '../launches/launch-library/addresses.ts'
import { type LaunchLibrary, openLaunchLibrary } from '../launches/launch-library/launch-library.ts'
import { type Budget, openBudget, QuotaExhausted } from '../launches/launch-library/quota.ts'
import { type Parsed, parseLaunch } from '../launches/parse-launch.ts'
import { addIssues, type Issues, mostlyRejected, refuseMostlyRejected } from '../launches/rejects.ts'
import { countsText, type PageSummary, storePage } from '../launches/store-page.ts'
import * as sync from '../launches/sync.ts'
import { type Plan, planFetch, quotaSpent } from './plan-fetch.ts'
import type { params, Settings } from './settings.ts'

const count = z.int().nonnegative()

export const StoreSummary = z.object({
  /** Launches received: the sum of the next four. */
  fetched: count,
  inserted: count,
  updated: count,
  unchanged: count,
  rejected: count,
  /** Upcoming launches that disappeared from the list. */
  vanished: count,
  /** Launches that are no longer in the list and were requested by id; not part of the other counts. */
  checked: count,
  /** The reason why the run requested nothing, or only a part of the list. */
  skipped: z.string().optional(),
  /** When the next request is due, ISO 8601 UTC. */
  waitingUntil: z.string().optional(),
})
export type StoreSummary = z.output<typeof StoreSummary>

type Context = Pick<TaskContext, 'db' | 'http' | 'log' | 'now' | 'runType' | 'signal'> & {
  params: z.output<typeof params>
  settings: Pick<Settings, 'LAUNCH_LIBRARY_URL' | 'LAUNCH_LIBRARY_TOKEN' | 'LAUNCH_LIBRARY_INTERVALS'>
}

/**
 * Reads the list of upcoming launches, or its changes, page by page and stores new and changed launches. Stored pages
 * stay stored if the task fails later, for example because the connection breaks or most launches cannot be parsed.
 *
 * If no request is due, or the quota is used up, the task succeeds and reports when the next request is due. So the
 * next task can still announce the stored launches. A scheduled run does not retry: the next run is five minutes away.
 */
export async function fetchAndStoreData(_inputs: unknown, context: Context): Promise<StoreSummary> {
  return await fetchAndStore(context).catch((error) => failUntilNextRun(error, context))
}

async function fetchAndStore(context: Context): Promise<StoreSummary> {
  const { db, settings, log } = context
  const source = upcomingUrl(settings.LAUNCH_LIBRARY_URL).href
  const startedAt = context.now()
  const budget = budgetOf(context)
  const plan = await makePlan(source, startedAt, budget, context)
  if (plan.look === 'later') return skippedUntil({ ...NOTHING }, plan.reason, plan.until, context)
  log.info(plan.reason)
  await sync.recordAttempt(db, source, startedAt)
  const launchLibrary = openLaunchLibrary({ ...clientOptions(context), budget })
  const reading = newReading(source, startedAt, plan)
  try {
    await readList(launchLibrary, reading, context)
  } catch (error) {
    if (!(error instanceof QuotaExhausted)) throw error
    return skippedUntil(reading.summary, quotaSpent(error.until), error.until, context)
  }
  refuseMostlyRejected(reading.summary, reading.issues)
  await readMissing(launchLibrary, reading, context)
  return reading.summary
}

/** Fails a scheduled run without a retry, because its reminders must not wait for a retry. */
function failUntilNextRun(error: unknown, { runType, signal }: Context): never {
  if (runType !== 'scheduled' || signal.aborted || !(error instanceof TminusError) || !error.retryable) throw error
  throw fail(`${error.message}; the next scheduled run tries again`, { cause: error })
}

const NOTHING: StoreSummary = {
  fetched: 0,
  inserted: 0,
  updated: 0,
  unchanged: 0,
  rejected: 0,
  vanished: 0,
  checked: 0,
}

function clientOptions({ http, settings, signal }: Context) {
  return { http, signal, baseUrl: settings.LAUNCH_LIBRARY_URL, token: settings.LAUNCH_LIBRARY_TOKEN }
}

function budgetOf(context: Context): Budget {
  const { db, now, log } = context
  return openBudget({ ...clientOptions(context), db, now, log })
}

async function makePlan(source: string, now: Date, budget: Budget, context: Context): Promise<Plan> {
  const { db, runType, settings, params } = context
  const situation = {
    now,
    runType,
    sync: params.sync,
    intervals: settings.LAUNCH_LIBRARY_INTERVALS,
    stored: await sync.readSync(db, source),
    nearest: await sync.nearestWithoutOutcome(db, now),
  }
  // Plans without the quota first, because the quota is needed only if a request is due.
  const plan = planFetch({ ...situation, quota: { calls: undefined, until: undefined } })
  return plan.look === 'later' ? plan : planFetch({ ...situation, quota: await budget.left() })
}

function skippedUntil(summary: StoreSummary, reason: string, until: Date, { log }: Context): StoreSummary {
  log.info(reason)
  return { ...summary, skipped: reason, waitingUntil: until.toISOString() }
}

interface Reading {
  readonly source: string
  readonly startedAt: Date
  readonly plan: Plan
  readonly summary: StoreSummary
  /** The ids of all launches received so far, rejected ones included. */
  readonly ids: Set<string>
  /** The number of launches in the list, as the API counts them; the highest count of any page. */
  counted: number
  /** The number of received launches that have no id. */
  withoutId: number
  readonly issues: Issues
  /** The highest `last_updated` so far. */
  highWater: Date | undefined
  pages: number
  fetched: number
}

function newReading(source: string, startedAt: Date, plan: Plan): Reading {
  const summary = { ...NOTHING }
  const received = {
    ids: new Set<string>(),
    counted: 0,
    withoutId: 0,
    issues: new Map(),
    highWater: undefined,
    pages: 0,
    fetched: 0,
  }
  return { source, startedAt, plan, summary, ...received }
}

async function readList(launchLibrary: LaunchLibrary, reading: Reading, context: Context): Promise<void> {
  const { plan, summary } = reading
  for await (const { results, count, last } of launchLibrary.upcoming('since' in plan ? { since: plan.since } : {})) {
    const page = results.map((launch) => parseLaunch(launchLibrary.version, launch))
    collect(reading, page, count)
    const alongside = (connection: Queryable, { rejected }: PageSummary) =>
      finishList(connection, reading, summary.rejected + rejected, context)
    const stored = await storePage(context.db, page, context.now(), last ? { alongside } : {})
    add(summary, page.length, stored)
    const of = count === null ? '' : ` of ${count}`
    context.log.info(`page ${reading.pages}: ${results.length}${of} launches: ${countsText(stored)}`)
    context.signal.throwIfAborted()
  }
}

function collect(reading: Reading, page: readonly Parsed[], count: number | null): void {
  reading.pages += 1
  reading.fetched += page.length
  reading.counted = Math.max(reading.counted, count ?? 0)
  const ids = idsOf(page)
  reading.withoutId += page.length - ids.length
  for (const id of ids) reading.ids.add(id)
  addIssues(reading.issues, page)
  for (const parsed of page) {
    const lastUpdated = 'launch' in parsed ? parsed.launch.last_updated : null
    if (lastUpdated && !(reading.highWater && reading.highWater >= lastUpdated)) reading.highWater = lastUpdated
  }
}

function idsOf(page: readonly Parsed[]): string[] {
  return page.flatMap((parsed) => ('launch' in parsed ? parsed.launch.launch_id : (parsed.launchId ?? [])))
}

/**
 * Records the end of the list. Runs in the transaction of the last page, so that the stored `last_updated` is never
 * newer than the rows. If the list ended too early, by the API's own count, the stored `last_updated` does not change,
 * so that the next run requests the missing launches again.
 */
async function finishList(db: Queryable, reading: Reading, rejected: number, { log }: Context): Promise<void> {
  const { source, startedAt, plan, issues, fetched, counted } = reading
  if (mostlyRejected({ fetched, rejected }, issues) !== undefined) return
  if (fetched < counted) {
    await sync.recordSuccess(db, source, { startedAt, highWater: undefined, launches: undefined })
    log.warn(
      `the list ended after ${fetched} of ${counted} launches; no launch is marked as vanished, and the next run reads the list again`,
    )
    return
  }
  const whole = plan.look === 'full'
  const launches = whole ? fetched : undefined
  await sync.recordSuccess(db, source, { startedAt, highWater: reading.highWater, launches })
  if (!whole) return
  await sync.deleteRejectsWithoutId(db, startedAt)
  await markVanished(db, reading, log)
}

async function markVanished(db: Queryable, reading: Reading, log: Context['log']): Promise<void> {
  const { ids, startedAt, summary, withoutId, fetched } = reading
  if (ids.size + withoutId < fetched) {
    log.warn(
      `the list has duplicates: only ${ids.size} of ${fetched} launches are distinct; no launch is marked as vanished`,
    )
    return
  }
  const missing = await sync.markVanished(db, [...ids], startedAt)
  if (missing < 0) {
    log.warn(
      `${-missing} upcoming launches, most of the stored ones, are missing from the list; none is marked as vanished`,
    )
    return
  }
  summary.vanished = missing
  if (missing > 0) log.info(`${missing} upcoming launches disappeared from the list`)
}

function add(summary: StoreSummary, fetched: number, stored: PageSummary): void {
  summary.fetched += fetched
  for (const key of ['inserted', 'updated', 'unchanged', 'rejected'] as const) summary[key] += stored[key]
}

/** Requests by id the launches that are no longer in the list. An error here does not fail the task. */
async function readMissing(launchLibrary: LaunchLibrary, reading: Reading, context: Context): Promise<void> {
  const { db, log, now, signal } = context
  const asked = await sync.launchesToCheck(db, reading.startedAt, PAGE_SIZE)
  if (asked.length === 0) return
  try {
    const { results, count, last } = await launchLibrary.byIds(asked)
    const page = results.map((launch) => parseLaunch(launchLibrary.version, launch))
    // If the answer is incomplete, the missing launches are not marked as checked, so they are requested again.
    const checked = last && results.length >= (count ?? 0) ? asked : idsOf(page)
    const alongside = (connection: Queryable) => sync.recordChecked(connection, checked, idsOf(page), reading.startedAt)
    const stored = await storePage(db, page, now(), { alongside })
    reading.summary.checked = asked.length
    log.info(
      `${asked.length} launches are no longer in the list; requested by id, ${page.length} found: ${countsText(stored)}`,
    )
  } catch (error) {
    if (!(error instanceof TminusError) || signal.aborted) throw error
    log.warn(`requesting ${asked.length} launches that are no longer in the list failed: ${error.message}`)
  }
}
