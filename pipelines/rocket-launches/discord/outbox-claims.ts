import type { Payload } from 'tminus/connectors/discord'
import type { Queryable } from 'tminus/db'
import type { Facts } from './card-facts.ts'
import type { DigestFacts } from './digest.ts'
import type { OutboxRow } from './outbox.ts'

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

/** A message as sent. */
export interface Sent {
  message: Payload
  /** Cards and digests only: a notice has its facts in its row. */
  facts: Facts | DigestFacts | undefined
  /** The hash of the facts that it shows. */
  hash: string | null
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
  posted?: Sent & { now: Date },
): Promise<Claim | undefined> {
  const { rows } = await db.query<Claim>(
    `update discord_outbox
     set state = 'sending', facts = coalesce($4, facts), facts_hash = coalesce($5, facts_hash),
         message = coalesce($6, message), reason = null, not_before = null, attempts = attempts + 1,
         asked = case when asked_by = $7 then asked + 1 else 1 end, asked_by = $7, updated_at = now(),
         posted_at = coalesce($8, posted_at)
     where outbox_id = $1 and state = $2 and attempts = $3
     returning outbox_id as "outboxId", attempts, asked`,
    [outboxId, state, attempts, ...sentColumns(posted), runId, posted?.now.toISOString() ?? null],
  )
  return rows[0]
}

/** The new values of facts, facts_hash and message; a null leaves the column unchanged. */
function sentColumns(sent: Sent | undefined): (string | null)[] {
  if (sent === undefined) return [null, null, null]
  return [sent.facts ? JSON.stringify(sent.facts) : null, sent.hash, JSON.stringify(sent.message)]
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
