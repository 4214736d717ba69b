import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Payload } from 'tminus/connectors/discord'
import { type ForumOptions, type ForumThread, refusalInThread, refused, threadForPost } from './discord-forum.ts'
import { invalidFormBody, isEmpty, issuesOf } from './discord-rules.ts'
import { openLoopback, readBody, type SeenRequest, seen, sendJson } from './loopback.ts'

/** A message in the channel, in its current state. */
export interface ChannelMessage extends Payload {
  id: string
  flags?: number
  /** The message's thread, or null. */
  threadId: string | null
  postedAt: Date
  editedAt: Date | null
  /** All states of the message: the first is the post, the last is the current state. */
  versions: Payload[]
  /** The mentions that the post pinged: `@everyone`, `@here`, `<@USER>`, `<@&ROLE>`. An edit pings no one. */
  pinged: string[]
}

export interface DiscordRequest extends SeenRequest {
  /** The JSON body, or the `payload_json` of a form; undefined without JSON. */
  body: unknown
}

/** If the hook returns true, the server does not answer this request. */
type Hook = (request: IncomingMessage, response: ServerResponse, seen: DiscordRequest) => boolean

export interface DiscordOptions {
  webhookId?: string
  token?: string
  now?: () => Date
  /** The channel is a forum while this returns options. Default: a text channel. */
  forum?: () => ForumOptions | undefined
  /** Called for every request before the server processes it. */
  intercept?: Hook
  /** Called after the server has processed a request (a message is in the channel) and before it answers. */
  interceptAnswer?: Hook
}

export interface DiscordServer {
  /** `http://127.0.0.1:PORT/api/webhooks/ID/TOKEN`, to be used as DISCORD_WEBHOOK_URL. */
  webhookUrl: string
  /** The messages of the channel and its threads, oldest first. */
  messages: ChannelMessage[]
  /** The threads of a forum, oldest first. */
  threads: ForumThread[]
  requests: DiscordRequest[]
  /** Mistakes that Discord accepts but T-minus must not make, one sentence each. */
  violations: string[]
  close(): Promise<void>
}

/**
 * A loopback stand-in for Discord's webhooks (https://docs.discord.com/developers/resources/webhook): execute, get,
 * edit and delete a message, with and without a version in the path, in a text channel or in a forum. It returns
 * Discord's errors for wrong requests.
 */
export async function startDiscord(options: DiscordOptions = {}): Promise<DiscordServer> {
  const webhook: Webhook = {
    id: options.webhookId ?? '1200000000000000001',
    token: options.token ?? `sample-${'0123456789abcdefABCDEF_-'.repeat(3)}`.slice(0, 68),
    now: options.now ?? (() => new Date()),
    messages: [],
    forum: options.forum ?? (() => undefined),
    threads: [],
    posted: 0,
  }
  const requests: DiscordRequest[] = []
  const violations: string[] = []

  const server = await openLoopback(async (request, response) => {
    const raw = await readBody(request)
    const entry: DiscordRequest = { ...seen(request), body: await parse(request, raw) }
    requests.push(entry)
    violations.push(...violationsOf(entry))
    if (options.intercept?.(request, response, entry)) return
    const answer = route(entry, raw.length > 0, webhook)
    if (options.interceptAnswer?.(request, response, entry)) return
    if (answer.status === 204) response.writeHead(204).end()
    else sendJson(request, response, answer.status, answer.body)
  })

  const webhookUrl = `${server.origin}/api/webhooks/${webhook.id}/${webhook.token}`
  const { messages, threads } = webhook
  return { webhookUrl, messages, threads, requests, violations, close: server.close }
}

interface Webhook {
  id: string
  token: string
  now: () => Date
  messages: ChannelMessage[]
  forum: () => ForumOptions | undefined
  threads: ForumThread[]
  posted: number
}

interface Answer {
  status: number
  body?: unknown
}

