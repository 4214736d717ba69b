import { type AgencyKey, agencies, agencyTypes, countries } from './agencies.ts'
import { programs } from './fact.ts'
import { locations, type PadKey, pads } from './hardware.ts'
import { type PictureName, pictureNames } from './picture.ts'

/** The parts many launches share, in the API's full shape: pads, places, agencies, programs, pictures. */
export function pad(key: PadKey, origin: string, provider: AgencyKey) {
  const [id, name, place, latitude, longitude] = pads[key]
  const [, , country] = locations[place]
  return {
    id,
    url: `${origin}/2.3.0/pads/${id}/`,
    active: true,
    agencies: [padAgency(provider, `${origin}/2.3.0`)],
    name,
    image: image('day', origin, name),
    description: '',
    info_url: null,
    wiki_url: '',
    map_url: `https://www.google.com/maps?q=${latitude},${longitude}`,
    latitude,
    longitude,
    country: countryOf(country),
    map_image: null,
    total_launch_count: 20 + id,
    orbital_launch_attempt_count: 20 + id,
    fastest_turnaround: 'P5DT6H10M',
    location: location(place, origin),
  }
}

function location(key: keyof typeof locations, origin: string) {
  const [id, name, country, timezone, latitude, longitude] = locations[key]
  return {
    response_mode: 'normal',
    id,
    url: `${origin}/2.3.0/locations/${id}/`,
    name,
    celestial_body: { ...earth, response_mode: 'normal', ...planet, image: image('night', origin, 'Earth') },
    active: true,
    country: countryOf(country),
    description: '',
    image: image('dawn', origin, name),
    map_image: null,
    longitude,
    latitude,
    timezone_name: timezone,
    total_launch_count: 60 + id,
    total_landing_count: 0,
  }
}

const planet = {
  type: { id: 1, name: 'Planet' },
  diameter: 12_742_000,
  mass: 5.972e24,
  gravity: 9.8067,
  length_of_day: '1 00:00:00',
  atmosphere: true,
  description: 'The planet everybody in this list starts from.',
  wiki_url: '',
  total_attempted_launches: 7000,
  successful_launches: 6500,
  failed_launches: 500,
  total_attempted_landings: 1200,
  successful_landings: 1100,
  failed_landings: 100,
}

export function program(key: keyof typeof programs, origin: string) {
  const [id, name, [typeId, typeName], since, members, description] = programs[key]
  const api = `${origin}/2.3.0`
  return {
    response_mode: 'normal',
    id,
    url: `${api}/programs/${id}/`,
    name,
    image: image('night', origin, name),
    info_url: null,
    wiki_url: '',
    description,
    agencies: members.map((member) => agencyEntry(member, api)),
    start_date: `${since}-01-01T00:00:00Z`,
    end_date: null,
    mission_patches: [],
    type: { id: typeId, name: typeName },
  }
}

/** An agency as a mission shows it: with its record, which starts anew in the sample. */
export function agency(key: AgencyKey, api: string) {
  return {
    ...padAgency(key, api),
    total_launch_count: 0,
    consecutive_successful_launches: 0,
    successful_launches: 0,
    failed_launches: 0,
    pending_launches: 0,
    consecutive_successful_landings: 0,
    successful_landings: 0,
    failed_landings: 0,
    attempted_landings: 0,
    successful_landings_spacecraft: 0,
    failed_landings_spacecraft: 0,
    attempted_landings_spacecraft: 0,
    successful_landings_payload: 0,
    failed_landings_payload: 0,
    attempted_landings_payload: 0,
    info_url: null,
    wiki_url: '',
    social_media_links: [],
  }
}

/** An agency as a pad shows it. */
function padAgency(key: AgencyKey, api: string) {
  const { country, founded, launchers, about } = agencies[key]
  return {
    ...agencyEntry(key, api),
    response_mode: 'normal',
    featured: true,
    country: [countryOf(country)],
    description: about,
    administrator: null,
    founding_year: founded,
    launchers,
    spacecraft: '',
    parent: null,
    image: null,
    logo: null,
    social_logo: null,
  }
}

function countryOf(code: keyof typeof countries) {
  const [id, name, code3, nationality] = countries[code]
  const names = { nationality_name: nationality, nationality_name_composed: nationality }
  return { id, name, alpha_2_code: code, alpha_3_code: code3, ...names }
}

/** An agency as a launch and a program show it. */
export function agencyEntry(key: AgencyKey, api: string) {
  const { id, name, abbrev, type } = agencies[key]
  const kind = { id: agencyTypes[type], name: type }
  return { response_mode: 'list', id, url: `${api}/agencies/${id}/`, name, abbrev, type: kind }
}

/** Half of the API's pictures have neither credit nor licence, so one of these four has none. */
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

export const earth = { response_mode: 'list', id: 1, name: 'Earth' }
