import { z } from 'zod'
import { type BoosterFlight, boosterOf, stage } from './boosters.ts'
import { address, count, duration, flag, instant, listOf, part, prose, quantity, someOf, text } from './lenient.ts'

/**
 * What the page of a launch shows of `details`, the launch as received, beyond the columns. Most of it comes only in
 * detailed mode. Null or empty: unknown. Addresses are http(s).
 */
export interface LaunchStory {
  rocket: {
    length: number | null
    leoCapacity: number | null
    maidenFlight: string | null
    record: FlightRecord | null
  }
  provider: { name: string | null; record: FlightRecord | null; landings: FlightRecord | null }
  boosters: BoosterFlight[]
  spacecraft: { name: string; destination: string | null }[]
  crew: { name: string; role: string | null; agency: string | null }[]
  /** Latest first. */
  updates: { at: Date; text: string; by: string | null; url: string | null }[]
  /** In the order of the countdown. `atMs` counts from T-0, negative before it. */
  timeline: { atMs: number; name: string; text: string | null }[]
  patch: { url: string; name: string | null } | null
  /** The best first, each address once. */
  webcasts: Webcast[]
  /** Pages about the launch, the best first, each address once. */
  pages: { url: string; title: string | null }[]
  programmes: { name: string; text: string | null; url: string | null }[]
  weatherConcerns: string | null
  /** The IANA name of the pad's time zone. */
  timeZone: string | null
  /** The number of this launch, counted by Launch Library. */
  numbers: { padThisYear: number | null; orbitalThisYear: number | null; providerThisYear: number | null }
}

/** `inARow`: successes in a row up to now. */
export interface FlightRecord {
  successes: number
  flights: number
  inARow: number | null
}

export interface Webcast {
  url: string
  title: string | null
  publisher: string | null
  /** `Official Webcast` */
  kind: string | null
  language: string | null
  live: boolean
  /** A still picture. */
  image: string | null
  /** The id of a YouTube video. */
  youtube: string | null
}

/** Reads the details in the form of any API version. Never throws: a part of another form counts as unknown. */
export function storyOf(received: unknown): LaunchStory {
  const raw = Received.parse(received)
  const { configuration, launcher_stage, spacecraft_stage } = raw.rocket
  const spacecraft = Array.isArray(spacecraft_stage) ? spacecraft_stage : [spacecraft_stage]
  const { length, leo_capacity, maiden_flight } = configuration
  const provider = raw.launch_service_provider
  const zone = raw.pad.location.timezone_name
  return {
    rocket: { length, leoCapacity: leo_capacity, maidenFlight: maiden_flight, record: recordOf(configuration) },
    provider: { name: provider.name, record: recordOf(provider), landings: landingsOf(provider) },
    boosters: launcher_stage.flatMap((stage) => boosterOf(stage) ?? []).slice(0, MOST.boosters),
    spacecraft: spacecraft
      .flatMap(({ spacecraft: { name }, destination }) => (name ? [{ name, destination }] : []))
      .slice(0, MOST.spacecraft),
    crew: spacecraft
      .flatMap(({ launch_crew }) => launch_crew.flatMap((member) => crewOf(member) ?? []))
      .slice(0, MOST.crew),
    updates: raw.updates
      .flatMap(({ created_on: at, comment, created_by: by, info_url: url }) =>
        at && comment ? [{ at, text: comment, by, url }] : [],
      )
      .sort((a, b) => b.at.getTime() - a.at.getTime())
      .slice(0, MOST.updates),
    timeline: raw.timeline
      .flatMap(({ relative_time: atMs, type: { abbrev, description } }) => {
        const name = abbrev ?? description
        return atMs !== null && name ? [{ atMs, name, text: name === description ? null : description }] : []
      })
      .sort((a, b) => a.atMs - b.atMs)
      .slice(0, MOST.steps),
    patch: patchOf(raw.mission_patches),
    webcasts: once(best([...raw.vid_urls, ...raw.vidURLs]).map(webcastOf)).slice(0, MOST.links),
    pages: once(best([...raw.info_urls, ...raw.infoURLs]).map(({ url, title }) => ({ url, title }))).slice(
      0,
      MOST.links,
    ),
    programmes: raw.program
      .flatMap(({ name, description, info_url, wiki_url }) =>
        name ? [{ name, text: description, url: info_url ?? wiki_url }] : [],
      )
      .slice(0, MOST.programmes),
    weatherConcerns: raw.weather_concerns,
    timeZone: zone !== null && isTimeZone(zone) ? zone : null,
    numbers: {
      padThisYear: raw.pad_launch_attempt_count_year,
      orbitalThisYear: raw.orbital_launch_attempt_count_year,
      providerThisYear: raw.agency_launch_attempt_count_year,
    },
  }
}

const MOST = { boosters: 9, spacecraft: 9, crew: 20, updates: 40, steps: 60, links: 20, programmes: 6 }

