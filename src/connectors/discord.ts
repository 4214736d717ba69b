import type { REST, ResponseLike } from 'discord.js'
import { messageOf } from '../errors.ts'
import { fitMessage, type Payload } from './discord-message.ts'
import type { Webhook } from './discord-webhook.ts'

export * from './discord-message.ts'
export { parseWebhookUrl, Webhook } from './discord-webhook.ts'

/** What became of one request. Only `sent` says that the message stands; `unknown` says it may. */
export type Outcome =
  | { kind: 'sent'; messageId: string }
  /** Discord refused the message for good, in its own words. */
  | { kind: 'rejected'; status: number; code: number; message: string; imageRefused: boolean }
  /** Not taken now; ask again after this many milliseconds. */
  | { kind: 'rate_limited'; retryAfterMs: number }
  /** The request left, and no believable answer came: a POST sent again could stand twice. */
  | { kind: 'unknown'; reason: string }
  /** Nothing was sent. */
  | { kind: 'unreachable'; reason: string }
  /** The webhook was deleted (10015) or its token is wrong (50027): stop asking. */
  | { kind: 'gone'; code: number }
  /** The message to edit was deleted. */
  | { kind: 'message_gone' }

export interface SendOptions {
  signal?: AbortSignal
  /** For connection, request and whole answer, in milliseconds. Default 15 s. */
  timeoutMs?: number
}

/** Posts a message, cut to Discord's limits, with exactly one request. Never throws for what Discord answers. */
export async function postMessage(webhook: Webhook, payload: Payload, options: SendOptions = {}): Promise<Outcome> {
  const query = queryOf(webhook, { wait: 'true', ...(payload.components && { with_components: 'true' }) })
  const body = { allowed_mentions: { parse: [] }, ...fitMessage(payload) }
  return await request(webhook, { method: 'post', path: '', query, body }, options)
}

/**
 * Makes an earlier message of the same webhook say `payload`: embeds and components not given are removed.
 * One request; may be repeated freely. A webhook's name and picture cannot be edited, so they are left out.
 */
export async function editMessage(
  webhook: Webhook,
  messageId: string,
  payload: Payload,
  options: SendOptions = {},
): Promise<Outcome> {
  const query = queryOf(webhook, { with_components: 'true' })
  const { username: _name, avatar_url: _picture, ...message } = fitMessage(payload)
  const body = { allowed_mentions: { parse: [] }, embeds: [], components: [], ...message }
  const path = `/messages/${encodeURIComponent(messageId)}` as const
  return await request(webhook, { method: 'patch', path, query, body }, options)
}

function queryOf(webhook: Webhook, query: Record<string, string>): URLSearchParams {
  return new URLSearchParams({ ...query, ...(webhook.threadId && { thread_id: webhook.threadId }) })
}

interface Call {
  method: 'post' | 'patch'
  path: '' | `/messages/${string}`
  query: URLSearchParams
  body: object
}

/** What came over the wire, whole. */
interface Answer {
  status: number
  retryAfter: string | null
  text: string
}

const DEFAULT_TIMEOUT_MS = 15_000

/**
 * One request through discord.js. Its errors hold the address, token and all, so they end here: the outcome is read
 * from the answer as it came over the wire.
 */
async function request(webhook: Webhook, call: Call, options: SendOptions): Promise<Outcome> {
  const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options
  let answer: Answer | undefined
  const rest = await openRest(webhook, timeoutMs, (received) => {
    answer = received
  })
  if (signal?.aborted) return { kind: 'unreachable', reason: 'stopped before anything was sent' }
  const bounded = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])])
  const { method, path, query, body } = call
  const error: unknown = await rest[method](`/webhooks/${webhook.id}/${webhook.token}${path}`, {
    query,
    body,
    auth: false,
    signal: bounded,
  }).then(
    () => undefined,
    (thrown) => thrown,
  )
  const outcome = answer ? outcomeOf(answer) : unanswered(error, whyEnded(bounded, signal, timeoutMs))
  return scrubbed(outcome, webhook)
}

/** One for every call, so that one call's rate limit never delays another unseen. First use loads for about 200 ms. */
async function openRest(webhook: Webhook, timeoutMs: number, receive: (answer: Answer) => void): Promise<REST> {
  const { REST, DefaultRestOptions } = await import('discord.js')
  return new REST({
    api: webhook.apiBase,
    headers: { connection: 'close' }, // on a kept connection gone stale, a request that never left looks sent
    retries: 0,
    rejectOnRateLimit: () => true,
    timeout: timeoutMs + 1_000, // the caller's signal comes first
    hashSweepInterval: 0,
    handlerSweepInterval: 0,
    makeRequest: async (url, init) => {
      const response = await DefaultRestOptions.makeRequest(url, init)
      const text = await response.text()
      receive({ status: response.status, retryAfter: response.headers.get('retry-after'), text })
      return readAlready(response, text)
    },
  })
}

