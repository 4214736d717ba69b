/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import type { Embed, Payload } from 'tminus/connectors/discord'
import { type Span, spansOf } from 'tminus/connectors/discord-preview'
import { OutLink } from 'tminus/web'
import { Instant, pictureOf, RelativeTime } from './parts.tsx'

/** A message as Discord displays it, with times in the reader's zone. */
export function DiscordMessage({ message, now }: { message: Payload; now: Date }) {
  const buttons = message.components?.flatMap(({ components }) => components) ?? []
  return (
    <>
      <div class="embed-head">
        <p class="embed-sender">{message.username ?? WEBHOOK}</p>
        <span class="embed-app">APP</span>
      </div>
      <Text text={message.content} now={now} />
      {message.embeds?.map((embed) => (
        <EmbedCard embed={embed} now={now} />
      ))}
      {buttons.length > 0 && (
        <p class="embed-buttons">
          {buttons.map(({ label, url }) => (
            <OutLink href={url}>{label}</OutLink>
          ))}
        </p>
      )}
    </>
  )
}

/** Discord shows the webhook's own name, which is not known here. */
const WEBHOOK = 'Webhook'

function EmbedCard({ embed, now }: { embed: Embed; now: Date }) {
  const image = pictureOf(embed.image?.url ?? null)
  const patch = pictureOf(embed.thumbnail?.url ?? null)
  const logo = pictureOf(embed.author?.icon_url ?? null)
  const title = <Spans text={embed.title} now={now} />
  return (
    <div class="embed">
      <svg class="embed-bar" aria-hidden="true">
        <rect width="100%" height="100%" fill={hexOf(embed.color)} />
      </svg>
      {patch && <RemoteImage src={patch} width={80} height={80} class="embed-patch" />}
      {embed.author && (
        <p class="embed-author">
          {logo && <RemoteImage src={logo} width={24} height={24} />}
          {embed.author.name}
        </p>
      )}
      {embed.title && <p class="embed-title">{embed.url ? <OutLink href={embed.url}>{title}</OutLink> : title}</p>}
      <Text text={embed.description} now={now} />
      {embed.fields && (
        <dl class="embed-fields">
          {embed.fields.map(({ name, value, inline }) => (
            <div class={inline ? undefined : 'wide'}>
              <dt>{name}</dt>
              <dd>
                <Spans text={value} now={now} />
              </dd>
            </div>
          ))}
        </dl>
      )}
      {image && <RemoteImage src={image} width={400} height={225} class="embed-image" />}
      {embed.footer && <p class="embed-footer">{embed.footer.text}</p>}
    </div>
  )
}

function RemoteImage(props: { src: string; width: number; height: number; class?: string }) {
  return <img alt="" loading="lazy" decoding="async" referrerpolicy="no-referrer" {...props} />
}

/** Discord shows a message without a colour in this grey. */
function hexOf(color = 0x80848e): string {
  return `#${color.toString(16).padStart(6, '0')}`
}

/** A text of a message. The style sheet preserves its line breaks. */
function Text({ text, now }: { text: string | undefined; now: Date }) {
  if (!text) return null
  return (
    <p class="embed-text">
      <Spans text={text} now={now} />
    </p>
  )
}

function Spans({ text = '', now }: { text: string | undefined; now: Date }) {
  const spans = spansOf(text, { now, timeZone: 'UTC' })
  return <>{spans.map((span) => renderSpan(span, now))}</>
}

function renderSpan({ text, time, bold, italic, struck }: Span, now: Date): Child {
  if (time?.style === 'R') return <RelativeTime at={time.at} now={now} />
  if (time) return <Instant at={time.at} />
  if (bold) return <strong>{text}</strong>
  if (italic) return <em>{text}</em>
  return struck ? <s>{text}</s> : text
}
