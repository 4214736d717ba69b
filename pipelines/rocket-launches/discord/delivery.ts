import type { TaskContext } from 'tminus'
import { editMessage, type Outcome, type Payload, postMessage, type Webhook } from 'tminus/connectors/discord'
import { type Database, inTransaction, type Queryable } from 'tminus/db'
import { announceLaunch } from './announcement.ts'
import { announceNotice } from './announcement-notice.ts'
import { decideCard } from './card.ts'
import type { Card } from './decision.ts'
import type { NoticeFacts, NoticeKind } from './notices.ts'
import * as outbox from './outbox.ts'
import {
  type CardOutcome,
  endWaiting,
  judge,
  MOST_ASKS,
  type NotSent,
  reasonOf,
  type Trouble,
  waitText,
} from './outcome.ts'
import { disable, lockTarget } from './target.ts'

/** What became of the messages to one channel. */
export interface Delivery {
  posted: number
  edited: number
  /** Posts of which it is not known whether they arrived. */
  unknown: number
  /** Still to be sent. */
  waiting: number
  /** By launch. */
  cards: Map<string, CardOutcome>
  troubles: Trouble[]
}

export interface Delivering extends Pick<TaskContext, 'log' | 'now' | 'runId' | 'signal'> {
  db: Database
  webhook: Webhook
  cards: ReadonlyMap<string, Card>
  /** A post with its sender's name and picture, and whom it pings. */
  dressed: (message: Payload, kind: 'card' | NoticeKind) => Payload
}

/**
 * Sends what is to be sent to one channel, one message after the other, each at most once a run: cards before the
 * notices of their launches, what was decided first before the rest. Only one process sends to a channel at a time.
 */
export async function deliver(delivering: Delivering): Promise<Delivery> {
  const delivery: Delivery = { posted: 0, edited: 0, unknown: 0, waiting: 0, cards: new Map(), troubles: [] }
  const tried = new Set<string>()
  for (;;) {
    const taken = await inTransaction(delivering.db, (connection) => takeNext(connection, tried, delivering))
    if ('trouble' in taken) delivery.troubles.push(taken.trouble)
    if (!('sending' in taken)) break
    tried.add(attemptOf(taken.sending.row))
    if (await send(taken.sending, delivery, delivering)) break
  }
  await conclude(delivery, delivering)
  return delivery
}

/** A card that cannot be edited is posted anew by the same run. */
function attemptOf({ outboxId, messageId }: outbox.OutboxRow): string {
  return `${messageId === null ? 'post' : 'edit'} ${outboxId}`
}

/** Killed before the commit, nothing happened; after it, the row stays `sending` until it counts as abandoned. */
async function takeNext(
  db: Queryable,
  tried: ReadonlySet<string>,
  delivering: Delivering,
): Promise<{ sending: Sending } | { trouble: Trouble } | { nothing: true }> {
  const { webhook, cards, runId } = delivering
  await lockTarget(db, webhook.target)
  const rows = await outbox.readOpen(db, webhook.target, [...cards.keys()])
  const isSpent = ({ askedBy, asked }: outbox.OutboxRow) => askedBy === runId && asked >= MOST_ASKS
  const row = rows.find((one) => !tried.has(attemptOf(one)) && !isSpent(one) && isDue(one, delivering))
  if (row === undefined) return { nothing: true }
  if (rows.some(({ state }) => state === 'sending')) return { trouble: { kind: 'in_progress', reason: BUSY } }
  const ms = await outbox.waitMs(db, webhook.target)
  if (ms > 0) return { trouble: { kind: 'wait', ms, reason: waitText(ms) } }
  const card = row.kind === 'card' ? cards.get(row.launchId) : undefined
  const send = row.messageId === null ? 'post' : 'edit'
  const message = messageOf(row, card, delivering)
  const claim = await outbox.claim(db, row, runId, send === 'post' ? { message, card } : undefined)
  return claim ? { sending: { row, card, message, send, claim } } : { trouble: { kind: 'in_progress', reason: BUSY } }
}

function messageOf(row: outbox.OutboxRow, card: Card | undefined, { dressed }: Delivering): Payload {
  if (card) return dressed(announceLaunch(card.launch, card.told), 'card')
  const kind = row.kind as NoticeKind
  return dressed(announceNotice(row.facts as NoticeFacts, kind), kind)
}

const BUSY = 'another process is sending to this channel'

function isDue(row: outbox.OutboxRow, { cards, now }: Pick<Delivering, 'cards' | 'now'>): boolean {
  if (row.kind !== 'card') return row.state === 'pending' && (row.expiresAt === null || row.expiresAt > now())
  const card = cards.get(row.launchId)
  return card !== undefined && decideCard(row, card).send !== 'nothing'
}

/** One message on its way. */
interface Sending {
  row: outbox.OutboxRow
  claim: outbox.Claim
  /** Of a card. */
  card: Card | undefined
  message: Payload
  send: 'post' | 'edit'
}

