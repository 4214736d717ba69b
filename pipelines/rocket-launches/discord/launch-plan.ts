import type { KnownLaunch } from '../../launches/launch.ts'
import { netOf } from '../../launches/net.ts'
import { isTooLate, TOO_LATE } from './card.ts'
import type { CardContext, Facts } from './card-facts.ts'
import { KIND_NAMES, type NoticeKind, noticeOptions } from './notice-kinds.ts'
import { decideNotices, type LastAnnounced, type Notice, type Rules } from './notices.ts'
import type { OutboxRow, Overtaken } from './outbox.ts'
import { isMaterial } from './slip.ts'

/** A launch and the content that its card should show. */
export interface Card {
  launch: KnownLaunch
  facts: Facts
  hash: string
  /** The launch ended so long ago that it gets no first card. */
  longOver: boolean
  context: CardContext
}

/** The state of a launch on a channel. */
export interface Known {
  /** Its card in the outbox. */
  row: OutboxRow | undefined
  last: LastAnnounced | undefined
  /** See `Times`. */
  netSince: Date | null
  /** True if nothing was ever announced on this channel. */
  newChannel: boolean
  /** The launch flew without a card, see `launchesMissed`. */
  missed: boolean
}

export type LaunchPlan =
  /** The launch needs no card on this channel yet. */
  | { action: 'nothing' }
  | { action: 'give_up'; row: OutboxRow }
  | { action: 'announce'; notices: Notice[]; announced: LastAnnounced }

/**
 * Plans the messages about a launch on a channel. Pure. The nearest launch always has a card; another launch gets one
 * with its first notice, or with its result if it was missed. If a card is still unsent when the launch is long over,
 * the card is dropped.
 */
export function planLaunch(card: Card, known: Known, asOf: Date, rules: Rules): LaunchPlan {
  const { launch, context } = card
  const { row, last, newChannel, missed } = known
  if (row && isTooLate(row, card)) return { action: 'give_up', row }
  const audience = audienceOf(row, newChannel)
  const netSince = audience === 'unaware' ? null : known.netSince
  const decision = decideNotices(launch, last, { now: context.now, asOf, netSince }, rules)
  const notices = decision.notices.filter(({ kind }) => isNewsTo(audience, kind))
  if (row === undefined && !context.nearest && !missed && notices.length === 0) return { action: 'nothing' }
  const announced = audience === 'unaware' ? { ...decision.announced, ...netOf(launch) } : decision.announced
  return { action: 'announce', notices: notices.filter(({ cardOnly }) => cardOnly !== true), announced }
}

/**
 * - `new`: the channel is empty. It starts with the nearest launch's card and no notices.
 * - `unaware`: the card was created but never shown. Once posted it shows the latest facts, so only reminders add news.
 * - `informed`: the channel saw the card, or gets the first one now. Every notice is news.
 */
type Audience = 'new' | 'unaware' | 'informed'

function audienceOf(row: OutboxRow | undefined, newChannel: boolean): Audience {
  if (newChannel) return 'new'
  const unseen = row?.messageId === null && (row.state === 'pending' || row.reason === TOO_LATE)
  return unseen ? 'unaware' : 'informed'
}

function isNewsTo(audience: Audience, kind: NoticeKind): boolean {
  return audience === 'informed' || (audience === 'unaware' && kind === 'reminder')
}

/** The kinds of notices that are wrong after this announcement. Pending ones are dropped. */
export function overtakenKinds(before: LastAnnounced, after: LastAnnounced): NoticeKind[] {
  const changed = { net: after.slips > before.slips, status: after.status !== before.status }
  return KIND_NAMES.filter((kind) => noticeOptions(kind)?.droppedBy.some((change) => changed[change]))
}

/**
 * Merges a slip with the unsent slip that it replaces: the new slip gets the old time of the unsent slip. Drops the
 * slip if T-0 has moved back to that time.
 */
export function mergeSlips(notice: Notice, overtaken: readonly Overtaken[], { launch, context }: Card): Notice[] {
  const was = overtaken.find(({ kind }) => kind === 'slip')?.facts.was
  if (notice.kind !== 'slip' || was === undefined) return [notice]
  const from = { net: new Date(was.net), precision: was.precision }
  return isMaterial(from, netOf(launch), context.now) ? [{ ...notice, facts: { ...notice.facts, was } }] : []
}
