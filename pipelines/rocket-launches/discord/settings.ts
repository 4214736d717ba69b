import { readCron } from 'tminus'
import { parseWebhookUrl, type Webhook, webAddress } from 'tminus/connectors/discord'
import { z } from 'zod'
import { LANGUAGES } from '../../launches/words/languages.ts'
import { parseTerms } from './filter.ts'
import { KIND_NAMES, type NoticeKind, PINGING_BY_DEFAULT } from './notice-kinds.ts'
import { VOLUME_NAMES } from './volume.ts'

const terms = z
  .string()
  .transform((value, context) => {
    const parsed = parseTerms(value)
    if (parsed !== undefined) return parsed
    context.addIssue({
      code: 'custom',
      message:
        'must be texts separated by commas; put a text that contains a comma in double quotes, like "Cape Canaveral SFS, FL, USA"',
    })
    return z.NEVER
  })
  .optional()

/** The settings of the channels. An entry of DISCORD_CHANNELS_FILE has the same settings, under the names of `KEYS`. */
export const discordSettings = {
  /** Unset: the run logs a preview and posts nothing. The parsed objects do not print their tokens. */
  DISCORD_WEBHOOK_URL: z
    .string()
    .transform((value, context) => {
      const webhooks = parseWebhooks(value)
      if (typeof webhooks !== 'string') return webhooks
      context.addIssue({ code: 'custom', message: webhooks })
      return z.NEVER
    })
    .optional(),
  /** How much is posted. The next two settings override it. */
  DISCORD_VOLUME: z.enum(VOLUME_NAMES, { error: `must be one of ${VOLUME_NAMES.join()}` }).default('normal'),
  /** The kinds of notices that are posted besides the cards. */
  DISCORD_NOTICES: z
    .string()
    .transform((value, context) => {
      const kinds = kindsOf(value)
      if (kinds !== undefined) return kinds
      context.addIssue({ code: 'custom', message: `must be none, or some of ${KIND_NAMES.join()}` })
      return z.NEVER
    })
    .optional(),
  /** How long before T-0 a reminder is posted. Parsed to ms. */
  DISCORD_REMINDERS: z
    .string()
    .transform((value, context) => {
      const offsets = value.trim() === 'none' ? [] : listOf(value).map(offsetMs)
      if (offsets.every((offset) => offset !== undefined)) return offsets
      context.addIssue({ code: 'custom', message: 'must be none, or durations from 5m to 30d, like 24h,1h,10m' })
      return z.NEVER
    })
    .optional(),
  /** When the list of the week's launches is posted: a cron expression and its time zone. Unset: never. */
  DISCORD_DIGEST: z
    .string()
    .transform((value, context) => {
      try {
        return readCron(value)
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message })
        return z.NEVER
      }
    })
    .optional(),
  DISCORD_FILTER_PROVIDERS: terms,
  DISCORD_FILTER_LOCATIONS: terms,
  DISCORD_FILTER_ORBITS: terms,
  DISCORD_FILTER_KEYWORDS: terms,
  /** The role to ping, and the notices that ping it. */
  DISCORD_ROLE_ID: z
    .string()
    .transform((value, context) => {
      const [, id, list] = /^(\d{1,20})(?::(.*))?$/s.exec(value.trim()) ?? []
      const kinds = list === undefined ? PINGING_BY_DEFAULT : kindsOf(list)
      if (id !== undefined && kinds !== undefined) return { id, kinds }
      const message = `must be the number of a role, optionally with the notices that ping it, like 123456789012345678:reminder,hold (of ${KIND_NAMES.join()})`
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    })
    .optional(),
  /** In a forum or media channel: the ids of the tags that each thread gets. */
  DISCORD_FORUM_TAGS: z
    .string()
    .transform((value, context) => {
      const tags = listOf(value)
      if (tags.length <= 5 && tags.every((tag) => /^\d{1,20}$/.test(tag))) return tags
      context.addIssue({ code: 'custom', message: 'must be the numbers of at most 5 tags, separated by commas' })
      return z.NEVER
    })
    .optional(),
  /** The language of the messages. */
  DISCORD_LANGUAGE: z.enum(LANGUAGES, { error: `must be ${LANGUAGES.join(' or ')}` }).default('en'),
  DISCORD_USERNAME: z
    .string()
    .trim()
    .max(80, { error: 'must have 80 characters at most' })
    .regex(/^(?!.*(discord|clyde))/is, { error: 'must not contain "discord" or "clyde": Discord refuses it' })
    .optional(),
  DISCORD_AVATAR: z
    .string()
    .refine((value) => webAddress(value) !== undefined, { error: 'must be an http(s) address of a picture' })
    .optional(),
}

export type ChannelSettings = z.output<z.ZodObject<typeof discordSettings>>

/** The webhooks, or an error message. The message contains no part of the value, because the value contains tokens. */
function parseWebhooks(value: string): Webhook[] | string {
  const addresses = value.split(',').map((address) => address.trim())
  const webhooks: Webhook[] = []
  for (const [index, address] of addresses.entries()) {
    try {
      webhooks.push(parseWebhookUrl(address))
    } catch (error) {
      const which = addresses.length > 1 ? `wrong at position ${index + 1} of ${addresses.length}: ` : ''
      return `is ${which}${(error as Error).message}`
    }
  }
  const places = new Map<string, number>()
  for (const [index, { target }] of webhooks.entries()) {
    const first = places.get(target)
    if (first !== undefined)
      return `names one channel twice, at positions ${first + 1} and ${index + 1}; list each webhook (and thread) once`
    places.set(target, index)
  }
  return webhooks
}

function kindsOf(value: string): ReadonlySet<NoticeKind> | undefined {
  if (value.trim() === 'none') return new Set()
  const names = listOf(value)
  const kinds = KIND_NAMES.filter((kind) => names.includes(kind))
  return kinds.length === new Set(names).size && kinds.length > 0 ? new Set(kinds) : undefined
}

function listOf(value: string): string[] {
  return value.split(',').map((part) => part.trim().toLowerCase())
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }
/** The pipeline runs every five minutes, so a shorter reminder could come too late. */
const SHORTEST_MS = 5 * 60_000
const LONGEST_MS = 30 * 86_400_000

function offsetMs(text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d{1,5})([mhd])$/.exec(text) ?? []
  const ms = Number(amount) * (UNITS[unit] ?? Number.NaN)
  return ms >= SHORTEST_MS && ms <= LONGEST_MS ? ms : undefined
}
