import { visibleText } from '../visible-text.ts'

/** A webhook message: https://discord.com/developers/docs/resources/webhook#execute-webhook */
export interface Payload {
  content?: string
  embeds?: Embed[]
  components?: ButtonRow[]
  /** Replaces the webhook's own name. */
  username?: string
  /** Replaces the webhook's own picture. */
  avatar_url?: string
  /** The mentions that may ping. Default: none. */
  allowed_mentions?: { parse?: string[]; roles?: string[]; users?: string[] }
}

export interface Embed {
  title?: string
  url?: string
  description?: string
  /** 0xRRGGBB */
  color?: number
  fields?: EmbedField[]
  image?: { url: string }
  thumbnail?: { url: string }
  author?: { name: string; url?: string; icon_url?: string }
  footer?: { text: string }
  /** ISO 8601; shown beside the footer in the reader's zone. */
  timestamp?: string
}

export interface EmbedField {
  name: string
  value: string
  inline?: boolean
}

export interface ButtonRow {
  type: 1
  components: LinkButton[]
}

/** The only kind of button that every webhook may send. */
export interface LinkButton {
  type: 2
  style: 5
  label: string
  url: string
}

export function linkButton(label: string, url: string): LinkButton {
  return { type: 2, style: 5, label, url }
}

/** https://discord.com/developers/docs/resources/message#embed-object-embed-limits, in characters or as a count. */
export const LIMITS = {
  content: 2000,
  embeds: 10,
  /** The limit for all texts of all embeds together. */
  total: 6000,
  title: 256,
  description: 4096,
  fields: 25,
  fieldName: 256,
  fieldValue: 1024,
  footer: 2048,
  author: 256,
  username: 80,
  threadName: 100,
  rows: 5,
  buttons: 5,
  buttonLabel: 80,
  buttonUrl: 512,
  url: 2048,
} as const

/**
 * Cuts `text` at a word and appends "…" if it is longer than `max`. Counts UTF-16 units, which are never fewer than
 * characters, and splits no surrogate pair, so the result is within `max` by either count.
 */
export function truncate(text: string, max: number): string {
  if (text.length <= max) return text
  if (max <= 0) return ''
  const cut = text.slice(0, max - 1)
  const space = cut.search(/\s\S*$/)
  const atWord = /\s/.test(text.charAt(max - 1)) || space < max / 2 ? cut : cut.slice(0, space)
  return `${atWord.replace(/[\uD800-\uDBFF]$/, '').trimEnd()}…`
}

