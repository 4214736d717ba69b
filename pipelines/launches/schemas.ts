import { z } from 'zod'
import type { ApiVersion } from './api-version.ts'
import { derivedPrecision } from './derived-precision.ts'
import type { Launch } from './launch.ts'

/** `detailed`: the launch came in detailed mode, the only one with webcasts and pages. */
export interface ReadLaunch {
  launch: Launch
  detailed: boolean
}

/**
 * One schema per API version. A schema names the keys that this pipeline reads; other keys are ignored. Two kinds
 * of keys are optional: those that a version got later (2.2.0 got `net_precision` in 2022), and those that only the
 * detailed mode has (`vid_urls`).
 * https://ll.thespacedevs.com/docs/ · https://github.com/TheSpaceDevs/Tutorials
 */
export const SCHEMAS: Record<ApiVersion, z.ZodType<ReadLaunch>> = {
  '2.0.0': z.lazy(() => Launch200),
  '2.2.0': z.lazy(() => Launch220),
  '2.3.0': z.lazy(() => Launch230),
  // 2.4.0 has every key that is read here in the same place as 2.3.0.
  '2.4.0': z.lazy(() => Launch230),
}

/** An empty text means unknown, like null. */
const text = z
  .string()
  .nullish()
  .transform((value) => (value?.trim() ? value : null))

/** Postgres and JavaScript accept later years, but a launch outside this range is a mistake. */
const instant = z.iso
  .datetime({ offset: true })
  .transform((value) => new Date(value))
  .refine((date) => date.getUTCFullYear() >= 1900 && date.getUTCFullYear() <= 9999, {
    error: 'Invalid date: the year must be from 1900 to 9999',
  })

const optionalInstant = instant.nullish().transform((value) => value ?? null)

const DEGREES = 'Invalid input: expected a number of degrees'

/** Degrees: a text in 2.0.0 and 2.2.0, a number in later versions. */
const coordinate = z
  .union(
    [
      z.number(),
      z
        .string()
        .trim()
        .regex(/^(-?\d+(\.\d+)?(e[+-]?\d+)?)?$/i),
    ],
    { error: DEGREES },
  )
  .nullish()
  .transform((value) => (value == null || value === '' ? null : Number(value)))
  // `1e999` is infinite.
  .refine((value) => value === null || Number.isFinite(value), { error: DEGREES })

/** An http(s) address. Any other address cannot be shown, so it becomes null. */
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
  .transform((value) => ({ isGiven: value !== undefined, best: bestLink(value ?? []) }))

/** The link with the lowest priority number. If several links have it, the first of them. */
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
    // 2.0.0 uses -1 for unknown.
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

/** The fields of a launch in 2.0.0 and 2.2.0. */
const FLAT = { ...COMMON, image: webAddress, rocket: rocketOf({ family: text }), vidURLs: links, infoURLs: links }

const Launch200 = z
  .object({ ...FLAT, tbddate: z.boolean().nullish(), tbdtime: z.boolean().nullish() })
  .transform((raw) => {
    const undetermined = { date: raw.tbddate ?? false, time: raw.tbdtime ?? false }
    return flatLaunchOf(raw, derivedPrecision(raw.net, raw.status.id, undetermined))
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
      net_precision: raw.net_precision ?? derivedPrecision(raw.net, raw.status.id),
      // Takes the first family, as 2.2.0 does. For example, "Falcon" from "Falcon" and "Falcon 9".
      family: raw.rocket?.configuration?.families?.[0]?.name ?? null,
      image_url: raw.image?.image_url ?? null,
      image_credit: raw.image?.credit ?? null,
      videos: raw.vid_urls,
      pages: raw.info_urls,
    }),
  )

function flatLaunchOf(raw: z.output<z.ZodObject<typeof FLAT>>, net_precision: number): ReadLaunch {
  return launchOf(raw, {
    net_precision,
    family: raw.rocket?.configuration?.family ?? null,
    image_url: raw.image,
    image_credit: null,
    videos: raw.vidURLs,
    pages: raw.infoURLs,
  })
}

type Common = z.output<z.ZodObject<typeof COMMON>> & {
  rocket?: { configuration?: { name: string | null; full_name: string | null } | null | undefined } | null | undefined
}
type Links = z.output<typeof links>
/** The parts of a launch that versions keep in different places. */
type Differing = Pick<Launch, 'net_precision' | 'family' | 'image_url' | 'image_credit'> & {
  videos: Links
  pages: Links
}

function launchOf(raw: Common, { videos, pages, ...differing }: Differing): ReadLaunch {
  const launch = {
    launch_id: raw.id,
    name: raw.name,
    slug: raw.slug,
    net: raw.net,
    status_id: raw.status.id,
    status_name: raw.status.name,
    last_updated: raw.last_updated,
    window_start: raw.window_start,
    window_end: raw.window_end,
    provider: raw.launch_service_provider,
    rocket: raw.rocket?.configuration?.full_name ?? raw.rocket?.configuration?.name ?? null,
    pad: raw.pad.name,
    location: raw.pad.location,
    latitude: raw.pad.latitude,
    longitude: raw.pad.longitude,
    mission_name: raw.mission.name,
    mission_type: raw.mission.type,
    mission_description: raw.mission.description,
    orbit: raw.mission.orbit,
    probability: raw.probability,
    hold_reason: raw.holdreason,
    fail_reason: raw.failreason,
    webcast_url: videos.best,
    webcast_live: raw.webcast_live ?? false,
    info_url: pages.best,
    ...differing,
  }
  // The normal mode has neither list of links.
  return { launch, detailed: videos.isGiven }
}
