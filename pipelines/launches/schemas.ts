import { z } from 'zod'
import type { ApiVersion, Launch } from './launch.ts'

/**
 * What is read of a launch, for each version of the API; keys that are not used are ignored. What came into a version
 * late (`net_precision` into 2.2.0 in 2022) or belongs to the detailed mode (`vid_urls`) may be absent.
 * https://ll.thespacedevs.com/docs/ · https://github.com/TheSpaceDevs/Tutorials
 */
export const SCHEMAS: Record<ApiVersion, z.ZodType<Launch>> = {
  '2.0.0': z.lazy(() => Launch200),
  '2.2.0': z.lazy(() => Launch220),
  '2.3.0': z.lazy(() => Launch230),
  // Whatever of 2.4.0 is read here stands where 2.3.0 has it; the variants of images and the countries are kept in details.
  '2.4.0': z.lazy(() => Launch230),
}

/** Empty means unknown as much as null does. */
const text = z
  .string()
  .nullish()
  .transform((value) => (value?.trim() ? value : null))

/** Postgres takes years up to 294276, JavaScript to 275760; a launch outside these is a mistake. */
const instant = z.iso
  .datetime({ offset: true })
  .transform((value) => new Date(value))
  .refine((date) => date.getUTCFullYear() >= 1900 && date.getUTCFullYear() <= 9999, {
    error: 'Invalid date: the year must be from 1900 to 9999',
  })

const optionalInstant = instant.nullish().transform((value) => value ?? null)

/** Text in 2.0.0 and 2.2.0, a number since. */
const coordinate = z
  .union([z.number(), z.string().regex(/^\s*(-?\d+(\.\d+)?(e[+-]?\d+)?)?\s*$/i)], {
    error: 'Invalid input: expected a number of degrees',
  })
  .nullish()
  .transform((value) => (value == null || String(value).trim() === '' ? null : Number(value)))

/** Anything else than http(s) could not be shown: it is taken as absent. */
const webAddress = z
  .string()
  .nullish()
  .transform((value) => (value && /^\s*https?:/i.test(value) && URL.canParse(value) ? value : null))

const named = z
  .object({ name: text })
  .nullish()
  .transform((value) => value?.name ?? null)

const links = z
  .array(z.object({ url: webAddress, priority: z.number().nullish() }))
  .nullish()
  .transform((value) => ({ told: value !== undefined, best: bestLink(value ?? []) }))

/** The lower the priority number, the better; of equals the first. */
function bestLink(candidates: { url: string | null; priority?: number | null | undefined }[]): string | null {
  let best: { url: string; priority: number } | undefined
  for (const { url, priority } of candidates) {
    const rank = priority ?? Number.POSITIVE_INFINITY
    if (url !== null && (best === undefined || rank < best.priority)) best = { url, priority: rank }
  }
  return best?.url ?? null
}

const COMMON = {
  id: z.string().min(1).max(255),
  name: z.string().min(1),
  slug: text,
  status: z.object({ id: z.int32(), name: z.string() }),
  net: instant,
  window_start: optionalInstant,
  window_end: optionalInstant,
  last_updated: optionalInstant,
  probability: z
    .int32()
    .nullish()
    // 2.0.0 said -1 for unknown.
    .transform((value) => (value == null || value < 0 ? null : value)),
  holdreason: text,
  failreason: text,
  launch_service_provider: named,
  mission: z
    .object({ name: text, description: text, type: text, orbit: named })
    .nullish()
    .transform((value) => value ?? { name: null, description: null, type: null, orbit: null }),
  pad: z
    .object({ name: text, latitude: coordinate, longitude: coordinate, location: named })
    .nullish()
    .transform((value) => value ?? { name: null, latitude: null, longitude: null, location: null }),
  webcast_live: z.boolean().nullish(),
}

const netPrecision = z
  .object({ id: z.int32() })
  .nullish()
  .transform((value) => value?.id ?? null)

const rocketOf = <Family extends z.ZodRawShape>(family: Family) =>
  z.object({ configuration: z.object({ name: text, full_name: text, ...family }).nullish() }).nullish()

/** As 2.0.0 and 2.2.0 have it. */
const FLAT = { ...COMMON, image: webAddress, rocket: rocketOf({ family: text }), vidURLs: links, infoURLs: links }

const Launch200 = z
  .object({ ...FLAT, tbddate: z.boolean().nullish(), tbdtime: z.boolean().nullish() })
  .transform((raw) => {
    const open = { date: raw.tbddate ?? false, time: raw.tbdtime ?? false }
    return flatLaunchOf(raw, derivedPrecision(raw.net, raw.status.id, open))
  })

