import { createHash } from 'node:crypto'
import facts from './launches.json' with { type: 'json' }
import { resolveNet, type SampleNet } from './net.ts'
import { agencyEntry, agencyWithRecord, configuration, find, image, orbit, pad, program } from './parts.ts'
import type { PictureName } from './picture.ts'

/** An entry of `launches.json`: one sample launch. Its keys refer to `parts.json`. */
interface Fact {
  mission: string
  rocket: string
  pad: string
  net: SampleNet
  status: string
  type: string
  orbit: string
  /** Null: no picture, as with one launch in fifty. */
  picture: PictureName | null
  /** The agency that ordered the flight; default: the provider. */
  customer?: string
  program?: string
  /** Length of the launch window in minutes; default 0, an instant. */
  window?: number
  /** The probability of good weather in per cent, and the main concern. */
  weather?: { probability: number; concerns: string }
  /** True: the launch has a webcast and a page. */
  covered?: boolean
  /** Null: the API has no mission, not even a description. */
  text: string | null
}

/**
 * The sample launches in the shape of Launch Library 2.3.0 (normal mode), ascending by `net`. Their times are around
 * `now`. Two have flown and one is in flight. The next launch is hours ahead, and the others are days to years ahead.
 * Every name ends with "(sample)". Ids do not depend on `now`.
 *
 * `origin` is the server that serves them, such as `http://127.0.0.1:8000`. Addresses of records and pictures start
 * with it, so that none leads to another host.
 */
export function sampleLaunches(now: Date, { origin = 'http://127.0.0.1' } = {}): SampleLaunch[] {
  return (facts as Fact[])
    .map((fact, index) => expand(fact, index, now, origin))
    .sort((one, other) => one.net.localeCompare(other.net))
}

export type SampleLaunch = ReturnType<typeof expand>

function expand(fact: Fact, index: number, now: Date, origin: string) {
  const rocket = find('rockets', fact.rocket)
  const name = `${rocket.full_name} | ${fact.mission} (sample)`
  const id = uuid(fact.mission)
  const { at, precisionId } = resolveNet(fact.net, now)
  return {
    id,
    url: `${origin}/2.3.0/launches/${id}/`,
    name,
    response_mode: 'normal',
    slug: slug(name),
    launch_designator: null,
    status: find('statuses', fact.status),
    last_updated: iso(lastUpdated(fact, index, at, now)),
    net: iso(at),
    net_precision: find('precisions', String(precisionId)),
    window_end: iso(new Date(at.getTime() + (fact.window ?? 0) * 60_000)),
    window_start: iso(at),
    image: fact.picture && image(fact.picture, origin, rocket.name),
    infographic: null,
    probability: fact.weather?.probability ?? null,
    weather_concerns: fact.weather?.concerns ?? null,
    failreason: '',
    hashtag: null,
    launch_service_provider: agencyEntry(rocket.provider, origin),
    rocket: { id: 7000 + index, configuration: configuration(fact.rocket, origin) },
    mission: fact.text === null ? null : mission(fact, fact.text, index, origin),
    pad: pad(fact.pad, origin, rocket.provider),
    webcast_live: fact.status === 'inFlight',
    program: fact.program === undefined ? [] : [program(fact.program, origin)],
    ...counts(index, fact.orbit === 'suborbital'),
  }
}

/** The id is derived from the mission's name, so that it is the same in every run. */
function uuid(text: string): string {
  const hex = createHash('sha256').update(`tminus sample ${text}`).digest('hex')
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`]
  return [...parts, hex.slice(20, 32)].join('-')
}

/** At most 50 characters, like the API's. */
function slug(name: string): string {
  const ascii = name.normalize('NFKD').toLowerCase()
  return (ascii.match(/[a-z0-9]+/g) ?? []).join('-').slice(0, 50)
}

function iso(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`
}

/**
 * Launches of a real list were updated minutes to days ago. The samples imitate that. A launch that has flown was
 * updated shortly after liftoff.
 */
function lastUpdated(fact: Fact, index: number, net: Date, now: Date): Date {
  if (fact.status === 'inFlight') return new Date(net.getTime() + 60_000)
  if (fact.status === 'success') return new Date(net.getTime() + 60 * 60_000)
  return new Date(now.getTime() - (3 + 97 * index) * 60_000)
}

function mission(fact: Fact, description: string, index: number, origin: string) {
  const page = `https://example.com/${slug(fact.mission)}`
  return {
    id: 6000 + index,
    name: fact.mission,
    type: fact.type,
    description,
    image: null,
    orbit: orbit(fact.orbit),
    agencies: fact.customer === undefined ? [] : [agencyWithRecord(fact.customer, origin)],
    info_urls: fact.covered ? [link(page, 'Mission page')] : [],
    vid_urls: fact.covered ? [{ ...link(`${page}/live`, 'Webcast'), ...webcast }] : [],
  }
}

const webcast = { publisher: 'T-minus', start_time: null, end_time: null, live: false }

/** example.com is reserved for examples (RFC 2606). */
function link(url: string, title: string) {
  const language = { id: 1, name: 'English', code: 'en' }
  const type = { id: 1, name: `Official ${title}` }
  const about = { description: 'The address leads to no page, because this launch is a sample.', feature_image: null }
  return { priority: 10, source: 'example.com', title, ...about, url, type, language }
}

/** The API does not count suborbital flights as orbital attempts. */
function counts(index: number, suborbital: boolean) {
  return {
    orbital_launch_attempt_count: suborbital ? null : 7400 + index,
    location_launch_attempt_count: 300 + index,
    pad_launch_attempt_count: 100 + index,
    agency_launch_attempt_count: 200 + index,
    orbital_launch_attempt_count_year: suborbital ? null : 230 + index,
    location_launch_attempt_count_year: 30 + index,
    pad_launch_attempt_count_year: 10 + index,
    agency_launch_attempt_count_year: 20 + index,
  }
}
