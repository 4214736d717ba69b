/** A launch in the same form for all API versions. The keys are columns of `rocket_launches`. Null: unknown. */
export interface Launch {
  /** Launch Library's id, the only key: names and slugs change. */
  launch_id: string
  name: string
  slug: string | null
  /** "No earlier than". A placeholder unless `isPrecise(net_precision)`. */
  net: Date
  /**
   * Launch Library's id: 0 second, 1 minute, 2 hour, 3 morning, 4 afternoon, 5 day, 6 week, 7 month, 8–11 quarter,
   * 12/13 half, 14 year, 15 fiscal year, 16 decade; derived where the API does not give it.
   */
  net_precision: number | null
  /**
   * 1 go, 2 to be determined, 3 success, 4 failure, 5 hold, 6 in flight, 7 partial failure, 8 to be confirmed, 9
   * payload deployed.
   */
  status_id: number
  status_name: string
  /** Absent in 2.0.0. Does not change when only the image or the slug changes. */
  last_updated: Date | null
  window_start: Date | null
  window_end: Date | null
  provider: string | null
  rocket: string | null
  family: string | null
  pad: string | null
  location: string | null
  /** Degrees; north and east are positive. */
  latitude: number | null
  longitude: number | null
  mission_name: string | null
  mission_type: string | null
  mission_description: string | null
  orbit: string | null
  /** Probability of good weather, in percent. */
  probability: number | null
  hold_reason: string | null
  fail_reason: string | null
  /** All addresses here are http(s). */
  image_url: string | null
  image_credit: string | null
  /** The best webcast. Only the detailed mode of the API gives `webcast_url` and `info_url`. */
  webcast_url: string | null
  webcast_live: boolean
  /** The best page about the launch. */
  info_url: string | null
}

/** A row of `rocket_launches`. A row that the older Airflow version wrote may lack everything but `id`. */
export type StoredLaunch = { [Column in keyof Launch]: Launch[Column] | null } & {
  id: number
  first_seen_at: Date | null
  updated_at: Date | null
  /** When the launch disappeared from the list of upcoming launches. */
  vanished_at: Date | null
  /** The launch as received, if the query asked for it. */
  details?: unknown
}

/** A row with the three fields that a board or channel needs to show a launch. */
export type KnownLaunch = StoredLaunch & Pick<Launch, 'launch_id' | 'name' | 'net'>

/** Status ids of a launch that left the ground, with any outcome. */
export const FLOWN: readonly number[] = [3, 4, 6, 7, 9]

/** Status ids that are final: success, failure, partial failure. */
export const FINAL: readonly number[] = [3, 4, 7]

export function isFlown(statusId: number | null): boolean {
  return statusId !== null && FLOWN.includes(statusId)
}

/** The precisions second, minute and hour. With them, `net` is a time and not a placeholder. */
export const PRECISE: readonly number[] = [0, 1, 2]

const HOUR = 2

/** True if `net` is known only to the hour: texts then show ±1 h beside it, and no seconds. */
export function isToTheHour(netPrecision: number | null): boolean {
  return netPrecision === HOUR
}

export function isPrecise(netPrecision: number | null): boolean {
  return netPrecision !== null && PRECISE.includes(netPrecision)
}
