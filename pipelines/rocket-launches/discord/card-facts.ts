import { createHash } from 'node:crypto'
import { LIMITS, truncate, webAddress } from 'tminus/connectors/discord'
import { isFlown, type KnownLaunch } from '../../launches/launch.ts'
import { detailsOf, type LaunchDetails } from '../../launches/launch-details.ts'
import { singleLine } from '../../launches/launch-facts.ts'
import { periodStart, precisionOf } from '../../launches/time.ts'
import { EN } from '../../launches/words/en.ts'

/** The part of a launch that its card shows. */
export type CardLaunch = Pick<
  KnownLaunch,
  | 'launch_id'
  | 'name'
  | 'net'
  | 'net_precision'
  | 'status_id'
  | 'status_name'
  | 'provider'
  | 'rocket'
  | 'pad'
  | 'location'
  | 'orbit'
  | 'mission_description'
  | 'probability'
  | 'image_url'
  | 'webcast_url'
  | 'info_url'
  | 'slug'
> &
  Partial<Pick<KnownLaunch, 'vanished_at' | 'webcast_live' | 'details'>>

/** The age of the data, which a card shows besides the launch. */
export interface CardContext {
  now: Date
  /** When Launch Library last confirmed the launch. */
  dataAsOf: Date
  /**
   * Show that the data is old. Only the nearest launch's card shows it, so that an outage edits one card and not all
   * cards.
   */
  nearest?: boolean
  /** The address of the launch's page on the board. */
  page?: string | undefined
}

/** The normalised content of a card: launches with equal facts have the same card, except for the footer. */
export interface Facts extends LaunchDetails {
  name: string
  /** ISO 8601. The start of the period if the precision is coarser than an hour. */
  net: string
  precision: number
  status: number
  /** Launch Library's name of the status; only set for a status that `Words` does not name. */
  statusName: string | null
  provider: string | null
  rocket: string | null
  pad: string | null
  location: string | null
  orbit: string | null
  mission: string | null
  image: string | null
  webcast: string | null
  /** The probability of good weather, in percent; null after liftoff. */
  weather: number | null
  /** Launch Library no longer lists the launch. `gone`, `live` and `stale` are either true or absent. */
  gone?: true
  /** The webcast is live. */
  live?: true
  /** Launch Library has not answered for two hours. */
  stale?: true
}

export function factsOf(launch: CardLaunch, context?: CardContext): Facts {
  const precision = precisionOf(launch)
  const id = launch.status_id ?? 0
  return {
    name: singleLine(launch.name) ?? launch.launch_id,
    net: periodStart(launch.net, precision).toISOString(),
    precision,
    status: id,
    statusName: id in EN.status ? null : singleLine(launch.status_name ?? 'Unknown'),
    provider: singleLine(launch.provider),
    rocket: singleLine(launch.rocket),
    pad: singleLine(launch.pad),
    location: singleLine(launch.location),
    orbit: singleLine(launch.orbit),
    mission: singleLine(firstSentences(launch.mission_description ?? '')),
    image: webAddress(launch.image_url) ?? null,
    webcast: webAddress(launch.webcast_url, LIMITS.buttonUrl) ?? null,
    weather: isFlown(id) ? null : launch.probability,
    ...detailsOf(launch.details),
    ...(launch.vanished_at && !isFlown(id) && { gone: true }),
    ...(launch.webcast_live && !isFlown(id) && { live: true }),
    ...(context?.nearest && isOld(context) && { stale: true }),
  }
}

const OLD_AFTER_MS = 2 * 3_600_000

function isOld({ now, dataAsOf }: CardContext): boolean {
  return now.getTime() - dataAsOf.getTime() > OLD_AFTER_MS
}

/** SHA-256 in hex. The comparison ignores the order of the keys, because jsonb changes the order. */
export function factsHash(facts: object): string {
  const sorted = Object.entries(facts).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex')
}

const SENTENCES = 2
const MISSION_LENGTH = 400
const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' })

/** The first two sentences; only the first if both together are too long. */
function firstSentences(text: string): string {
  const sentences: string[] = []
  for (const { segment } of segmenter.segment(singleLine(text) ?? '')) {
    const before = sentences.at(-1)
    if (before !== undefined && ABBREVIATED.test(before)) sentences.splice(-1, 1, before + segment)
    else sentences.push(segment)
  }
  const both = sentences.slice(0, SENTENCES).join('').trim()
  return both.length <= MISSION_LENGTH ? both : truncate(sentences[0]?.trim() ?? '', MISSION_LENGTH)
}

/** By Unicode's rules, a sentence ends after "U.S." and "St.". A text that ends like this is joined with the text after it. */
const ABBREVIATED = /(?:\b(?:\p{L}|St|Dr|Mr|Ms|No|Mt|Ft|vs|approx|ca|Inc|Ltd|Corp|Co)\.)\s*$/u
