/** What one caller knows of its quota. Times in milliseconds since 1970, by the clock of the tasks. */
export interface Quota {
  /** What `/api-throttle/` said last. */
  told: Told | undefined
  /** When it last failed to say anything; undefined once it did. */
  askFailedAt: number | undefined
  /** A call was answered 429: none before then. */
  refusedUntil: number | undefined
  /** Our own calls that still count, oldest first. */
  calls: readonly number[]
}

/** So many calls within any so many milliseconds. */
export interface Limit {
  limit: number
  windowMs: number
}

export interface Told extends Limit {
  at: number
  /** Calls counted then that are none of ours: when they were made is not known. */
  others: number
  /** When the first of all calls counted leaves the window; undefined unless the limit was reached. */
  nextAt: number | undefined
}

/** What `/api-throttle/` answers. */
export interface Answer extends Limit {
  use: number
  /** Until the next call is possible, milliseconds; may be negative. */
  nextMs: number
}

export interface Circumstances {
  now: number
  /** Calls out of 15 that are left alone; of a smaller limit in proportion. */
  reserve: number
  /** Holds until a limit is told. */
  assumed: Limit | undefined
}

export type Decision = { kind: 'take' } | { kind: 'ask' } | { kind: 'wait'; until: number }

/**
 * Whether a call may be made now. `ask` (only where `askFirst`): what is known is too old to tell, or older than calls of
 * ours that use everything up.
 */
export function decide(quota: Quota, circumstances: Circumstances & { askFirst: boolean }): Decision {
  const { calls, until } = standing(quota, circumstances)
  if (isRefused(quota, circumstances.now)) return { kind: 'wait', until }
  if (circumstances.askFirst && shouldAsk(quota, circumstances.now, calls)) return { kind: 'ask' }
  return calls === undefined || calls > 0 ? { kind: 'take' } : { kind: 'wait', until }
}

export interface Standing {
  /** Left beyond the reserve; undefined where no limit is known. */
  calls: number | undefined
  /** When the next call is worth a try; `now` where it is right away. */
  until: number
  known: Limit | undefined
}

export function standing(quota: Quota, { now, reserve, assumed }: Circumstances): Standing {
  const known = quota.told ?? assumed
  if (isRefused(quota, now)) return { calls: 0, until: quota.refusedUntil ?? now, known }
  if (known === undefined) return { calls: undefined, until: now, known }
  const allowed = known.limit - reserveOf(known.limit, reserve)
  const calls = Math.max(0, allowed - ownUse(quota, known, now) - othersUse(quota, now))
  return { calls, until: calls > 0 ? now : nextCall(quota, known, allowed, now), known }
}

/** Made for a limit of 15: a smaller one stays usable. */
export function reserveOf(limit: number, reserve: number): number {
  return Math.min(reserve, Math.floor((limit * reserve) / 15), limit - 1)
}

function ownUse({ calls }: Quota, known: Limit, at: number): number {
  return calls.filter((call) => leaves(call, known) > at).length
}

function othersUse({ told }: Quota, at: number): number {
  return told !== undefined && leaves(told.at, told) > at ? told.others : 0
}

/** When a call no longer counts. */
function leaves(call: number, known: Limit): number {
  return call + known.windowMs + margin(known)
}

/** A call is counted when it arrives: that much later than it was taken, at most. */
function margin({ windowMs }: Limit): number {
  return Math.min(1_000, Math.ceil(windowMs / 10))
}

/** When our own calls have made room, or asking again may show that those of others have. */
function nextCall(quota: Quota, known: Limit, allowed: number, now: number): number {
  const { told } = quota
  const moments = [...quota.calls.map((call) => leaves(call, known)), ...(told ? [leaves(told.at, told)] : [])]
    .filter((at) => at > now)
    .sort((one, other) => one - other)
  const byCount = moments.find((at) => ownUse(quota, known, at) + othersUse(quota, at) < allowed) ?? now
  const own = [now, ...moments].find((at) => ownUse(quota, known, at) < allowed) ?? byCount
  const byAsking = Math.max(own, Math.min(outdated(quota), settled(quota)), patient(quota))
  return byAsking > now ? Math.min(byCount, byAsking) : byCount
}

const REFRESH_MS = 5 * 60_000