/** The body was read to free the socket; discord.js gets it again from memory. */
function readAlready(response: ResponseLike, text: string): ResponseLike {
  const { status, statusText, ok, headers } = response
  return {
    ...{ status, statusText, ok, headers, body: null, bodyUsed: false },
    text: async () => text,
    json: async () => JSON.parse(text),
    arrayBuffer: async () => new TextEncoder().encode(text).buffer,
  }
}

function whyEnded(bounded: AbortSignal, caller: AbortSignal | undefined, timeoutMs: number): string | undefined {
  if (caller?.aborted) return 'stopped while waiting for the answer'
  return bounded.aborted ? `no answer within ${timeoutMs / 1_000} s` : undefined
}

/** Codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json */
function outcomeOf({ status, retryAfter, text }: Answer): Outcome {
  const json = parseObject(text)
  const code = typeof json.code === 'number' ? json.code : 0
  if (status >= 200 && status < 300) {
    if (typeof json.id === 'string' && json.id !== '') return { kind: 'sent', messageId: json.id }
    return { kind: 'unknown', reason: `HTTP ${status} without the message's id` }
  }
  if (status >= 500) return { kind: 'unknown', reason: `HTTP ${status}` }
  if (status === 429) return { kind: 'rate_limited', retryAfterMs: waitOf(retryAfter, json.retry_after) }
  if (status === 404 && code === 10008) return { kind: 'message_gone' }
  if ((status === 404 && code === 10015) || (status === 401 && code === 50027)) return { kind: 'gone', code }
  const message = [json.message, ...complaints(json.errors)].filter((word) => typeof word === 'string')
  return {
    kind: 'rejected',
    status,
    code,
    message: message.join('; ').slice(0, 1_000) || `HTTP ${status}`,
    imageRefused: code === 50035 && complaints(json.errors).some((line) => /^embeds\.\d+\.image\b/.test(line)),
  }
}

/** Seconds. A 429 without the header is no limit of Discord's own but a ban at its gate: a minute at the least. */
function waitOf(header: string | null, body: unknown): number {
  const asked = header === null || header === '' ? Number.NaN : Number(header)
  const told = typeof body === 'number' ? body : 0
  return Math.ceil(Math.max(Number.isFinite(asked) ? Math.max(1, asked) : 60, told) * 1_000)
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

/** `{embeds: {0: {image: {url: {_errors: [{message}]}}}}}` as `embeds.0.image.url: message`. */
function complaints(errors: unknown, path: readonly string[] = []): string[] {
  if (typeof errors !== 'object' || errors === null) return []
  return Object.entries(errors).flatMap(([key, value]) => {
    if (key !== '_errors' || !Array.isArray(value)) return complaints(value, [...path, key])
    return value.map((error) => `${path.join('.')}: ${parseObject(JSON.stringify(error)).message}`)
  })
}

/** Failures in which not a byte of the request was written: no address, no connection, no TLS. */
const NEVER_SENT =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_\w+|ERR_SSL_\w+|CERT_\w+|UNABLE_TO_\w+|(DEPTH_ZERO_)?SELF_SIGNED_\w+)$/

const IN_WORDS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name not found',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
}

function unanswered(error: unknown, ended: string | undefined): Outcome {
  const code = codeOf(error)
  if (NEVER_SENT.test(code)) return { kind: 'unreachable', reason: IN_WORDS[code] ?? code }
  return { kind: 'unknown', reason: ended ?? (code || messageOf(error)) }
}

/** A host with several addresses fails with one error each, wrapped. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if ('code' in error && typeof error.code === 'string') return error.code
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause
  return codeOf(inner)
}

/** Nothing that is handed out holds the token, even where a server repeats it. */
function scrubbed(outcome: Outcome, webhook: Webhook): Outcome {
  const clean = (text: string) => text.replaceAll(webhook.token, '***')
  if ('reason' in outcome) return { ...outcome, reason: clean(outcome.reason) }
  if ('message' in outcome) return { ...outcome, message: clean(outcome.message) }
  return outcome
}
