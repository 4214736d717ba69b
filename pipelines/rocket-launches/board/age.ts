import type { Database } from 'tminus/db'
import { upcomingUrl } from '../../launches/launch-library/addresses.ts'
import { lastKnown } from '../../launches/launch-library/quota.ts'
import { nearestOpen, readSync } from '../../launches/sync.ts'
import { planFetch } from '../plan-fetch.ts'
import type { Settings } from '../settings.ts'

/** How old what the board shows is, and when that may change. By the clock of the pipeline, UTC. */
export interface Age {
  /** When Launch Library was last read to the end; undefined before the first time. */
  asOf: Date | undefined
  /** When a scheduled run looks again; undefined: at its next tick. */
  nextLook: Date | undefined
  /** Calls this pipeline may still make, of so many an hour; undefined where no limit is known. */
  calls: { left: number; limit: number } | undefined
}

/** From what is stored: Launch Library is not asked. */
export async function dataAge(db: Database, settings: Settings, now: Date): Promise<Age> {
  const { LAUNCH_LIBRARY_URL: baseUrl, LAUNCH_LIBRARY_TOKEN: token, LAUNCH_LIBRARY_INTERVALS: intervals } = settings
  const [stored, nearest, quota] = await Promise.all([
    readSync(db, upcomingUrl(baseUrl).href),
    nearestOpen(db, now),
    lastKnown({ db, baseUrl, token, now: () => now }),
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
