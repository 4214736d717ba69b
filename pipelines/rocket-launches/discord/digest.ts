import { createHash } from 'node:crypto'
import { type Embed, fitMessage, LIMITS, type Payload, truncate } from 'tminus/connectors/discord'
import type { KnownLaunch } from '../../launches/launch.ts'
import { detailsUrl } from '../../launches/launch-facts.ts'
import { timeText } from '../../launches/time.ts'
import type { Words } from '../../launches/words/en.ts'
import { type Facts, factsOf } from './card-facts.ts'
import { emojiOf, escaped, netText, statusText } from './card-message.ts'

/** A digest and the content that its message should show. Like a card, it is edited when its facts change. */
export interface Digest {
  /** Takes the place of a launch's id in the outbox. */
  id: string
  facts: DigestFacts
  hash: string
  /** A digest whose post failed is not posted again. */
  longOver: true
  /** When Launch Library last answered. */
  dataAsOf: Date
}

/** The normalised content of a digest. */
export interface DigestFacts {
  /** Names the message in the outbox, and its thread in a forum. */
  name: string
  /** The seven days from the tick on; ISO 8601, `until` is exclusive. */
  from: string
  until: string
  launches: DigestLaunch[]
}

type DigestLaunch = Pick<Facts, 'name' | 'net' | 'precision' | 'status' | 'statusName'> & { details: string | null }

const WEEK_MS = 7 * 86_400_000

/** The digest of the week that starts at a tick. `launches`: in the order in which the message lists them. */
export function digestOf(
  tick: Date,
  launches: readonly KnownLaunch[],
  timezone: string,
  words: Words,
): { facts: DigestFacts; hash: string } {
  const facts: DigestFacts = {
    name: words.digest.name(dateOf(tick, timezone, words)),
    from: tick.toISOString(),
    until: weekAfter(tick).toISOString(),
    launches: launches.map(lineOf),
  }
  return { facts, hash: createHash('sha256').update(JSON.stringify(facts)).digest('hex') }
}

function dateOf(tick: Date, timeZone: string, words: Words): string {
  const numbers = new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short' }).format(tick)
  const [year = 0, month = 0, day = 0] = numbers.split('-').map(Number)
  return words.date(day, month, year)
}

export function weekAfter(tick: Date): Date {
  return new Date(tick.getTime() + WEEK_MS)
}

function lineOf(launch: KnownLaunch): DigestLaunch {
  const { name, net, precision, status, statusName } = factsOf(launch)
  return { name, net, precision, status, statusName, details: detailsUrl(launch) ?? null }
}

/**
 * The message of a digest, within Discord's limits. If the launches do not all fit, it omits their links; if that is
 * not enough, the last line says how many more there are. Pure. `dataAsOf`: when Launch Library last answered.
 */
export function digestMessage({ from, until, launches }: DigestFacts, dataAsOf: Date, words: Words): Payload {
  const { title, days, none, more } = words.digest
  const [linked, plain] = [true, false].map((links) => launches.map((launch) => textOf(launch, links, words)))
  const head = days(dayText(from), dayText(until))
  const texts = lengthOf([head, ...(linked ?? [])]) <= LIMITS.description ? linked : plain
  const embed: Embed = {
    title,
    description: fitting([head, ...(launches.length === 0 ? [none] : (texts ?? []))], more).join('\n\n'),
    color: COLOR,
    footer: { text: words.source(timeText(dataAsOf, words)) },
  }
  return fitMessage({ embeds: [embed] })
}

const COLOR = 0x3498db
const NAME_LENGTH = 100

/** Discord shows the date in the reader's time zone. */
function dayText(instant: string): string {
  return `<t:${Math.floor(Date.parse(instant) / 1_000)}:D>`
}

/** The name after the emoji of its status; below it the time and the status. */
function textOf(launch: DigestLaunch, links: boolean, words: Words): string {
  const name = `**${escaped(truncate(launch.name, NAME_LENGTH))}**`
  const title = links && launch.details ? `[${name}](${launch.details.replace(/[()]/g, encoded)})` : name
  return `${emojiOf(launch)}${title}\n${netText(launch, words)} · ${escaped(statusText(launch, words))}`
}

/** A parenthesis would end the link. */
function encoded(parenthesis: string): string {
  return parenthesis === '(' ? '%28' : '%29'
}

/** The first texts that fit into a description, and how many more there are. */
function fitting(texts: readonly string[], more: (count: number) => string): string[] {
  let shown = [...texts]
  for (let count = 1; lengthOf(shown) > LIMITS.description; count += 1) shown = [...texts.slice(0, -count), more(count)]
  return shown
}

/** The length of these texts with blank lines in between. */
function lengthOf(texts: readonly string[]): number {
  return texts.join('\n\n').length
}
