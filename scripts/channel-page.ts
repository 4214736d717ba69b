import { html, raw } from 'hono/html'
import type { ChannelMessage } from '../pipelines/rocket-launches/stand-ins/discord-server.ts'
import type { Embed, EmbedField } from '../src/connectors/discord-message.ts'
import { type Span, spansOf } from '../src/connectors/discord-preview/markdown.ts'
import { timestampText } from '../src/connectors/discord-preview/timestamp.ts'

type Html = ReturnType<typeof html>

export interface ChannelPageOptions {
  /** The name of the channel, or of the thread in a forum channel. */
  name?: string
  isThread?: boolean
  /** IETF tag of the language of the messages. */
  language?: string
}

/** A Discord channel with these messages, as a page of any width. Times are in UTC. */
export function channelPage(
  messages: readonly ChannelMessage[],
  now: Date,
  { name = 'launches', isThread = false, language = 'en' }: ChannelPageOptions = {},
): string {
  return String(html`<!doctype html>
    <html lang="${language}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <style>
          ${raw(STYLE)}
        </style>
      </head>
      <body>
        <header>${isThread ? raw(THREAD) : html`<span class="hash">#</span>`} ${name}</header>
        <main>
          ${isThread && html`<h1>${name}</h1>`} ${messages.map((message) => messageHtml(message, { now, language }))}
        </main>
      </body>
    </html>`)
}

/** Discord shows times in the language of the reader. */
interface Reader {
  now: Date
  language: string
}

function messageHtml(message: ChannelMessage, reader: Reader): Html {
  const { username, content, embeds, components, postedAt, editedAt, pinged } = message
  const buttons = components?.flatMap((row) => row.components) ?? []
  return html`<article class="${pinged?.length ? 'pinged' : ''}">
    <div class="avatar">${raw(ROCKET)}</div>
    <div class="body">
      <p class="sender">
        <b>${username}</b> <span class="app">APP</span> <time>${clock(postedAt)}</time>
        ${editedAt && html`<time>(edited)</time>`}
      </p>
      ${content && html`<p class="content">${textHtml(content, reader)}</p>`}
      ${embeds?.map((embed) => embedHtml(embed, reader))}
      ${buttons.length > 0 && html`<p class="buttons">${buttons.map(({ label }) => html`<span>${label}${raw(ARROW)}</span>`)}</p>`}
    </div>
  </article>`
}

function clock(at: Date): string {
  return at.toISOString().slice(11, 16)
}

function embedHtml(embed: Embed, reader: Reader): Html {
  const { author, title, url, color = 0x80848e, description, fields, image, thumbnail, footer } = embed
  return html`<div class="embed ${image ? 'with-image' : ''}" style="border-color: #${color.toString(16).padStart(6, '0')}">
    ${thumbnail && html`<img class="thumbnail" src="${thumbnail.url}" alt="" />`} ${author && authorHtml(author)}
    ${title && html`<p class="title ${url ? 'linked' : ''}">${textHtml(title, reader)}</p>`}
    ${description && html`<p class="text">${textHtml(description, reader)}</p>`}
    ${fields && html`<dl>${rowsOf(fields).map((row) => row.map((field) => fieldHtml(field, row.length, reader)))}</dl>`}
    ${image && html`<img class="image" src="${image.url}" alt="" />`} ${footer && html`<p class="footer">${footer.text}</p>`}
  </div>`
}

function authorHtml({ name, icon_url }: NonNullable<Embed['author']> & { icon_url?: string }): Html {
  return html`<p class="author">${icon_url && html`<img src="${icon_url}" alt="" />`}${name}</p>`
}

/** Discord puts up to three adjacent inline fields into a row. */
function rowsOf(fields: readonly EmbedField[]): EmbedField[][] {
  const rows: EmbedField[][] = []
  for (const field of fields) {
    const row = rows.at(-1)
    if (field.inline && row?.[0]?.inline && row.length < 3) row.push(field)
    else rows.push([field])
  }
  return rows
}

function fieldHtml({ name, value, inline }: EmbedField, ofRow: number, reader: Reader): Html {
  const columns = inline ? 12 / ofRow : 12
  return html`<div style="--columns: ${columns}"><dt>${textHtml(name, reader)}</dt><dd>${textHtml(value, reader)}</dd></div>`
}

function textHtml(markdown: string, reader: Reader) {
  return spansOf(markdown, { now: reader.now, timeZone: 'UTC' }).map((span) => spanHtml(span, reader))
}

function spanHtml({ text, time, bold, italic, struck, marked }: Span, reader: Reader): Html | string {
  let shown: Html | string = time
    ? html`<span class="time">${timeText(time.at, time.style, reader)}</span>`
    : marked
      ? html`<span class="${text.startsWith('@') ? 'mention' : 'link'}">${text}</span>`
      : text
  if (bold) shown = html`<b>${shown}</b>`
  if (italic) shown = html`<i>${shown}</i>`
  return struck ? html`<s>${shown}</s>` : shown
}

const STYLES: Readonly<Record<string, Intl.DateTimeFormatOptions>> = {
  t: { timeStyle: 'short' },
  D: { dateStyle: 'long' },
  F: { dateStyle: 'full', timeStyle: 'short' },
}

function timeText(at: Date, style: string, { now, language }: Reader): string {
  if (language === 'en') return timestampText(at, style, now, 'UTC')
  if (style !== 'R') return new Intl.DateTimeFormat(language, { ...STYLES[style], timeZone: 'UTC' }).format(at)
  const minutes = Math.round((at.getTime() - now.getTime()) / 60_000)
  const [size, unit] = UNITS.find(([size]) => Math.abs(minutes) >= size) ?? UNITS[2]
  return new Intl.RelativeTimeFormat(language).format(Math.round(minutes / size), unit)
}

/** The length of each unit in minutes. */
const UNITS = [
  [1_440, 'days'],
  [60, 'hours'],
  [1, 'minutes'],
] as const

const ROCKET = `<svg viewBox="0 0 40 40"><circle cx="20" cy="20" r="20" fill="#24306e"/><path fill="#f2f3f5"
  d="M20 7c3 4 4 8 4 12v7l4 5h-6l-2 3-2-3h-6l4-5v-7c0-4 1-8 4-12z"/><circle cx="20" cy="18" r="2" fill="#24306e"/></svg>`
const ARROW = `<svg viewBox="0 0 16 16" width="14" height="14" fill="none" stroke="currentColor" stroke-width="1.5"><path
  d="M6 3H3v10h10v-3M9 3h4v4M13 3L7 9"/></svg>`

const THREAD = `<svg viewBox="0 0 16 16" width="18" height="18" fill="none" stroke="#80848e" stroke-width="1.5"><path
  d="M2 3h12v8H7l-3 3v-3H2z"/></svg>`

const STYLE = `
  * { box-sizing: border-box; margin: 0; }
  body { background: #313338; color: #dbdee1; font: 15px/1.35 "gg sans", "Noto Sans", "Helvetica Neue", "Liberation Sans", "Noto Sans KR", "Noto Color Emoji", sans-serif; overflow-wrap: anywhere; }
  header { display: flex; align-items: center; gap: 6px; padding: 13px 18px; border-bottom: 1px solid #26282c; font-weight: 600; color: #f2f3f5; }
  .hash { color: #80848e; font-size: 20px; line-height: 1; }
  header svg { flex: none; }
  h1 { color: #f2f3f5; font-size: 24px; padding: 16px 16px 4px; }
  main { padding: 6px 0 20px; }
  article { display: flex; gap: 14px; padding: 14px 20px 0 16px; }
  .pinged { background: rgb(240 178 50 / 10%); box-shadow: inset 2px 0 #f0b232; padding-bottom: 8px; margin-top: 8px; }
  .avatar { width: 40px; flex: none; }
  .body { flex: 1; min-width: 0; }
  .sender b { color: #f2f3f5; font-weight: 600; }
  .sender time { color: #949ba4; font-size: 12px; margin-left: 4px; }
  .app { background: #5865f2; color: #fff; font-size: 10.5px; font-weight: 600; border-radius: 4px; padding: 1px 5px; vertical-align: 1px; }
  .mention { background: rgb(88 101 242 / 30%); color: #c9cdfb; border-radius: 3px; padding: 0 2px; font-weight: 500; }
  .embed { display: flow-root; background: #2b2d31; border-left: 4px solid; border-radius: 4px; padding: 12px 16px 14px 12px; margin-top: 5px; width: fit-content; max-width: 520px; font-size: 14px; }
  .with-image { max-width: 432px; }
  .embed > * + * { margin-top: 8px; }
  .thumbnail { float: right; width: 80px; height: 80px; object-fit: contain; border-radius: 4px; margin: 4px 0 0 16px; }
  .author { display: flex; align-items: center; gap: 8px; color: #f2f3f5; font-weight: 600; margin-top: 0 !important; }
  .author img { width: 24px; height: 24px; border-radius: 50%; object-fit: contain; background: #fff; }
  .title { color: #f2f3f5; font-weight: 600; font-size: 15.5px; }
  .linked, .link { color: #00a8fc; }
  .text { white-space: pre-line; }
  .text b, .content b { color: #f2f3f5; }
  .link b { color: inherit; }
  .time { background: #3f4147; border-radius: 3px; padding: 0 2px; }
  dl { display: grid; grid-template-columns: repeat(12, 1fr); gap: 8px 12px; clear: both; }
  dl div { grid-column: span var(--columns); min-width: 0; }
  dt { font-weight: 600; color: #f2f3f5; font-size: 13.5px; }
  dd { white-space: pre-line; }
  .image { display: block; width: 100%; aspect-ratio: 16 / 9; object-fit: cover; border-radius: 4px; margin-top: 12px !important; clear: both; }
  .footer { color: #b5bac1; font-size: 12px; clear: both; }
  .buttons { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 6px; }
  .buttons span { display: flex; align-items: center; gap: 6px; background: #4e5058; color: #fff; border-radius: 4px; padding: 7px 14px; font-size: 14px; font-weight: 500; }
  @media (max-width: 480px) { dl div { grid-column: 1 / -1; } article { gap: 10px; padding: 14px 10px 0; } .avatar { width: 32px; } }
`
