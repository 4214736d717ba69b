import type { RunType } from 'tminus'
import type { Nearest, SyncRow } from '../launches/sync.ts'

/** `auto`: the whole list where it is time for it, else what changed. */
export type Sync = 'auto' | 'full' | 'incremental'

export interface Situation {
  now: Date
  runType: RunType
  sync: Sync
  /** Between two looks, ms: inside an hour of the nearest launch, inside a day, else. */
  intervals: readonly [near: number, soon: number, far: number]
  /** Undefined before the first reading. */
  stored: Omit<SyncRow, 'lastAttemptAt'> | undefined
  /** The launch nearest to now, past or to come, whose outcome is open. */
  nearest: Nearest | undefined
  /** Calls left beyond the reserve; undefined where no limit is known. `until`: when there are more. */
  quota: { calls: number | undefined; until: Date | undefined }
}

/** What to ask of Launch Library now, and why, in words. */
export type Plan = { reason: string } & (
  | { look: 'later'; until: Date }
  | { look: 'full' }
  /** `since`: launches updated since then. */
  | { look: 'incremental'; since: Date }
)

/**
 * Each call costs quota: scheduled runs look the more often the nearer a launch is, and ask for what changed; once a
 * day for the whole list, because a change of the image alone does not raise `last_updated`. A run by hand always
 * looks, at the whole list if there are calls enough.
 */
export function planFetch(situation: Situation): Plan {
  return notDue(situation) ?? outOfCalls(situation) ?? listToRead(situation)
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** The ticks of a schedule come a little early or late; without this every second one would be missed. */
const JITTER_MS = 5_000

function notDue({ now, runType, stored, ...situation }: Situation): Plan | undefined {
  if (runType !== 'scheduled' || !stored?.lastSuccessAt) return undefined
  const intervalMs = intervalNow({ now, ...situation })
  const elapsedMs = now.getTime() - stored.lastSuccessAt.getTime()
  // A success in the future is a clock that was set back: no reason to wait for it.
  if (elapsedMs < 0 || elapsedMs >= intervalMs - JITTER_MS) return undefined
  const until = new Date(stored.lastSuccessAt.getTime() + intervalMs)
  return {
    look: 'later',
    until,
    reason: `Launch Library was read ${minutes(elapsedMs)} ago; it is asked again from ${clockTime(until)}`,
  }
}

function intervalNow({ now, intervals, nearest }: Pick<Situation, 'now' | 'intervals' | 'nearest'>): number {
  const [near, soon, far] = intervals
  const distanceMs = nearest ? Math.abs(nearest.net.getTime() - now.getTime()) : Number.POSITIVE_INFINITY
  // All day long would cost more calls than there are.
  if (distanceMs <= HOUR_MS && nearest?.precise) return near
  return distanceMs <= DAY_MS ? soon : far
}

function outOfCalls({ now, quota }: Situation): Plan | undefined {
  if (quota.calls === undefined || quota.calls > 0) return undefined
  const until = quota.until ?? new Date(now.getTime() + HOUR_MS)
  return { look: 'later', until, reason: quotaSpent(until) }
}

/** Also said where the quota ends in the middle of a reading. */
export function quotaSpent(until: Date): string {
  return `Launch Library's hourly quota is used up; it is asked again from ${clockTime(until)}, until then what is stored counts`
}

function listToRead(situation: Situation): Plan {
  const { sync, stored } = situation
  const since = stored?.highWater ? new Date(stored.highWater.getTime() - OVERLAP_MS) : undefined
  if (since === undefined) return { look: 'full', reason: 'reading the whole list: nothing tells yet what changed' }
  const whole = sync === 'full' ? 'as asked for' : sync === 'auto' ? wholeListDue(situation) : undefined
  if (whole === undefined) {
    return { look: 'incremental', since, reason: `reading what changed since ${clockTime(since)}` }
  }
  const pages = Math.ceil((stored?.launches ?? 0) / PAGE)
  if (sync === 'full' || situation.quota.calls === undefined || situation.quota.calls >= pages) {
    return { look: 'full', reason: `reading the whole list: ${whole}` }
  }
  const left = `the quota has ${situation.quota.calls} calls left and the whole list takes ${pages}`
  return { look: 'incremental', since, reason: `reading what changed since ${clockTime(since)}: ${left}` }
}

/** Launch Library's clock and its caches may lag behind. */
const OVERLAP_MS = 10 * 60_000
const PAGE = 100

function wholeListDue({ now, runType, stored }: Situation): string | undefined {
  if (runType === 'manual') return 'the run was started by hand'
  const elapsedMs = stored?.lastFullAt ? now.getTime() - stored.lastFullAt.getTime() : Number.POSITIVE_INFINITY
  return elapsedMs >= 0 && elapsedMs < DAY_MS - JITTER_MS ? undefined : 'that is due once a day'
}

function minutes(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1_000)} s` : `${Math.floor(ms / 60_000)} min`
}

/** To the minute, `2026-11-21T14:05Z`. */
function clockTime(date: Date): string {
  return date.toISOString().replace(/:\d\d\.\d+Z$/, 'Z')
}
