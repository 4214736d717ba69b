import type { Age } from './age.ts'
import type { BoardLaunch } from './query.ts'
import { ENGLISH } from './reader.ts'
import { isTimed, periodText } from './words.ts'

/** The answer of `/launches.json`. Times in ISO 8601, UTC. */
export interface LaunchesJson {
  as_of: Date | null
  next_look: Date | null
  /** Count of all matching launches; `launches` has at most 500 a page (`?page=2`). */
  total: number
  launches: (Omit<BoardLaunch, 'details'> & {
    /** False: `net` is a placeholder and must not be shown as a time. */
    net_is_time: boolean
    /** The period in words when the time is not known; else null. */
    period: string | null
  })[]
}

/** The fields are named like the columns, as in `launches list -o json`. */
export function launchesJson(
  launches: readonly BoardLaunch[],
  { total, age }: { total: number; age: Age },
): LaunchesJson {
  return {
    as_of: age.asOf ?? null,
    next_look: age.nextLook ?? null,
    total,
    launches: launches.map((launch) => {
      const timed = isTimed(launch)
      return { ...launch, net_is_time: timed, period: timed ? null : periodText(launch, ENGLISH) }
    }),
  }
}
