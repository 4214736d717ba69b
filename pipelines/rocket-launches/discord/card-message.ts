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
import { EN, statusName, type Words } from '../../launches/words/en.ts'

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
  | 'image_url'
  | 'webcast_url'
  | 'info_url'
  | 'slug'
> &
  Partial<Pick<KnownLaunch, 'vanished_at'>>

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
}

/** The normalised content of a card: launches with equal facts have the same card, except for the footer. */
export interface Facts {
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
  /** Launch Library no longer lists the launch. `gone` and `stale` are either true or absent. */
  gone?: true
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
    ...(launch.vanished_at && !isFlown(id) && { gone: true }),
    ...(context?.nearest && isOld(context) && { stale: true }),
  }
}

const OLD_AFTER_MS = 2 * 3_600_000

function isOld({ now, dataAsOf }: CardContext): boolean {
  return now.getTime() - dataAsOf.getTime() > OLD_AFTER_MS
}

/** SHA-256 in hex. The comparison ignores the order of the keys, because jsonb changes the order. */
export function factsHash(facts: Facts): string {
  const sorted = Object.entries(facts).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex')
}

/**
 * The card of a launch, within Discord's limits. Discord shows a precise time in the reader's time zone, with a
 * countdown. A placeholder is never shown as a time. Pure.
 */
export function launchCard(launch: CardLaunch, context: CardContext, words: Words): Payload {
  const facts = factsOf(launch, context)
  return cardMessage(facts, words, { details: detailsUrl(launch), footer: footerText(facts, context, words) })
}

/** A card from stored facts, which contain neither details nor footer. */
export function cardMessage(
  facts: Facts,
  words: Words,
  { details, footer }: { details?: string | undefined; footer?: string } = {},
): Payload {
  const embed: Embed = {
    title: escapeMarkdown(facts.name),
    ...(details && { url: details }),
    description: [
      `**${escapeMarkdown(statusText(facts, words))}**`,
      whenText(facts, words),
      ...(facts.gone ? [words.gone] : []),
      '',
      escaped(facts.mission),
    ]
      .join('\n')
      .trim(),
    color: colorOf(facts),
    fields: fieldsOf(facts, words),
    ...(facts.image && { image: { url: facts.image } }),
    ...(footer && { footer: { text: footer } }),
  }
  return fitMessage({ embeds: [embed], ...buttonsOf(facts.webcast, details, words) })
}

/** The buttons Watch and Details, if their addresses are known. Discord refuses a row without buttons. */
export function buttonsOf(
  webcast: string | null,
  details: string | null | undefined,
  { buttons }: Words,
): Pick<Payload, 'components'> {
  const components = [
    ...(webcast ? [linkButton(buttons.watch, webcast)] : []),
    ...(details ? [linkButton(buttons.details, details)] : []),
  ]
  return components.length > 0 ? { components: [{ type: 1, components }] } : {}
}

export function colorOf({ status }: Pick<Facts, 'status'>): number {
  return COLORS[status] ?? NEUTRAL
}

const NEUTRAL = 0x95a5a6

/**
 * Colours by status id. Compares ids, because names change and a name may contain another ("Partial Failure" contains
 * "Failure").
 */
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

export function statusText(facts: Pick<Facts, 'status' | 'statusName'>, words: Words): string {
  return statusName(facts.status, words) ?? facts.statusName ?? String(facts.status)
}

/** A precise time with its countdown, or a period in words. */
export function whenText(facts: Pick<Facts, 'net' | 'precision'>, words: Words): string {
  return isPrecise(facts.precision) ? `${netText(facts, words)} · ${countdown(facts)}` : netText(facts, words)
}

/**
 * A time that Discord shows in the reader's time zone:
 * https://discord.com/developers/docs/reference#message-formatting-timestamp-styles
 */
export function netText({ net, precision }: Pick<Facts, 'net' | 'precision'>, words: Words): string {
  return isPrecise(precision) ? `<t:${secondsOf(net)}:F>` : coarseTime(new Date(net), precision, words)
}

/** "in 3 hours"; Discord keeps it up to date. */
function countdown({ net }: Pick<Facts, 'net'>): string {
  return `<t:${secondsOf(net)}:R>`
}

function secondsOf(net: string): number {
  return Math.floor(Date.parse(net) / 1_000)
}

function fieldsOf(facts: Facts, { fields }: Words): EmbedField[] {
  const { provider, rocket, orbit } = facts
  return [
    { name: fields.provider, value: escaped(provider), inline: true },
    { name: fields.rocket, value: escaped(rocket), inline: true },
    { name: fields.orbit, value: escaped(orbit), inline: true },
    { name: fields.pad, value: escaped(placeText(facts)), inline: false },
  ].filter(({ value }) => value !== '')
}

/** Discord does not render `<t:…>` in a footer, so the text names UTC. */
function footerText({ stale }: Facts, { dataAsOf }: CardContext, words: Words): string {
  return (stale ? words.silent : words.source)(timeText(dataAsOf, words))
}

export function escaped(text: string | null): string {
  return escapeMarkdown(text ?? '')
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
