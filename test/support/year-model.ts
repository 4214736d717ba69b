import fc from 'fast-check'
import type { Launch } from '../../pipelines/launches/launch.ts'
import type { Volume } from '../../pipelines/rocket-launches/discord/volume.ts'

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR
export const TICK = 5 * MINUTE
/** Every day, because most weeks of the year have no tick. */
export const DIGEST = '0 6 * * * UTC'
export const START = Date.UTC(2026, 0, 1)

/** Launch Library's data about a launch from `at` on. `launch` undefined: it is no longer listed. */
export interface Happening {
  at: number
  launchId: string
  launch: Launch | undefined
}

export const PROVIDERS = ['SpaceX', 'Rocket Lab'] as const

/** Faults of Discord on one channel. It answers before it executes the request; if `late`, after. */
export const DISCORD_TROUBLES = [
  ...(['limited', 'banned', 'error', 'late error', 'reset', 'late reset', 'broken', 'hangs', 'late hangs'] as const),
  ...(['gone', 'wrong token', 'unreachable', 'deleted', 'too many edits'] as const),
] as const
/** Faults of our process. `silent`: Launch Library does not answer. */
export const PROCESS_TROUBLES = ['killed', 'twice', 'twice, one killed', 'down', 'silent'] as const

export type Trouble = {
  /** Index of the busy tick at which it starts (modulo their number), and how many ticks it lasts. */
  tick: number
  ticks: number
  /** Awaits until the kill, seconds to wait. */
  amount: number
} & (
  | { kind: (typeof DISCORD_TROUBLES)[number]; channels: readonly number[] }
  | { kind: (typeof PROCESS_TROUBLES)[number] }
)

export interface Year {
  volume: Volume
  channels: number
  filtered: boolean
  launches: Plan[]
  troubles: Trouble[]
}

const EVENTS = [
  ...([
    'slip',
    'slip',
    'slip',
    'back',
    'precise',
    'coarse',
    'hold',
    'go',
    'to be determined',
    'to be confirmed',
  ] as const),
  ...(['liftoff', 'success', 'failure', 'gone', 'listed', 'image', 'bad image', 'no image'] as const),
  ...(['webcast', 'no webcast', 'renamed'] as const),
] as const

interface Plan {
  day: number
  minute: number
  knownDays: number
  precision: number
  provider: number
  events: { what: (typeof EVENTS)[number]; lead: number; by: number }[]
  /** The status at T-0 and an hour later; 0: no status arrives. */
  ends: readonly [number, number]
}

/** Launches are close together, so that they overtake each other. They change more often close to T-0. */
const plan: fc.Arbitrary<Plan> = fc.record({
  day: fc.constantFrom(20, 21, 22, 100, 101, 180, 181, 182, 183, 300, 301),
  minute: fc.nat(1_439),
  /** How long before T-0 it is first listed. Negative: it has flown by then. */
  knownDays: fc.constantFrom(0.02, 0.5, 1.5, 4, 9, 40, -0.1),
  precision: fc.constantFrom(1, 1, 1, 0, 2, 5, 7, 8),
  provider: fc.nat(1),
  events: fc.array(
    fc.record({
      what: fc.constantFrom(...EVENTS),
      lead: fc.constantFrom(
        ...[20_000, 9_000, 3_000, 1_500, 400, 70, 35, 20, 12, 6, 2, -3, -30, -90, -2_000, -6_000],
        ...[1_441, 1_436, 1_432, 61, 57, 52, 10, 8], // close to the time of a reminder
      ),
      by: fc.constantFrom(-10_000, -1_440, -120, -35, -16, -3, 1, 5, 14, 15, 30, 90, 125, 700, 1_440, 4_000, 60_000),
    }),
    { maxLength: 7 },
  ),
  ends: fc.constantFrom([6, 3], [6, 4], [0, 3], [6, 7], [0, 0], [9, 3]),
})

const trouble: fc.Arbitrary<Trouble> = fc.oneof(
  fc.record({
    ...{ tick: fc.nat(20_000), ticks: fc.integer({ min: 1, max: 4 }), amount: fc.integer({ min: 1, max: 600 }) },
    kind: fc.constantFrom(...DISCORD_TROUBLES),
    channels: fc.constantFrom([0], [1], [0, 1]),
  }),
  fc.record({
    ...{ tick: fc.nat(20_000), ticks: fc.integer({ min: 1, max: 2 }), amount: fc.integer({ min: 1, max: 110 }) },
    kind: fc.constantFrom(...PROCESS_TROUBLES, 'killed' as const, 'killed' as const),
  }),
)

export const year: fc.Arbitrary<Year> = fc.record({
  volume: fc.constantFrom('full', 'normal', 'quiet'),
  channels: fc.constantFrom(1, 2, 2),
  filtered: fc.boolean(),
  launches: fc.array(plan, { minLength: 12, maxLength: 14, size: 'max' }),
  troubles: fc.array(trouble, { minLength: 50, maxLength: 60, size: 'max' }),
})

