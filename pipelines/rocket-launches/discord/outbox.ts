import type { Payload } from 'tminus/connectors/discord'
import type { Queryable } from 'tminus/db'
import type { Facts } from './announcement.ts'
import type { Notice, NoticeFacts, NoticeKind } from './notices.ts'

/**
 * `pending`: to be sent (or, where it has a message id, to be edited: what the message shows is uncertain).
 * `sending`: claimed; its sender writes what became of it, or died. `sent`: `message_id` shows `facts`.
 * `unknown`: posted, with no answer; a notice is never sent again by itself. `dead`: given up for `reason`.
 */
export type OutboxState = 'pending' | 'sending' | 'sent' | 'unknown' | 'dead'

/** The times in the table are the database's own clock, real time whatever `CLOCK` says; `expires_at` is not. */
export interface OutboxRow {
  outboxId: number
  launchId: string
  kind: 'card' | NoticeKind
  subject: string
  state: OutboxState
  facts: Facts | NoticeFacts
  /** Of a card: what it shows, or what is being posted. */
  factsHash: string
  /** Of a card: what it is to show. */
  wantedHash: string | null
  messageId: string | null
  reason: string | null
  /** Of a notice: why it is told. */
  reasonTold: string | null
  attempts: number
  expiresAt: Date | null
  /** The run that asked Discord last to take it, and how often that run did. */
  askedBy: string | null
  asked: number
}

const ROW = `outbox_id as "outboxId", launch_id as "launchId", kind, subject, state, facts, facts_hash as "factsHash",
  wanted_hash as "wantedHash", message_id as "messageId", reason, reason_told as "reasonTold", attempts,
  expires_at as "expiresAt", asked_by as "askedBy", asked`

/** In the order they are sent in: what is under way or to be sent, and the cards of these launches. */
export async function readOpen(db: Queryable, target: string, launchIds: readonly string[]): Promise<OutboxRow[]> {
  const { rows } = await db.query<OutboxRow>(
    `select ${ROW} from discord_outbox
     where target = $1 and (state in ('pending', 'sending') or kind = 'card' and launch_id = any ($2))
     order by outbox_id`,
    [target, launchIds],
  )
  return rows
}

/** Whether the channel has, or is to get, any card at all. */
export async function hasCards(db: Queryable, target: string): Promise<boolean> {
  const { rows } = await db.query<{ any: boolean }>(
    `select exists (select from discord_outbox where target = $1 and kind = 'card') as any`,
    [target],
  )
  return rows[0]?.any === true
}

/** How long Discord still asks to wait, in ms, by the database's clock; 0: not at all. */
export async function waitMs(db: Queryable, target: string): Promise<number> {
  const { rows } = await db.query<{ ms: number }>(
    `select coalesce(ceil(extract(epoch from max(not_before) - now()) * 1000), 0)::float8 as ms
     from discord_outbox where target = $1 and not_before > now()`,
    [target],
  )
  return rows[0]?.ms ?? 0
}

/** A launch has one card on a channel, ever. */
export async function insertCard(
  db: Queryable,
  { target, launchId }: { target: string; launchId: string },
  facts: Facts,
  hash: string,
): Promise<void> {
  await db.query(
    `insert into discord_outbox (target, launch_id, kind, subject, facts, facts_hash, wanted_hash, reason_told)
     values ($1, $2, 'card', 'card', $3, $4, $4, 'its card')
     on conflict (target, launch_id, kind, subject) do nothing`,
    [target, launchId, JSON.stringify(facts), hash],
  )
}

/** What a card is to show from now on. */
export async function want(db: Queryable, { outboxId }: OutboxRow, hash: string): Promise<void> {
  await db.query('update discord_outbox set wanted_hash = $2 where outbox_id = $1', [outboxId, hash])
}

/** What was told before under the same subject is not told again. */
export async function insertNotice(
  db: Queryable,
  { target, launchId }: { target: string; launchId: string },
  { kind, subject, facts, reason, expiresAt }: Notice,
): Promise<void> {
  await db.query(
    `insert into discord_outbox (target, launch_id, kind, subject, facts, facts_hash, reason_told, expires_at)
     values ($1, $2, $3, $4, $5, '', $6, $7)
     on conflict (target, launch_id, kind, subject) do nothing`,
    [target, launchId, kind, subject, JSON.stringify(facts), reason, expiresAt.toISOString()],
  )
}

/** Notices of these kinds that were not sent are no news any more. Gives the facts of those given up. */
export async function overtake(
  db: Queryable,
  { target, launchId }: { target: string; launchId: string },
  kinds: readonly NoticeKind[],
): Promise<{ kind: NoticeKind; facts: NoticeFacts }[]> {
  const { rows } = await db.query<{ kind: NoticeKind; facts: NoticeFacts }>(
    `update discord_outbox set state = 'dead', reason = 'overtaken', updated_at = now()
     where target = $1 and launch_id = $2 and kind = any ($3) and state = 'pending'
     returning kind, facts`,
    [target, launchId, kinds],
  )
  return rows
}

