import type { Launch } from './launch.ts'

/** What pg takes and gives. */
export type Value = string | number | boolean | Date | null

/** The columns that hold what is read of a launch, and where it comes from. */
const COLUMNS = {
  name: (launch) => launch.name,
  slug: (launch) => launch.slug,
  net: (launch) => launch.net,
  net_precision: (launch) => launch.netPrecision,
  status_id: (launch) => launch.status.id,
  status_name: (launch) => launch.status.name,
  last_updated: (launch) => launch.lastUpdated,
  window_start: (launch) => launch.windowStart,
  window_end: (launch) => launch.windowEnd,
  provider: (launch) => launch.provider,
  rocket: (launch) => launch.rocket,
  family: (launch) => launch.family,
  pad: (launch) => launch.pad,
  location: (launch) => launch.location,
  latitude: (launch) => launch.latitude,
  longitude: (launch) => launch.longitude,
  mission_name: (launch) => launch.missionName,
  mission_type: (launch) => launch.missionType,
  mission_description: (launch) => launch.missionDescription,
  orbit: (launch) => launch.orbit,
  probability: (launch) => launch.probability,
  hold_reason: (launch) => launch.holdReason,
  fail_reason: (launch) => launch.failReason,
  image_url: (launch) => launch.imageUrl,
  image_credit: (launch) => launch.imageCredit,
  webcast_url: (launch) => launch.webcastUrl,
  webcast_live: (launch) => launch.webcastLive,
  info_url: (launch) => launch.infoUrl,
} satisfies Record<string, (launch: Launch) => Value>

export type Column = keyof typeof COLUMNS
export const NAMES = Object.keys(COLUMNS) as Column[]
/** As the table holds them: an Airflow row does not know them all. */
export type Columns = { [Name in Column]: ReturnType<(typeof COLUMNS)[Name]> | null }

/** One column of a launch, as it goes into the table. */
export function columnOf(launch: Launch, column: Column): Value {
  return COLUMNS[column](launch)
}
