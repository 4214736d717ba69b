import type { Ticks } from 'tminus'
import type { Payload, Webhook } from 'tminus/connectors/discord'
import type { Queryable } from 'tminus/db'
import type { KnownLaunch } from '../../launches/launch.ts'
import { countUpcoming, nearestLaunch } from '../../launches/upcoming.ts'
import { EN, type Words } from '../../launches/words/en.ts'
import type { Settings } from '../settings.ts'
import { passes, type Terms } from './filter.ts'
import type { NoticeKind } from './notice-kinds.ts'
import type { Rules } from './notices.ts'
import { rulesOf } from './volume.ts'

/** Which messages are posted, and how they look. */
export interface ChannelOptions {
  /** Returns true for a launch that is announced. Undefined: all are. */
  passes: ((launch: KnownLaunch) => boolean) | undefined
  /** The names of the filters that are set. */
  filters: readonly string[]
  rules: Rules
  /** When its digest is posted. Undefined: never. */
  digest: Ticks | undefined
  /** The role to ping, and the notices that ping it. */
  role: { id: string; kinds: ReadonlySet<NoticeKind> } | undefined
  /** The sender's name and the address of its picture. Undefined: those of the webhook. */
  username: string | undefined
  avatar: string | undefined
  /** In a forum: the ids of the tags that each thread gets. */
  tags: readonly string[]
  /** The texts of its messages, in its language. */
  words: Words
}

export interface Channel extends ChannelOptions {
  /** Names the channel in logs and lists. */
  name: string
  webhook: Webhook
}

export type DiscordSettings = Pick<Settings, `DISCORD_${string}` & keyof Settings>

/** The channels in the order of the settings. None: nothing is posted, and the log shows a preview. */
export function channelsOf(settings: DiscordSettings): Channel[] {
  const options = channelOptions(settings)
  return (settings.DISCORD_WEBHOOK_URL ?? []).map((webhook) => ({ ...options, name: webhook.target, webhook }))
}

/** The options of a preview, and of every channel of DISCORD_WEBHOOK_URL. */
export function channelOptions(settings: DiscordSettings): ChannelOptions {
  return {
    ...filtersOf(settings),
    rules: rulesOf(settings.DISCORD_VOLUME, settings.DISCORD_NOTICES, settings.DISCORD_REMINDERS),
    digest: settings.DISCORD_DIGEST,
    role: settings.DISCORD_ROLE_ID,
    username: settings.DISCORD_USERNAME,
    avatar: settings.DISCORD_AVATAR,
    tags: settings.DISCORD_FORUM_TAGS ?? [],
    words: EN,
  }
}

const ANY: Terms = { include: [], exclude: [] }

function filtersOf(settings: DiscordSettings): Pick<ChannelOptions, 'passes' | 'filters'> {
  const filter = {
    providers: settings.DISCORD_FILTER_PROVIDERS ?? ANY,
    locations: settings.DISCORD_FILTER_LOCATIONS ?? ANY,
    orbits: settings.DISCORD_FILTER_ORBITS ?? ANY,
    keywords: settings.DISCORD_FILTER_KEYWORDS ?? ANY,
  }
  const names = (['PROVIDERS', 'LOCATIONS', 'ORBITS', 'KEYWORDS'] as const).map(
    (name) => `DISCORD_FILTER_${name}` as const,
  )
  const filters = names.filter((name) => settings[name] !== undefined)
  return { filters, passes: filters.length === 0 ? undefined : (launch) => passes(launch, filter) }
}

/** The message for the case that the filters exclude all upcoming launches; undefined in other cases. */
export async function whyNonePasses(
  db: Queryable,
  now: Date,
  { passes, filters }: Pick<ChannelOptions, 'passes' | 'filters'>,
): Promise<string | undefined> {
  if (passes === undefined || (await nearestLaunch(db, now, passes)) !== undefined) return undefined
  const count = await countUpcoming(db, now)
  if (count === 0) return undefined
  const launches =
    count === 1 ? 'the only upcoming launch does not pass' : `none of the ${count} upcoming launches passes`
  return `${launches} ${filters.join(' and ')}, so none is announced`
}

/** Adds the sender's name, its picture and the ping to a message. */
export function withSender(message: Payload, kind: 'card' | NoticeKind, channel: ChannelOptions): Payload {
  const { username, avatar, role } = channel
  const pings = role !== undefined && kind !== 'card' && role.kinds.has(kind)
  return {
    ...message,
    ...(username !== undefined && { username }),
    ...(avatar !== undefined && { avatar_url: avatar }),
    ...(pings && {
      content: [`<@&${role.id}>`, message.content].filter(Boolean).join(' '),
      allowed_mentions: { parse: [], roles: [role.id] },
    }),
  }
}
