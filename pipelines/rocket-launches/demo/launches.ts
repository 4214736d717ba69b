import { createHash } from 'node:crypto'
import { agency, agencyEntry, earth, image, pad, program } from './catalogue.ts'
import { type Fact, orbits, precisions, statuses } from './fact.ts'
import { rockets } from './hardware.ts'
import { launchesLater } from './launches-later.ts'
import { launchesSoon } from './launches-soon.ts'

const facts = [...launchesSoon, ...launchesLater]

/**
 * The sample launches in the shape of Launch Library 2.3.0 (normal mode), ascending by `net`, their times placed
 * around `now`: two flown hours ago, one in flight, the next one hours ahead, then days, months and years.
 * Every name ends with "(sample)". Ids stay the same whatever `now` is.
 *
 * `origin` is the server that shows them, such as `http://127.0.0.1:8000`: addresses of records and pictures start
 * with it, so that nothing points at anybody else's host.
 */
export function sampleLaunches(now: Date, { origin = 'http://127.0.0.1' } = {}): SampleLaunch[] {
  return facts
    .map((fact, index) => expand(fact, index, now, origin))
    .sort((one, other) => one.net.localeCompare(other.net))
}

export type SampleLaunch = ReturnType<typeof expand>

function expand(fact: Fact, index: number, now: Date, origin: string) {
  const rocket = rockets[fact.rocket]
  const name = `${rocket.fullName} | ${fact.mission} (sample)`
  const id = uuid(fact.mission)
  const { net, precision } = fact.at(now)
  const [statusId, statusName, abbrev, description] = statuses[fact.status]
  const api = `${origin}/2.3.0`
  return {
    id,
    url: `${api}/launches/${id}/`,
    name,
    response_mode: 'normal',
    slug: slug(name),
    launch_designator: null,
    status: { id: statusId, name: statusName, abbrev, description },
    last_updated: iso(lastUpdated(fact, index, now)),
    net: iso(net),
    net_precision: precisionOf(precision),
    window_end: iso(new Date(net.getTime() + (fact.window ?? 0) * 60_000)),
    window_start: iso(net),
    image: fact.picture && image(fact.picture, origin, rocket.name),
    infographic: null,
    probability: fact.weather?.[0] ?? null,
    weather_concerns: fact.weather?.[1] ?? null,
    failreason: '',
    hashtag: null,
    launch_service_provider: agencyEntry(rocket.provider, api),
    rocket: { id: 7000 + index, configuration: configuration(fact.rocket, api) },
    mission: fact.text === null ? null : mission(fact, fact.text, index, api),
    pad: pad(fact.pad, origin, rocket.provider),
    webcast_live: fact.status === 'inFlight',
    program: fact.program === undefined ? [] : [program(fact.program, origin)],
    ...counts(index, fact.orbit === 'suborbital'),
  }
}

/** Made up, and the same at every run: the launch is known by it. */
function uuid(text: string): string {
  const hex = createHash('sha256').update(`tminus sample ${text}`).digest('hex')
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`]
  return [...parts, hex.slice(20, 32)].join('-')
}

/** As the API cuts it: at 50 characters. */
function slug(name: string): string {
  const words =
    name
      .normalize('NFKD')
      .toLowerCase()
      .match(/[a-z0-9]+/g) ?? []
  return words.join('-').slice(0, 50)
}

function iso(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`
}

/** Minutes to days ago, as on a real list; a flown launch was last touched when that became known. */
function lastUpdated(fact: Fact, index: number, now: Date): Date {
  const { net } = fact.at(now)
  if (fact.status === 'inFlight') return new Date(net.getTime() + 60_000)
  if (fact.status === 'success') return new Date(net.getTime() + 60 * 60_000)
  return new Date(now.getTime() - (3 + 97 * index) * 60_000)
}

function precisionOf(id: number) {
  const [name = '', abbrev = '', description = ''] = precisions[id] ?? []
  return { id, name, abbrev, description }
}

function configuration(key: Fact['rocket'], api: string) {
  const { id, name, families, fullName, variant } = rockets[key]
  return {
    response_mode: 'list',
    id,
    url: `${api}/launcher_configurations/${id}/`,
    name,
    families: families.map((family, index) => ({ response_mode: 'list', id: id * 10 + index, name: family })),
    full_name: fullName,
    variant,
  }
}

function mission(fact: Fact, description: string, index: number, api: string) {
  const [id, name, abbrev] = orbits[fact.orbit]
  const page = `https://example.com/${slug(fact.mission)}`
  return {
    id: 6000 + index,
    name: fact.mission,
    type: fact.type,
    description,
    image: null,
    orbit: { id, name, abbrev, celestial_body: earth },
    agencies: fact.customer === undefined ? [] : [agency(fact.customer, api)],
    info_urls: fact.covered ? [link(page, 'Mission page')] : [],
    vid_urls: fact.covered ? [{ ...link(`${page}/live`, 'Webcast'), ...webcast }] : [],
  }
}

const webcast = { publisher: 'T-minus', start_time: null, end_time: null, live: false }

/** example.com is reserved for examples (RFC 2606). */
function link(url: string, title: string) {
  const language = { id: 1, name: 'English', code: 'en' }
  const type = { id: 1, name: `Official ${title}` }
  const about = { description: 'Leads nowhere: this launch is a sample.', feature_image: null }
  return { priority: 10, source: 'example.com', title, ...about, url, type, language }
}

/** The API does not count flights that do not mean to reach orbit. */
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
