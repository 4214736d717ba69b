import {
  type Embed,
  type EmbedField,
  escapeMarkdown,
  fitMessage,
  linkButton,
  type Payload,
} from 'tminus/connectors/discord'
import { isPrecise } from '../../launches/launch.ts'
import type { Booster } from '../../launches/launch-details.ts'
import { detailsUrl, placeText } from '../../launches/launch-facts.ts'
import { coarseTime, timeText } from '../../launches/time.ts'
import { statusName, type Words } from '../../launches/words/en.ts'
import { type CardContext, type CardLaunch, type Facts, factsOf } from './card-facts.ts'

/**
 * The card of a launch, within Discord's limits. Discord shows a precise time in the reader's time zone, with a
 * countdown. A placeholder is never shown as a time. Pure.
 */
export function launchCard(launch: CardLaunch, context: CardContext, words: Words): Payload {
  const facts = factsOf(launch, context)
  const links = { details: detailsUrl(launch), page: context.page }
  return cardMessage(facts, words, { ...links, footer: footerText(facts, context, words) })
}

/** The parts of a card that its facts lack. */
interface Surroundings {
  details?: string | undefined
  page?: string | undefined
  footer?: string
}

/** A card from its facts. */
export function cardMessage(facts: Facts, words: Words, { details, page, footer }: Surroundings = {}): Payload {
  const { provider, logo, patch, image } = facts
  const embed: Embed = {
    ...(provider && { author: { name: provider, ...(logo && { icon_url: logo }) } }),
    title: escapeMarkdown(facts.name),
    ...(details && { url: details }),
    description: [
      `**${emojiOf(facts)}${escapeMarkdown(statusText(facts, words))}**`,
      whenText(facts, words),
      ...(facts.gone ? [words.gone] : []),
      ...(facts.live ? [words.notice.kinds.webcast] : []),
      '',
      escaped(facts.mission),
    ]
      .join('\n')
      .trim(),
    color: colorOf(facts),
    fields: fieldsOf(facts, words),
    ...(image && { image: { url: image } }),
    ...(patch && { thumbnail: { url: patch } }),
    ...(footer && { footer: { text: footer } }),
  }
  return fitMessage({ embeds: [embed], ...buttonsOf({ watch: facts.webcast, details, page }, words) })
}

type Links = Partial<Record<keyof Words['buttons'], string | null | undefined>>

/** A button for each link that is known. Discord refuses a row without buttons. */
export function buttonsOf(links: Links, { buttons }: Words): Pick<Payload, 'components'> {
  const components = (['watch', 'details', 'page'] as const).flatMap((name) => {
    const url = links[name]
    return url ? [linkButton(buttons[name], url)] : []
  })
  return components.length > 0 ? { components: [{ type: 1, components }] } : {}
}

export function colorOf({ status }: Pick<Facts, 'status'>): number {
  return LOOKS[status]?.color ?? 0x95a5a6
}

/** The emoji of a status with a space; empty for an unknown status. */
export function emojiOf({ status }: Pick<Facts, 'status'>): string {
  const { emoji } = LOOKS[status] ?? {}
  return emoji === undefined ? '' : `${emoji} `
}

/**
 * Looks by status id. Compares ids, because names change and a name may contain another ("Partial Failure" contains
 * "Failure").
 */
const LOOKS: Readonly<Record<number, { color: number; emoji: string }>> = {
  1: { color: 0x2ecc71, emoji: '🟢' },
  2: { color: 0xbdc3c7, emoji: '⚪' },
  3: { color: 0x1f8b4c, emoji: '✅' },
  4: { color: 0xe74c3c, emoji: '❌' },
  5: { color: 0xe67e22, emoji: '⏸️' },
  6: { color: 0x3498db, emoji: '🚀' },
  7: { color: 0xd35400, emoji: '⚠️' },
  8: { color: 0xf1c40f, emoji: '🟡' },
  9: { color: 0x1abc9c, emoji: '🛰️' },
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

/** The time of day, or day and time, in the reader's time zone. For a precise time. */
export function shortNetText({ net }: Pick<Facts, 'net'>, timeOfDay: boolean): string {
  return `<t:${secondsOf(net)}:${timeOfDay ? 't' : 'f'}>`
}

/** "in 3 hours"; Discord keeps it up to date. */
function countdown({ net }: Pick<Facts, 'net'>): string {
  return `<t:${secondsOf(net)}:R>`
}

function secondsOf(net: string): number {
  return Math.floor(Date.parse(net) / 1_000)
}

function fieldsOf(facts: Facts, words: Words): EmbedField[] {
  const { fields } = words
  const { rocket, orbit, weather, programme, boosters } = facts
  return [
    { name: fields.rocket, value: escaped(rocket), inline: true },
    { name: fields.orbit, value: escaped(orbit), inline: true },
    { name: fields.weather, value: weather === null ? '' : words.weather(weather), inline: true },
    { name: fields.programme, value: escaped(programme), inline: true },
    { name: fields.booster, value: escaped(boosterLines(boosters, words).join('\n')), inline: false },
    { name: fields.pad, value: [flagOf(facts), escaped(placeText(facts))].filter(Boolean).join(' '), inline: false },
  ].filter(({ value }) => value !== '')
}

/** A line for each booster. Among several, boosters without a serial number are counted: `2 boosters · landed: RTLS`. */
function boosterLines(boosters: readonly Booster[], words: Words): string[] {
  const texts = boosters.map((booster) => boosterText(booster, words))
  const lines = boosters.map(({ serial }, index) => {
    const text = texts[index] ?? ''
    if (serial !== null || boosters.length === 1 || text === '') return text
    return `${words.booster.unnamed(texts.filter((other) => other === text).length)} · ${text}`
  })
  return [...new Set(lines)]
}

/** `B1080 · flight 24 · landing attempt: A Shortfall of Gravitas (ASDS)` */
function boosterText({ serial, flight, landing }: Booster, { booster }: Words): string {
  const parts = [serial, flight && booster.flight(flight), landing && booster.landing[landing.outcome](landing.place)]
  return parts.filter(Boolean).join(' · ')
}

/** The flag of a country: the letters of its code, as regional indicators. */
function flagOf({ country }: Pick<Facts, 'country'>): string {
  return String.fromCodePoint(...[...(country ?? '')].map((letter) => (letter.codePointAt(0) ?? 0) + REGIONAL_A - 65))
}

const REGIONAL_A = 0x1f1e6

/** Discord does not render `<t:…>` in a footer, so the text names UTC. */
function footerText({ stale }: Facts, { dataAsOf }: CardContext, words: Words): string {
  return (stale ? words.silent : words.source)(timeText(dataAsOf, words))
}

export function escaped(text: string | null): string {
  return escapeMarkdown(text ?? '')
}
