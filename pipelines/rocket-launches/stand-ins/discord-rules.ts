import {
  choice,
  color,
  discordLength,
  type Fields,
  type Issue,
  imageSchemes,
  isBlank,
  isFields,
  length,
  list,
  notADict,
  optional,
  type Path,
  part,
  required,
  snowflake,
  text,
  timestamp,
  tooLong,
  url,
} from './discord-checks.ts'

/**
 * The errors that Discord returns for the JSON body of a webhook message, by its documented limits. Lengths are in code
 * points after trimming; all embeds together may have 6000. Unknown keys are ignored.
 *
 * This is stricter than Discord in one point: it refuses an empty title, description or field. T-minus would send one only
 * by mistake.
 */
export function issuesOf(body: Fields): Issue[] {
  return [
    ...text(body.content, ['content'], { max: 2000, empty: true }),
    ...username(body.username),
    ...optional(body.avatar_url, (value) => url(value, ['avatar_url'])),
    ...list(body.embeds, ['embeds'], 10, embed),
    ...embedsTogether(body.embeds),
    ...list(body.components, ['components'], 5, row),
    ...optional(body.allowed_mentions, allowedMentions),
  ]
}

/** The body of Discord's 400 response (https://docs.discord.com/developers/reference#error-messages). */
export function invalidFormBody(issues: Issue[]) {
  const errors: Fields = {}
  for (const { path, code, message } of issues) {
    let place = errors
    for (const key of path) {
      place[key] ??= {}
      place = place[key] as Fields
    }
    place._errors = [...((place._errors as unknown[]) ?? []), { code, message }]
  }
  return { code: 50035, message: 'Invalid Form Body', errors }
}

/** True if a reader would see nothing. Discord then returns error 50006. */
export function isEmpty(body: Fields): boolean {
  const none = (value: unknown) => !Array.isArray(value) || value.length === 0
  return String(body.content ?? '').trim() === '' && none(body.embeds) && none(body.components)
}

function username(value: unknown): Issue[] {
  const wrong = text(value, ['username'], { max: 80 })
  const name = /discord|clyde/i.exec(String(value ?? ''))?.[0]
  if (name === undefined) return wrong
  const message = `Username cannot contain "${name.toLowerCase()}"`
  return [...wrong, { path: ['username'], code: 'USERNAME_INVALID_CONTAINS', message }]
}

function embed(value: unknown, path: Path): Issue[] {
  if (!isFields(value)) return [notADict(path)]
  const shown = ['title', 'description', 'author', 'fields', 'image', 'thumbnail', 'footer']
  const blank = shown.every((key) => value[key] === undefined)
  return [
    ...(blank ? [required([...path, 'description'])] : []),
    ...text(value.title, [...path, 'title'], { max: 256 }),
    ...text(value.description, [...path, 'description'], { max: 4096 }),
    ...optional(value.url, (given) => url(given, [...path, 'url'])),
    ...optional(value.color, (given) => color(given, [...path, 'color'])),
    ...optional(value.timestamp, (given) => timestamp(given, [...path, 'timestamp'])),
    ...part(value.author, [...path, 'author'], (author, at) => named(author, at, 'name', 256)),
    ...part(value.footer, [...path, 'footer'], (footer, at) => named(footer, at, 'text', 2048)),
    ...part(value.image, [...path, 'image'], picture),
    ...part(value.thumbnail, [...path, 'thumbnail'], picture),
    ...list(value.fields, [...path, 'fields'], 25, field),
  ]
}

function named(value: Fields, path: Path, key: string, max: number): Issue[] {
  return [
    ...text(value[key], [...path, key], { max, required: true }),
    ...optional(value.url, (given) => url(given, [...path, 'url'])),
    ...optional(value.icon_url, (given) => url(given, [...path, 'icon_url'], imageSchemes)),
  ]
}

function picture(value: Fields, path: Path): Issue[] {
  if (value.url === undefined || value.url === null) return [required([...path, 'url'])]
  return url(value.url, [...path, 'url'], imageSchemes)
}

function field(value: unknown, path: Path): Issue[] {
  if (!isFields(value)) return [notADict(path)]
  return [
    ...text(value.name, [...path, 'name'], { max: 256, required: true }),
    ...text(value.value, [...path, 'value'], { max: 1024, required: true }),
  ]
}

function embedsTogether(embeds: unknown): Issue[] {
  if (!Array.isArray(embeds)) return []
  const total = embeds.filter(isFields).reduce((sum, each) => sum + embedLength(each), 0)
  if (total <= 6000) return []
  const message = 'Embed size exceeds maximum size of 6000'
  return [{ path: ['embeds'], code: 'MAX_EMBED_SIZE_EXCEEDED', message }]
}

function embedLength(embed: Fields): number {
  const fields = (Array.isArray(embed.fields) ? embed.fields : []).filter(isFields)
  const inside = [embed.author, embed.footer].filter(isFields).flatMap((each) => [each.name, each.text])
  const texts = [embed.title, embed.description, ...inside, ...fields.flatMap((each) => [each.name, each.value])]
  return texts.reduce<number>((sum, each) => sum + (typeof each === 'string' ? discordLength(each) : 0), 0)
}

function row(value: unknown, path: Path): Issue[] {
  if (!isFields(value)) return [notADict(path)]
  if (value.type !== 1) return [choice([...path, 'type'], 'type', 1)]
  const components = [...path, 'components']
  if (!Array.isArray(value.components) || value.components.length === 0) return [length(components, 1, 5)]
  if (value.components.length > 5) return [length(components, 1, 5)]
  return value.components.flatMap((each, index) => button(each, [...components, index]))
}

/** A webhook without an application may only send link buttons. */
function button(value: unknown, path: Path): Issue[] {
  if (!isFields(value)) return [notADict(path)]
  if (value.type !== 2) return [choice([...path, 'type'], 'type', 2)]
  if (value.style !== 5) return [choice([...path, 'style'], 'style', 5)]
  const label = value.label === undefined && value.emoji !== undefined ? [] : buttonLabel(value.label, path)
  if (value.url === undefined || value.url === null) return [...label, required([...path, 'url'])]
  const long = discordLength(String(value.url)) > 512 ? [tooLong([...path, 'url'], 512)] : []
  return [...label, ...long, ...url(value.url, [...path, 'url'], ['http', 'https', 'discord'])]
}

function buttonLabel(value: unknown, path: Path): Issue[] {
  if (typeof value !== 'string') return [required([...path, 'label'])]
  const size = discordLength(value)
  return size < 1 || size > 80 ? [length([...path, 'label'], 1, 80)] : []
}

function allowedMentions(value: unknown): Issue[] {
  const path = ['allowed_mentions']
  if (!isFields(value)) return [notADict(path)]
  const kinds = ['users', 'roles', 'everyone']
  const parse: unknown[] = Array.isArray(value.parse) ? value.parse : []
  const message = "Value must be one of ('users', 'roles', 'everyone')."
  const unknown = parse.flatMap((kind, index) =>
    kinds.includes(String(kind)) ? [] : [{ path: [...path, 'parse', index], code: 'BASE_TYPE_CHOICES', message }],
  )
  const both = ['users', 'roles'].filter((kind) => parse.includes(kind) && !isBlank(value[kind]))
  const code = 'MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE'
  const exclusive = (kind: string) => `parse:["${kind}"] and ${kind}: [ids...] are mutually exclusive.`
  return [
    ...unknown,
    ...both.map((kind) => ({ path, code, message: exclusive(kind) })),
    ...['users', 'roles'].flatMap((kind) => list(value[kind], [...path, kind], 100, snowflake)),
  ]
}
