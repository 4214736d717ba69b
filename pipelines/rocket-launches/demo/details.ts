import json from './details.json' with { type: 'json' }
import type { SampleLaunch } from './launches.ts'
import { find } from './parts.ts'

interface Details {
  /** By the keys of `rockets` in `parts.json`. */
  rockets: Record<
    string,
    {
      length: number
      leo_capacity: number
      maiden_flight: string
      flights: number
      failures: number
      inARow: number
      steps?: string
    }
  >
  /** Flights, failures and successes in a row, by name. */
  providers: Record<string, number[]>
  /** By mission, as are `spacecraft`. `days` since the flight before. */
  boosters: Record<string, { serial: string; flight: number; days: number; abbrev: string; name: string }>
  spacecraft: Record<string, string[]>
  steps: Record<string, (string | null)[][]>
}

const DETAILS = json as Details
const DAY = 86_400_000

export type Update = ReturnType<typeof update>

/** Adds what the detailed mode of Launch Library 2.3.0 has: records, boosters, countdown and news. All figures are invented. */
export function withDetails(launch: SampleLaunch, news: readonly Update[]) {
  const mission = launch.mission?.name ?? ''
  const { steps, ...rocket } = rocketDetails(launch)
  const spacecraft = DETAILS.spacecraft[mission]
  return {
    ...launch,
    launch_service_provider: {
      ...launch.launch_service_provider,
      ...counts(DETAILS.providers[launch.launch_service_provider.name]),
    },
    rocket: {
      ...launch.rocket,
      configuration: { ...launch.rocket.configuration, ...rocket },
      launcher_stage: stagesOf(launch, mission),
      spacecraft_stage: spacecraft
        ? [{ spacecraft: { name: spacecraft[0] }, destination: spacecraft[1], launch_crew: [] }]
        : [],
    },
    timeline: (DETAILS.steps[steps ?? ''] ?? []).map(([relative_time, abbrev, description], id) => ({
      type: { id, abbrev, description },
      relative_time,
    })),
    updates: news,
    mission_patches: [],
  }
}

function rocketDetails({ rocket: { configuration } }: SampleLaunch): { steps?: string } {
  const [key] = Object.keys(DETAILS.rockets).filter((key) => find('rockets', key).id === configuration.id)
  const own = DETAILS.rockets[key ?? '']
  if (own === undefined) return {}
  const { flights, failures, inARow, ...facts } = own
  return { ...facts, ...counts([flights, failures, inARow]) }
}

function counts([flights = 0, failures = 0, inARow = 0]: readonly number[] = []) {
  return {
    total_launch_count: flights,
    successful_launches: flights - failures,
    failed_launches: failures,
    consecutive_successful_launches: inARow,
  }
}

function stagesOf({ status }: SampleLaunch, mission: string) {
  const booster = DETAILS.boosters[mission]
  if (booster === undefined) return []
  const { serial, flight, days, abbrev, name } = booster
  const success = status.id === find('statuses', 'success').id ? true : null
  return [
    {
      type: 'Core',
      reused: flight > 1,
      launcher_flight_number: flight,
      launcher: { serial_number: serial, is_placeholder: false },
      turn_around_time: `P${days}D`,
      landing: { attempt: true, success, landing_location: { name, abbrev }, type: { name: '', abbrev: '' } },
      previous_flight: null,
    },
  ]
}

/** News of a launch before the demo starts. */
export function firstNews({ status }: SampleLaunch, startedAt: Date): Update[] {
  const isGo = status.id === find('statuses', 'go').id
  return [
    ...(isGo ? [update('Go for launch.', new Date(startedAt.getTime() - 2 * DAY))] : []),
    update('Added launch.', new Date(startedAt.getTime() - 30 * DAY)),
  ]
}

export function update(comment: string, at: Date) {
  return { comment, created_by: 'T-minus', created_on: `${at.toISOString().slice(0, 19)}Z`, info_url: null }
}
