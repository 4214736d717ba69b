/**
 * The known facts about the quota of one caller (an IP address or key). Times are ms since 1970, by the tasks' clock.
 */
export interface Quota {
  /** The last report of `/api-throttle/`. */
  report: Report | undefined
  /** When the last request for a report failed; undefined after a success. */
  askFailedAt: number | undefined
  /** After an answer 429: make no call before this time. */
  refusedUntil: number | undefined
  /** Our own calls that still count, oldest first. */
  calls: readonly number[]
}

/** At most `limit` calls within any `windowMs`. */
export interface Limit {
  limit: number
  windowMs: number
}

export interface Report extends Limit {
  at: number
  /** The number of counted calls that other programs made; their times are unknown. */
  others: number
  /** When the first counted call leaves the window; undefined unless the limit was reached. */
  nextAt: number | undefined
}

/** The answer of `/api-throttle/`. */
export interface ThrottleAnswer extends Limit {
  use: number
  /** Milliseconds until the next call is possible; may be negative. */
  nextMs: number
}

export interface Circumstances {
  now: number
  /** The number of calls to leave unused if the limit is 15. If the limit is smaller, proportionally fewer. */
  reserve: number
  /** The limit to use until the first report. */
  assumed: Limit | undefined
}

export type Decision = { kind: 'take' } | { kind: 'ask' } | { kind: 'wait'; until: number }

/**
 * Decides whether a call is allowed now. `ask` (only with `askFirst`): request a new report first. The last report is
 * too old, or our own calls since then have used up the remaining calls.
 */
export function decide(quota: Quota, circumstances: Circumstances & { askFirst: boolean }): Decision {
  const { calls, until } = callsLeft(quota, circumstances)
  if (isRefused(quota, circumstances.now)) return { kind: 'wait', until }
  if (circumstances.askFirst && shouldAsk(quota, circumstances.now, calls)) return { kind: 'ask' }
  return calls === undefined || calls > 0 ? { kind: 'take' } : { kind: 'wait', until }
}

export interface CallsLeft {
  /** Calls left beyond the reserve; undefined if no limit is known. */
  calls: number | undefined
  /** When the next call may succeed; `now` if calls are left. */
  until: number
  known: Limit | undefined
}

export function callsLeft(quota: Quota, { now, reserve, assumed }: Circumstances): CallsLeft {
  const known = quota.report ?? assumed
  if (isRefused(quota, now)) return { calls: 0, until: quota.refusedUntil ?? now, known }
  if (known === undefined) return { calls: undefined, until: now, known }
  const allowed = known.limit - reserveOf(known.limit, reserve)
  const calls = Math.max(0, allowed - ownUse(quota, known, now) - othersUse(quota, now))
  return { calls, until: calls > 0 ? now : nextCallAt(quota, known, allowed, now), known }
}

/** How many calls to leave unused: at most `reserve`, fewer if the limit is below 15, and never all calls. */
export function reserveOf(limit: number, reserve: number): number {
  return Math.min(reserve, Math.floor((limit * reserve) / 15), limit - 1)
}

function ownUse({ calls }: Quota, known: Limit, at: number): number {
  return calls.filter((call) => expiryOf(call, known) > at).length
}

function othersUse({ report }: Quota, at: number): number {
  return report !== undefined && expiryOf(report.at, report) > at ? report.others : 0
}

/** The time when a call no longer counts. */
function expiryOf(call: number, known: Limit): number {
  return call + known.windowMs + arrivalMs(known)
}

/** The longest time between our record of a call and the moment when Launch Library receives and counts it. */
function arrivalMs({ windowMs }: Limit): number {
  return Math.min(1_000, Math.ceil(windowMs / 10))
}

/**
 * When the next call may succeed: when enough counted calls have expired. It is earlier if a new report is due and our
 * own calls leave room: the report may show that other programs make fewer calls than assumed.
 */
function nextCallAt(quota: Quota, known: Limit, allowed: number, now: number): number {
  const { report } = quota
  const expiries = [
    ...quota.calls.map((call) => expiryOf(call, known)),
    ...(report ? [expiryOf(report.at, report)] : []),
  ]
    .filter((at) => at > now)
    .sort((one, other) => one - other)
  const byExpiry = expiries.find((at) => ownUse(quota, known, at) + othersUse(quota, at) < allowed) ?? now
  const ownRoom = [now, ...expiries].find((at) => ownUse(quota, known, at) < allowed) ?? byExpiry
  const reportDue = Math.min(staleAt(quota), countedAt(quota) ?? staleAt(quota))
  const byReport = Math.max(ownRoom, reportDue, retryAt(quota))
  return byReport > now ? Math.min(byExpiry, byReport) : byExpiry
}

