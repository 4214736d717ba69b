import { isDeepStrictEqual } from 'node:util'
import { isFlown, type KnownLaunch } from '../../launches/launch.ts'
import { netOf } from '../../launches/net.ts'
import { decideCard, isThreadClosed, isTooLate, RESENT, TOO_LATE } from './card.ts'
import type { CardContext, Facts } from './card-facts.ts'
import { decideMoment, type Holder, MOMENT_MS, type Moment, type Part } from './moments.ts'
import { KIND_NAMES, type NoticeKind, noticeOptions } from './notice-kinds.ts'
import {
  decideNotices,
  type LastAnnounced,
  type Notice,
  type NoticeFacts,
  noticeFacts,
  type Rules,
  remindersAhead,
  type Times,
} from './notices.ts'
import type { OutboxRow } from './outbox.ts'
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
  /** Its notices in the outbox. */
  notices: readonly OutboxRow[]
  last: LastAnnounced | undefined
  /** See `Times`. */
  netSince: Date | null
  /** True if nothing was ever announced on this channel. */
  newChannel: boolean
  /** The launch flew without a card, see `launchesMissed`. */
  missed: boolean
}

export interface Announcement {
  announced: LastAnnounced
  /** The ids of unsent notices that a newer event replaces. */
  dropped: number[]
  /** The notice that gets its own message, and what the message shows. Undefined: none, or it is stored already. */
  lead: { part: Part; facts: NoticeFacts } | undefined
  /** The notices that another message holds. Without a new lead, `lead` is a row. */
  merged: { part: Part; into: Holder }[]
  /** The messages on the channel that must show other facts. */
  edits: { row: OutboxRow; facts: NoticeFacts }[]
}

export type LaunchPlan =
  /** The launch needs no card on this channel yet. */
  { action: 'nothing' } | { action: 'give_up'; row: OutboxRow } | ({ action: 'announce' } & Announcement)

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
  const at = { now: context.now, asOf, netSince: audience === 'unaware' ? null : known.netSince }
  const decision = decideNotices(launch, missed ? neverAnnounced(launch) : last, at, rules)
  const news = decision.notices.filter(({ kind }) => isNewsTo(audience, kind))
  const notices = missed ? news.map((notice) => ({ ...notice, reason: MISSED })) : news
  if (row === undefined && !context.nearest && notices.length === 0) return { action: 'nothing' }
  const announced = audience === 'unaware' ? { ...decision.announced, ...netOf(launch) } : decision.announced
  return { action: 'announce', ...announce(card, known, { notices, announced }, at, rules) }
}

/** Every status is news. */
function neverAnnounced(launch: KnownLaunch): LastAnnounced {
  return { ...netOf(launch), status: 0, webcastLive: false, slips: 0, holds: 0 }
}

const MISSED = 'it flew without a message here'

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

function announce(
  card: Card,
  known: Known,
  { notices, announced }: { notices: Notice[]; announced: LastAnnounced },
  at: Times,
  rules: Rules,
): Announcement {
  const { launch } = card
  const rows = known.row ? [known.row, ...known.notices] : known.notices
  const kinds = known.last ? overtakenKinds(known.last, announced) : []
  const unsent = known.notices.filter((notice) => isWaiting(notice, rows))
  const dropped = unsent.filter(({ kind }) => kinds.includes(kind as NoticeKind))
  const isNew = ({ kind, subject }: Notice) =>
    !known.notices.some((one) => one.kind === kind && one.subject === subject)
  const moment = decideMoment({
    now: at.now,
    status: announced.status,
    cardPosts: known.row === undefined || decideCard({ ...known.row, wantedHash: card.hash }, card).send === 'post',
    due: notices.filter(isNew).flatMap((notice) => mergeSlips(notice, dropped, card)),
    waiting: unsent.filter((notice) => !dropped.includes(notice)).map(partOf),
    soon: remindersAhead(launch, announced, at, rules, MOMENT_MS).filter(isNew),
    maxReminders: rules.maxReminders,
    earlier: rows.filter(isOnChannel).map((row) => earlierMessage(row, rows)),
  })
  return {
    announced: moment.webcastWaits ? { ...announced, webcastLive: false } : announced,
    dropped: dropped.map(({ outboxId }) => outboxId),
    ...newLead(moment, known.notices, dropped, launch),
    edits: isThreadClosed(known.row)
      ? []
      : known.notices.flatMap((row) => editOf(row, launch, known.last, announced, at)),
  }
}

/** The kinds of notices that are wrong after this announcement. Unsent ones are dropped. */
export function overtakenKinds(before: LastAnnounced, after: LastAnnounced): NoticeKind[] {
  const changed = { net: after.slips > before.slips, status: after.status !== before.status }
  return KIND_NAMES.filter((kind) => noticeOptions(kind)?.droppedBy.some((change) => changed[change]))
}

/** True for a notice that is not on the channel yet, and neither is the message that holds it. */
function isWaiting(row: OutboxRow, rows: readonly OutboxRow[]): boolean {
  if (row.state === 'pending') return row.messageId === null && row.reason !== RESENT
  const holder = row.state === 'merged' ? rows.find(({ outboxId }) => outboxId === row.mergedInto) : undefined
  if (holder === undefined || holder.messageId !== null || holder.reason === RESENT) return false
  if (isThreadClosed(holder)) return false
  return holder.state === 'pending' || holder.state === 'dead'
}

