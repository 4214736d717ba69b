import { fail, type TaskContext, TminusError } from 'tminus'
import type { Queryable } from 'tminus/db'
import { z } from 'zod'
import { upcomingUrl } from '../launches/launch-library/addresses.ts'
import { type LaunchLibrary, openLaunchLibrary } from '../launches/launch-library/launch-library.ts'
import { type Budget, openBudget, QuotaExhausted } from '../launches/launch-library/quota.ts'
import { type Parsed, parseLaunch } from '../launches/parse-launch.ts'
import { addIssues, type Issues, mostlyRejected, refuseMostlyRejected } from '../launches/rejects.ts'
import { type PageSummary, storePage } from '../launches/store-page.ts'
import * as sync from '../launches/sync.ts'
import { type Plan, planFetch, quotaSpent } from './plan-fetch.ts'
import type { params, Settings } from './settings.ts'

const count = z.int().nonnegative()

export const StoreSummary = z.object({
  /** Launches received; the next four add up to it. */
  fetched: count,
  inserted: count,
  updated: count,
  unchanged: count,
  rejected: count,
  /** Launches to come that the list does not name any more. */
  vanished: count,
  /** Launches asked for one by one because the list tells nothing of them any more; in none of the counts above. */
  checked: count,
  /** Why nothing was asked, or not everything, in words. */
  skipped: z.string().optional(),
  /** When it will be, ISO 8601 UTC. */
  waitingUntil: z.string().optional(),
})
export type StoreSummary = z.output<typeof StoreSummary>

type Context = Pick<TaskContext, 'db' | 'http' | 'log' | 'now' | 'runType' | 'signal'> & {
  params: z.output<typeof params>
  settings: Pick<Settings, 'LAUNCH_LIBRARY_URL' | 'LAUNCH_LIBRARY_TOKEN' | 'LAUNCH_LIBRARY_INTERVALS'>
}

/**
 * Reads the list of upcoming launches, or what changed in it, page by page and stores what differs. What fits is
 * stored even if the task fails later: on a broken connection, or because too much of it could not be read.
 *
 * Where it is not time to look, or Launch Library's quota is used up, it succeeds and says until when it waits: what
 * is stored is still worth telling. A scheduled run that fails leaves trying again to the next one.
 */
export async function fetchAndStoreData(_inputs: unknown, context: Context): Promise<StoreSummary> {
  return await fetchAndStore(context).catch((error) => leaveToNextRun(error, context))
}

async function fetchAndStore(context: Context): Promise<StoreSummary> {
  const { db, settings, log } = context
  const source = upcomingUrl(settings.LAUNCH_LIBRARY_URL).href
  const startedAt = context.now()
  const budget = budgetOf(context)
  const plan = await planned(source, startedAt, budget, context)
  if (plan.look === 'later') return waiting({ ...NOTHING }, plan.reason, plan.until, context)
  log.info(plan.reason)
  await sync.recordAttempt(db, source, startedAt)
  const launchLibrary = openLaunchLibrary({ ...clientOptions(context), budget })
  const reading = newReading(source, startedAt, plan)
  try {
    await readList(launchLibrary, reading, context)
  } catch (error) {
    if (!(error instanceof QuotaExhausted)) throw error
    return waiting(reading.summary, quotaSpent(error.until), error.until, context)
  }
  refuseMostlyRejected(reading.summary, reading.issues)
  await readMissing(launchLibrary, reading, context)
  return reading.summary
}