/** The JSON body, or the `payload_json` of a form; undefined for anything else. */
async function parse(request: IncomingMessage, raw: Buffer): Promise<unknown> {
  const type = request.headers['content-type'] ?? ''
  const text = type.startsWith('multipart/form-data') ? await payloadJson(type, raw) : raw.toString('utf8')
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function payloadJson(type: string, raw: Buffer): Promise<string> {
  const form = await new Response(new Uint8Array(raw), { headers: { 'content-type': type } }).formData()
  return String(form.get('payload_json') ?? '')
}

function violationsOf({ method, query, body }: DiscordRequest): string[] {
  if ((method !== 'POST' && method !== 'PATCH') || !isObject(body)) return []
  const components = Array.isArray(body.components) && body.components.length > 0
  return [
    ...(method === 'POST' && query.wait !== 'true' ? ['POST without wait=true: a lost message gives no error'] : []),
    ...(body.allowed_mentions === undefined ? [`${method} without allowed_mentions: it may ping`] : []),
    ...(components && query.with_components !== 'true'
      ? [`${method} of components without with_components=true: Discord drops them`]
      : []),
  ]
}

function route(request: DiscordRequest, hasBody: boolean, webhook: Webhook): Answer {
  const match = /^\/api(?:\/v\d+)?\/webhooks\/(\d+)\/([^/]+)(?:\/messages\/(\d+))?\/?$/.exec(request.path)
  if (match === null) return refused(404, 0, '404: Not Found')
  const [, id, token, messageId] = match
  if (id !== webhook.id) return refused(404, 10015, 'Unknown Webhook')
  if (token !== webhook.token) return refused(401, 50027, 'Invalid Webhook Token')
  if (hasBody && request.body === undefined) return refused(400, 50109, 'The request body contains invalid JSON.')
  if (messageId !== undefined) return onMessage(request, messageId, webhook)
  if (request.method === 'GET') return { status: 200, body: describe(webhook) }
  if (request.method === 'POST') return post(request, webhook)
  return refused(405, 0, '405: Method Not Allowed')
}

function describe({ id, token }: Webhook) {
  const place = { guild_id: '1100000000000000001', channel_id: channel, application_id: null }
  return { id, type: 1, name: 'Sample webhook', avatar: null, token, ...place }
}

const channel = '1100000000000000002'

function post({ query, body }: DiscordRequest, webhook: Webhook): Answer {
  const sent = accepted(body, query)
  const refusal = refusalOf(sent, sent)
  if (refusal !== undefined) return refusal
  const { thread_name: _name, applied_tags: _tags, ...payload } = sent as Payload & Record<string, unknown>
  const id = snowflake(Date.now(), webhook.posted++)
  const place = threadForPost(sent, query.thread_id, id, { forum: webhook.forum(), threads: webhook.threads })
  if ('status' in place) return place
  const message: ChannelMessage = {
    ...payload,
    id,
    threadId: place.threadId,
    postedAt: webhook.now(),
    editedAt: null,
    versions: [payload],
    pinged: pinged(sent),
  }
  webhook.messages.push(message)
  return query.wait === 'true' ? { status: 200, body: show(message, webhook) } : { status: 204 }
}

/** A new id: milliseconds since 2015 and a counter (https://docs.discord.com/developers/reference#snowflakes). */
function snowflake(atMs: number, counter: number): string {
  return String((BigInt(atMs - 1_420_070_400_000) << 22n) + BigInt(counter % 4096))
}

/** The body as Discord reads it: without `with_components` it ignores the components. */
function accepted(body: unknown, query: Record<string, string>): Record<string, unknown> {
  if (!isObject(body)) return {}
  const { components, ...rest } = body
  return components === undefined || query.with_components !== 'true' ? rest : body
}

function refusalOf(sent: Record<string, unknown>, whole: Record<string, unknown>): Answer | undefined {
  const issues = issuesOf(sent)
  if (issues.length > 0) return { status: 400, body: invalidFormBody(issues) }
  return isEmpty(whole) ? refused(400, 50006, 'Cannot send an empty message') : undefined
}

function onMessage(request: DiscordRequest, id: string, webhook: Webhook): Answer {
  const thread = request.query.thread_id ?? null
  const index = webhook.messages.findIndex((message) => message.id === id && message.threadId === thread)
  const message = webhook.messages[index]
  const refusal = refusalInThread(thread, request.method, webhook.threads)
  if (refusal !== undefined) return refusal
  if (message === undefined) return refused(404, 10008, 'Unknown Message')
  if (request.method === 'GET') return { status: 200, body: show(message, webhook) }
  if (request.method === 'PATCH') return edit(message, request, webhook)
  if (request.method !== 'DELETE') return refused(405, 0, '405: Method Not Allowed')
  webhook.messages.splice(index, 1)
  return { status: 204 }
}

/** Edits a message. Keys that the request lacks stay unchanged. The sender's name and picture cannot be edited. */
function edit(message: ChannelMessage, { query, body }: DiscordRequest, webhook: Webhook): Answer {
  const { username, avatar_url, ...sent } = accepted(body, query)
  const whole: Payload = { ...message.versions.at(-1), ...sent }
  const refusal = refusalOf(sent, whole as Record<string, unknown>)
  if (refusal !== undefined) return refusal
  Object.assign(message, sent, { editedAt: webhook.now() })
  message.versions.push(whole)
  return { status: 200, body: show(message, webhook) }
}

/**
 * The mentions in the content that Discord pings: the mentions that `allowed_mentions` allows. Without that field,
 * Discord pings all mentions.
 */
function pinged({ content, allowed_mentions: allowed }: Payload): string[] {
  const found = String(content ?? '').match(/@everyone|@here|<@[!&]?\d+>/g) ?? []
  const parse = (kind: string) => allowed == null || allowed.parse?.includes(kind) === true
  const id = (mention: string) => mention.replace(/\D/g, '')
  return [...new Set(found)].filter((mention) => {
    if (!mention.startsWith('<')) return parse('everyone')
    const kind = mention.startsWith('<@&') ? 'roles' : 'users'
    return parse(kind) || allowed?.[kind]?.includes(id(mention)) === true
  })
}

/** The message as Discord returns it. */
function show(message: ChannelMessage, webhook: Webhook) {
  const author = { id: webhook.id, username: message.username ?? 'Sample webhook', avatar: null, bot: true }
  return {
    id: message.id,
    type: 0,
    content: message.content ?? '',
    channel_id: message.threadId ?? channel,
    author: { ...author, discriminator: '0000' },
    attachments: [],
    embeds: message.embeds ?? [],
    mentions: [],
    mention_roles: message.pinged.flatMap((mention) => /^<@&(\d+)>$/.exec(mention)?.[1] ?? []),
    mention_everyone: message.pinged.some((mention) => mention.startsWith('@')),
    pinned: false,
    tts: false,
    timestamp: message.postedAt.toISOString(),
    edited_timestamp: message.editedAt?.toISOString() ?? null,
    flags: message.flags ?? 0,
    components: message.components ?? [],
    webhook_id: webhook.id,
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