/** Escapes `text` so that Discord shows it literally: no formatting, no hidden links, no mentions. */
export function escapeMarkdown(text: string): string {
  return visibleText(text)
    .replace(/[\\*_`<]|~(?=~)|\|(?=\|)/g, '\\$&')
    .replace(/\](?=\()/g, '\\]')
    .replace(/^(\s*)(#{1,3}|>{1,3}|-#|[-+])(?=\s)/gm, '$1\\$2')
    .replace(/@(?=everyone|here)/g, NO_MENTION)
}

/** An @ that mentions no one. Its zero-width space is the only invisible character allowed in a message. */
const NO_MENTION = '@\u200B'

/** Returns the address if Discord accepts it (http or https, up to `max` characters), else undefined. */
export function webAddress(text: string | null | undefined, max: number = LIMITS.url): string | undefined {
  if (text === null || text === undefined || !URL.canParse(text.trim())) return undefined
  const { protocol, href } = new URL(text.trim())
  return /^https?:$/.test(protocol) && href.length <= max ? href : undefined
}

/** Fits a message to Discord's limits: cuts long texts and removes empty parts, because Discord rejects both. */
export function fitMessage(payload: Payload): Payload {
  const { content, embeds, components, username, avatar_url, ...rest } = payload
  const rows = components?.map(fitRow).filter((row) => row.components.length > 0)
  return given({
    ...rest,
    content: text(content, LIMITS.content),
    embeds: embeds && fitTotal(embeds.map(fitEmbed).filter(isShown).slice(0, LIMITS.embeds)),
    components: rows?.slice(0, LIMITS.rows),
    username: text(username, LIMITS.username),
    avatar_url: webAddress(avatar_url),
  })
}

/** Fits the name of a thread to Discord's limit, in code points. */
export function fitThreadName(name: string): string {
  const points = [...visibleText(name).replaceAll(/\s+/g, ' ').trim()]
  const fitted = points.length > LIMITS.threadName ? [...points.slice(0, LIMITS.threadName - 1), '…'] : points
  return fitted.join('') || '…'
}

function fitRow(row: ButtonRow): ButtonRow {
  const buttons = row.components.flatMap((button) => {
    const label = text(button.label, LIMITS.buttonLabel)
    const url = webAddress(button.url, LIMITS.buttonUrl)
    return label === undefined || url === undefined ? [] : [{ ...button, label, url }]
  })
  return { ...row, components: buttons.slice(0, LIMITS.buttons) }
}

function fitEmbed(embed: Embed): Embed {
  const { title, url, description, fields, image, thumbnail, author, footer, ...rest } = embed
  const fitted = fields
    ?.map((field) => ({
      ...field,
      name: text(field.name, LIMITS.fieldName) ?? '',
      value: text(field.value, LIMITS.fieldValue) ?? '',
    }))
    .filter(({ name, value }) => name !== '' && value !== '')
    .slice(0, LIMITS.fields)
  const footerText = text(footer?.text, LIMITS.footer)
  const authorName = text(author?.name, LIMITS.author)
  return given({
    ...rest,
    title: text(title, LIMITS.title),
    url: webAddress(url),
    description: text(description, LIMITS.description),
    fields: fitted?.length ? fitted : undefined,
    image: picture(image),
    thumbnail: picture(thumbnail),
    author:
      authorName === undefined
        ? undefined
        : given({ ...author, name: authorName, url: webAddress(author?.url), icon_url: webAddress(author?.icon_url) }),
    footer: footerText === undefined ? undefined : { ...footer, text: footerText },
  })
}

/** Shortens descriptions first, then removes fields, then whole embeds, each time starting at the last embed. */
function fitTotal(embeds: Embed[]): Embed[] {
  let fitted = embeds
  for (let index = embeds.length - 1; index >= 0; index -= 1) {
    const excess = totalLength(fitted) - LIMITS.total
    if (excess <= 0) break
    fitted = fitted.map((embed, at) => (at === index ? shortened(embed, excess) : embed))
  }
  while (totalLength(fitted) > LIMITS.total) {
    const last = fitted.findLastIndex((embed) => embed.fields !== undefined)
    fitted = last < 0 ? fitted.slice(0, -1) : fitted.map((embed, at) => (at === last ? fewer(embed) : embed))
  }
  return fitted.filter(isShown)
}

function shortened(embed: Embed, excess: number): Embed {
  const { description = '', ...rest } = embed
  return given({ ...rest, description: text(description, Math.max(0, description.length - excess)) })
}

function fewer(embed: Embed): Embed {
  const { fields = [], ...rest } = embed
  return fields.length > 1 ? { ...rest, fields: fields.slice(0, -1) } : rest
}

function totalLength(embeds: readonly Embed[]): number {
  const texts = embeds.flatMap((embed) => [
    embed.title ?? '',
    embed.description ?? '',
    embed.footer?.text ?? '',
    embed.author?.name ?? '',
    ...(embed.fields ?? []).flatMap((field) => [field.name, field.value]),
  ])
  return texts.reduce((sum, { length }) => sum + length, 0)
}

function isShown({ title, description, fields, image, thumbnail, author, footer }: Embed): boolean {
  return [title, description, fields, image, thumbnail, author, footer].some((part) => part !== undefined)
}

/** Discord trims texts before it measures them, so a text of spaces counts as empty. */
function text(value: string | undefined, max: number): string | undefined {
  const visible = value?.split(NO_MENTION).map(visibleText).join(NO_MENTION)
  return truncate(visible?.trim() ?? '', max) || undefined
}

function picture(image: { url: string } | undefined): { url: string } | undefined {
  const url = webAddress(image?.url)
  return url === undefined ? undefined : { ...image, url }
}

/** Removes the keys whose value is undefined. */
function given<T extends object>(value: { [Key in keyof T]: T[Key] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as T
}
