import { KIND_NAMES, type NoticeKind } from './notice-kinds.ts'
import type { Rules } from './notices.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

interface VolumeOptions {
  /** The kinds of notices that are posted besides the cards. */
  notices: readonly NoticeKind[]
  /** See `Rules`. */
  reminders: readonly number[]
  cardAt?: number
  maxReminders?: number
}

/** How much a channel posts. DISCORD_NOTICES and DISCORD_REMINDERS override the two columns. */
export const VOLUMES = {
  quiet: { notices: ['result', 'reminder'], reminders: [10 * MINUTE], cardAt: DAY },
  // At most 4 posts: the card, the reminder, the reminder again after a slip, and the result. Besides, one for each slip
  // and two for each hold.
  normal: { notices: ['slip', 'hold', 'go', 'result', 'reminder'], reminders: [HOUR], cardAt: DAY, maxReminders: 2 },
  full: { notices: KIND_NAMES, reminders: [DAY, HOUR, 10 * MINUTE] },
} as const satisfies Record<string, VolumeOptions>

export type Volume = keyof typeof VOLUMES

export const VOLUME_NAMES = Object.keys(VOLUMES) as Volume[]

/** The rules of a channel: those of its volume, unless the kinds or the reminders are given. */
export function rulesOf(
  volume: Volume,
  notices: ReadonlySet<NoticeKind> | undefined,
  reminders: readonly number[] | undefined,
): Rules {
  const { notices: kinds, ...options }: VolumeOptions = VOLUMES[volume]
  return { notices: notices ?? new Set(kinds), ...(reminders === undefined ? options : { reminders }) }
}
