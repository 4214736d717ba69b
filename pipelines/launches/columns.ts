import type { Launch } from './launch.ts'

type Column = keyof Launch

/** The columns that come from Launch Library, in the order of an export. True: changes go to `rocket_launch_changes`. */
const RECORDED: Record<Column, boolean> = {
  launch_id: false,
  name: true,
  slug: false,
  net: true,
  net_precision: true,
  status_id: true,
  status_name: false,
  last_updated: false,
  window_start: true,
  window_end: true,
  provider: true,
  rocket: true,
  family: false,
  pad: true,
  location: true,
  latitude: false,
  longitude: false,
  mission_name: true,
  mission_type: true,
  mission_description: true,
  orbit: true,
  probability: true,
  hold_reason: true,
  fail_reason: true,
  image_url: true,
  image_credit: false,
  webcast_url: true,
  webcast_live: true,
  info_url: false,
}

export const LAUNCH_COLUMNS = Object.keys(RECORDED) as Column[]

export const RECORDED_COLUMNS: readonly Column[] = LAUNCH_COLUMNS.filter((column) => RECORDED[column])

/** The columns of a `StoredLaunch`, without `details`. */
export const STORED_COLUMNS = ['id', ...LAUNCH_COLUMNS, 'first_seen_at', 'updated_at', 'vanished_at'] as const
