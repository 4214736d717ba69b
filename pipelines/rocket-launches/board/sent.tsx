/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { fitMessage, type Payload } from 'tminus/connectors/discord'
import { Time } from 'tminus/web'
import { z } from 'zod'
import { detailsOf } from '../../launches/launch-details.ts'
import { EN, type Words } from '../../launches/words/en.ts'
import type { Facts } from '../discord/card-facts.ts'
import { cardMessage } from '../discord/card-message.ts'
import { DiscordMessage } from './discord-message.tsx'
import type { SentMessage } from './query.ts'
import { useReader } from './reader.ts'
import { brief } from './words.ts'

/** The part of `discord_outbox.facts` that is read here. Older versions stored the facts of a card but not its message. */
const CardFacts = z.object({
  name: z.string(),
  net: z.iso.datetime(),
  precision: z.number(),
  status: z.number(),
  statusName: z.string().nullish().default(null),
  provider: z.string().nullish().default(null),
  rocket: z.string().nullish().default(null),
  pad: z.string().nullish().default(null),
  location: z.string().nullish().default(null),
  orbit: z.string().nullish().default(null),
  mission: z.string().nullish().default(null),
  image: z.string().nullish().default(null),
  webcast: z.string().nullish().default(null),
  gone: z.literal(true).optional(),
})

const text = z.string().optional()

/** The part of `discord_outbox.message` that is read here. */
const StoredMessage = z.object({
  username: text,
  content: text,
  embeds: z
    .array(
      z.object({
        title: text,
        url: text,
        description: text,
        color: z.int().min(0).max(0xffffff).optional(),
        fields: z.array(z.object({ name: z.string(), value: z.string(), inline: z.boolean().optional() })).optional(),
        author: z.object({ name: z.string(), icon_url: text }).optional(),
        image: z.object({ url: z.string() }).optional(),
        thumbnail: z.object({ url: z.string() }).optional(),
        footer: z.object({ text: z.string() }).optional(),
      }),
    )
    .optional(),
  components: z
    .array(
      z.object({
        type: z.literal(1),
        components: z.array(z.object({ type: z.literal(2), style: z.literal(5), label: z.string(), url: z.string() })),
      }),
    )
    .optional(),
})

/** The cards and notices about a launch. */
export function SentMessages({ messages, now }: { messages: readonly SentMessage[]; now: Date }) {
  const cards = messages.filter(({ kind }) => kind === 'card')
  const notices = messages.filter(({ kind }) => kind !== 'card')
  const { words, board } = useReader()
  return (
    <section aria-labelledby="sent">
      <h2 id="sent">{board.sent.title}</h2>
      {messages.length === 0 && <p class="muted">{board.sent.nothing}</p>}
      {cards.map((card, index) => (
        <Card card={card} now={now} channel={cards.length > 1 ? index + 1 : undefined} />
      ))}
      {notices.length > 0 && (
        <ul class="notices">
          {notices.map((notice) => (
            <li>
              <strong>{noticeName(notice.kind, words)}</strong> <StateText message={notice} />
              {notice.reason_told && <p class="sub">{brief(notice.reason_told, 200)}</p>}
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function Card({ card, channel, now }: { card: SentMessage; channel: number | undefined; now: Date }) {
  const message = messageOf(card)
  const { sent } = useReader().board
  return (
    <article class="discord">
      <p class="discord-state sub">
        {channel && sent.channel(channel)}
        <StateText message={card} />
        {isEdited(card) && (
          <>
            , {sent.edited} <Time at={card.updated_at} show="short" />
          </>
        )}
      </p>
      {message ? <DiscordMessage message={message} now={now} /> : <p class="muted">{sent.unknown}</p>}
    </article>
  )
}

/** A card changes with its launch; Discord gets each change as an edit. */
function isEdited({ state, sent_at, updated_at }: SentMessage): boolean {
  return state === 'sent' && sent_at !== null && updated_at.getTime() - sent_at.getTime() > 1_000
}

function noticeName(kind: string, { notice }: Words): string {
  const names: Readonly<Record<string, string>> = notice.kinds
  return names[kind] ?? kind
}

/** The message as it was sent. Older versions stored only a card's facts: then the message is built from them. */
function messageOf({ message, facts }: SentMessage): Payload | undefined {
  const stored = StoredMessage.safeParse(message)
  if (stored.success) return fitMessage(stored.data as Payload)
  const known = CardFacts.safeParse(facts)
  return known.success ? cardMessage({ ...known.data, ...detailsOf(undefined), weather: null } as Facts, EN) : undefined
}

function StateText({ message: { state, sent_at, updated_at, holder } }: { message: SentMessage }) {
  const { board, words } = useReader()
  const { states } = board.sent
  const merged = board.sent.merged(holder === null || holder === 'card' ? null : noticeName(holder, words))
  return (
    <>
      {state === 'merged' ? merged : (states[state] ?? state)}{' '}
      <Time at={state === 'sent' ? sent_at : updated_at} show="short" />
    </>
  )
}
