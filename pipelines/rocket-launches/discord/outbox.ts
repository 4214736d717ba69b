import type { Payload } from 'tminus/connectors/discord'
import type { Queryable } from 'tminus/db'
import type { Facts } from './card-facts.ts'
import type { DigestFacts } from './digest.ts'
import type { NoticeKind } from './notice-kinds.ts'
import type { Notice, NoticeFacts } from './notices.ts'

/**
 * - `pending`: to be posted; with a message id, to be edited
 * - `sending`: claimed by a process that is sending it, or that was killed while sending
 * - `sent`: the message `message_id` shows `facts`
 * - `unknown`: posted, but the answer was lost; a notice in this state is not sent again automatically
 * - `dead`: given up, for the reason in `reason`
 */
export type OutboxState = 'pending' | 'sending' | 'sent' | 'unknown' | 'dead'

/**
 * A row of `discord_outbox`. Its times are by the database's clock, which ignores `CLOCK`; `expires_at` is by the
 * pipeline's.
 */
export interface OutboxRow {
  outboxId: number
  /** For a digest, which is about no single launch, see `digestId`. */
  launchId: string
  kind: 'card' | 'digest' | NoticeKind
  subject: string
  state: OutboxState
  facts: Facts | DigestFacts | NoticeFacts
  /** Cards and digests only: the hash of the facts that the card shows, or that are being posted. */
  factsHash: string
  /** Cards and digests only: the hash of the facts that the message should show. */
  wantedHash: string | null
  messageId: string | null
  /** In a forum: the thread of the message, or of the launch's card if the message is not posted yet. */
  threadId: string | null
  reason: string | null
  /** The reason why the message was created. */
  reasonTold: string | null
  attempts: number
  expiresAt: Date | null
  /** The last run that sent it to Discord, and how many requests that run made. */
  askedBy: string | null
  asked: number
}

const ROW = `outbox_id as "outboxId", launch_id as "launchId", kind, subject, state, facts, facts_hash as "factsHash",
  wanted_hash as "wantedHash", message_id as "messageId", coalesce(thread_id, (select card.thread_id
    from discord_outbox card
    where (card.target, card.launch_id, card.kind) = (discord_outbox.target, discord_outbox.launch_id, 'card')
  )) as "threadId", reason, reason_told as "reasonTold", attempts,
  expires_at as "expiresAt", asked_by as "askedBy", asked`

/** Messages that are pending or being sent, and the cards and digests with these ids, in the order of sending. */
export async function readOpen(db: Queryable, target: string, launchIds: readonly string[]): Promise<OutboxRow[]> {
  const { rows } = await db.query<OutboxRow>(
    `select ${ROW} from discord_outbox
     where target = $1 and (state in ('pending', 'sending') or kind in ('card', 'digest') and launch_id = any ($2))
     order by outbox_id`,
    [target, launchIds],
  )
  return rows
}

/** True if the outbox has a card for the channel. */
export async function hasCards(db: Queryable, target: string): Promise<boolean> {
  const { rows } = await db.query<{ any: boolean }>(
    `select exists (select from discord_outbox where target = $1 and kind = 'card') as any`,
    [target],
  )
  return rows[0]?.any === true
}

/** The remaining wait that Discord asks of this channel, in ms by the database's clock; 0 if there is no wait. */
export async function waitMs(db: Queryable, target: string): Promise<number> {
  const { rows } = await db.query<{ ms: number }>(
    `select coalesce(ceil(extract(epoch from max(not_before) - now()) * 1000), 0)::float8 as ms
     from discord_outbox where target = $1 and not_before > now()`,
    [target],
  )
  return rows[0]?.ms ?? 0
}

/** Inserts a card. A launch has at most one card on a channel. */
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

/** Sets the facts that a card or digest should show from now on. */
export async function setWantedHash(db: Queryable, { outboxId }: OutboxRow, hash: string): Promise<void> {
  await db.query('update discord_outbox set wanted_hash = $2 where outbox_id = $1', [outboxId, hash])
}

/** Inserts a notice. Does nothing if the launch already has a notice of this kind with the same subject. */
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

/** An unsent notice that was dropped because of a newer event. */
export interface Overtaken {
  kind: NoticeKind
  facts: NoticeFacts
}

