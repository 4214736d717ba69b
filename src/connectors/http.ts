import type { Socket } from 'node:net'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip } from 'node:zlib'
import type { Agent, buildConnector, request } from 'undici'
import {
  aborted,
  encodingUnknown,
  encodingWrong,
  failure,
  notJson,
  notSuccess,
  type Place,
  placeOf,
  tookTooLong,
  tooLarge,
} from './http-failure.ts'

/** Limits of one request. Times in milliseconds, sizes in bytes after decompression. */
export interface HttpOptions {
  headers?: Readonly<Record<string, string>>
  /** Time limit for connecting. Default 10 s. */
  connectTimeoutMs?: number
  /** Time limit until the headers arrive, and between two pieces of the body. Default 30 s. */
  idleTimeoutMs?: number
  /** Time limit for the whole request. Default 60 s. */
  timeoutMs?: number
  /** Default 64 MiB. */
  maxBytes?: number
  signal?: AbortSignal
  /** Advice for the reader if the address looks wrong. It is the end of the message. Default 'check the address'. */
  hint?: string
}

/** JSON, unless it is a text, bytes or a form. Its content type is sent, unless `headers` contains another one. */
export type HttpBody = string | Uint8Array | URLSearchParams | object

export interface HttpResponse {
  status: number
  headers: Readonly<Record<string, string | string[] | undefined>>
  body: Buffer
}

/** HTTP requests with limits. Each call sends exactly one request: no redirects, no retries. */
export interface Http {
  /** Returns any complete answer, with any HTTP status. Throws TminusError if there is none. */
  get(url: string | URL, options?: HttpOptions): Promise<HttpResponse>
  /**
   * Returns the parsed body of a 2xx answer. Throws TminusError for everything else. Its `fields` contain `status`, the
   * `detail` of a JSON answer, and for 429 and 503 `retryAfterMs`.
   */
  getJson(url: string | URL, options?: HttpOptions): Promise<unknown>
  /** As `get`, with the method POST and a body. */
  post(url: string | URL, body: HttpBody, options?: HttpOptions): Promise<HttpResponse>
  /** As `getJson`, with the method POST and a body. An empty answer is undefined. */
  postJson(url: string | URL, body: HttpBody, options?: HttpOptions): Promise<unknown>
  /** As `get`, with any method. */
  request(method: HttpMethod, url: string | URL, options?: HttpOptions & { body?: HttpBody }): Promise<HttpResponse>
}

export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface HttpSettings {
  /** Sent with every request. */
  userAgent: string
  /** Aborts every request in progress and rejects new ones. */
  signal?: AbortSignal
}

const CONNECT_TIMEOUT_MS = 10_000
const IDLE_TIMEOUT_MS = 30_000
const TIMEOUT_MS = 60_000
const MAX_BYTES = 64 * 1024 * 1024

/** Opens connections when needed. `close` aborts the requests in progress and closes every socket. */
export function openHttp({ userAgent, signal }: HttpSettings): Http & { close(): Promise<void> } {
  const pool = openConnections()
  const send: Http['request'] = async (method, address, { body, ...options } = {}) => {
    const headers = { 'user-agent': userAgent, ...typeOf(body), ...options.headers }
    return await exchange(pool, placeOf(address, options), { method, headers, body: encoded(body) }, options, signal)
  }
  const get: Http['get'] = (address, options) => send('GET', address, options)
  const post: Http['post'] = (address, body, options) => send('POST', address, { ...options, body })
  const json = (address: string | URL, answer: HttpResponse, options: HttpOptions = {}) =>
    readJson(placeOf(address, options), answer, options)
  return {
    ...{ get, post, request: send },
    getJson: async (address, options) => json(address, await get(address, options), options),
    postJson: async (address, body, options) => {
      const answer = await post(address, body, options)
      return answer.body.length === 0 && isSuccess(answer.status) ? undefined : json(address, answer, options)
    },
    close: () => pool.close(),
  }
}

type Undici = typeof import('undici')

interface Connections {
  /** Undici sets the connect timeout per agent, so each timeout has its own agent. */
  agent(undici: Undici, connectTimeoutMs: number): Agent
  close(): Promise<void>
}

function openConnections(): Connections {
  const agents = new Map<number, Agent>()
  // Undici closes a connecting socket only after the connect timeout, so `close` destroys such sockets.
  const connecting = new Set<Socket>()
  let closed = false
  const open = ({ Agent, buildConnector }: Undici, timeout: number): Agent => {
    // The connector returns the socket, although its type does not say so.
    const connect = buildConnector({ timeout }) as (...args: Parameters<buildConnector.connector>) => Socket
    return new Agent({
      connect: (options, callback) => {
        const socket = connect(options, (...result) => {
          connecting.delete(socket)
          callback(...result)
        })
        connecting.add(socket)
      },
    })
  }
  return {
    agent(undici, connectTimeoutMs) {
      const agent = agents.get(connectTimeoutMs) ?? open(undici, connectTimeoutMs)
      if (closed) void agent.destroy()
      else agents.set(connectTimeoutMs, agent)
      return agent
    },
    async close() {
      closed = true
      const destroyed = [...agents.values()].map((agent) => agent.destroy())
      for (const socket of connecting) socket.destroy()
      await Promise.all(destroyed)
    },
  }
}

