import type { Database } from 'tminus/db'
import { upcomingUrl } from '../../launches/launch-library/addresses.ts'
import { lastKnownQuota } from '../../launches/launch-library/quota.ts'
import { nearestWithoutOutcome, readSync } from '../../launches/sync.ts'
import { planFetch } from '../plan-fetch.ts'
import type { Settings } from '../settings.ts'

/** The age of the board's data, and the time of the next fetch. By the clock of the pipeline, UTC. */
export interface Age {
  /** The end of the last complete fetch; undefined before the first one. */
  asOf: Date | undefined
  /** The time of the next scheduled fetch; undefined: the next scheduled run fetches. */
  nextLook: Date | undefined
  /** API calls that this pipeline may still make, and the limit an hour; undefined while no limit is known. */
  calls: { left: number; limit: number } | undefined
}

/** Reads the database only; sends no request to Launch Library. */
export async function dataAge(db: Database, settings: Settings, now: Date): Promise<Age> {
  const { LAUNCH_LIBRARY_URL: baseUrl, LAUNCH_LIBRARY_TOKEN: token, LAUNCH_LIBRARY_INTERVALS: intervals } = settings
  const [stored, nearest, quota] = await Promise.all([
    readSync(db, upcomingUrl(baseUrl).href),
    nearestWithoutOutcome(db, now),
    lastKnownQuota({ db, baseUrl, token, now: () => now }),
  ])
  const situation = { now, runType: 'scheduled', sync: 'auto', intervals, stored, nearest, quota } as const
  const plan = planFetch(situation)
  const { calls: left, limit } = quota
  return {
    asOf: stored?.lastSuccessAt ?? undefined,
    nextLook: plan.look === 'later' ? plan.until : undefined,
    calls: left === undefined || limit === undefined ? undefined : { left, limit },
  }
}
