import type { TaskContext } from 'tminus'
import {
  type Embed,
  editMessage,
  type Outcome,
  type Payload,
  postMessage,
  type Thread,
} from 'tminus/connectors/discord'
import { type Database, inTransaction, type Queryable } from 'tminus/db'
import { decideCard } from './card.ts'
import { launchCard } from './card-message.ts'
import { type Channel, withSender } from './channel.ts'
import { type Digest, digestMessage } from './digest.ts'
import { cardOf, dueAmong } from './due.ts'
import { closeThread, inOrder, isForum, judgeInForum, recordForum, reopenThread, saysForum, threadOf } from './forum.ts'
import type { Card } from './launch-plan.ts'
import type { NoticeKind } from './notice-kinds.ts'
import { noticeMessage } from './notice-message.ts'
import type { NoticeFacts } from './notices.ts'
import * as outbox from './outbox.ts'
import * as claims from './outbox-claims.ts'
import {
  type CardOutcome,
  failInsteadOfWaiting,
  judge,
  MAX_REQUESTS,
  type NotSent,
  type Problem,
  reasonOf,
  waitText,
} from './outcome.ts'
import { disable, lockTarget } from './target.ts'

/** The messages that one run sent to one channel. */
export interface Delivery {
  posted: number
  edited: number
  /** Posts that may or may not have arrived. */
  unknown: number
  /** Messages left for a later run. */
  waiting: number
  /** The cards, by launch id. */
  cards: Map<string, CardOutcome>
  problems: Problem[]
}

export interface DeliveryOptions extends Pick<TaskContext, 'log' | 'now' | 'runId' | 'signal'> {
  db: Database
  channel: Channel
  /** The messages that are edited when their facts change. */
  cards: ReadonlyMap<string, Card | Digest>
}

/**
 * Sends the pending messages of one channel one by one, in the order in which they were decided. So a card is sent
 * before the notices of its launch. A run sends each message at most once. Only one process at a time sends to a
 * channel.
 */
export async function deliver(options: DeliveryOptions): Promise<Delivery> {
  const delivery: Delivery = { posted: 0, edited: 0, unknown: 0, waiting: 0, cards: new Map(), problems: [] }
  const tried = new Set<string>()
  for (;;) {
    const taken = await inTransaction(options.db, (connection) => takeNext(connection, tried, options))
    if ('problem' in taken) delivery.problems.push(taken.problem)
    if (!('sending' in taken)) break
    tried.add(attemptOf(taken.sending.row))
    if (await send(taken.sending, delivery, options)) break
  }
  await summarize(delivery, options)
  return delivery
}

/** Identifies an attempt. If a card cannot be edited, the same run may also post it, as another attempt. */
function attemptOf({ outboxId, messageId }: outbox.OutboxRow): string {
  return `${messageId === null ? 'post' : 'edit'} ${outboxId}`
}

/**
 * Claims the next message. If the process is killed before the commit, it has claimed nothing. If it is killed after
 * the commit, the row stays `sending` until `releaseAbandoned` releases it.
 */
async function takeNext(
  db: Queryable,
  tried: ReadonlySet<string>,
  options: DeliveryOptions,
): Promise<{ sending: Sending } | { problem: Problem } | { nothing: true }> {
  const { channel, cards, runId } = options
  const { target } = channel.webhook
  await lockTarget(db, target)
  const forum = await isForum(db, target)
  const rows = inOrder(await outbox.readOpen(db, target, [...cards.keys()]), forum)
  const isExhausted = ({ askedBy, asked }: outbox.OutboxRow) => askedBy === runId && asked >= MAX_REQUESTS
  const isDue = dueAmong(rows, forum, options)
  const row = rows.find((one) => !tried.has(attemptOf(one)) && !isExhausted(one) && isDue(one))
  if (row === undefined) return { nothing: true }
  if (rows.some(({ state }) => state === 'sending')) return { problem: { kind: 'in_progress', reason: BUSY } }
  const ms = await outbox.waitMs(db, target)
  if (ms > 0) return { problem: { kind: 'wait', ms, reason: waitText(ms) } }
  const card = cardOf(row, cards)
  const send = row.messageId === null ? 'post' : 'edit'
  const message = messageOf(row, card, channel)
  const posted = { message, ...shownBy(row, card), now: options.now() }
  const claim = await claims.claim(db, row, runId, send === 'post' ? posted : undefined)
  if (claim === undefined) return { problem: { kind: 'in_progress', reason: BUSY } }
  return { sending: { row, card, message, send, claim, thread: threadOf(row, forum ? card : undefined, channel) } }
}

