import { html, raw } from 'hono/html'
import type { ChannelMessage } from '../pipelines/rocket-launches/stand-ins/discord-server.ts'
import type { Embed } from '../src/connectors/discord-message.ts'
import { type Span, spansOf } from '../src/connectors/discord-preview/markdown.ts'
import { timestampText } from '../src/connectors/discord-preview/timestamp.ts'

type Html = ReturnType<typeof html>

/** A Discord channel with these messages, as a page 520 px wide. Times are in UTC. */
export function channelPage(messages: readonly ChannelMessage[], now: Date): string {
  return String(html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <style>
          ${raw(STYLE)}
        </style>
      </head>
      <body>
        <header><span class="hash">#</span> launches</header>
        <main>${messages.map((message) => messageHtml(message, now))}</main>
      </body>
    </html>`)
}

function messageHtml({ username, embeds, components, postedAt, editedAt }: ChannelMessage, now: Date): Html {
  const buttons = components?.flatMap((row) => row.components) ?? []
  return html`<article>
    <div class="avatar">${raw(ROCKET)}</div>
    <div class="body">
      <p class="sender">
        <b>${username}</b> <span class="app">APP</span> <time>${clock(postedAt)}</time>
        ${editedAt && html`<time>(edited)</time>`}
      </p>
      ${embeds?.map((embed) => embedHtml(embed, now))}
      <p class="buttons">${buttons.map(({ label }) => html`<span>${label}${raw(ARROW)}</span>`)}</p>
    </div>
  </article>`
}

function clock(at: Date): string {
  return at.toISOString().slice(11, 16)
}

function embedHtml({ title, color = 0, description, fields, image, footer }: Embed, now: Date): Html {
  const text = (markdown: string) => spansOf(markdown, { now, timeZone: 'UTC' }).map((span) => spanHtml(span, now))
  return html`<div class="embed" style="border-color: #${color.toString(16).padStart(6, '0')}">
    ${title && html`<p class="title">${text(title)}</p>`} ${description && html`<p class="text">${text(description)}</p>`}
    ${
      fields &&
      html`<dl>
      ${fields.map(
        ({ name, value, inline }) =>
          html`<div class="${inline ? 'inline' : 'wide'}"><dt>${name}</dt><dd>${text(value)}</dd></div>`,
      )}
    </dl>`
    }
    ${image && html`<img src="${image.url}" alt="" />`} ${footer && html`<p class="footer">${footer.text}</p>`}
  </div>`
}

function spanHtml({ text, time, bold, struck }: Span, now: Date): Html | string {
  const shown = time ? html`<span class="time">${timestampText(time.at, time.style, now, 'UTC')}</span>` : text
  if (bold) return html`<b>${shown}</b>`
  return struck ? html`<s>${shown}</s>` : shown
}

const ROCKET = `<svg viewBox="0 0 40 40"><circle cx="20" cy="20" r="20" fill="#24306e"/><path fill="#f2f3f5"
  d="M20 7c3 4 4 8 4 12v7l4 5h-6l-2 3-2-3h-6l4-5v-7c0-4 1-8 4-12z"/><circle cx="20" cy="18" r="2" fill="#24306e"/></svg>`
const ARROW = `<svg viewBox="0 0 16 16" width="14" height="14" fill="none" stroke="currentColor" stroke-width="1.5"><path
  d="M6 3H3v10h10v-3M9 3h4v4M13 3L7 9"/></svg>`

const STYLE = `
  * { box-sizing: border-box; margin: 0; }
  body { background: #313338; color: #dbdee1; font: 15px/1.35 "gg sans", "Noto Sans", "Helvetica Neue", "Liberation Sans", sans-serif; width: 520px; }
  header { padding: 13px 18px; border-bottom: 1px solid #26282c; font-weight: 600; color: #f2f3f5; }
  .hash { color: #80848e; font-size: 20px; line-height: 1; margin-right: 4px; vertical-align: -1px; }
  main { padding: 6px 0 20px; }
  article { display: flex; gap: 14px; padding: 14px 20px 0 16px; }
  .avatar { width: 40px; flex: none; }
  .body { flex: 1; min-width: 0; }
  .sender b { color: #f2f3f5; font-weight: 600; }
  .sender time { color: #949ba4; font-size: 12px; margin-left: 4px; }
  .app { background: #5865f2; color: #fff; font-size: 10.5px; font-weight: 600; border-radius: 4px; padding: 1px 5px; vertical-align: 1px; }
  .embed { background: #2b2d31; border-left: 4px solid; border-radius: 4px; padding: 12px 16px 14px 12px; margin-top: 5px; max-width: 432px; font-size: 14px; }
  .embed > * + * { margin-top: 8px; }
  .title { color: #00a8fc; font-weight: 600; font-size: 15.5px; }
  .text { white-space: pre-line; }
  .text b { color: #f2f3f5; }
  .time { background: #3f4147; border-radius: 3px; padding: 0 2px; }
  dl { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 12px; }
  .wide { grid-column: 1 / -1; }
  dt { font-weight: 600; color: #f2f3f5; font-size: 13.5px; }
  img { display: block; width: 100%; border-radius: 4px; margin-top: 12px !important; }
  .footer { color: #b5bac1; font-size: 12px; }
  .buttons { display: flex; gap: 8px; margin-top: 6px; }
  .buttons span { display: flex; align-items: center; gap: 6px; background: #4e5058; color: #fff; border-radius: 4px; padding: 7px 14px; font-size: 14px; font-weight: 500; }
`