/** From when on it is worth asking what others have used meanwhile. */
function outdated({ told }: Quota): number {
  return told === undefined ? -Infinity : Math.min(told.at + REFRESH_MS, told.nextAt ?? Infinity)
}

/** From when on all our calls have arrived, so that it can tell how many they are; Infinity where they had before. */
function settled({ told, calls }: Quota): number {
  const last = calls.at(-1)
  if (told === undefined || last === undefined || last <= told.at - margin(told)) return Infinity
  return last + margin(told)
}

/** Until when it is not asked again, having given no answer. */
function patient({ askFailedAt }: Quota): number {
  return askFailedAt === undefined ? -Infinity : askFailedAt + REFRESH_MS
}

function isRefused({ refusedUntil }: Quota, now: number): boolean {
  return refusedUntil !== undefined && refusedUntil > now
}

function shouldAsk(quota: Quota, now: number, left: number | undefined): boolean {
  if (!mayAsk(quota, now)) return false
  const { told, calls } = quota
  const isNewer = told !== undefined && calls.some((call) => call > told.at)
  return now >= outdated(quota) || (left === 0 && (isNewer || now >= settled(quota)))
}

/** False for 5 minutes after it gave no answer. */
export function mayAsk(quota: Quota, now: number): boolean {
  return now >= patient(quota)
}

/** The quota after a call at `now`. */
export function taken(quota: Quota, now: number): Quota {
  return { ...quota, calls: [...quota.calls, now] }
}

/** The quota after `/api-throttle/`, asked at `at`, gave an answer (undefined: none of use). */
export function answered(quota: Quota, answer: Answer | undefined, at: number): Quota {
  if (answer === undefined) return { ...quota, askFailedAt: at }
  if (quota.told !== undefined && quota.told.at > at) return quota
  const { limit, windowMs, use, nextMs } = answer
  // Counted for certain: what had time to arrive, and cannot have left again. Anything else counts on top.
  const isCertain = (call: number) => call > at - windowMs && call <= at - margin(answer)
  const certain = quota.calls.filter(isCertain)
  const first = quota.calls.findIndex(isCertain)
  const nextAt = use >= limit && nextMs > 0 && nextMs <= windowMs ? at + nextMs : undefined
  return {
    ...quota,
    told: { limit, windowMs, at, others: Math.max(0, use - certain.length), nextAt },
    askFailedAt: undefined,
    // More of ours than it counted: the oldest have left, or never arrived.
    calls: quota.calls.toSpliced(first, Math.max(0, certain.length - use)),
  }
}

/** The quota after a 429: until when nobody asks. Nothing said of it: until a call leaves the window, as far as known. */
export function refused(quota: Quota, retryAfterMs: number | undefined, { now, assumed }: Circumstances): Quota {
  const known = quota.told ?? assumed ?? { limit: 0, windowMs: HOUR_MS }
  const oldest = quota.calls.map((call) => call + known.windowMs).find((at) => at > now)
  const guess = quota.told?.nextAt ?? oldest ?? now + known.windowMs
  const wait = retryAfterMs ?? Math.max(guess - now, known.windowMs / 60)
  return { ...quota, refusedUntil: now + Math.min(wait, known.windowMs) + margin(known) }
}

const HOUR_MS = 3_600_000

/** The quota as it stands at `now`: without what no longer counts, and nothing in it later than a window from now. */
export function current(quota: Quota, { now, assumed }: Circumstances): Quota {
  const { told, askFailedAt, refusedUntil } = quota
  const known = told ?? assumed ?? { limit: 100, windowMs: HOUR_MS }
  const counted = quota.calls.map((call) => Math.min(call, now)).filter((call) => leaves(call, known) > now)
  return {
    // A clock that was set back: what was told belongs to another time.
    told: told && told.at > now ? { ...told, at: now - REFRESH_MS, nextAt: undefined } : told,
    askFailedAt: askFailedAt !== undefined && askFailedAt <= now ? askFailedAt : undefined,
    // One of more than a window from now began in the future: it is another clock's.
    refusedUntil: isRefused(quota, now) && (refusedUntil ?? now) <= leaves(now, known) ? refusedUntil : undefined,
    calls: counted.slice(-known.limit),
  }
}