/**
 * Merges a slip with the unsent slip that it replaces: the new slip gets the old time of the unsent slip. Drops the
 * slip if T-0 has moved back to that time.
 */
function mergeSlips(notice: Notice, dropped: readonly OutboxRow[], { launch, context }: Card): Notice[] {
  const { was } = (dropped.find(({ kind }) => kind === 'slip')?.facts ?? {}) as Partial<NoticeFacts>
  if (notice.kind !== 'slip' || was === undefined) return [notice]
  const from = { net: new Date(was.net), precision: was.precision }
  return isMaterial(from, netOf(launch), context.now) ? [{ ...notice, facts: { ...notice.facts, was } }] : []
}

function partOf({ outboxId, kind, subject, reasonTold, facts, expiresAt, launchId }: OutboxRow): Part {
  const never = new Date(8.64e15)
  const reason = reasonTold ?? launchId
  return {
    row: outboxId,
    kind: kind as NoticeKind,
    subject,
    reason,
    facts: facts as NoticeFacts,
    expiresAt: expiresAt ?? never,
  }
}

/** True for a message that is on the channel, or may be. */
function isOnChannel({ state, messageId }: OutboxRow): boolean {
  return state === 'sent' || state === 'sending' || state === 'unknown' || (state === 'pending' && messageId !== null)
}

function earlierMessage({ outboxId, kind, facts, postedAt }: OutboxRow, rows: readonly OutboxRow[]) {
  const held = rows.filter(
    (row) => row.kind === 'reminder' && (row.outboxId === outboxId || row.mergedInto === outboxId),
  )
  const reminders = held.map((row) => {
    const { offsetMs = 0, net } = row.facts as NoticeFacts
    return { offsetMs, net: new Date(net) }
  })
  const { status } = facts as Facts | NoticeFacts
  return { row: outboxId, kind: kind as 'card' | NoticeKind, status, postedAt, reminders }
}

/** What to store for the notice with its own message. Nothing, if its row already shows the same. */
function newLead(
  { lead, merged }: Moment,
  rows: readonly OutboxRow[],
  dropped: readonly OutboxRow[],
  launch: KnownLaunch,
): Pick<Announcement, 'lead' | 'merged'> {
  const rowOf = ({ row }: Part) => rows.find(({ outboxId }) => outboxId === row)
  const stored = lead && rowOf(lead)
  const leadId = stored?.state === 'pending' ? stored.outboxId : undefined
  const changed = merged.filter(({ part, into }) => {
    const { mergedInto } = rowOf(part) ?? {}
    return mergedInto === undefined || mergedInto !== (into === 'lead' ? leadId : into)
  })
  const isStored = leadId !== undefined && changed.length === 0 && dropped.length === 0
  if (lead === undefined || isStored) return { lead: undefined, merged: changed }
  const parts = merged.flatMap(({ part, into }) => (into === 'lead' ? [part] : []))
  return { lead: { part: lead, facts: leadFacts(lead, parts, launch) }, merged: changed }
}

function leadFacts({ kind, facts }: Part, parts: readonly Part[], launch: KnownLaunch): NoticeFacts {
  const { parts: _others, live: _live, ...own } = facts
  const slip = kind === 'slip' ? own : parts.find((part) => part.kind === 'slip')?.facts
  const { was } = slip ?? {}
  const { was: _was, ...rest } = own
  return {
    ...rest,
    ...noticeFacts(launch),
    ...(was && { was }),
    ...(parts.length > 0 && { parts: parts.map((part) => part.kind) }),
    ...(kind !== 'webcast' && isLive(launch) && { live: true }),
  }
}

function isLive({ webcast_live, status_id }: KnownLaunch): boolean {
  return webcast_live === true && !isFlown(status_id)
}

/**
 * The facts that a notice on the channel should show, if they differ: a T-0 that a slip replaced, and a webcast that
 * went live soon after the post.
 */
function editOf(
  row: OutboxRow,
  launch: KnownLaunch,
  last: LastAnnounced | undefined,
  announced: LastAnnounced,
  { now }: Times,
): { row: OutboxRow; facts: NoticeFacts }[] {
  const { kind, messageId, state, postedAt } = row
  if (messageId === null || state === 'dead' || isFlown(launch.status_id)) return []
  const facts = row.facts as NoticeFacts
  const isRecent = postedAt !== null && now.getTime() - postedAt.getTime() < MOMENT_MS
  const { now: shownNow, ...rest } = facts
  const shown = shownNow ?? { net: facts.net, precision: facts.precision }
  const next = netOf(launch)
  const slipped = announced.slips > (last?.slips ?? 0)
  const outdated = slipped || isMaterial({ ...shown, net: new Date(shown.net) }, announced, now)
  const replaced = outdated && !isMaterial(announced, next, now) ? presentNet(launch, facts) : shownNow
  const wanted: NoticeFacts = {
    ...rest,
    ...(replaced && { now: replaced }),
    ...(kind !== 'webcast' && isRecent && isLive(launch) && { live: true }),
  }
  return isDeepStrictEqual(wanted, facts) ? [] : [{ row, facts: wanted }]
}

/** The launch's T-0 as facts; undefined if it is the T-0 of these facts. */
function presentNet(launch: KnownLaunch, { net, precision }: NoticeFacts): NoticeFacts['now'] {
  const { net: next, precision: nextPrecision } = noticeFacts(launch)
  return next === net && nextPrecision === precision ? undefined : { net: next, precision: nextPrecision }
}
