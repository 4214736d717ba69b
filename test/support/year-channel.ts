import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type ChannelMessage,
  type DiscordRequest,
  type DiscordServer,
  startDiscord,
} from '../../pipelines/rocket-launches/stand-ins/discord-server.ts'
import { parseWebhookUrl, type Webhook } from '../../src/connectors/discord.ts'
import type { Mortal } from './mortal.ts'
import type { DISCORD_TROUBLES } from './year-model.ts'

type Kind = (typeof DISCORD_TROUBLES)[number]

/** One channel of the simulated Discord, with its faults. */
export class YearChannel {
  readonly discord: DiscordServer
  readonly webhook: Webhook
  readonly index: number
  /** The current fault. */
  trouble: { kind: Kind; amount: number } | undefined
  /** The simulated time of its first message. */
  startedAt = Number.POSITIVE_INFINITY
  /** How many of the latest runs in a row had no fault here. */
  clean = 0
  /** How many posts may or may not have arrived, as far as the process can know. */
  lost = 0
  /** The simulated time before which no request is allowed. The process knows it unless it was killed. */
  waitUntil = 0
  /** True if no request is allowed until the address changes. */
  gone = false
  /** When the process received that answer; two processes at once may both receive it. */
  goneSince = Number.POSITIVE_INFINITY
  /** Deleted messages, by id. */
  readonly deleted = new Map<string, ChannelMessage>()
  /** The number of announced slips of each launch, and when it last changed, in simulated ms. */
  readonly slips = new Map<string, { count: number; changedAt: number }>()
  /** Launches whose card was posted, but the answer was lost. It is posted again. */
  readonly lostCards = new Set<string>()
  /** How many messages `newMessages` has returned. */
  seen = 0
  mistakes: string[] = []
  #token = TOKEN
  #times = 0
  readonly #year: Clock

  private constructor(discord: DiscordServer, index: number, year: Clock) {
    this.discord = discord
    this.index = index
    this.#year = year
    this.webhook = parseWebhookUrl(discord.webhookUrl)
  }

  static async open(index: number, year: Clock): Promise<YearChannel> {
    let channel: YearChannel | undefined
    const discord = await startDiscord({
      token: TOKEN,
      webhookId: `120000000000000000${index + 1}`,
      now: () => new Date(year.now),
      forum: () => (index === 1 ? {} : undefined), // the second channel is a forum
      intercept: (...args) => channel?.before(...args) ?? false,
      interceptAnswer: (request, response) => channel?.after(request, response) ?? false,
    })
    channel = new YearChannel(discord, index, year)
    return channel
  }

