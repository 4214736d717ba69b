import type { REST, ResponseLike } from 'discord.js'
import { type Answer, type Outcome, outcomeOf, outcomeWithoutAnswer } from './discord-answer.ts'
import { fitMessage, fitThreadName, type Payload } from './discord-message.ts'
import type { Webhook } from './discord-webhook.ts'

export { FORUM, GONE, type Outcome } from './discord-answer.ts'
export * from './discord-message.ts'
export { parseWebhookUrl, Webhook } from './discord-webhook.ts'

export interface SendOptions {
  signal?: AbortSignal
  /** Time limit for connection, request and answer together, in milliseconds. Default 15 s. */
  timeoutMs?: number
  /** The thread of the message. Default: the thread in the webhook's address, if there is one. */
  thread?: Thread | undefined
}

/** An existing thread, or a new one in a forum: its name, and the ids of the forum's tags (5 at most). */
export type Thread = { id: string } | NewThread

interface NewThread {
  name: string
  tags: readonly string[]
}

/**
 * Posts a message, cut to Discord's limits, with exactly one request. Never throws: a failure is an `Outcome` too. The
 * outcome of a message that opens a thread has the id of the thread as its `channelId`.
 */
export async function postMessage(webhook: Webhook, payload: Payload, options: SendOptions = {}): Promise<Outcome> {
  const { thread } = options
  const query = queryOf(webhook, { wait: 'true', ...(payload.components && { with_components: 'true' }) }, thread)
  const opens = thread && 'name' in thread && opening(thread)
  const body = { allowed_mentions: { parse: [] }, ...fitMessage(payload), ...opens }
  const outcome = await request(webhook, { method: 'post', path: '', query, body }, options)
  const isLost = opens && outcome.kind === 'sent' && outcome.channelId === undefined
  return isLost ? { kind: 'unknown', reason: "the answer lacks the thread's id" } : outcome
}

function opening({ name, tags }: NewThread): object {
  return { thread_name: fitThreadName(name), ...(tags.length > 0 && { applied_tags: tags }) }
}

/**
 * Replaces the content of an earlier message of the same webhook with `payload`; embeds and components that are not
 * given are removed. Sends one request, which may be repeated. Skips name and picture, which cannot be edited.
 */
export async function editMessage(
  webhook: Webhook,
  messageId: string,
  payload: Payload,
  options: SendOptions = {},
): Promise<Outcome> {
  const query = queryOf(webhook, { with_components: 'true' }, options.thread)
  const { username: _name, avatar_url: _picture, ...message } = fitMessage(payload)
  const body = { allowed_mentions: { parse: [] }, embeds: [], components: [], ...message }
  const path = `/messages/${encodeURIComponent(messageId)}` as const
  return await request(webhook, { method: 'patch', path, query, body }, options)
}

function queryOf({ threadId }: Webhook, query: Record<string, string>, thread?: Thread): URLSearchParams {
  const id = thread === undefined ? threadId : 'id' in thread ? thread.id : undefined
  return new URLSearchParams({ ...query, ...(id && { thread_id: id }) })
}

interface Call {
  method: 'post' | 'patch'
  path: '' | `/messages/${string}`
  query: URLSearchParams
  body: object
}

const DEFAULT_TIMEOUT_MS = 15_000

/**
 * Sends one request through discord.js. Its errors contain the address with the token, so they must not leave this
 * function. The outcome is read from the HTTP answer instead.
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
  const outcome = answer && outcomeOf(answer)
  return scrubbed(outcome ?? outcomeWithoutAnswer(error, whyEnded(bounded, signal, timeoutMs)), webhook)
}

/**
 * Each call gets its own client, so that discord.js never delays it for an earlier rate limit. The first load takes 200
 * ms.
 */
async function openRest(webhook: Webhook, timeoutMs: number, receive: (answer: Answer) => void): Promise<REST> {
  const { REST, DefaultRestOptions } = await import('discord.js')
  return new REST({
    api: webhook.apiBase,
    headers: { connection: 'close' }, // a request on a stale kept-alive connection seems sent, but is not
    retries: 0,
    rejectOnRateLimit: () => true,
    timeout: timeoutMs + 1_000, // the caller's signal comes first
    hashSweepInterval: 0,
    handlerSweepInterval: 0,
    makeRequest: async (url, init) => {
      const response = await DefaultRestOptions.makeRequest(url, init)
      const head = { status: response.status, retryAfter: response.headers.get('retry-after') }
      receive({ ...head, text: undefined }) // a rejection counts even if its body never ends
      const text = await readWhole(response)
      receive({ ...head, text })
      return bufferedResponse(response, text)
    },
  })
}

const MAX_ANSWER_BYTES = 1024 * 1024

/** Leaving the loop early destroys the body and its connection. */
async function readWhole({ body }: ResponseLike): Promise<string> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of (body ?? []) as AsyncIterable<Uint8Array>) {
    size += piece.length
    if (size > MAX_ANSWER_BYTES) throw new Error('the answer is larger than 1 MB')
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

/** The body was read to free the socket; discord.js reads it again from memory. */
function bufferedResponse(response: ResponseLike, text: string): ResponseLike {
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

/** Removes the token, in case the server repeated it. */
function scrubbed(outcome: Outcome, webhook: Webhook): Outcome {
  const clean = (text: string) => text.replaceAll(webhook.token, '***')
  if ('reason' in outcome) return { ...outcome, reason: clean(outcome.reason) }
  if ('message' in outcome) return { ...outcome, message: clean(outcome.message) }
  return outcome
}