/** A text, or the text at this key of an object: versions differ. */
const named = (key: 'name' | 'role') => {
  const object = part({ [key]: text })
  return z
    .unknown()
    .transform((value) => (typeof value === 'string' ? text.parse(value) : (object.parse(value)[key] ?? null)))
    .catch(null)
}

const record = {
  successful_launches: count,
  failed_launches: count,
  consecutive_successful_launches: count,
  successful_landings: count,
  failed_landings: count,
  consecutive_successful_landings: count,
}
const link = part({
  url: address,
  title: text,
  publisher: text,
  source: text,
  priority: z.number().catch(Number.MAX_VALUE),
  feature_image: address,
  type: named('name'),
  language: named('name'),
  live: flag,
})
/** Some answers have addresses as texts. */
const links = listOf(z.union([z.string().transform((url) => link.parse({ url })), link]))
const member = part({
  role: named('role'),
  astronaut: part({ name: text, agency: part({ name: text, abbrev: text }) }),
})
const spacecraftStage = part({ spacecraft: part({ name: text }), destination: text, launch_crew: listOf(member) })
const Received = part({
  rocket: part({
    configuration: part({ ...record, length: quantity, leo_capacity: quantity, maiden_flight: text }),
    launcher_stage: listOf(stage),
    spacecraft_stage: z.union([someOf(spacecraftStage), spacecraftStage]),
  }),
  launch_service_provider: part({ ...record, name: text }),
  pad: part({ location: part({ timezone_name: text }) }),
  updates: listOf(part({ created_on: instant, comment: text, created_by: text, info_url: address })),
  timeline: listOf(part({ relative_time: duration, type: part({ abbrev: text, description: text }) })),
  mission_patches: listOf(part({ image_url: address, name: text, priority: z.number().catch(Number.MAX_VALUE) })),
  vid_urls: links,
  vidURLs: links,
  info_urls: links,
  infoURLs: links,
  program: listOf(part({ name: text, description: prose, info_url: address, wiki_url: address })),
  weather_concerns: text,
  pad_launch_attempt_count_year: count,
  orbital_launch_attempt_count_year: count,
  agency_launch_attempt_count_year: count,
})

type Counts = Readonly<Record<keyof typeof record, number | null>>

function recordOf(counts: Counts): FlightRecord | null {
  const { successful_launches, failed_launches, consecutive_successful_launches } = counts
  return flightRecord(successful_launches, failed_launches, consecutive_successful_launches)
}

function landingsOf(counts: Counts): FlightRecord | null {
  const { successful_landings, failed_landings, consecutive_successful_landings } = counts
  return flightRecord(successful_landings, failed_landings, consecutive_successful_landings)
}

/** Null without any flight: Launch Library counts 0 for a rocket that has not flown. */
function flightRecord(successes: number | null, failures: number | null, inARow: number | null): FlightRecord | null {
  if (successes === null || failures === null || successes + failures === 0) return null
  return { successes, flights: successes + failures, inARow }
}

function crewOf({ role, astronaut }: z.output<typeof member>): LaunchStory['crew'][number] | undefined {
  const { name, agency } = astronaut
  if (name === null) return undefined
  return { name, role, agency: agency.abbrev ?? agency.name }
}

function patchOf(patches: z.output<typeof Received>['mission_patches']): LaunchStory['patch'] {
  const shown = patches.flatMap(({ image_url: url, name, priority }) => (url ? [{ url, name, priority }] : []))
  const [first] = shown.sort((a, b) => a.priority - b.priority || (a.url < b.url ? -1 : 1))
  return first ? { url: first.url, name: first.name } : null
}

type Link = z.output<typeof link>

/** The lowest priority number first, as Launch Library orders links. */
function best(all: readonly Link[]): (Link & { url: string })[] {
  const shown = all.flatMap((one) => (one.url ? [{ ...one, url: one.url }] : []))
  return shown.sort((a, b) => a.priority - b.priority)
}

function once<T extends { url: string }>(all: readonly T[]): T[] {
  return [...new Map(all.toReversed().map((one) => [one.url, one])).values()].reverse()
}

function webcastOf(received: Link & { url: string }): Webcast {
  const { url, title, publisher, source, feature_image: image, type: kind, language, live } = received
  const from = publisher ?? source
  return { url, title, publisher: from, kind, language, live: live === true, image, youtube: youtubeOf(url) }
}

/** `watch?v=ID`, `live/ID`, `embed/ID`, `shorts/ID`, `youtu.be/ID` */
function youtubeOf(address: string): string | null {
  const { hostname, pathname, searchParams } = new URL(address)
  const host = hostname.replace(/^(www|m)\./, '')
  const [, first = '', second = ''] = pathname.split('/')
  const isOwn = host === 'youtube.com' || host === 'youtube-nocookie.com'
  const id = host === 'youtu.be' ? first : isOwn ? (first === 'watch' ? (searchParams.get('v') ?? '') : second) : ''
  return /^[\w-]{11}$/.test(id) ? id : null
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}