const REFRESH_MS = 5 * 60_000

/** The time when the last report becomes too old; 0 if there is no report. */
function staleAt({ report }: Quota): number {
  if (report === undefined) return 0
  return Math.min(report.at + REFRESH_MS, report.nextAt ?? report.at + REFRESH_MS)
}

/** When all our calls have arrived, so that a new report counts them; undefined if the last report has counted them. */
function countedAt({ report, calls }: Quota): number | undefined {
  const last = calls.at(-1)
  if (report === undefined || last === undefined || last <= report.at - arrivalMs(report)) return undefined
  return last + arrivalMs(report)
}

/** When to request a report again after a failed request; 0 if the last request did not fail. */
function retryAt({ askFailedAt }: Quota): number {
  return askFailedAt === undefined ? 0 : askFailedAt + REFRESH_MS
}

function isRefused({ refusedUntil }: Quota, now: number): boolean {
  return refusedUntil !== undefined && refusedUntil > now
}

function shouldAsk(quota: Quota, now: number, left: number | undefined): boolean {
  if (!mayAsk(quota, now)) return false
  if (now >= staleAt(quota)) return true
  if (left !== 0) return false
  const { report, calls } = quota
  const counted = countedAt(quota)
  const isCallNewer = report !== undefined && calls.some((call) => call > report.at)
  return isCallNewer || (counted !== undefined && now >= counted)
}

/** False for 5 minutes after a failed request for a report. */
export function mayAsk(quota: Quota, now: number): boolean {
  return now >= retryAt(quota)
}

/** The quota after a call at `now`. */
export function afterCall(quota: Quota, now: number): Quota {
  return { ...quota, calls: [...quota.calls, now] }
}

/** The quota after a request to `/api-throttle/` at `at`; `answer` is undefined if it failed. */
export function afterReport(quota: Quota, answer: ThrottleAnswer | undefined, at: number): Quota {
  if (answer === undefined) return { ...quota, askFailedAt: at }
  if (quota.report !== undefined && quota.report.at > at) return quota
  const { limit, windowMs, use, nextMs } = answer
  // The report certainly counts calls that had time to arrive and have not expired. All other calls are added to `use`.
  const isCertain = (call: number) => call > at - windowMs && call <= at - arrivalMs(answer)
  const certain = quota.calls.filter(isCertain)
  const first = quota.calls.findIndex(isCertain)
  const nextAt = use >= limit && nextMs > 0 && nextMs <= windowMs ? at + nextMs : undefined
  return {
    ...quota,
    report: { limit, windowMs, at, others: Math.max(0, use - certain.length), nextAt },
    askFailedAt: undefined,
    // If the report counts fewer calls than we made, our oldest calls have expired or never arrived.
    calls: quota.calls.toSpliced(first, Math.max(0, certain.length - use)),
  }
}

/** The quota after a 429. Without `retryAfterMs`, calls are refused until the oldest known call leaves the window. */
export function afterRefusal(
  quota: Quota,
  retryAfterMs: number | undefined,
  { now, assumed }: Circumstances,
): Quota & { refusedUntil: number } {
  const known = quota.report ?? assumed ?? { limit: 0, windowMs: HOUR_MS }
  const oldest = quota.calls.map((call) => call + known.windowMs).find((at) => at > now)
  const guess = quota.report?.nextAt ?? oldest ?? now + known.windowMs
  const wait = retryAfterMs ?? Math.max(guess - now, known.windowMs / 60)
  return { ...quota, refusedUntil: now + Math.min(wait, known.windowMs) + arrivalMs(known) }
}

const HOUR_MS = 3_600_000

/** The quota at `now`: drops expired calls, and corrects times in the future, which remain if a clock was set back. */
export function quotaAt(quota: Quota, { now, assumed }: Circumstances): Quota {
  const { report, askFailedAt, refusedUntil } = quota
  const known = report ?? assumed ?? { limit: 100, windowMs: HOUR_MS }
  const counted = quota.calls.map((call) => Math.min(call, now)).filter((call) => expiryOf(call, known) > now)
  return {
    // The time of the report is in the future: keeps its counts, but requests a new report.
    report: report && report.at > now ? { ...report, at: now - REFRESH_MS, nextAt: undefined } : report,
    askFailedAt: askFailedAt !== undefined && askFailedAt <= now ? askFailedAt : undefined,
    // A refusal never lasts longer than a window.
    refusedUntil: isRefused(quota, now) && (refusedUntil ?? now) <= expiryOf(now, known) ? refusedUntil : undefined,
    calls: counted.slice(-known.limit),
  }
}
