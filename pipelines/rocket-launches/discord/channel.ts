import { type Ticks, UsageError } from 'tminus'
import type { Payload, Webhook } from 'tminus/connectors/discord'
import type { Queryable } from 'tminus/db'
import type { KnownLaunch } from '../../launches/launch.ts'
import { countUpcoming, nearestLaunch } from '../../launches/upcoming.ts'
import type { Words } from '../../launches/words/en.ts'
import { WORDS } from '../../launches/words/languages.ts'
import type { Settings } from '../settings.ts'
import { KEYS } from './channels-file.ts'
import { passes, type Terms } from './filter.ts'
import type { NoticeKind } from './notice-kinds.ts'
import type { Rules } from './notices.ts'
import type { SettingNames } from './outcome.ts'
import type { ChannelSettings } from './settings.ts'
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
  /** What messages about a wrong setting of this channel tell the user to change. */
  settings: SettingNames
}

export type DiscordSettings = Pick<Settings, `DISCORD_${string}` & keyof Settings>

/** The channels in the order of the settings. None: nothing is posted, and the log shows a preview. */
export function channelsOf(settings: DiscordSettings): Channel[] {
  const { DISCORD_WEBHOOK_URL: webhooks = [], DISCORD_CHANNELS_FILE: entries } = settings
  if (entries === undefined)
    return webhooks.map((webhook) => {
      return { ...channelOptions(settings), name: webhook.target, webhook, settings: VARIABLES }
    })
  return entries.map(({ name, webhook, webhookSetting, settings: own }) => {
    const names = { webhook: webhookSetting, tags: 'tags in DISCORD_CHANNELS_FILE' }
    return { ...channelOptions(own, (variable) => `'${KEYS[variable]}'`), name, webhook, settings: names }
  })
}

const VARIABLES: SettingNames = { webhook: 'DISCORD_WEBHOOK_URL', tags: 'DISCORD_FORUM_TAGS' }

/**
 * The options of a preview, and of every channel of DISCORD_WEBHOOK_URL.
 *
 * @param nameOf the name of a variable in messages; a channels file has other names
 */
export function channelOptions(
  settings: ChannelSettings,
  nameOf: (variable: keyof ChannelSettings) => string = (variable) => variable,
): ChannelOptions {
  return {
    ...filtersOf(settings, nameOf),
    rules: rulesOf(settings.DISCORD_VOLUME, settings.DISCORD_NOTICES, settings.DISCORD_REMINDERS),
    digest: settings.DISCORD_DIGEST,
    role: settings.DISCORD_ROLE_ID,
    username: settings.DISCORD_USERNAME,
    avatar: settings.DISCORD_AVATAR,
    tags: settings.DISCORD_FORUM_TAGS ?? [],
    words: WORDS[settings.DISCORD_LANGUAGE],
  }
}

const ANY: Terms = { include: [], exclude: [] }

function filtersOf(
  settings: ChannelSettings,
  nameOf: (variable: keyof ChannelSettings) => string,
): Pick<ChannelOptions, 'passes' | 'filters'> {
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
  return { filters: filters.map(nameOf), passes: filters.length === 0 ? undefined : (launch) => passes(launch, filter) }
}

/** Names channels by their targets. If the settings are wrong or have changed, a channel has its target as its name. */
export function channelNames(settings: () => DiscordSettings): (target: string) => string {
  const names = new Map(
    unlessWrong(() => channelsOf(settings()), []).map(({ webhook, name }) => [webhook.target, name]),
  )
  return (target) => names.get(target) ?? target
}

/** For verbs and pages that work without these settings. */
export function unlessWrong<T>(read: () => T, otherwise: T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof UsageError) return otherwise
    throw error
  }
}

/**
 * A sentence for each channel whose filters exclude all upcoming launches. Channels of DISCORD_WEBHOOK_URL share their
 * filters, so there is at most one sentence.
 */
export async function silentFilters(
  db: Queryable,
  now: Date,
  settings: DiscordSettings,
): Promise<{ filtered: boolean; silent: string[] }> {
  const named = settings.DISCORD_CHANNELS_FILE !== undefined
  const channels = named ? channelsOf(settings) : [{ ...channelOptions(settings), name: '' }]
  const silent: string[] = []
  for (const channel of channels) {
    const nothing = await whyNonePasses(db, now, channel)
    if (nothing !== undefined) silent.push(named ? `${channel.name}: ${nothing}` : nothing)
  }
  return { filtered: channels.some(({ filters }) => filters.length > 0), silent }
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

/** Adds the sender's name, its picture and the ping to a message that holds notices of these kinds. */
export function withSender(message: Payload, kinds: readonly NoticeKind[], channel: ChannelOptions): Payload {
  const { username, avatar, role } = channel
  const pings = role !== undefined && kinds.some((kind) => role.kinds.has(kind))
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
