import { messageOf } from '../errors.ts'
import { visibleText } from '../visible-text.ts'

/** The result of one request. `sent`: the message is in the channel. `unknown`: the message may be in the channel. */
export type Outcome =
  | { kind: 'sent'; messageId: string; channelId: string | undefined }
  /** Discord rejected the request; a retry cannot help. `message` is Discord's text. */
  | {
      kind: 'rejected'
      status: number
      /** 0: none. */
      code: number
      message: string
      /**
       * The cause. `message`: Discord may accept another message. `webhook`: its address, channel or permissions are
       * wrong.
       */
      about: 'message' | 'webhook'
      /** The image may be the cause: Discord may accept the message without it. */
      imageSuspected: boolean
    }
  /** The channel accepts nothing now; retry after this many milliseconds (1 s to a day). */
  | { kind: 'rate_limited'; retryAfterMs: number }
  /** Discord accepts no more edits of this message for now; other messages are not affected. */
  | { kind: 'edit_limited' }
  /** The thread is archived. A new post may reopen the thread; an edit does not. */
  | { kind: 'archived' }
  /** The request was sent, but no credible answer arrived: repeating a POST could create a duplicate. */
  | { kind: 'unknown'; reason: string }
  /** Nothing was sent. */
  | { kind: 'unreachable'; reason: string }
  /** The webhook cannot be used until a person changes its address: stop sending. See `GONE`. */
  | { kind: 'gone'; code: number }
  /** The message to edit was deleted. */
  | { kind: 'message_gone' }

/** The HTTP answer. `text` is undefined if the body was too large or did not end. */
export interface Answer {
  status: number
  retryAfter: string | null
  text: string | undefined
}

/**
 * Interprets an answer. Discord's code is more reliable than the HTTP status: 30046 comes with 400 and with 429.
 * Undefined for a success without a body: the message's id is unknown.
 */
export function outcomeOf({ status, retryAfter, text }: Answer): Outcome | undefined {
  const json = parseObject(text ?? '')
  const code = typeof json.code === 'number' ? json.code : 0
  if (status >= 200 && status < 300) return text === undefined ? undefined : accepted(status, json)
  const known = BY_CODE[code]
  if (known === 'rate_limited' || (known === undefined && status === 429))
    return { kind: 'rate_limited', retryAfterMs: waitOf(retryAfter, json.retry_after) }
  if (known === 'gone') return { kind: known, code }
  if (known !== undefined) return { kind: known }
  if (status >= 500) return { kind: 'unknown', reason: `HTTP ${status}` }
  return rejected(status, code, json, text ?? '')
}

/**
 * Codes that mean: the webhook was deleted; its token is wrong; its thread was deleted; its channel is a forum and the
 * request names no thread.
 */
export const GONE = { webhook: 10015, token: 50027, thread: 10003, forum: 220001 } as const

/** https://discord.com/developers/docs/topics/opcodes-and-status-codes#json-json-error-codes */
const BY_CODE: Readonly<
  Record<number, 'rate_limited' | 'edit_limited' | 'archived' | 'gone' | 'message_gone' | undefined>
> = {
  10008: 'message_gone',
  [GONE.webhook]: 'gone',
  [GONE.token]: 'gone',
  [GONE.thread]: 'gone',
  [GONE.forum]: 'gone',
  20016: 'rate_limited', // slow mode
  20022: 'edit_limited', // announcements
  20028: 'rate_limited', // writes to this channel
  20029: 'rate_limited', // writes to this server
  30046: 'edit_limited', // messages older than an hour
  40004: 'rate_limited', // sending is disabled for a while
  40006: 'rate_limited', // the feature is disabled for a while
  40062: 'rate_limited', // the service is limited
  40333: 'rate_limited', // Cloudflare blocks this address
  50083: 'archived',
  130000: 'rate_limited', // overloaded
}

/** Codes about forums: the forum requires a tag; it has no such tag; the thread is locked; the channel is no forum. */
export const FORUM = { tagRequired: 40067, unknownTag: 10087, locked: 160005, noForum: 220003 } as const

/** Codes whose cause is the webhook, although some of them come with status 400. */
const ABOUT_WEBHOOK = new Set<number>([
  ...[40001, 40058, 40066, 50001, 50008, 50013, 50024, 220002, 220004],
  ...Object.values(FORUM),
])

function accepted(status: number, { id, channel_id: channelId }: Record<string, unknown>): Outcome {
  if (typeof id === 'string' && id !== '')
    return { kind: 'sent', messageId: id, channelId: typeof channelId === 'string' ? channelId : undefined }
  return { kind: 'unknown', reason: `HTTP ${status} without the message's id` }
}

/**
 * Seconds in, milliseconds out. A 429 without the header comes from Cloudflare in front of Discord, not from Discord.
 */
