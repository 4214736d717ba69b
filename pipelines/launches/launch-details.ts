import { webAddress as accepted } from 'tminus/connectors/discord'
import type { Queryable } from 'tminus/db'
import { z } from 'zod'
import { singleLine } from './launch-facts.ts'

/**
 * What `details`, the launch as received, tells beyond the columns; most of it comes only in detailed mode. Null or
 * empty: unknown. Texts are one line, addresses are http(s).
 */
export interface LaunchDetails {
  boosters: Booster[]
  /** `International Space Station, Commercial Resupply Services` */
  programme: string | null
  /** The address of the mission patch. */
  patch: string | null
  /** The address of the provider's logo. */
  logo: string | null
  /** The country of the pad: ISO 3166-1 alpha-2. */
  country: string | null
}

export interface Booster {
  /** `B1080` */
  serial: string | null
  /** The number of this flight: 1 for a new booster. */
  flight: number | null
  landing: { outcome: 'planned' | 'success' | 'failure' | 'none'; place: string | null } | null
}

/** Adds `details` to launches, but only the parts that `detailsOf` reads: the whole has up to 50 kB. */
export async function withDetails<Launch extends { launch_id: string }>(
  db: Queryable,
  launches: readonly Launch[],
): Promise<(Launch & { details: unknown })[]> {
  const { rows } = await db.query<{ launch_id: string; details: unknown }>(
    `select launch_id, jsonb_build_object(
       'rocket', jsonb_build_object('launcher_stage', details #> '{rocket,launcher_stage}'),
       'program', details -> 'program', 'mission_patches', details -> 'mission_patches', 'pad', details -> 'pad',
       'launch_service_provider', details -> 'launch_service_provider') as details
     from rocket_launches where launch_id = any ($1)`,
    [launches.map(({ launch_id }) => launch_id)],
  )
  const detailsById = new Map(rows.map(({ launch_id, details }) => [launch_id, details]))
  return launches.map((launch) => ({ ...launch, details: detailsById.get(launch.launch_id) }))
}

/** Reads the details in the form of any API version. Never throws: a part of another form counts as unknown. */
export function detailsOf(received: unknown): LaunchDetails {
  const { rocket, program, mission_patches, launch_service_provider: provider, pad } = Received.parse(received)
  const boosters = rocket.launcher_stage.flatMap((stage) => boosterOf(stage) ?? [])
  const patches = mission_patches.flatMap(({ image_url, priority }) => (image_url ? [{ image_url, priority }] : []))
  // Sorted, because Launch Library's order changes for no reason.
  return {
    boosters: boosters.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)).slice(0, MAX_BOOSTERS),
    programme: [...new Set(program.flatMap(({ name }) => name ?? []))].sort().join(', ') || null,
    patch:
      patches.sort((a, b) => a.priority - b.priority || (a.image_url < b.image_url ? -1 : 1))[0]?.image_url ?? null,
    logo: provider.logo_url ?? provider.logo.image_url,
    country: countryOf(pad) ?? countryOf(pad.location),
  }
}

const MAX_BOOSTERS = 9

/** Unknown values become null: an absent key, an empty text, a value of another type. */
const text = z.string().transform(singleLine).nullable().catch(null)
const flag = z.boolean().nullable().catch(null)
const address = z
  .string()
  .transform((value) => accepted(value) ?? null)
  .nullable()
  .catch(null)
const part = <Shape extends z.ZodRawShape>(shape: Shape) => {
  const schema = z.object(shape)
  return schema.catch(() => schema.parse({}))
}
const listOf = <Item extends z.ZodType>(item: Item) => z.array(item).catch([])

/** 2.0.0 and 2.2.0 have `country_code` and `logo_url`, later versions have `country` and `logo`. */
const inCountry = { country_code: text, country: part({ alpha_2_code: text }) }
const place = part(inCountry)
const landing = part({
  attempt: flag,
  success: flag,
  location: part({ name: text }),
  landing_location: part({ name: text }),
  type: part({ abbrev: text }),
})
const stage = part({
  launcher: part({ serial_number: text, is_placeholder: flag }),
  launcher_flight_number: z.int().positive().nullable().catch(null),
  landing,
})
const Received = part({
  rocket: part({ launcher_stage: listOf(stage) }),
  program: listOf(part({ name: text })),
  mission_patches: listOf(part({ image_url: address, priority: z.number().catch(Number.MAX_VALUE) })),
  launch_service_provider: part({ logo_url: address, logo: part({ image_url: address }) }),
  pad: part({ ...inCountry, location: place }),
})

function countryOf({ country, country_code }: z.output<typeof place>): string | null {
  const code = country.alpha_2_code ?? ALPHA_2[country_code ?? ''] ?? ''
  return /^[A-Z]{2}$/.test(code) ? code : null
}

/** Launch Library's codes of three letters, for all countries with a launch site. */
const ALPHA_2: Readonly<Record<string, string>> = {
  ...{ ARE: 'AE', ARG: 'AR', AUS: 'AU', BRA: 'BR', CAN: 'CA', CHN: 'CN', DEU: 'DE', DNK: 'DK', DZA: 'DZ', ESP: 'ES' },
  ...{ FRA: 'FR', GBR: 'GB', GUF: 'GF', IDN: 'ID', IND: 'IN', IRN: 'IR', IRQ: 'IQ', ISR: 'IL', ITA: 'IT', JPN: 'JP' },
  ...{ KAZ: 'KZ', KEN: 'KE', KIR: 'KI', KOR: 'KR', MHL: 'MH', MYS: 'MY', NOR: 'NO', NZL: 'NZ', OMN: 'OM', PAK: 'PK' },
  ...{ PRK: 'KP', PRT: 'PT', RUS: 'RU', SAU: 'SA', SOM: 'SO', SWE: 'SE', TUR: 'TR', UKR: 'UA', USA: 'US', ZAF: 'ZA' },
}

const PLACEHOLDER = /^(unknown|n\/a|tbd)/i

function boosterOf({ launcher, launcher_flight_number, landing }: z.output<typeof stage>): Booster | undefined {
  const { serial_number: serial, is_placeholder } = launcher
  const isKnown = serial !== null && is_placeholder !== true && !PLACEHOLDER.test(serial)
  const known = isKnown ? { serial, flight: launcher_flight_number } : { serial: null, flight: null }
  const booster = { ...known, landing: landingOf(landing) }
  return booster.serial === null && booster.landing === null ? undefined : booster
}

/** The place is `Landing Zone 4 (RTLS)`, or one of both. */
function landingOf({
  attempt,
  success,
  location,
  landing_location,
  type,
}: z.output<typeof landing>): Booster['landing'] {
  if (attempt === null && success === null) return null
  if (attempt === false) return { outcome: 'none', place: null }
  const [name, way] = [landing_location.name ?? location.name, type.abbrev].map((one) =>
    one !== null && PLACEHOLDER.test(one) ? null : one,
  )
  const place = name && way ? `${name} (${way})` : (name ?? way ?? null)
  return { outcome: success === null ? 'planned' : success ? 'success' : 'failure', place }
}
