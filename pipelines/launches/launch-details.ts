import type { Queryable } from 'tminus/db'
import { z } from 'zod'
import { type BoosterFlight, boosterOf, type Landing, stage } from './boosters.ts'
import { address, listOf, part, text } from './lenient.ts'

/**
 * What `details`, the launch as received, has beyond the columns; most of it comes only in detailed mode. Null or
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

export interface Booster extends Pick<BoosterFlight, 'serial' | 'flight'> {
  landing: { outcome: Landing['outcome']; place: string | null } | null
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
  const boosters = rocket.launcher_stage.flatMap((stage) => boosterOf(stage) ?? []).map(briefly)
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

/** 2.0.0 and 2.2.0 have `country_code` and `logo_url`, later versions have `country` and `logo`. */
const inCountry = { country_code: text, country: part({ alpha_2_code: text }) }
const place = part(inCountry)
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

/** The place is `Landing Zone 4 (RTLS)`, or one of both. */
function briefly({ serial, flight, landing }: BoosterFlight): Booster {
  if (landing === null) return { serial, flight, landing }
  const { outcome, name, way } = landing
  return { serial, flight, landing: { outcome, place: name && way ? `${name} (${way})` : (name ?? way) } }
}