function waitOf(header: unknown, body: unknown): number {
  const seconds = Math.max(numberIn(header) ?? GATE_SECONDS, numberIn(body) ?? 0)
  return Math.ceil(Math.min(Math.max(seconds, 1), LONGEST_SECONDS) * 1_000)
}

function numberIn(value: unknown): number | undefined {
  const number =
    typeof value === 'number' || (typeof value === 'string' && value.trim() !== '') ? Number(value) : Number.NaN
  return Number.isNaN(number) ? undefined : number
}

const GATE_SECONDS = 60
/** A longer wait is a mistake, and too long for a timer. */
const LONGEST_SECONDS = 86_400

function rejected(status: number, code: number, json: Record<string, unknown>, text: string): Outcome {
  const found = complaintsIn(json)
  const words = [json.message, ...found.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))]
  const said = words.filter((word) => typeof word === 'string' && word !== '').join('; ') || wordsOf(text)
  const ofWebhook = ABOUT_WEBHOOK.has(code) || found.some(({ path }) => ADDRESS.test(path))
  const about = (status === 400 || status === 413) && !ofWebhook ? 'message' : 'webhook'
  return {
    kind: 'rejected',
    status,
    code,
    message: visibleText(said).replaceAll(/\s+/g, ' ').trim().slice(0, MAX_WORDS) || `HTTP ${status}`,
    about,
    imageSuspected:
      about === 'message' && UNSPECIFIC.has(code) && (found.length === 0 || found.some(({ path }) => IMAGE.test(path))),
  }
}

const MAX_WORDS = 1_000
/** What the settings say about the channel, by the names in Discord's errors. */
const ADDRESS = /^(thread_id|webhook_id|webhook_token|applied_tags)\b/
/** Codes that do not name the cause: none, invalid form, invalid JSON. */
const UNSPECIFIC = new Set([0, 50035, 50109])
/** Matches the whole message, the embeds, one embed or its pictures, but no other part. */
const IMAGE = /^(embeds(\.\d+)?(\.(image|thumbnail|author\.icon_url)\b.*)?)?$/

interface Complaint {
  /** `embeds.0.image.url` */
  path: string
  message: string
}

/**
 * The complaints in an error, in either form that Discord uses:
 * `{errors: {embeds: {0: {image: {url: {_errors: [{message}]}}}}}}` and `{embeds: ["0"]}`.
 */
function complaintsIn({ errors, code: _code, message: _message, ...rest }: Record<string, unknown>): Complaint[] {
  return (errors === undefined ? complaints(rest) : complaints(errors)).slice(0, MOST_COMPLAINTS)
}

const MOST_COMPLAINTS = 20
const DEEPEST = 12

function complaints(value: unknown, path: readonly string[] = [], depth = 0): Complaint[] {
  if (typeof value === 'string') return [{ path: path.join('.'), message: value }]
  if (typeof value !== 'object' || value === null || depth > DEEPEST) return []
  const inner = (member: unknown, at: readonly string[]) => complaints(member, at, depth + 1)
  if (Array.isArray(value)) return value.slice(0, MOST_COMPLAINTS).flatMap((one) => inner(wordIn(one), path))
  return Object.entries(value)
    .slice(0, MOST_COMPLAINTS)
    .flatMap(([key, member]) => inner(member, key === '_errors' ? path : [...path, key]))
}

/** Reads `{code, message}` as one complaint, not two. */
function wordIn(one: unknown): unknown {
  return typeof one === 'object' && one !== null && 'message' in one ? one.message : one
}

/**
 * The text of an answer that is not JSON: the title if the answer is a web page, else the answer itself (`error code:
 * 1015`).
 */
function wordsOf(text: string): string {
  if (!text.trimStart().startsWith('<')) return /^\s*([[{"]|null)/.test(text) ? '' : text.slice(0, MAX_WORDS)
  return /<title>([^<]{1,200})/i.exec(text.slice(0, 10_000))?.[1] ?? ''
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

/** Errors before the request was sent: no address, no connection, no TLS. */
const NEVER_SENT =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_\w+|ERR_SSL_\w+|CERT_\w+|UNABLE_TO_\w+|(DEPTH_ZERO_)?SELF_SIGNED_\w+)$/

const IN_WORDS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name not found',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
}

export function outcomeWithoutAnswer(error: unknown, ended: string | undefined): Outcome {
  const code = codeOf(error)
  if (NEVER_SENT.test(code)) return { kind: 'unreachable', reason: IN_WORDS[code] ?? code }
  return { kind: 'unknown', reason: ended ?? (code || messageOf(error)) }
}

/** For a host with several addresses, Node wraps the error of each address in another error. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if ('code' in error && typeof error.code === 'string') return error.code
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause
  return codeOf(inner)
}
