import json from './parts.json' with { type: 'json' }
import { type PictureName, pictureNames } from './picture.ts'

/**
 * The hand-written records of `parts.json`, by the keys that `launches.json` uses. The ids are Launch Library's, except
 * those of the countries; the texts are our own.
 */
interface Parts {
  statuses: Record<string, Named & { abbrev: string; description: string }>
  precisions: Record<string, Named & { abbrev: string; description: string }>
  orbits: Record<string, Named & { abbrev: string }>
  countries: Record<string, Named & { alpha_2_code: string; alpha_3_code: string; nationality_name: string }>
  agencies: Record<string, Named & { abbrev: string; type: Named; country: string } & AgencyTexts>
  programs: Record<string, Named & { type: Named; start_date: string; agencies: string[]; description: string }>
  rockets: Record<string, Named & { full_name: string; variant: string; families: string[]; provider: string }>
  locations: Record<string, Named & { country: string; timezone_name: string } & Place>
  pads: Record<string, Named & { location: string } & Place>
}

export interface Named {
  id: number
  name: string
}

interface AgencyTexts {
  founding_year: number
  launchers: string
  description: string
}

interface Place {
  latitude: number
  longitude: number
}

const { planet, agencyDetails, agencyRecord, ...parts } = json
const earth = { response_mode: 'list', id: 1, name: 'Earth' }

export function find<Kind extends keyof Parts>(kind: Kind, key: string): Parts[Kind][string] {
  const part = (parts as Parts)[kind][key]
  if (part === undefined) throw new Error(`parts.json has no '${key}' under '${kind}'. Add it or correct the key`)
  return part as Parts[Kind][string]
}

export function configuration(key: string, origin: string) {
  const { id, name, full_name, variant, families } = find('rockets', key)
  return {
    response_mode: 'list',
    id,
    url: `${origin}/2.3.0/launcher_configurations/${id}/`,
    name,
    families: families.map((family, index) => ({ response_mode: 'list', id: id * 10 + index, name: family })),
    full_name,
    variant,
  }
}

export function orbit(key: string) {
  return { ...find('orbits', key), celestial_body: earth }
}

export function pad(key: string, origin: string, provider: string) {
  const { location: place, ...own } = find('pads', key)
  const { country, ...site } = location(place, origin)
  return {
    ...own,
    url: `${origin}/2.3.0/pads/${own.id}/`,
    active: true,
    agencies: [agency(provider, origin)],
    image: image('day', origin, own.name),
    description: '',
    info_url: null,
    wiki_url: '',
    map_url: `https://www.google.com/maps?q=${own.latitude},${own.longitude}`,
    country,
    map_image: null,
    total_launch_count: 20 + own.id,
    orbital_launch_attempt_count: 20 + own.id,
    fastest_turnaround: 'P5DT6H10M',
    location: { ...site, country },
  }
}

function location(key: string, origin: string) {
  const own = find('locations', key)
  return {
    ...own,
    response_mode: 'normal',
    url: `${origin}/2.3.0/locations/${own.id}/`,
    celestial_body: { ...earth, response_mode: 'normal', ...planet, image: image('night', origin, 'Earth') },
    active: true,
    country: countryOf(own.country),
    description: '',
    image: image('dawn', origin, own.name),
    map_image: null,
    total_launch_count: 60 + own.id,
    total_landing_count: 0,
  }
}

export function program(key: string, origin: string) {
  const { agencies, ...own } = find('programs', key)
  return {
    ...own,
    response_mode: 'normal',
    url: `${origin}/2.3.0/programs/${own.id}/`,
    image: image('night', origin, own.name),
    info_url: null,
    wiki_url: '',
    agencies: agencies.map((member) => agencyEntry(member, origin)),
    end_date: null,
    mission_patches: [],
  }
}

/** An agency, in the form that a mission contains: with its launch record, which is empty in the samples. */
export function agencyWithRecord(key: string, origin: string) {
  return { ...agency(key, origin), ...agencyRecord }
}

/** An agency, in the form that a pad contains. */
function agency(key: string, origin: string) {
  const { country, founding_year, launchers, description } = find('agencies', key)
  return {
    ...agencyEntry(key, origin),
    ...agencyDetails,
    response_mode: 'normal',
    country: [countryOf(country)],
    description,
    founding_year,
    launchers,
  }
}

/** An agency, in the form that a launch or program contains. */
export function agencyEntry(key: string, origin: string) {
  const { id, name, abbrev, type } = find('agencies', key)
  return { response_mode: 'list', id, url: `${origin}/2.3.0/agencies/${id}/`, name, abbrev, type }
}

function countryOf(code: string) {
  const country = find('countries', code)
  return { ...country, nationality_name_composed: country.nationality_name }
}

/**
 * The record of a picture. Half of the API's pictures have neither credit nor licence. So one of these four pictures
 * has neither.
 */
export function image(picture: PictureName, origin: string, name: string) {
  const url = `${origin}/media/images/${picture}.png`
  const unknown = { id: 1, name: 'Unknown', priority: 9, link: null }
  const link = 'https://creativecommons.org/publicdomain/zero/1.0/'
  return {
    id: 9000 + pictureNames.indexOf(picture),
    name: `${name}, drawn at ${picture}`,
    image_url: url,
    thumbnail_url: url,
    credit: picture === 'dusk' ? null : 'T-minus',
    license: picture === 'dusk' ? unknown : { id: 2, name: 'CC0 1.0', priority: 0, link },
    single_use: false,
    variants: [],
  }
}