interface Sent {
  method: HttpMethod
  headers: Record<string, string>
  body: string | Uint8Array | null
}

function typeOf(body: HttpBody | undefined): Record<string, string> {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) return {}
  return { 'content-type': body instanceof URLSearchParams ? 'application/x-www-form-urlencoded' : 'application/json' }
}

function encoded(body: HttpBody | undefined): Sent['body'] {
  if (body === undefined) return null
  if (typeof body === 'string' || body instanceof Uint8Array) return body
  return body instanceof URLSearchParams ? String(body) : JSON.stringify(body)
}

async function exchange(
  connections: Connections,
  place: Place,
  { method, headers, body: sent }: Sent,
  options: HttpOptions,
  closing: AbortSignal | undefined,
): Promise<HttpResponse> {
  const idleMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  const connectTimeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS
  const maxBytes = options.maxBytes ?? MAX_BYTES
  const limit = startLimit(timeoutMs, [closing, options.signal])
  let answered = false
  try {
    // Loaded with the first request, because most processes send no request.
    const undici = await import('undici')
    limit.signal.throwIfAborted()
    const {
      statusCode,
      headers: received,
      body,
    } = await undici.request(place.url, {
      dispatcher: connections.agent(undici, connectTimeoutMs),
      method,
      body: sent,
      headers: { accept: 'application/json', 'accept-encoding': 'br, gzip', ...headers },
      headersTimeout: idleMs,
      bodyTimeout: idleMs,
      signal: limit.signal,
    })
    answered = true
    // The answer to HEAD has the length of a body, but no body.
    const announced = method === 'HEAD' ? undefined : received['content-length']
    const read = await readAll(place, body, announced, maxBytes)
    return { status: statusCode, headers: received, body: await decoded(place, statusCode, received, read, maxBytes) }
  } catch (error) {
    if (limit.expired()) throw tookTooLong(place, timeoutMs, error)
    if (limit.signal.aborted) throw aborted(place, limit.signal.reason)
    throw failure(place, error, { answered, idleMs, connectTimeoutMs })
  } finally {
    limit.clear()
  }
}

interface Limit {
  signal: AbortSignal
  /** True if the time ran out, false if the caller aborted. */
  expired(): boolean
  clear(): void
}

/**
 * `AbortSignal.any` would stay attached to the caller's long-lived signal until garbage collection; this function
 * detaches from it.
 */
function startLimit(timeoutMs: number, signals: (AbortSignal | undefined)[]): Limit {
  const controller = new AbortController()
  let expired = false
  const timer = setTimeout(() => {
    expired = true
    controller.abort()
  }, timeoutMs)
  const given = signals.filter((signal) => signal !== undefined)
  const forward = () => controller.abort(given.find((signal) => signal.aborted)?.reason)
  for (const signal of given) signal.addEventListener('abort', forward, { once: true })
  if (given.some((signal) => signal.aborted)) forward()
  return {
    signal: controller.signal,
    expired: () => expired,
    clear() {
      clearTimeout(timer)
      for (const signal of given) signal.removeEventListener('abort', forward)
    },
  }
}

type Body = Awaited<ReturnType<typeof request>>['body']

async function readAll(
  place: Place,
  body: Body,
  announced: string | string[] | undefined,
  maxBytes: number,
): Promise<Buffer> {
  // Leaving the loop early destroys the stream, which may then emit another error.
  body.on('error', () => {})
  if (Number(announced) > maxBytes) {
    body.destroy()
    throw tooLarge(place, maxBytes)
  }
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of body as AsyncIterable<Buffer>) {
    size += piece.length
    if (size > maxBytes) throw tooLarge(place, maxBytes)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

const DECODE = {
  gzip: promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip),
  br: promisify<Buffer, { maxOutputLength: number }, Buffer>(brotliDecompress),
}

async function decoded(
  place: Place,
  status: number,
  headers: HttpResponse['headers'],
  sent: Buffer,
  maxBytes: number,
): Promise<Buffer> {
  const coding = String(headers['content-encoding'] ?? 'identity').toLowerCase()
  if (coding === 'identity' || coding === '' || sent.length === 0) return sent
  const decode = { ...DECODE, 'x-gzip': DECODE.gzip }[coding]
  try {
    if (decode === undefined) throw encodingUnknown(place, coding)
    return await decode(sent, { maxOutputLength: maxBytes })
  } catch (error) {
    // The status of an error answer matters more than its unreadable body.
    if (!isSuccess(status)) return Buffer.alloc(0)
    throw encodingWrong(place, coding, maxBytes, error)
  }
}

const isSuccess = (status: number): boolean => status >= 200 && status <= 299

function readJson(place: Place, { status, headers, body }: HttpResponse, options: HttpOptions): unknown {
  if (!isSuccess(status)) throw notSuccess(place, status, headers, body, options.headers ?? {})
  // Removes a byte order mark, and replaces bytes that are not UTF-8.
  const text = new TextDecoder().decode(body)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw notJson(place, text, cause)
  }
}
