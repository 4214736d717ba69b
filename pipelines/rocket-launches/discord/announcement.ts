import { createHash } from 'node:crypto'
import {
  type Embed,
  type EmbedField,
  escapeMarkdown,
  fitMessage,
  LIMITS,
  linkButton,
  type Payload,
  truncate,
  webAddress,
} from 'tminus/connectors/discord'
import { isFlown, isPrecise, type KnownLaunch } from '../../launches/launch.ts'
import { detailsUrl, placeText, singleLine } from '../../launches/launch-facts.ts'
import { coarseTime, periodStart, precisionOf, timeText } from '../../launches/time.ts'
import { WORDS } from '../../launches/words.ts'

/** What of a launch an announcement is made from. */
export type LaunchFacts = Pick<
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
  | 'image_url'
  | 'webcast_url'
  | 'info_url'
  | 'slug'
> &
  Partial<Pick<KnownLaunch, 'vanished_at'>>

/** What a card says of its data. */
export interface CardContext {
  now: Date
  /** When Launch Library told it last. */
  dataAsOf: Date
  /** Only the card of the nearest launch says that its data is old: one card is enough. */
  nearest?: boolean
}

/** What the reader is told, normalised: two launches with equal facts make the same card, save for its footer. */
export interface Facts {
  name: string
  /** ISO 8601; the first instant of its period where the precision is coarser than an hour. */
  net: string
  precision: number
  status: number
  /** Only of a status unknown to us, which is told by its name. */
  statusName: string | null
  provider: string | null
  rocket: string | null
  pad: string | null
  location: string | null
  orbit: string | null
  mission: string | null
  image: string | null
  webcast: string | null
  /** Launch Library does not list it any more. This and `stale` are absent where not true. */
  gone?: true
  /** Launch Library has not answered for long. */
  stale?: true
}

export function factsOf(launch: LaunchFacts, told?: CardContext): Facts {
  const precision = precisionOf(launch)
  const id = launch.status_id ?? 0
  return {
    name: singleLine(launch.name) ?? launch.launch_id,
    net: periodStart(launch.net, precision).toISOString(),
    precision,
    status: id,
    statusName: id in WORDS.status ? null : singleLine(launch.status_name ?? 'Unknown'),
    provider: singleLine(launch.provider),
    rocket: singleLine(launch.rocket),
    pad: singleLine(launch.pad),
    location: singleLine(launch.location),
    orbit: singleLine(launch.orbit),
    mission: singleLine(firstSentences(launch.mission_description ?? '')),
    image: webAddress(launch.image_url) ?? null,
    webcast: webAddress(launch.webcast_url, LIMITS.buttonUrl) ?? null,
    ...(launch.vanished_at && !isFlown(id) && { gone: true }),
    ...(told?.nearest && isOld(told) && { stale: true }),
  }
}

const OLD_AFTER_MS = 2 * 3_600_000

function isOld({ now, dataAsOf }: CardContext): boolean {
  return now.getTime() - dataAsOf.getTime() > OLD_AFTER_MS
}

/** SHA-256 in hex, whatever the order of the keys: facts that come back from jsonb have another one. */
export function factsHash(facts: Facts): string {
  const sorted = Object.entries(facts).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex')
}

/**
 * The card of a launch, within Discord's limits. Exact times are left to the reader's own Discord (zone, countdown);
 * a placeholder is never shown as a time. Pure: equal arguments, equal message.
 */
export function announceLaunch(launch: LaunchFacts, told: CardContext): Payload {
  const facts = factsOf(launch, told)
  return cardMessage(facts, { details: detailsUrl(launch), footer: footerText(facts, told) })
}