export async function giveUp(db: Queryable, { outboxId }: OutboxRow, reason: string): Promise<void> {
  await db.query(
    `update discord_outbox set state = 'dead', reason = $2, updated_at = now() where outbox_id = $1 and state = 'pending'`,
    [outboxId, reason],
  )
}

/** By the pipeline's clock. */
export async function giveUpLate(db: Queryable, target: string, now: Date): Promise<void> {
  await db.query(
    `update discord_outbox set state = 'dead', reason = 'too late', updated_at = now()
     where target = $1 and state = 'pending' and expires_at <= $2`,
    [target, now.toISOString()],
  )
}

/**
 * What is `sending` for so long that its sender must be dead: two requests of 15 s and their statements are long over.
 * An edit is repeated; what was posted may stand.
 */
export async function settleAbandoned(db: Queryable, target: string): Promise<void> {
  await db.query(
    `update discord_outbox
     set state = case when message_id is null then 'unknown' else 'pending' end, updated_at = now(),
       reason = 'its sender died before it could tell whether the message arrived'
     where target = $1 and state = 'sending' and updated_at < now() - interval '2 minutes'`,
    [target],
  )
}

/** A claim: only who holds the newest may write what became of the row. */
export interface Claim {
  outboxId: number
  attempts: number
  /** How often this run asked Discord to take it, this time included. */
  asked: number
}

/** The message, and of a card the facts in it. */
export interface Sent {
  message: Payload
  card: { facts: Facts; hash: string } | undefined
}

/**
 * Claims a row, as it was read, to send it. What is posted is written now: should the answer get lost, it may stand;
 * on an edit, facts and message stay those that Discord shows until it is confirmed. Undefined where the row is not as
 * it was read any more.
 */
export async function claim(
  db: Queryable,
  { outboxId, state, attempts }: OutboxRow,
  runId: string,
  posted?: Sent,
): Promise<Claim | undefined> {
  const { rows } = await db.query<Claim>(
    `update discord_outbox
     set state = 'sending', facts = coalesce($4, facts), facts_hash = coalesce($5, facts_hash),
         message = coalesce($6, message), reason = null, not_before = null, attempts = attempts + 1,
         asked = case when asked_by = $7 then asked + 1 else 1 end, asked_by = $7, updated_at = now()
     where outbox_id = $1 and state = $2 and attempts = $3
     returning outbox_id as "outboxId", attempts, asked`,
    [outboxId, state, attempts, ...columnsOf(posted), runId],
  )
  return rows[0]
}

/** facts, facts_hash, message; null where they stay. */
function columnsOf(sent: Sent | undefined): (string | null)[] {
  const { card } = sent ?? {}
  return [card ? JSON.stringify(card.facts) : null, card?.hash ?? null, sent ? JSON.stringify(sent.message) : null]
}

/** The message stands as it was sent. False where somebody else took the row meanwhile. */
export async function recordSent(db: Queryable, claim: Claim, messageId: string, sent: Sent): Promise<boolean> {
  const { rowCount } = await db.query(
    `update discord_outbox
     set state = 'sent', message_id = $3, facts = coalesce($4, facts), facts_hash = coalesce($5, facts_hash),
         message = $6, reason = null, sent_at = coalesce(sent_at, now()), updated_at = now()
     where outbox_id = $1 and attempts = $2`,
    [claim.outboxId, claim.attempts, messageId, ...columnsOf(sent)],
  )
  return rowCount === 1
}

/** What a message that does not stand as wanted becomes. */
export interface Unsent {
  state: 'pending' | 'unknown' | 'dead' | 'sent'
  reason: string
  /** Of a card that could not be made to show these facts, and is left as it is until they change. */
  hash?: string | undefined
  /** How long Discord asks to wait. */
  waitMs?: number | undefined
  /** Of a card whose message cannot be edited: the next attempt posts a new one. */
  postAnew?: boolean
  /** How often this run counts as having asked. */
  asked: number
}

/** False where somebody else took the row meanwhile. */
export async function recordUnsent(db: Queryable, claim: Claim, unsent: Unsent): Promise<boolean> {
  const { rowCount } = await db.query(
    `update discord_outbox
     set state = $3, reason = $4, facts_hash = coalesce($5, facts_hash),
         not_before = now() + $6 * interval '1 millisecond', message_id = case when $7 then null else message_id end,
         asked = $8, updated_at = now()
     where outbox_id = $1 and attempts = $2 and state = 'sending'`,
    [
      ...[claim.outboxId, claim.attempts, unsent.state, unsent.reason, unsent.hash ?? null, unsent.waitMs ?? null],
      ...[unsent.postAnew ?? false, unsent.asked],
    ],
  )
  return rowCount === 1
}
