import { z } from 'zod'
import { duration, flag, part, quantity, text } from './lenient.ts'

/** One booster of a launch. Null: unknown. */
export interface BoosterFlight {
  /** `B1100` */
  serial: string | null
  /** The number of this flight: 1 for a new booster. */
  flight: number | null
  /** Time since the flight before, in ms. */
  turnaroundMs: number | null
  previous: { id: string; name: string | null } | null
  landing: Landing | null
}

export interface Landing {
  outcome: 'planned' | 'success' | 'failure' | 'none'
  /** `Of Course I Still Love You`, `OCISLY` */
  name: string | null
  abbrev: string | null
  /** `ASDS`, `RTLS` */
  way: string | null
  downrangeKm: number | null
}

const place = part({ name: text, abbrev: text })
/** Later versions have `landing_location`, older ones `location`. */
const landing = part({
  attempt: flag,
  success: flag,
  downrange_distance: quantity,
  location: place,
  landing_location: place,
  type: place,
})
export const stage = part({
  launcher: part({ serial_number: text, is_placeholder: flag }),
  launcher_flight_number: z.int().positive().nullable().catch(null),
  turn_around_time_days: quantity,
  turn_around_time: duration,
  previous_flight: part({ id: text, name: text }),
  landing,
})

/** Undefined if neither the booster nor its landing is known. */
export function boosterOf(raw: z.output<typeof stage>): BoosterFlight | undefined {
  const { launcher, launcher_flight_number, previous_flight, turn_around_time, turn_around_time_days: days } = raw
  const serial = launcher.is_placeholder ? null : known(launcher.serial_number)
  const landing = landingOf(raw.landing)
  if (serial === null && landing === null) return undefined
  return {
    serial,
    flight: serial === null ? null : launcher_flight_number,
    turnaroundMs: turn_around_time ?? (days === null ? null : days * 86_400_000),
    previous: previous_flight.id === null ? null : { id: previous_flight.id, name: previous_flight.name },
    landing,
  }
}

function landingOf(raw: z.output<typeof landing>): Landing | null {
  const { attempt, success, downrange_distance: downrangeKm, type } = raw
  if (attempt === null && success === null) return null
  if (attempt === false) return { outcome: 'none', name: null, abbrev: null, way: null, downrangeKm: null }
  const at = raw.landing_location.name === null ? raw.location : raw.landing_location
  const outcome = success === null ? 'planned' : success ? 'success' : 'failure'
  return { outcome, name: known(at.name), abbrev: known(at.abbrev), way: known(type.abbrev), downrangeKm }
}

const PLACEHOLDER = /^(unknown|n\/a|tbd)/i

function known(value: string | null): string | null {
  return value === null || PLACEHOLDER.test(value) ? null : value
}