/** All events, in order. */
export function happeningsOf({ launches }: Pick<Year, 'launches'>): Happening[] {
  return launches.flatMap(lifeOf).sort((a, b) => a.at - b.at)
}

function lifeOf(plan: Plan, index: number): Happening[] {
  const launchId = `launch-${index}`
  const flown = plan.knownDays < 0
  let launch = { ...firstOf(plan, launchId), ...(flown && { status_id: 3 }) }
  let before = launch.net
  let at = launch.net.getTime() - plan.knownDays * DAY
  let listed = true
  const life: Happening[] = []
  const record = () => void life.push({ at, launchId, launch: listed ? launch : undefined })
  record()
  for (const { what, lead, by } of flown ? [] : plan.events) {
    at = Math.max(at + 4 * MINUTE, launch.net.getTime() - lead * MINUTE)
    if (what === 'gone' || what === 'listed') listed = what === 'listed'
    const { net } = launch
    launch = { ...launch, ...changed(launch, what, { by, before, at }) }
    if (launch.net !== net) before = net
    record()
  }
  const [liftoff, result] = plan.ends
  for (const [status, after] of [
    [liftoff, 2],
    [result, 60],
  ] as const) {
    if (status === 0) continue
    at = Math.max(at + 4 * MINUTE, launch.net.getTime() + after * MINUTE)
    launch = { ...launch, status_id: status }
    record()
  }
  return life
}

function changed(
  { name, net }: Launch,
  what: (typeof EVENTS)[number],
  { by, before, at }: { by: number; before: Date; at: number },
): Partial<Launch> {
  const status = (status_id: number) => ({ status_id })
  switch (what) {
    case 'slip':
      return { net: new Date(Math.max(net.getTime() + by * MINUTE, at + MINUTE)) }
    case 'back':
      return { net: before }
    case 'precise':
      return { net_precision: 1 }
    case 'coarse':
      return { net_precision: by % 2 === 0 ? 5 : 7 }
    case 'hold':
      return { ...status(5), hold_reason: 'Weather' }
    case 'go':
      return status(1)
    case 'to be determined':
      return status(2)
    case 'to be confirmed':
      return status(8)
    case 'liftoff':
      return status(6)
    case 'success':
      return status(3)
    case 'failure':
      return { ...status(4), fail_reason: 'Engine' }
    case 'image':
      return { image_url: `https://images.example/${at}.png` }
    case 'bad image':
      return { image_url: `https://images.example/refused/${at}.png` }
    case 'no image':
      return { image_url: null }
    case 'webcast':
      return { webcast_live: true, webcast_url: 'https://www.youtube.com/watch?v=abc' }
    case 'no webcast':
      return { webcast_live: false }
    case 'renamed':
      return { name: `${name}*` }
    default:
      return {}
  }
}

function firstOf({ day, minute, precision, provider }: Plan, launchId: string): Launch {
  return {
    ...{ launch_id: launchId, slug: launchId, name: `Rocket | ${launchId}`, last_updated: null },
    ...{ net: new Date(START + day * DAY + minute * MINUTE), net_precision: precision, status_id: 8, status_name: '' },
    ...{ window_start: null, window_end: null, provider: PROVIDERS[provider] ?? null, rocket: 'Rocket', family: null },
    ...{ pad: 'Pad 1', location: 'Somewhere', latitude: null, longitude: null, mission_name: null, mission_type: null },
    ...{ mission_description: 'Up.', orbit: 'LEO', probability: null, hold_reason: null, fail_reason: null },
    ...{ image_url: 'https://images.example/first.png', image_credit: null, webcast_url: null, webcast_live: false },
    info_url: null,
  }
}

/** Ticks at which a message is due if there is no fault. */
export function busyTicksOf(happenings: readonly Happening[]): number[] {
  const due = happenings.flatMap(({ launch }) => [DAY, HOUR, 2 * TICK].map((by) => (launch?.net.getTime() ?? 0) - by))
  const ticks = [...happenings.map(({ at }) => at), ...due].map((ms) => Math.ceil(ms / TICK) * TICK)
  return [...new Set(ticks)].sort((a, b) => a - b)
}

/** Five-minute ticks at which something can be sent. Idle ticks are skipped. */
export function ticksOf(happenings: readonly Happening[]): number[] {
  const nets = happenings.flatMap(({ launch }) => launch?.net.getTime() ?? [])
  const times = [
    ...happenings.flatMap(({ at }) => [0, 1, 2, 3].map((index) => at + index * TICK)),
    ...nets.flatMap((net) =>
      [7 * DAY, DAY, DAY - TICK, HOUR, HOUR - TICK, 2 * TICK, TICK, 0, -TICK].map((by) => net - by),
    ),
  ]
  const end = Math.max(...happenings.map(({ at }) => at)) + HOUR
  const ticks = new Set(times.filter((ms) => ms >= START && ms <= end).map((ms) => Math.ceil(ms / TICK) * TICK))
  return [...ticks].sort((a, b) => a - b)
}