/** True where nothing more is to be sent to this channel now. */
async function send(sending: Sending, delivery: Delivery, delivering: Delivering): Promise<boolean> {
  const first = await request(sending, delivering)
  if (!hasSuspectImage(first, sending)) return await record(sending, first, delivery, delivering)
  const { message, card, claim } = sending
  const again = { ...sending, message: withoutImages(message), claim: { ...claim, asked: claim.asked + 1 } }
  delivering.log.warn(`${reasonOf(first)}; sending it without its image`, { image: card?.facts.image })
  return await record(again, await request(again, delivering), delivery, delivering)
}

/** Discord may refuse an image whose address only looks right; the news is worth more than the picture. */
function hasSuspectImage(outcome: Outcome, { message, claim }: Sending): outcome is Outcome & { kind: 'rejected' } {
  const suspected = outcome.kind === 'rejected' && outcome.imageSuspected && claim.asked < MOST_ASKS
  return suspected && message.embeds?.some(({ image }) => image !== undefined) === true
}

function withoutImages(message: Payload): Payload {
  return { ...message, embeds: message.embeds?.map(({ image: _refused, ...embed }) => embed) ?? [] }
}

async function request({ row, message, send }: Sending, { webhook, signal }: Delivering): Promise<Outcome> {
  return send === 'post'
    ? await postMessage(webhook, message, { signal })
    : await editMessage(webhook, row.messageId ?? '', message, { signal })
}

async function record(
  sending: Sending,
  outcome: Outcome,
  delivery: Delivery,
  delivering: Delivering,
): Promise<boolean> {
  if (outcome.kind !== 'sent') return await recordUnsent(sending, outcome, delivery, delivering)
  await recordSent(sending, outcome.messageId, delivery, delivering)
  return false
}

async function recordSent(
  { row, claim, card, message, send }: Sending,
  messageId: string,
  delivery: Delivery,
  { db, log }: Delivering,
): Promise<void> {
  if (!(await outbox.recordSent(db, claim, messageId, { message, card }))) log.warn(TAKEN_OVER)
  const done = send === 'post' ? 'posted' : 'edited'
  delivery[done] += 1
  if (card) delivery.cards.set(row.launchId, done)
  log.info(`${done}: ${titleOf(row)} (message ${messageId})`)
}

const TAKEN_OVER = 'took so long that another process took this message over; the channel may show it twice'

async function recordUnsent(
  { row, claim, card, send }: Sending,
  outcome: NotSent,
  delivery: Delivery,
  { db, log, webhook }: Delivering,
): Promise<boolean> {
  const isLast = claim.asked >= MOST_ASKS
  const verdict = isLast ? endWaiting(judge(outcome, send)) : judge(outcome, send)
  const { state, reason } = verdict.unsent
  if (outcome.kind === 'gone') await disable(db, webhook, reason)
  // A message that cannot be made to show these facts is left as it is until they change.
  const hash = state === 'sent' ? card?.hash : undefined
  // A run that ends for it may be cleared, and then asks as often again.
  const asked = isLast && verdict.stop ? 0 : claim.asked
  if (!(await outbox.recordUnsent(db, claim, { ...verdict.unsent, hash, asked }))) log.warn(TAKEN_OVER)
  if (verdict.trouble) delivery.troubles.push(verdict.trouble)
  if (state === 'unknown') delivery.unknown += 1
  if (card) delivery.cards.set(row.launchId, verdict.card)
  const words = card ? verdict.card : state
  log[outcome.kind === 'message_gone' ? 'info' : 'warn'](`${words}: ${titleOf(row)} (${reason})`)
  return verdict.stop
}

/** `Falcon 9 | Starlink`, or `slip of Falcon 9 | Starlink`. */
function titleOf({ kind, facts }: outbox.OutboxRow): string {
  return kind === 'card' ? facts.name : `${kind} of ${facts.name}`
}

/** What the cards that were not sent are, and what is left. */
async function conclude(delivery: Delivery, { db, webhook, cards, log, now }: Delivering): Promise<void> {
  const rows = await outbox.readOpen(db, webhook.target, [...cards.keys()])
  delivery.waiting = rows.filter((row) => isDue(row, { cards, now })).length
  const blocked = delivery.troubles.at(-1)
  for (const row of rows) {
    const card = row.kind === 'card' ? cards.get(row.launchId) : undefined
    if (card === undefined || delivery.cards.has(row.launchId)) continue
    const decision = decideCard(row, card)
    const left = decision.send === 'nothing' ? decision : heldUp(blocked)
    delivery.cards.set(row.launchId, left.outcome)
    const words = `${left.outcome.replace('_', ' ')}: ${card.facts.name} (${left.because})`
    if (card.told.nearest) log[TROUBLING.has(left.outcome) ? 'warn' : 'info'](words)
  }
}

function heldUp(by: Trouble | undefined): { outcome: CardOutcome; because: string } {
  const because = by?.reason ?? 'Discord gave no answer to what was sent before'
  return { outcome: by?.kind === 'in_progress' ? 'in_progress' : 'waiting', because }
}

const TROUBLING = new Set<CardOutcome>(['unknown', 'refused', 'waiting'])