const Launch220 = z
  .object({ ...FLAT, net_precision: netPrecision })
  .transform((raw) => flatLaunchOf(raw, raw.net_precision ?? derivedPrecision(raw.net, raw.status.id)))

const Launch230 = z
  .object({
    ...COMMON,
    net_precision: netPrecision,
    image: z.object({ image_url: webAddress, credit: text }).nullish(),
    rocket: rocketOf({ families: z.array(z.object({ name: text })).nullish() }),
    vid_urls: links,
    info_urls: links,
  })
  .transform((raw) =>
    launchOf(raw, {
      netPrecision: raw.net_precision ?? derivedPrecision(raw.net, raw.status.id),
      // The first is the one 2.2.0 gives: "Falcon" of "Falcon", "Falcon 9".
      family: raw.rocket?.configuration?.families?.[0]?.name ?? null,
      imageUrl: raw.image?.image_url ?? null,
      imageCredit: raw.image?.credit ?? null,
      ...linksOf(raw.vid_urls, raw.info_urls),
    }),
  )

function flatLaunchOf(raw: z.output<z.ZodObject<typeof FLAT>>, netPrecision: number): Launch {
  return launchOf(raw, {
    netPrecision,
    family: raw.rocket?.configuration?.family ?? null,
    imageUrl: raw.image,
    imageCredit: null,
    ...linksOf(raw.vidURLs, raw.infoURLs),
  })
}

type Common = z.output<z.ZodObject<typeof COMMON>> & {
  rocket?: { configuration?: { name: string | null; full_name: string | null } | null | undefined } | null | undefined
}
type Differing = 'netPrecision' | 'family' | 'imageUrl' | 'imageCredit' | 'detailed' | 'webcastUrl' | 'infoUrl'

function launchOf(raw: Common, differing: Pick<Launch, Differing>): Launch {
  return {
    launchId: raw.id,
    name: raw.name,
    slug: raw.slug,
    net: raw.net,
    status: raw.status,
    lastUpdated: raw.last_updated,
    windowStart: raw.window_start,
    windowEnd: raw.window_end,
    provider: raw.launch_service_provider,
    rocket: raw.rocket?.configuration?.full_name ?? raw.rocket?.configuration?.name ?? null,
    pad: raw.pad.name,
    location: raw.pad.location,
    latitude: raw.pad.latitude,
    longitude: raw.pad.longitude,
    missionName: raw.mission.name,
    missionType: raw.mission.type,
    missionDescription: raw.mission.description,
    orbit: raw.mission.orbit,
    probability: raw.probability,
    holdReason: raw.holdreason,
    failReason: raw.failreason,
    webcastLive: raw.webcast_live ?? false,
    ...differing,
  }
}

type Links = z.output<typeof links>

/** Normal mode has neither key, list mode never comes here. */
function linksOf(videos: Links, pages: Links): Pick<Launch, 'detailed' | 'webcastUrl' | 'infoUrl'> {
  return { detailed: videos.told, webcastUrl: videos.best, infoUrl: pages.best }
}

const [MINUTE, HOUR, DAY, MONTH, QUARTER_1, QUARTER_3, HALF_1, YEAR] = [1, 2, 5, 7, 8, 10, 12, 14] as const
const TO_BE_DETERMINED = 2

/**
 * A precision for launches that come without one (2.0.0; 2.2.0 until 2022): the finest that is certainly true, so
 * that a coarse date is never shown as a precise one. Every launch recorded with a day or less known stands at
 * midnight and is "to be determined" (263 of 263; of 435 finer ones two are at midnight, none to be determined),
 * and a period's placeholder is its last day: the end of June may mean June, the second quarter or the first half.
 *
 * `open` are 2.0.0's `tbddate` and `tbdtime`: the first means a month or coarser, the second alone an hour at best;
 * they were not always kept (in 2023 placeholders came with both false).
 */
export function derivedPrecision(net: Date, statusId: number, open?: { date: boolean; time: boolean }): number {
  const midnight = net.getTime() % 86_400_000 === 0
  const dateOpen = open?.date ?? false
  const timeOpen = open?.time ?? false
  if (midnight && (dateOpen || timeOpen || statusId === TO_BE_DETERMINED))
    return endingPeriod(net) ?? (dateOpen ? MONTH : DAY)
  if (dateOpen) return MONTH
  return timeOpen || open === undefined ? HOUR : MINUTE
}

/** The longest period of which this is the last day. */
function endingPeriod(net: Date): number | undefined {
  const next = new Date(net.getTime() + 86_400_000)
  if (next.getUTCDate() !== 1) return undefined
  return { 2: QUARTER_1, 5: HALF_1, 8: QUARTER_3, 11: YEAR }[net.getUTCMonth()] ?? MONTH
}