/** An edit leaves the ping of the message as it is. */
function messageOf(row: outbox.OutboxRow, card: Card | Digest | undefined, channel: Channel): Payload {
  const kinds = row.messageId === null ? row.holds : []
  if (card && !('launch' in card))
    return withSender(digestMessage(card.facts, card.dataAsOf, channel.words), kinds, channel)
  if (card) return withSender(launchCard(card.launch, card.context, channel.words), kinds, channel)
  const kind = row.kind as NoticeKind
  const message = noticeMessage(row.facts as NoticeFacts, kind, channel.words)
  return withSender(message, row.messageId === null ? [kind, ...kinds] : [], channel)
}

function shownBy({ wantedHash }: outbox.OutboxRow, card: Sending['card']): Pick<claims.Sent, 'facts' | 'hash'> {
  return card ? { facts: card.facts, hash: card.hash } : { facts: undefined, hash: wantedHash }
}

const BUSY = 'another process is sending to this channel'

/** A claimed message. */
interface Sending {
  row: outbox.OutboxRow
  claim: claims.Claim
  /** The card or digest; undefined if the message is a notice. */
  card: Card | Digest | undefined
  message: Payload
  send: 'post' | 'edit'
  /** In a forum: the launch's thread, or a new one for its card. */
  thread: Thread | undefined
}

/** Sends a claimed message and records the outcome. Returns true if the run must stop sending to this channel. */
async function send(sending: Sending, delivery: Delivery, options: DeliveryOptions): Promise<boolean> {
  const outcome = await request(sending, options)
  const changed = await changedFor(outcome, sending, options)
  if (changed === undefined || sending.claim.asked >= MAX_REQUESTS)
    return await record(sending, outcome, delivery, options)
  const claim = { ...sending.claim, asked: sending.claim.asked + 1 }
  return await send({ ...sending, ...changed, claim }, delivery, options)
}

/** What to change in the message so that Discord accepts it after this refusal. Undefined: nothing helps. */
async function changedFor(
  outcome: Outcome,
  sending: Sending,
  { db, channel, log }: DeliveryOptions,
): Promise<Partial<Sending> | undefined> {
  const { row, card, message, thread } = sending
  const forum = saysForum(outcome)
  if (forum === (thread === undefined) && channel.webhook.threadId === undefined) {
    await recordForum(db, channel.webhook.target, forum)
    return card && { thread: threadOf(row, forum ? card : undefined, channel) }
  }
  if (!hasSuspectImage(outcome, sending)) return undefined
  log.warn(`${reasonOf(outcome, channel.settings)}; sending it without its image`, {
    image: message.embeds?.[0]?.image?.url,
  })
  return { message: withoutImages(message) }
}

/** True if Discord may have refused the message for its image. The message is then sent without the image. */
function hasSuspectImage(outcome: Outcome, { message, claim }: Sending): outcome is Outcome & { kind: 'rejected' } {
  const isPictured = ({ image, thumbnail, author }: Embed) => (image ?? thumbnail ?? author?.icon_url) !== undefined
  const suspected = outcome.kind === 'rejected' && outcome.imageSuspected && claim.asked < MAX_REQUESTS
  return suspected && message.embeds?.some(isPictured) === true
}

function withoutImages(message: Payload): Payload {
  return { ...message, embeds: message.embeds?.map(withoutPictures) ?? [] }
}

function withoutPictures({ image: _image, thumbnail: _thumbnail, author, ...embed }: Embed): Embed {
  return { ...embed, ...(author && { author: { name: author.name } }) }
}

async function request(
  { row, message, send, thread }: Sending,
  { channel, signal }: DeliveryOptions,
): Promise<Outcome> {
  return send === 'post'
    ? await postMessage(channel.webhook, message, { signal, thread })
    : await editMessage(channel.webhook, row.messageId ?? '', message, { signal, thread })
}

async function record(
  sending: Sending,
  outcome: Outcome,
  delivery: Delivery,
  options: DeliveryOptions,
): Promise<boolean> {
  if (outcome.kind !== 'sent') return await recordUnsent(sending, outcome, delivery, options)
  await recordSent(sending, outcome, delivery, options)
  return false
}

