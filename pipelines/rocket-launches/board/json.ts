import type { Age } from './age.ts'
import type { BoardLaunch } from './query.ts'
import { isTimed, periodText } from './words.ts'

/** What `/launches.json` answers. Times in ISO 8601, UTC. */
export interface LaunchesJson {
  as_of: Date | null
  next_look: Date | null
  /** Of all that fit; `launches` holds 500 a page at most (`?page=2`). */
  total: number
  launches: (Omit<BoardLaunch, 'details'> & {
    /** False: `net` is a placeholder, never to be shown as a time. */
    net_is_time: boolean
    /** The period, in words, of a launch whose time is not known. */
    period: string | null
  })[]
}

/** Under the names of the columns, as `launches list -o json` gives them. */
export function launchesJson(launches: readonly BoardLaunch[], told: { total: number; age: Age }): LaunchesJson {
  const { asOf, nextLook } = told.age
  return {
    as_of: asOf ?? null,
    next_look: nextLook ?? null,
    total: told.total,
    launches: launches.map((launch) => {
      const timed = isTimed(launch)
      return { ...launch, net_is_time: timed, period: timed ? null : periodText(launch) }
    }),
  }
}
