/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { OutLink, Time } from 'tminus/web'
import { z } from 'zod'
import { placeText, statusText } from '../discord/announcement.ts'
import { isPrecise } from '../launches/launch.ts'
import { coarseTime } from '../launches/launch-time.ts'
import { WORDS } from '../words.ts'
import { pictureOf } from './parts.tsx'
import type { SentMessage } from './query.ts'
import { brief } from './words.ts'

/** Of `discord_outbox.facts`: what a card shows, by whichever version of the pipeline wrote it. */
const CardFacts = z.object({
  name: z.string(),
  net: z.iso.datetime().transform((text) => new Date(text)),
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
  gone: z.boolean().optional(),
})
type CardFacts = z.output<typeof CardFacts>

/** What the channels got: the card as it stands there, and the notices. */
export function SentMessages({ messages }: { messages: readonly SentMessage[] }) {
  const cards = messages.filter(({ kind }) => kind === 'card')
  const notices = messages.filter(({ kind }) => kind !== 'card')
  return (
    <section aria-labelledby="sent">
      <h2 id="sent">On Discord</h2>
      {messages.length === 0 && (
        <p class="muted">Nothing was sent about it. A channel gets the card of the launch that comes next.</p>
      )}
      {cards.map((card, index) => (
        <Card card={card} channel={cards.length > 1 ? index + 1 : undefined} />
      ))}
      {notices.length > 0 && (
        <ul class="notices">
          {notices.map((notice) => (
            <li>
              <strong>{NOTICES[notice.kind] ?? notice.kind}</strong> <StateText message={notice} />
              {notice.reason_told && <p class="sub">{brief(notice.reason_told, 200)}</p>}
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

const NOTICES: Readonly<Record<string, string>> = {
  slip: 'New time',
  hold: WORDS.notice.hold,
  go: WORDS.notice.go,
  liftoff: WORDS.notice.liftoff,
  result: 'Result',
  reminder: 'Reminder',
  webcast: WORDS.notice.webcast,
}

function Card({ card, channel }: { card: SentMessage; channel: number | undefined }) {
  const { data: facts } = CardFacts.safeParse(card.facts)
  return (
    <article class="discord">
      <p class="discord-state sub">
        {channel && `Channel ${channel}: `}
        <StateText message={card} />
      </p>
      {facts ? <Embed facts={facts} /> : <p class="muted">Its facts are of another version of T-minus.</p>}
    </article>
  )
}

function StateText({ message: { state, sent_at, updated_at, reason } }: { message: SentMessage }) {
  const words: Readonly<Record<string, string>> = {
    pending: 'waits to be sent since',
    sending: 'is being sent since',
    unknown: 'may have been sent',
    dead: 'was given up',
    sent: 'sent',
  }
  return (
    <>
      {words[state] ?? state} <Time at={state === 'sent' ? sent_at : updated_at} />
      {reason && ` (${brief(reason, 160)})`}
    </>
  )
}

/** As Discord draws it. */
function Embed({ facts }: { facts: CardFacts }) {
  const image = pictureOf(facts.image)
  return (
    <div class={`embed embed-${facts.status in WORDS.status ? facts.status : 0}`}>
      <p class="embed-title">{brief(facts.name, 256)}</p>
      <p class="embed-text">
        <strong>{brief(statusText(facts))}</strong>
        <br />
        {isPrecise(facts.precision) ? <Time at={facts.net} show="ago" /> : coarseTime(facts.net, facts.precision)}
        {facts.gone && ` · ${WORDS.gone}`}
      </p>
      {facts.mission && <p class="embed-text">{brief(facts.mission, 600)}</p>}
      <dl class="embed-fields">
        <Field name={WORDS.fields.provider} value={facts.provider} />
        <Field name={WORDS.fields.rocket} value={facts.rocket} />
        <Field name={WORDS.fields.orbit} value={facts.orbit} />
        <Field name={WORDS.fields.pad} value={placeText(facts)} wide />
      </dl>
      {image && (
        <img src={image} alt="" width={400} height={225} loading="lazy" decoding="async" referrerpolicy="no-referrer" />
      )}
      {facts.webcast && (
        <p class="embed-links">
          <OutLink href={facts.webcast}>{WORDS.buttons.watch}</OutLink>
        </p>
      )}
    </div>
  )
}

function Field({ name, value, wide = false }: { name: string; value: string | null; wide?: boolean }) {
  if (!value) return null
  return (
    <div class={wide ? 'wide' : undefined}>
      <dt>{name}</dt>
      <dd>{brief(value, 200)}</dd>
    </div>
  )
}