async function recordSent(
  { row, claim, card, message, send, thread }: Sending,
  { messageId, channelId }: Outcome & { kind: 'sent' },
  delivery: Delivery,
  { db, log, channel }: DeliveryOptions,
): Promise<void> {
  const { target } = channel.webhook
  if (thread && card === undefined) await reopenThread(db, { target, launchId: row.launchId })
  const threadId = thread && ('id' in thread ? thread.id : channelId)
  const sent = { message, ...shownBy(row, card) }
  if (!(await claims.recordSent(db, claim, { messageId, threadId }, sent))) log.warn(CLAIMED_TWICE)
  const done = send === 'post' ? 'posted' : 'edited'
  delivery[done] += 1
  if (card) delivery.cards.set(row.launchId, done)
  log.info(`${done}: ${titleOf(row)} (message ${messageId})`)
}

const CLAIMED_TWICE = 'sending took so long that another process claimed the message too; the channel may show it twice'

async function recordUnsent(
  sending: Sending,
  outcome: NotSent,
  delivery: Delivery,
  { db, log, channel, now }: DeliveryOptions,
): Promise<boolean> {
  const { row, claim, card, send } = sending
  const isLast = claim.asked >= MAX_REQUESTS
  const what = row.kind === 'card' ? 'card' : 'notice'
  const judged = judgeInForum(outcome, sending, channel, now()) ?? judge(outcome, send, what, channel.settings)
  const verdict = isLast ? failInsteadOfWaiting(judged) : judged
  const { state, reason } = verdict.unsent
  if (outcome.kind === 'gone' && verdict.problem) await disable(db, channel.webhook, reason)
  // Discord refused a message with these facts, so it is not sent again until they change.
  const hash = state === 'sent' ? (shownBy(row, card).hash ?? undefined) : undefined
  // The run fails because of this message. If the run is cleared, the requests for the message are counted from zero.
  const asked = isLast && verdict.stop ? 0 : claim.asked
  if (!(await claims.recordUnsent(db, claim, { ...verdict.unsent, hash, asked }))) log.warn(CLAIMED_TWICE)
  if (verdict.closesThread) await closeThread(db, { target: channel.webhook.target, launchId: row.launchId }, reason)
  if (verdict.problem) delivery.problems.push(verdict.problem)
  if (state === 'unknown') delivery.unknown += 1
  if (card) delivery.cards.set(row.launchId, verdict.card)
  const words = card ? verdict.card : state
  log[outcome.kind === 'message_gone' ? 'info' : 'warn'](`${words}: ${titleOf(row)} (${reason})`)
  return verdict.stop
}

/** `Falcon 9 | Starlink`, or `slip of Falcon 9 | Starlink`. */
function titleOf({ kind, facts }: outbox.OutboxRow): string {
  return kind === 'card' || kind === 'digest' ? facts.name : `${kind} of ${facts.name}`
}

/** Counts the messages that are still to be sent, and logs why a card was not sent. */
async function summarize(delivery: Delivery, { db, channel, cards, log, now }: DeliveryOptions): Promise<void> {
  const { target } = channel.webhook
  const forum = await isForum(db, target)
  const rows = await outbox.readOpen(db, target, [...cards.keys()])
  delivery.waiting = rows.filter(dueAmong(rows, forum, { cards, now })).length
  const blocker = delivery.problems.at(-1)
  for (const row of rows) {
    const card = cardOf(row, cards)
    if (card === undefined || delivery.cards.has(row.launchId)) continue
    const decision = decideCard(row, card)
    const result = decision.send === 'nothing' ? decision : blockedBy(blocker)
    delivery.cards.set(row.launchId, result.outcome)
    const words = `${result.outcome.replace('_', ' ')}: ${card.facts.name} (${result.because})`
    if ('context' in card && card.context.nearest) log[WARN_OUTCOMES.has(result.outcome) ? 'warn' : 'info'](words)
  }
}

function blockedBy(problem: Problem | undefined): { outcome: CardOutcome; because: string } {
  const because = problem?.reason ?? 'Discord did not answer an earlier request'
  return { outcome: problem?.kind === 'in_progress' ? 'in_progress' : 'waiting', because }
}

const WARN_OUTCOMES = new Set<CardOutcome>(['unknown', 'refused', 'waiting'])