/** The card by its facts. Details and footer are not among them; without them, a card of old is much the same. */
export function cardMessage(
  facts: Facts,
  { details, footer }: { details?: string | undefined; footer?: string } = {},
): Payload {
  const embed: Embed = {
    title: escapeMarkdown(facts.name),
    ...(details && { url: details }),
    description: [
      `**${escapeMarkdown(statusText(facts))}**`,
      whenText(facts),
      ...(facts.gone ? [WORDS.gone] : []),
      '',
      escaped(facts.mission),
    ]
      .join('\n')
      .trim(),
    color: colorOf(facts),
    fields: fieldsOf(facts),
    ...(facts.image && { image: { url: facts.image } }),
    ...(footer && { footer: { text: footer } }),
  }
  return fitMessage({ embeds: [embed], ...buttonsOf(facts.webcast, details) })
}

/** Watch and Details, as far as there are addresses: a row without buttons is refused. */
export function buttonsOf(webcast: string | null, details: string | null | undefined): Pick<Payload, 'components'> {
  const components = [
    ...(webcast ? [linkButton(WORDS.buttons.watch, webcast)] : []),
    ...(details ? [linkButton(WORDS.buttons.details, details)] : []),
  ]
  return components.length > 0 ? { components: [{ type: 1, components }] } : {}
}

export function colorOf({ status }: Pick<Facts, 'status'>): number {
  return COLORS[status] ?? NEUTRAL
}

const NEUTRAL = 0x95a5a6

/** By status id; names overlap ("Partial Failure" holds "failure") and change. */
const COLORS: Record<number, number> = {
  1: 0x2ecc71,
  2: 0xbdc3c7,
  3: 0x1f8b4c,
  4: 0xe74c3c,
  5: 0xe67e22,
  6: 0x3498db,
  7: 0xd35400,
  8: 0xf1c40f,
  9: 0x1abc9c,
}

export function statusText(facts: Pick<Facts, 'status' | 'statusName'>): string {
  return WORDS.status[facts.status] ?? facts.statusName ?? String(facts.status)
}

/** A time with its countdown, a placeholder in words. */
export function whenText(facts: Pick<Facts, 'net' | 'precision'>): string {
  return isPrecise(facts.precision) ? `${netText(facts)} · ${countdown(facts)}` : netText(facts)
}

/** In the reader's own zone: https://discord.com/developers/docs/reference#message-formatting-timestamp-styles */
export function netText({ net, precision }: Pick<Facts, 'net' | 'precision'>): string {
  return isPrecise(precision) ? `<t:${secondsOf(net)}:F>` : coarseTime(new Date(net), precision)
}

/** "in 3 hours", which goes on by itself. */
function countdown({ net }: Pick<Facts, 'net'>): string {
  return `<t:${secondsOf(net)}:R>`
}

function secondsOf(net: string): number {
  return Math.floor(Date.parse(net) / 1_000)
}

function fieldsOf(facts: Facts): EmbedField[] {
  const { provider, rocket, orbit } = facts
  return [
    { name: WORDS.fields.provider, value: escaped(provider), inline: true },
    { name: WORDS.fields.rocket, value: escaped(rocket), inline: true },
    { name: WORDS.fields.orbit, value: escaped(orbit), inline: true },
    { name: WORDS.fields.pad, value: escaped(placeText(facts)), inline: false },
  ].filter(({ value }) => value !== '')
}

/** Footers know no `<t:…>`, so the zone is named. */
function footerText({ stale }: Facts, { dataAsOf }: CardContext): string {
  return (stale ? WORDS.silent : WORDS.source)(timeText(dataAsOf))
}

export function escaped(text: string | null): string {
  return escapeMarkdown(text ?? '')
}

const SENTENCES = 2
const MISSION_LENGTH = 400
const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' })

/** Two sentences, or one whole one rather than two of which the second breaks off. */
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

/** "U.S. Space Force" and "St. Louis" are no ends of sentences, which Unicode's rules take them for. */
const ABBREVIATED = /(?:\b(?:\p{L}|St|Dr|Mr|Ms|No|Mt|Ft|vs|approx|ca|Inc|Ltd|Corp|Co)\.)\s*$/u
