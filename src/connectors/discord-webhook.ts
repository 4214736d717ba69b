import { inspect } from 'node:util'
import { UsageError } from '../errors.ts'
import { SECRET } from '../secrets.ts'

/**
 * A Discord webhook. Its token grants the right to post, so neither `inspect` nor JSON shows it.
 * Posting and editing: https://discord.com/developers/docs/resources/webhook#execute-webhook
 */
export class Webhook {
  readonly id: string
  readonly threadId: string | undefined
  /** The API's address without a version: `https://discord.com/api`, or a loopback server. */
  readonly apiBase: string
  readonly #token: string

  constructor(parts: { id: string; token: string; threadId?: string | undefined; apiBase: string }) {
    this.id = parts.id
    this.threadId = parts.threadId
    this.apiBase = parts.apiBase
    this.#token = parts.token
  }

  get token(): string {
    return this.#token
  }

  /** Logs do not show the token, even if a setting read the address from a file. */
  get [SECRET](): string {
    return this.#token
  }

  /** Names the channel in tables and logs: `id`, or `id/thread`. Never the token. */
  get target(): string {
    return this.threadId === undefined ? this.id : `${this.id}/${this.threadId}`
  }

  [inspect.custom](): string {
    return `Webhook(${this.target})`
  }
}

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]'])
const DISCORD = /^(?:(?:ptb|canary)\.)?discord(?:app)?\.com$/
const WEBHOOK_PATH = /^\/api(?:\/v\d+)?\/webhooks\/([\w-]+)\/([\w.~-]+)\/?$/

/**
 * Parses a webhook address: `https://discord.com/api/webhooks/ID/TOKEN` (also discordapp.com, ptb., canary., a
 * version in the path, `?thread_id=`), or the same path on a loopback server over http.
 *
 * Throws UsageError for any other text, without repeating it, because it may contain the token.
 */
export function parseWebhookUrl(text: string): Webhook {
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined
  const [, id, token] = (url && WEBHOOK_PATH.exec(url.pathname)) ?? []
  const apiBase = url && apiBaseOf(url)
  const threadId = url?.searchParams.get('thread_id') || undefined
  if (id === undefined || token === undefined || apiBase === undefined) throw notAWebhook()
  if (apiBase === DISCORD_API && !/^\d{1,20}$/.test(id)) throw notAWebhook()
  if (threadId !== undefined && !/^\d{1,20}$/.test(threadId)) throw notAWebhook()
  return new Webhook({ id, token, threadId, apiBase })
}

const DISCORD_API = 'https://discord.com/api'

/** All of Discord's host names lead to the same webhooks. The documentation names discord.com. */
function apiBaseOf(url: URL): string | undefined {
  if (url.username !== '' || url.password !== '') return undefined
  if (url.protocol === 'https:' && DISCORD.test(url.host)) return DISCORD_API
  if (url.protocol === 'http:' && LOOPBACK.has(url.hostname)) return `${url.origin}/api`
  return undefined
}

function notAWebhook(): UsageError {
  return new UsageError(
    'not a Discord webhook address: it looks like https://discord.com/api/webhooks/123456789012345678/TOKEN, optionally with ?thread_id=…; copy it in Discord under Edit Channel > Integrations > Webhooks',
    { code: 'webhook_address' },
  )
}
