import { fail, type TaskContext } from 'tminus'
import { z } from 'zod'
import { apiVersion, type Parsed, parseLaunch } from './launch.ts'
import { upcomingPages, upcomingUrl } from './launch-library.ts'
import { readSync, recordAttempt, recordSuccess, type SyncRow } from './launch-store.ts'
import type { Settings } from './settings.ts'
import { storePage } from './store-page.ts'

const count = z.int().nonnegative()

export const StoreSummary = z.object({
  /** Launches received; the next four add up to it. */
  fetched: count,
  inserted: count,
  updated: count,
  unchanged: count,
  rejected: count,
  /** Why nothing was asked, in words. */
  skipped: z.string().optional(),
  /** When it will be, ISO 8601 UTC. */
  waitingUntil: z.string().optional(),
})
export type StoreSummary = z.output<typeof StoreSummary>

type Context = Pick<TaskContext, 'db' | 'http' | 'log' | 'now' | 'runType' | 'signal'> & {
  settings: Pick<Settings, 'LAUNCH_LIBRARY_URL' | 'LAUNCH_LIBRARY_TOKEN'>
}

/**
 * Reads the list of upcoming launches page by page and stores what differs. What fits is stored even if the task
 * fails later: on a broken connection, or because too much of it could not be read.
 */
export async function fetchAndStoreData(_inputs: unknown, context: Context): Promise<StoreSummary> {
  const { db, settings } = context
  const source = upcomingUrl(settings.LAUNCH_LIBRARY_URL).href
  const startedAt = context.now()
  const waitingUntil = notBefore(context.runType, startedAt, await readSync(db, source))
  if (waitingUntil !== undefined) return notYet(waitingUntil, context)
  await recordAttempt(db, source, startedAt)
  const { summary, highWater, issues } = await readAll(context)
  refuseMostlyRejected(summary, issues)
  await recordSuccess(db, source, startedAt, highWater)
  return summary
}

const INTERVAL_MS = 15 * 60_000
/** The ticks of a schedule come a little early or late; without this every second one would be missed. */
const JITTER_MS = 5_000

/** When a scheduled run may ask again: each call costs quota. A run by hand always may. */
export function notBefore(
  runType: Context['runType'],
  now: Date,
  sync: Pick<SyncRow, 'lastSuccessAt'> | undefined,
): Date | undefined {
  if (runType !== 'scheduled' || !sync?.lastSuccessAt) return undefined
  const elapsed = now.getTime() - sync.lastSuccessAt.getTime()
  // A success in the future is a clock that was set back: no reason to wait for it.
  if (elapsed < 0 || elapsed >= INTERVAL_MS - JITTER_MS) return undefined
  return new Date(sync.lastSuccessAt.getTime() + INTERVAL_MS)
}

function notYet(until: Date, { log }: Context): StoreSummary {
  const skipped = `Launch Library was read less than 15 minutes ago; it is asked again from ${until.toISOString()}`
  log.info(skipped)
  return { ...NOTHING, skipped, waitingUntil: until.toISOString() }
}

const NOTHING = { fetched: 0, inserted: 0, updated: 0, unchanged: 0, rejected: 0 }

interface Reading {
  summary: StoreSummary
  /** The highest `last_updated`. */
  highWater: Date | undefined
  /** How often each issue came. */
  issues: Map<string, number>
}

async function readAll({ db, http, log, now, settings, signal }: Context): Promise<Reading> {
  const { LAUNCH_LIBRARY_URL: baseUrl, LAUNCH_LIBRARY_TOKEN: token } = settings
  const version = apiVersion(baseUrl) ?? '2.3.0'
  const reading: Reading = { summary: { ...NOTHING }, highWater: undefined, issues: new Map() }
  let number = 0
  for await (const { results, count } of upcomingPages({ http, baseUrl, token, signal })) {
    const page = results.map((launch) => parseLaunch(version, launch))
    const stored = await storePage(db, page, now())
    number += 1
    const of = count === null ? '' : ` of ${count}`
    log.info(`page ${number}: ${results.length}${of} launches${words(stored)}`)
    add(reading, page, stored)
    signal.throwIfAborted()
  }
  return reading
}

/** What there is any of: `: 98 new, 2 rejected`. */
function words({ inserted, updated, unchanged, rejected }: Omit<StoreSummary, 'fetched'>): string {
  const counts = { new: inserted, changed: updated, unchanged, rejected }
  const told = Object.entries(counts).flatMap(([name, count]) => (count > 0 ? [`${count} ${name}`] : []))
  return told.length > 0 ? `: ${told.join(', ')}` : ''
}

function add(reading: Reading, page: readonly Parsed[], stored: Omit<StoreSummary, 'fetched'>): void {
  const { summary, issues } = reading
  summary.fetched += page.length
  for (const key of ['inserted', 'updated', 'unchanged', 'rejected'] as const) summary[key] += stored[key]
  for (const parsed of page) {
    if ('launch' in parsed) {
      const { lastUpdated } = parsed.launch
      if (lastUpdated && !(reading.highWater && reading.highWater >= lastUpdated)) reading.highWater = lastUpdated
    } else {
      for (const { path, message } of parsed.issues) {
        // The same issue in another element of a list is the same issue.
        const issue = `${path.replaceAll(/\b\d+\b/g, '*') || 'launch'}: ${message}`
        issues.set(issue, (issues.get(issue) ?? 0) + 1)
      }
    }
  }
}

/** A few odd launches are set aside; many mean that the API is another one than we think. */
function refuseMostlyRejected({ fetched, rejected }: StoreSummary, issues: ReadonlyMap<string, number>): void {
  if (rejected < 5 || rejected <= fetched * 0.2) return
  const [commonest, times] = [...issues].sort(([, a], [, b]) => b - a)[0] ?? ['cannot be stored', rejected]
  throw fail(
    `${rejected} of ${fetched} launches could not be read, most often because of "${commonest}" (${times} times): ` +
      'the API changed, or LAUNCH_LIBRARY_URL is not Launch Library; they are kept in rocket_launch_rejects',
  )
}
