/** The English texts of the page of a launch. */
export const PAGE_EN = {
  language: 'en',
  rocket: 'Rocket',
  record: (successes: number, flights: number) => `${successes} of ${flights} successful`,
  landings: (successes: number, flights: number) => `${successes} of ${flights} landings`,
  inARow: (count: number) => `${count} in a row`,
  firstFlight: 'first flight',
  firstFlown: (date: string) => `first flown ${date}`,
  height: (metres: number) => `${metres} m high`,
  lifts: (tonnes: number) => `${tonnes} t to low orbit`,
  booster: {
    unknown: 'Booster',
    flight: (number: number) => `${ordinal(number)} flight`,
    landing: {
      planned: (place: string) => `lands on ${place}`,
      success: (place: string) => `landed on ${place}`,
      failure: (place: string) => `landing failed: ${place}`,
    },
    landingAt: { planned: 'landing planned', success: 'landed', failure: 'landing failed', none: 'no landing attempt' },
    downrange: (km: number) => `${km} km downrange`,
    turnaround: (days: number) => `${days} ${days === 1 ? 'day' : 'days'} after its last flight`,
  },
  spacecraft: 'Spacecraft',
  to: (destination: string) => `to ${destination}`,
  crew: 'Crew',
  programme: 'Programme',
  weather: 'Weather',
  favourable: (percent: number) => `${percent} % favourable`,
  concerns: (what: string) => `concern: ${what}`,
  numbers: {
    title: 'This year',
    orbital: (number: number) => `${ordinal(number)} orbital launch`,
    provider: (number: number, name: string) => `${ordinal(number)} of ${name}`,
    pad: (number: number) => `${ordinal(number)} from this pad`,
  },
  patch: 'Mission patch',
  webcasts: 'Webcasts',
  play: 'Play here',
  playHint: 'Loads the video from YouTube',
  live: 'live now',
  pages: 'Pages',
  news: 'News',
  olderNews: (count: number) => `${count} older`,
  pad: 'Pad',
  map: (place: string) => `World map with the pad at ${place}; the night at liftoff is shaded`,
  mapNow: (place: string) => `World map with the pad at ${place}`,
  localTime: 'Liftoff, local time',
  thereNow: 'Now there',
  coordinates: 'Coordinates',
  night: 'The shaded part of the map is night at liftoff.',
  countdown: 'Countdown',
  earlier: 'Earlier launches',
  ofBooster: (serial: string) => `Booster ${serial}`,
  fromPad: 'From this pad',
  fromLocation: 'All upcoming launches from here',
}

export type PageWords = typeof PAGE_EN

function ordinal(number: number): string {
  const ending = { one: 'st', two: 'nd', few: 'rd' }[rules.select(number) as 'one' | 'two' | 'few'] ?? 'th'
  return `${number}${ending}`
}

const rules = new Intl.PluralRules('en', { type: 'ordinal' })
