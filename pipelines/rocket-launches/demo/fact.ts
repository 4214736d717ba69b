import type { AgencyKey } from './agencies.ts'
import type { PadKey, RocketKey } from './hardware.ts'
import type { PictureName } from './picture.ts'
import type { When } from './when.ts'

/** What makes one sample launch different from the others; `launches.ts` makes the whole API object of it. */
export interface Fact {
  mission: string
  rocket: RocketKey
  pad: PadKey
  at: When
  status: keyof typeof statuses
  type: string
  orbit: keyof typeof orbits
  /** Null: the API knows nothing of the mission, not even a description. */
  text: string | null
  /** Null: no picture, as with one launch in fifty. */
  picture: PictureName | null
  /** Who the mission flies for; default the provider. */
  customer?: AgencyKey
  program?: keyof typeof programs
  /** Length of the launch window in minutes; default 0, an instant. */
  window?: number
  /** Chance of good weather in per cent, and what could spoil it. */
  weather?: readonly [number, string]
  /** True: it has a webcast and a page. */
  covered?: boolean
}

/** Id, name, abbreviation, meaning. */
export const statuses = {
  go: [1, 'Go for Launch', 'Go', 'The time is confirmed by the provider or another reliable source.'],
  tbd: [2, 'To Be Determined', 'TBD', 'The date is a placeholder or a rough guess.'],
  success: [3, 'Launch Successful', 'Success', 'The payload reached the orbit it was meant for.'],
  hold: [5, 'On Hold', 'Hold', 'The countdown is paused and may go on within the window.'],
  inFlight: [6, 'Launch in Flight', 'In Flight', 'The rocket has left the pad.'],
  tbc: [8, 'To Be Confirmed', 'TBC', 'The date is fairly certain and waits for confirmation.'],
} as const

/** By id: name, abbreviation, meaning. */
export const precisions: Record<number, readonly [string, string, string]> = {
  0: ['Second', 'SEC', 'T-0 is known to the second.'],
  1: ['Minute', 'MIN', 'T-0 is known to the minute.'],
  2: ['Hour', 'HR', 'T-0 is known to the hour.'],
  5: ['Day', 'DAY', 'T-0 is expected on that day.'],
  7: ['Month', 'M', 'T-0 is expected in that month.'],
  8: ['Quarter 1', 'Q1', 'T-0 is expected in the first quarter.'],
  9: ['Quarter 2', 'Q2', 'T-0 is expected in the second quarter.'],
  10: ['Quarter 3', 'Q3', 'T-0 is expected in the third quarter.'],
  11: ['Quarter 4', 'Q4', 'T-0 is expected in the fourth quarter.'],
  12: ['Year Half 1', 'H1', 'T-0 is expected in the first half of the year.'],
  13: ['Year Half 2', 'H2', 'T-0 is expected in the second half of the year.'],
  14: ['Year', 'Y', 'T-0 is expected in that year.'],
}

/** Id, name, abbreviation. */
export const orbits = {
  gto: [2, 'Geostationary Transfer Orbit', 'GTO'],
  heliocentric: [6, 'Heliocentric N/A', 'Helio-N/A'],
  leo: [8, 'Low Earth Orbit', 'LEO'],
  lunar: [11, 'Lunar Orbit', 'LO'],
  meo: [12, 'Medium Earth Orbit', 'MEO'],
  polar: [13, 'Polar Orbit', 'PO'],
  suborbital: [15, 'Suborbital', 'Sub'],
  sso: [17, 'Sun-Synchronous Orbit', 'SSO'],
} as const

/** Id, name, kind (id, name), first year, agencies, description. */
export const programs = {
  iss: [
    17,
    'International Space Station',
    [2, 'Human Spaceflight'],
    1998,
    ['nasa', 'roscosmos', 'esa', 'jaxa'],
    'People have lived on board without a break since the year 2000.',
  ],
  starlink: [
    25,
    'Starlink',
    [3, 'Communication Constellation'],
    2018,
    ['spacex'],
    'Internet from thousands of satellites in low orbit.',
  ],
  artemis: [
    15,
    'Artemis',
    [2, 'Human Spaceflight'],
    2017,
    ['nasa', 'esa', 'jaxa'],
    'People back on the Moon, this time to stay.',
  ],
} as const satisfies Record<
  string,
  readonly [number, string, readonly [number, string], number, readonly AgencyKey[], string]
>