/** Drops pending notices of these kinds, and returns them. */
export async function dropOvertaken(
  db: Queryable,
  { target, launchId }: { target: string; launchId: string },
  kinds: readonly NoticeKind[],
): Promise<Overtaken[]> {
  const { rows } = await db.query<Overtaken>(
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

/** Marks expired notices as dead. `now` is by the pipeline's clock. */
export async function giveUpExpired(db: Queryable, target: string, now: Date): Promise<void> {
  await db.query(
    `update discord_outbox set state = 'dead', reason = 'too late', updated_at = now()
     where target = $1 and state = 'pending' and expires_at <= $2`,
    [target, now.toISOString()],
  )
}

/**
 * Releases messages whose sender must be dead. A living sender needs less than two minutes: a few requests of at most
 * 15 s each, and their statements. An edit becomes `pending` again. A post becomes `unknown`, because it may have
 * arrived.
 */
export async function releaseAbandoned(db: Queryable, target: string): Promise<void> {
  await db.query(
    `update discord_outbox
     set state = case when message_id is null then 'unknown' else 'pending' end, updated_at = now(),
       reason = 'the sending process stopped before it knew whether the message arrived'
     where target = $1 and state = 'sending' and updated_at < now() - interval '2 minutes'`,
    [target],
  )
}

/** A process's right to send one row. Only the newest claim of a row may record the result. */
export interface Claim {
  outboxId: number
  attempts: number
  /** How many requests this run has made for the message, including this one. */
  asked: number
}

/** A message as sent; a card also has its facts. */
export interface Sent {
  message: Payload
  card: { facts: Facts | DigestFacts; hash: string } | undefined
}

/**
 * Claims a row for sending. Undefined if the row has changed since it was read.
 *
 * For a post, this already writes `posted`, because the message may exist even if the answer gets lost. For an edit,
 * facts and message are written only after Discord has confirmed the edit.
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
    [outboxId, state, attempts, ...sentColumns(posted), runId],
  )
  return rows[0]
}

/** The new values of facts, facts_hash and message; a null leaves the column unchanged. */
function sentColumns(sent: Sent | undefined): (string | null)[] {
  const { card } = sent ?? {}
  return [card ? JSON.stringify(card.facts) : null, card?.hash ?? null, sent ? JSON.stringify(sent.message) : null]
}

/**
 * Records that the message was sent, in a forum with its thread. Returns false if another process has claimed the row
 * since.
 */
export async function recordSent(
  db: Queryable,
  claim: Claim,
  { messageId, threadId }: { messageId: string; threadId: string | undefined },
  sent: Sent,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update discord_outbox
     set state = 'sent', message_id = $3, facts = coalesce($4, facts), facts_hash = coalesce($5, facts_hash),
         message = $6, thread_id = coalesce($7, thread_id), reason = null, sent_at = coalesce(sent_at, now()), updated_at = now()
     where outbox_id = $1 and attempts = $2`,
    [claim.outboxId, claim.attempts, messageId, ...sentColumns(sent), threadId ?? null],
  )
  return rowCount === 1
}

/** How to record an attempt that did not succeed. */
export interface Unsent {
  state: 'pending' | 'unknown' | 'dead' | 'sent'
  reason: string
  /** The hash of facts that Discord refused for this card. The card is not sent again until its facts change. */
  hash?: string | undefined
  /** The wait that Discord asks for, in ms. */
  waitMs?: number | undefined
  /** True: the message cannot be edited, so the next attempt posts the card as a new message. */
  postAgain?: boolean
  /** How many requests count against this run's limit. */
  asked: number
}

/** Records an unsuccessful attempt. Returns false if another process has claimed the row since. */
export async function recordUnsent(db: Queryable, claim: Claim, unsent: Unsent): Promise<boolean> {
  const { rowCount } = await db.query(
    `update discord_outbox
     set state = $3, reason = $4, facts_hash = coalesce($5, facts_hash),
         not_before = now() + $6 * interval '1 millisecond', message_id = case when $7 then null else message_id end,
         asked = $8, updated_at = now()
     where outbox_id = $1 and attempts = $2 and state = 'sending'`,
    [
      ...[claim.outboxId, claim.attempts, unsent.state, unsent.reason, unsent.hash ?? null, unsent.waitMs ?? null],
      ...[unsent.postAgain ?? false, unsent.asked],
    ],
  )
  return rowCount === 1
}
