import { humanDuration } from 'tminus'

/** The English texts of channels and of the board that do not come from Launch Library. */
export const EN = {
  status: {
    1: 'Go for launch',
    2: 'Date to be determined',
    3: 'Launch successful',
    4: 'Launch failed',
    5: 'On hold',
    6: 'In flight',
    7: 'Partial failure',
    8: 'Date to be confirmed',
    9: 'Payload deployed',
  },
  fields: {
    rocket: 'Rocket',
    orbit: 'Orbit',
    weather: 'Weather',
    programme: 'Programme',
    booster: 'Booster',
    pad: 'Pad',
  },
  weather: (percent: number) => `${percent} % favourable`,
  booster: {
    flight: (number: number) => `flight ${number}`,
    /** Boosters without a serial number, beside others. */
    unnamed: (count: number) => (count === 1 ? 'one booster' : `${count} boosters`),
    /** The place is null if it is unknown. */
    landing: {
      planned: (place: string | null) => withPlace('landing attempt', place),
      success: (place: string | null) => withPlace('landed', place),
      failure: (place: string | null) => withPlace('landing failed', place),
      none: (_place: string | null) => 'no landing attempt',
    },
  },
  buttons: { watch: 'Watch', details: 'Details', page: 'Launch page' },
  when: {
    morning: (date: string) => `${date}, morning (time to be announced)`,
    afternoon: (date: string) => `${date}, afternoon (time to be announced)`,
    day: (date: string) => `${date} (time to be announced)`,
    week: (monday: string) => `NET week of ${monday}`,
    /** `month`: 1 to 12, as in `date`. */
    month: (month: number, year: number) => `NET ${MONTHS[month - 1]} ${year}`,
    quarter: (quarter: number, year: number) => `Q${quarter} ${year}`,
    half: (half: number, year: number) => `${half === 1 ? 'first' : 'second'} half of ${year}`,
    year: (year: number) => `NET ${year}`,
    fiscalYear: (year: number) => `fiscal year ${year}`,
    decade: (year: number) => `in the ${year}s`,
  },
  date: (day: number, month: number, year: number) => `${day} ${MONTHS[month - 1]} ${year}`,
  time: (date: string, clock: string) => `${date}, ${clock} UTC`,
  source: (asOf: string) => `Launch Library 2 · as of ${asOf}`,
  silent: (asOf: string) => `Launch Library 2 · has not answered since ${asOf}`,
  gone: 'No longer listed by Launch Library',
  notice: {
    /** The headline of each kind, unless `noticeMessage` computes one. The page of a launch uses it as the name. */
    kinds: {
      slip: 'New time',
      hold: 'On hold',
      go: 'Go for launch again',
      liftoff: 'Liftoff',
      result: 'Result',
      reminder: 'Reminder',
      webcast: 'Webcast is live',
    },
    later: 'Postponed',
    earlier: 'Moved forward',
    by: (moved: string, amount: string) => `${moved} by ${amount}`,
    set: { time: 'Time set', date: 'Date set', period: 'Date narrowed down' },
    open: { time: 'Time open again', date: 'Date open again', period: 'Date open again' },
    both: (moved: string, known: string) => `${moved}, ${known.toLowerCase()}`,
    before: (time: string) => `~~${time}~~`,
    after: (time: string) => `→ ${time}`,
    because: (reason: string) => `Reason: ${reason}`,
    /** A T-0 that changed after the message was posted. */
    changed: (was: string, now: string) => `was ~~${was}~~, now ${now}`,
    reminder: (offset: string) => `T-${offset}`,
    /** `by`: the signed difference to the T-0 before the hold. */
    goAgain: (time: string, by: string) => `Go again, new T-0 ${time} (${by})`,
  },
  /** The list of changes of a launch. */
  changes: {
    fields: {
      name: 'name',
      net: 'time',
      net_precision: 'known to the',
      status_id: 'status',
      window_start: 'window opens',
      window_end: 'window closes',
      provider: 'provider',
      rocket: 'rocket',
      pad: 'pad',
      location: 'location',
      mission_name: 'mission',
      mission_type: 'kind of mission',
      mission_description: 'description',
      orbit: 'orbit',
      probability: 'weather',
      hold_reason: 'hold reason',
      fail_reason: 'fail reason',
      image_url: 'image',
      webcast_url: 'webcast',
      webcast_live: 'on the air',
    },
    /** By the id of the precision. */
    precisions: [
      ...['second', 'minute', 'hour', 'morning', 'afternoon', 'day', 'week', 'month'],
      ...['first quarter', 'second quarter', 'third quarter', 'fourth quarter', 'first half', 'second half'],
      ...['year', 'fiscal year', 'decade'],
    ],
    none: 'none',
    reworded: 'reworded',
    another: 'another one',
    placeholder: ', as before; its placeholder moved',
    status: (id: string) => `status ${id}`,
    live: { true: 'yes', false: 'no' },
    weather: (percent: string) => `${percent} % favourable`,
    moved: (ms: number) => (ms === 0 ? 'the same' : `${humanDuration(Math.abs(ms))} ${ms > 0 ? 'later' : 'earlier'}`),
  },
  digest: {
    title: 'Launches this week',
    name: (date: string) => `Launches of the week from ${date}`,
    days: (from: string, until: string) => `${from} – ${until}`,
    none: 'No launch is planned for these days.',
    more: (count: number) => `and ${count} more`,
  },
  amount: (count: number, unit: 'day' | 'hour' | 'minute' | 'second') => `${count} ${unit}${count === 1 ? '' : 's'}`,
}

/** All texts in one language. A language without one of them does not compile. */
export type Words = typeof EN

export function withPlace(what: string, place: string | null): string {
  return place === null ? what : `${what}: ${place}`
}

const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July'],
  ...['August', 'September', 'October', 'November', 'December'],
]

/** The name of a status; undefined for an id that Launch Library added later. */
export function statusName(id: number | null, words: Words): string | undefined {
  const names: Readonly<Record<number, string>> = words.status
  return names[id ?? 0]
}