/** What is to be told, reminders among it, cannot wait for a retry. */
function leaveToNextRun(error: unknown, { runType, signal }: Context): never {
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

async function planned(source: string, now: Date, budget: Budget, context: Context): Promise<Plan> {
  const { db, runType, settings, params } = context
  const situation = {
    now,
    runType,
    sync: params.sync,
    intervals: settings.LAUNCH_LIBRARY_INTERVALS,
    stored: await sync.readSync(db, source),
    nearest: await sync.nearestOpen(db, now),
  }
  // How much is left is only asked where there is something to ask for.
  const plan = planFetch({ ...situation, quota: { calls: undefined, until: undefined } })
  return plan.look === 'later' ? plan : planFetch({ ...situation, quota: await budget.left() })
}

function waiting(summary: StoreSummary, reason: string, until: Date, { log }: Context): StoreSummary {
  log.info(reason)
  return { ...summary, skipped: reason, waitingUntil: until.toISOString() }
}

interface Reading {
  readonly source: string
  readonly startedAt: Date
  readonly plan: Plan
  readonly summary: StoreSummary
  /** Of every launch received so far, those set aside among them. */
  readonly ids: Set<string>
  /** How many the list says it holds; the most that any page says. */
  counted: number
  /** Launches received that have no id. */
  nameless: number
  /** How often each issue came. */
  readonly issues: Issues
  /** The highest `last_updated`. */
  highWater: Date | undefined
  pages: number
  fetched: number
}

function newReading(source: string, startedAt: Date, plan: Plan): Reading {
  const summary = { ...NOTHING }
  const received = {
    ids: new Set<string>(),
    counted: 0,
    nameless: 0,
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
    remember(reading, page, count)
    const alongside = (connection: Queryable, { rejected }: PageSummary) =>
      conclude(connection, reading, summary.rejected + rejected, context)
    const stored = await storePage(context.db, page, context.now(), last ? { alongside } : {})
    add(summary, page.length, stored)
    const of = count === null ? '' : ` of ${count}`
    context.log.info(`page ${reading.pages}: ${results.length}${of} launches${words(stored)}`)
    context.signal.throwIfAborted()
  }
}

function remember(reading: Reading, page: readonly Parsed[], count: number | null): void {
  reading.pages += 1
  reading.fetched += page.length
  reading.counted = Math.max(reading.counted, count ?? 0)
  const ids = idsOf(page)
  reading.nameless += page.length - ids.length
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
 * In the transaction of the last page, so that the high-water mark never runs ahead of the rows. A list that ends
 * before all that it counts is not believed to be whole: what did not come is asked for again.
 */
async function conclude(db: Queryable, reading: Reading, rejected: number, { log }: Context): Promise<void> {
  const { source, startedAt, plan, issues, fetched, counted } = reading
  if (mostlyRejected({ fetched, rejected }, issues) !== undefined) return
  if (fetched < counted) {
    await sync.recordSuccess(db, source, { startedAt, highWater: undefined, launches: undefined })
    log.warn(`the list ended after ${fetched} of ${counted} launches: no launch is taken for gone, it is read again`)
    return
  }
  const whole = plan.look === 'full'
  const launches = whole ? fetched : undefined
  await sync.recordSuccess(db, source, { startedAt, highWater: reading.highWater, launches })
  if (!whole) return
  await sync.forgetNamelessRejects(db, startedAt)
  await concludeVanished(db, reading, log)
}

async function concludeVanished(db: Queryable, reading: Reading, log: Context['log']): Promise<void> {
  const { ids, startedAt, summary, nameless, fetched } = reading
  if (ids.size + nameless < fetched) {
    log.warn(`the list holds launches twice, ${ids.size} of ${fetched} are others: no launch is taken for gone`)
    return
  }
  const missing = await sync.markVanished(db, [...ids], startedAt)
  if (missing < 0) {
    log.warn(`${-missing} launches to come are missing from the list, most of those stored: that is not believed`)
    return
  }
  summary.vanished = missing
  if (missing > 0) log.info(`${missing} launches to come are not in the list any more`)
}

/** What is there of it: `: 98 new, 2 rejected`. */
function words({ inserted, updated, unchanged, rejected }: PageSummary): string {
  const counts = { new: inserted, changed: updated, unchanged, rejected }
  const told = Object.entries(counts).flatMap(([name, count]) => (count > 0 ? [`${count} ${name}`] : []))
  return told.length > 0 ? `: ${told.join(', ')}` : ''
}

function add(summary: StoreSummary, fetched: number, stored: PageSummary): void {
  summary.fetched += fetched
  for (const key of ['inserted', 'updated', 'unchanged', 'rejected'] as const) summary[key] += stored[key]
}

/** Asks by their ids for launches the list tells nothing of any more. Failing at that is no failure of the task. */
async function readMissing(launchLibrary: LaunchLibrary, reading: Reading, context: Context): Promise<void> {
  const { db, log, now, signal } = context
  const asked = await sync.launchesToCheck(db, reading.startedAt, MOST_IDS)
  if (asked.length === 0) return
  try {
    const { results, count, last } = await launchLibrary.byIds(asked)
    const page = results.map((launch) => parseLaunch(launchLibrary.version, launch))
    // Of an answer that is not whole only what came is known: the others are asked for again.
    const answered = last && results.length >= (count ?? 0) ? asked : idsOf(page)
    const alongside = (connection: Queryable) =>
      sync.recordChecked(connection, answered, idsOf(page), reading.startedAt)
    const stored = await storePage(db, page, now(), { alongside })
    reading.summary.checked = asked.length
    log.info(`${asked.length} launches the list tells nothing of any more: ${page.length} found${words(stored)}`)
  } catch (error) {
    if (!(error instanceof TminusError) || signal.aborted) throw error
    log.warn(`${asked.length} launches the list tells nothing of any more could not be asked for: ${error.message}`)
  }
}

/** One call. */
const MOST_IDS = 100
