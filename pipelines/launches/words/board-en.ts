import { STATUS_WORDS } from '../launch-text.ts'
import { EN } from './en.ts'

/** The English texts of the board, except those that channels and the page of a launch have too. */
export const BOARD_EN = {
  launches: 'Launches',
  next: 'Next launch',
  justNow: 'Just now',
  upcoming: 'Upcoming',
  past: 'Past',
  upcomingLaunches: 'Upcoming launches',
  pastLaunches: 'Past launches',
  which: 'Which launches',
  /** Titles of windows and link previews. */
  head: {
    about: 'The next rocket launches, live',
    live: (title: string) => `${title}: rocket launches, live`,
    of: (filters: string) => ` (${filters})`,
    with: (search: string) => ` with “${search}”`,
    page: (page: number) => `, page ${page}`,
    exact: { 0: 'to the second', 1: 'to the minute', 2: 'to the hour' } as Readonly<Record<number, string>>,
    picture: (credit: string) => ` (picture: ${credit})`,
  },
  /** Beside a time that is known to the hour. */
  margin: '±1 h',
  search: {
    count: (total: number) => `${total} ${total === 1 ? 'launch' : 'launches'}`,
    label: 'Search names, missions, rockets, places',
    hint: 'Name, mission, rocket, place',
    provider: 'Provider',
    rocket: 'Rocket',
    country: 'Country',
    orbit: 'Orbit',
    location: 'Place',
    status: 'Status',
    time: 'Time',
    exactOnly: 'Exact time only',
    filters: 'Filters',
    turnOff: (filter: string) => `Turn off the filter “${filter}”`,
    submit: 'Search',
    clear: 'Clear',
  },
  /** The views of the same launches. */
  views: { label: 'View', list: 'List', calendar: 'Calendar', map: 'Map' },
  calendar: {
    launchesIn: (month: string) => `Launches in ${month}`,
    months: 'Months',
    thisMonth: 'This month',
    utc: 'Days and times are in UTC.',
    local: 'Days and times are in your time zone; days without a time are in UTC.',
    longer: 'Launches known only to a quarter or longer are',
    inTheList: 'in the list',
    most: (launches: number) => `The calendar shows the first ${launches} launches.`,
    none: 'No launch in this month',
    noneMatches: 'No launch in this month matches',
    beside: 'Look at the months before and after it.',
    someWeek: 'Some time this week',
    someTime: (month: string) => `Some time in ${month}`,
  },
  map: {
    titleOf: (launches: string) => `Map of ${launches.toLowerCase()}`,
    label: 'Map of the launch sites',
    about: 'A number counts launches; nearby places share a circle. Each circle and each name leads to a list.',
    most: (places: number) => `Shows the ${places} places with the most launches.`,
    table: 'Launches by place',
    place: 'Place',
    launches: 'Launches',
    next: 'Next launch',
    last: 'Last launch',
    unknown: 'Unknown place',
    notOnMap: 'not on the map',
  },
  pages: {
    label: 'Pages',
    earlier: 'Earlier page',
    next: 'Next page',
    position: (page: number, pages: number, total: number) => `Page ${page} of ${pages}, ${total} launches`,
  },
  none: {
    upcoming: 'No upcoming launches',
    listed: 'Launch Library lists none at the moment.',
    yet: 'No launches yet',
    soon: 'This page shows the launches as soon as they are stored.',
    unknown: 'The database of the runs does not answer, so the next read is unknown.',
    start: 'No process reads Launch Library. Start one:',
    reading: 'Launch Library is being read now.',
    failed: 'The last read failed:',
    itsRun: 'its run',
    paused: 'The pipeline is paused:',
    unpause: 'unpause it',
    unscheduled: 'The pipeline is not scheduled:',
    run: 'run it',
    nextRead: 'The next read of Launch Library is at',
    pastStored: 'No past launch is stored',
    loadAll: 'To load all launches ever:',
    upcomingStored: 'No upcoming launch is stored',
    fetchThem: 'Fetch them from Launch Library:',
    pastMatches: 'No past launch matches',
    upcomingMatches: 'No upcoming launch matches',
    fewer: 'Try fewer words, or',
    showAll: 'show all of them',
  },
  /** The links below the list, one after the other. */
  take: {
    subscribe: 'Subscribe',
    changes: 'Changes of launches',
    subscribeTo: 'Subscribe in a calendar program',
    calendar: 'Calendar',
    and: ' and ',
    subscribable: ' (subscribe to this address) and ',
    all: ' with all upcoming launches.',
    found: ' with the results of this search.',
    toSubscribe: 'To subscribe,',
    make: 'make a calendar address',
  },
  age: {
    asOf: 'As of',
    nextLook: 'next read',
    due: 'is due',
    calls: (left: string, limit: string) => `${left} of ${limit} calls left`,
    source: 'data by',
    outbox: 'outbox',
    rejects: 'rejects',
  },
  live: 'Webcast live',
  gone: 'Launch Library no longer lists this launch. About half of such launches reappear.',
  facts: {
    provider: 'Provider',
    rocket: 'Rocket',
    pad: 'Pad',
    mission: 'Mission',
    orbit: 'Orbit',
    weather: 'Weather',
    window: 'Window',
    lastChange: 'Last change',
    id: 'Launch Library id',
  },
  good: (percent: number) => `${percent} % favourable`,
  picture: (credit: string) => `Picture: ${credit}`,
  pictureFrom: 'Picture from Launch Library',
  watch: 'Watch',
  watchLive: 'Watch live now',
  recording: 'Watch the recording',
  details: 'Details',
  moreAt: (site: string) => `More at ${site}`,
  about: 'About',
  noDescription: 'Launch Library has no description yet.',
  moves: {
    title: 'How it moved',
    never: 'The launch date has not changed.',
    since: 'The launch date has not changed since this launch was first seen here:',
    older: 'Older changes:',
    chart: "Chart of the launch date's changes",
    later: 'later',
    earlier: 'earlier',
    period: 'only the period is known',
    step: (from: string, net: string) => `From ${from}: ${net}`,
    exact: 'The date became more exact and has not moved.',
    /** How often it moved, and by how much in all, in ms. */
    moved: (later: number, earlier: number, wholeMs: number | undefined) => {
      const often = [later > 0 ? `later ${times(later)}` : '', earlier > 0 ? `earlier ${times(earlier)}` : '']
      const whole = wholeMs === undefined ? '' : `; ${EN.changes.moved(wholeMs)} than its first exact time`
      return `Moved ${often.filter(Boolean).join(', ')}${whole}.`
    },
  },
  sent: {
    title: 'On Discord',
    nothing: 'No message about this launch. A channel gets the card of the next launch.',
    channel: (number: number) => `Channel ${number}: `,
    unknown: 'Another version of T-minus sent this card, so it cannot be shown.',
    edited: 'edited',
    states: {
      pending: 'waiting since',
      sending: 'being sent since',
      unknown: 'perhaps sent',
      dead: 'discarded',
      sent: 'sent',
    } as Readonly<Record<string, string>>,
    /** A notice that another message holds. Null: the card. */
    merged: (notice: string | null) =>
      notice === null ? 'part of the card since' : `part of the message “${notice}” since`,
  },
  /** Launch Library's abbreviations, by status id. */
  short: STATUS_WORDS,
  units: ['days', 'hours', 'min', 'sec'],
  whenLoaded: 'when this page was loaded',
  morning: 'morning',
  afternoon: 'afternoon',
  timeOpen: 'time open',
  now: 'now',
  /** Also in `board.js`. */
  away: (count: number, unit: 'day' | 'hour' | 'min', past: boolean) => {
    const amount = `${count} ${unit}${count === 1 || unit === 'min' ? '' : 's'}`
    return past ? `${amount} ago` : `in ${amount}`
  },
}

export type BoardWords = typeof BOARD_EN

function times(count: number): string {
  return ['once', 'twice'][count - 1] ?? `${count} times`
}