  /** The current address in DISCORD_WEBHOOK_URL. */
  get address(): Webhook {
    if (this.trouble?.kind === 'unreachable' && !this.gone) {
      return parseWebhookUrl(`http://127.0.0.1:1/api/webhooks/${this.webhook.id}/${this.#token}`)
    }
    return parseWebhookUrl(this.discord.webhookUrl.replace(TOKEN, this.#token))
  }

  /** Sets or clears the fault of the next run. A deleted webhook gets a new token when the fault is over. */
  setFault(trouble: { kind: Kind; amount: number } | undefined): void {
    this.trouble = trouble
    if (trouble?.kind === 'deleted') this.#deleteOne(trouble.amount)
    if (!this.gone || trouble?.kind === 'gone' || trouble?.kind === 'wrong token') return
    this.gone = false
    this.goneSince = Number.POSITIVE_INFINITY
    this.#times += 1
    this.#token = `${TOKEN}-${this.#times}`
  }

  #deleteOne(amount: number): void {
    const { messages } = this.discord
    const [message] = messages.length > 0 ? messages.splice(amount % messages.length, 1) : []
    if (message === undefined) return
    this.deleted.set(message.id, message)
    this.seen -= 1
  }

  before(request: IncomingMessage, response: ServerResponse, seen: DiscordRequest): boolean {
    if (this.#year.mortal?.dies(response)) return true
    if (this.#year.now < this.waitUntil) this.mistakes.push(`asked ${this.waitUntil - this.#year.now} ms too early`)
    if (this.#year.now > this.goneSince) this.mistakes.push('asked though the webhook is gone')
    seen.path = seen.path.replace(this.#token, TOKEN) // the stand-in accepts only this one
    if (hasImage(seen, 'refused/')) return answer(response, 400, IMAGE_REFUSED)
    switch (this.trouble?.kind) {
      case 'limited':
        return this.#limit(response, WAITS[this.trouble.amount % WAITS.length] ?? 30, true)
      case 'banned':
        return this.#limit(response, 60, false)
      case 'error':
        return this.#lose(request) && answer(response, 500, {})
      case 'reset':
        return this.#lose(request) && Boolean(response.destroy())
      case 'hangs':
        return this.#lose(request) && this.#hang()
      case 'gone':
      case 'wrong token':
        this.gone = true
        this.goneSince = this.#year.now
        return this.trouble.kind === 'gone'
          ? answer(response, 404, { code: 10015, message: 'Unknown Webhook' })
          : answer(response, 401, { code: 50027, message: 'Invalid Webhook Token' })
      case 'too many edits':
        return request.method === 'PATCH' && answer(response, 429, { code: 30046, message: 'Maximum number of edits' })
      default:
        return false
    }
  }

  after(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#year.mortal?.dies(response)) return true
    switch (this.trouble?.kind) {
      case 'late error':
        return this.#lose(request) && answer(response, 502, {})
      case 'late reset':
        return this.#lose(request) && Boolean(response.destroy())
      case 'broken':
        return this.#lose(request) && Boolean(response.writeHead(200).end('{"id"'))
      case 'late hangs':
        return this.#lose(request) && this.#hang()
      default:
        return false
    }
  }

  /** A process sends one message at a time, so it abandons at most one. */
  abandon(posts: number): void {
    if (posts > 1) this.mistakes.push(`${posts} posts claimed at once`)
    this.lost += posts
  }

  /** The process may not know what Discord answered. */
  forget(): void {
    this.waitUntil = 0
    this.goneSince = Number.POSITIVE_INFINITY
  }

  #lose({ method }: IncomingMessage): true {
    if (method === 'POST') this.lost += 1
    return true
  }

  #limit(response: ServerResponse, seconds: number, withHeader: boolean): boolean {
    this.waitUntil = this.#year.now + seconds * 1_000
    const headers: Record<string, string> = withHeader ? { 'retry-after': String(seconds) } : {}
    return answer(response, 429, { message: 'You are being rate limited.', retry_after: seconds }, headers)
  }

  /** Aborts the run at once instead of waiting 15 s for its timeout. */
  #hang(): true {
    this.#year.giveUp()
    return true
  }

  /** Messages posted since the last call. */
  newMessages(): ChannelMessage[] {
    const messages = this.discord.messages.slice(this.seen)
    this.seen = this.discord.messages.length
    return messages
  }
}

/** What a channel needs from the simulated year. */
export interface Clock {
  now: number
  /** Set while the process must be killed. */
  mortal: Mortal | undefined
  giveUp: () => void
}

/** Seconds. None ends close to a tick, because real time passes too. */
const WAITS = [30, 200, 450, 900]

const TOKEN = 'sample_TOKEN-0123456789'

const IMAGE_REFUSED = {
  ...{ code: 50035, message: 'Invalid Form Body' },
  errors: {
    embeds: { 0: { image: { url: { _errors: [{ code: 'URL_TYPE_INVALID_URL', message: 'Not well formed.' }] } } } },
  },
}

function hasImage({ body }: DiscordRequest, part: string): boolean {
  return (JSON.stringify((body as { embeds?: unknown } | undefined)?.embeds) ?? '').includes(part)
}

function answer(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): true {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  return true
}
