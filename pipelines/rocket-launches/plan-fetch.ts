import { humanDuration, type RunType } from 'tminus'
import { PAGE_SIZE } from '../launches/launch-library/addresses.ts'
import { instantText } from '../launches/launch-text.ts'
import type { Nearest, SyncRow } from '../launches/sync.ts'

/** `auto`: the whole list if it is due, otherwise its changes. */
export type Sync = 'auto' | 'full' | 'incremental'

export interface Situation {
  now: Date
  runType: RunType
  sync: Sync
  /** Milliseconds between two requests, if the nearest launch is within an hour, within a day, or further away. */
  intervals: readonly [near: number, soon: number, far: number]
  /** Undefined before the first request. */
  stored: Omit<SyncRow, 'lastAttemptAt'> | undefined
  /** The launch nearest to now, past or upcoming, that has no outcome yet. */
  nearest: Nearest | undefined
  /**
   * `calls`: the number of calls left beyond the reserve; undefined if no limit is known. `until`: when more are
   * available.
   */
  quota: { calls: number | undefined; until: Date | undefined }
}

/** The decision about the next request to Launch Library, with its reason. */
export type Plan = { reason: string } & (
  | { look: 'later'; until: Date }
  | { look: 'full' }
  /** `since`: launches updated since then. */
  | { look: 'incremental'; since: Date }
)

/**
 * Plans the next request. Each one costs quota, so scheduled runs request more often only when a launch is near. They
 * request the changes, and once a day the whole list, because `last_updated` does not change if only the image changes.
 * A manual run always makes a request: for the whole list if enough calls are left.
 */
export function planFetch(situation: Situation): Plan {
  return waitForInterval(situation) ?? waitForQuota(situation) ?? listToRead(situation)
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/**
 * Scheduled runs start a little early or late. Without this tolerance, every second request would come one run late.
 */
const JITTER_MS = 5_000

function waitForInterval({ now, runType, stored, ...situation }: Situation): Plan | undefined {
  if (runType !== 'scheduled' || !stored?.lastSuccessAt) return undefined
  const intervalMs = intervalNow({ now, ...situation })
  const elapsedMs = now.getTime() - stored.lastSuccessAt.getTime()
  // If the last success is in the future, the clock was set back: request now.
  if (elapsedMs < 0 || elapsedMs >= intervalMs - JITTER_MS) return undefined
  const until = new Date(stored.lastSuccessAt.getTime() + intervalMs)
  return {
    look: 'later',
    until,
    reason: `Launch Library was read ${humanDuration(elapsedMs)} ago; the next request is due at ${instantText(until)}`,
  }
}

function intervalNow({ now, intervals, nearest }: Pick<Situation, 'now' | 'intervals' | 'nearest'>): number {
  const [near, soon, far] = intervals
  const distanceMs = nearest ? Math.abs(nearest.net.getTime() - now.getTime()) : Number.POSITIVE_INFINITY
  // For a launch known only to the day, the shortest interval would apply all day and need more calls than the quota
  // has.
  if (distanceMs <= HOUR_MS && nearest?.precise) return near
  return distanceMs <= DAY_MS ? soon : far
}

function waitForQuota({ now, quota }: Situation): Plan | undefined {
  if (quota.calls === undefined || quota.calls > 0) return undefined
  const until = quota.until ?? new Date(now.getTime() + HOUR_MS)
  return { look: 'later', until, reason: quotaSpent(until) }
}

export function quotaSpent(until: Date): string {
  return `The quota of Launch Library is used up; the next request is due at ${instantText(until)}`
}

function listToRead(situation: Situation): Plan {
  const { sync, stored } = situation
  const since = stored?.highWater ? new Date(stored.highWater.getTime() - OVERLAP_MS) : undefined
  if (since === undefined) return { look: 'full', reason: 'reading the whole list: when it last changed is unknown' }
  const whole =
    sync === 'full' ? 'requested by the parameter sync' : sync === 'auto' ? wholeListDue(situation) : undefined
  if (whole === undefined) {
    return { look: 'incremental', since, reason: `reading the changes since ${instantText(since)}` }
  }
  const pages = Math.ceil((stored?.launches ?? 0) / PAGE_SIZE)
  if (sync === 'full' || situation.quota.calls === undefined || situation.quota.calls >= pages) {
    return { look: 'full', reason: `reading the whole list: ${whole}` }
  }
  const left = `the quota has ${situation.quota.calls} calls left, and the whole list needs ${pages}`
  return { look: 'incremental', since, reason: `reading the changes since ${instantText(since)}: ${left}` }
}

/** Launch Library's clock and caches may lag behind. */
const OVERLAP_MS = 10 * 60_000

function wholeListDue({ now, runType, stored }: Situation): string | undefined {
  if (runType === 'manual') return 'this is a manual run'
  const elapsedMs = stored?.lastFullAt ? now.getTime() - stored.lastFullAt.getTime() : Number.POSITIVE_INFINITY
  return elapsedMs >= 0 && elapsedMs < DAY_MS - JITTER_MS ? undefined : 'it is due once a day'
}
