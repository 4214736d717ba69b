import { TminusError } from 'tminus'
import type { Queryable } from 'tminus/db'
import type { Facts } from './announcement.ts'

/**
 * `pending`: to be sent (or, where it has a message id, to be edited: what the message shows is uncertain).
 * `sending`: claimed; its sender writes what became of it, or died. `sent`: `message_id` shows `facts`.
 * `unknown`: posted, with no answer; never sent again by itself. `dead`: given up for `reason`.
 */
export type OutboxState = 'pending' | 'sending' | 'sent' | 'unknown' | 'dead'

/** What may be told only once. The subject never holds the raw NET: a slip would make it another one. */
export interface OutboxKey {
  /** Webhook id, or id/thread; never the token. */
  target: string
  launchId: string
  kind: 'card'
  subject: string
}

/** The times in the table are the database's own clock, real time whatever `CLOCK` says. */
export interface OutboxRow {
  outboxId: number
  state: OutboxState
  /** Of what was announced last; for a card being posted, of what is being posted. */
  factsHash: string
  messageId: string | null
  reason: string | null
  attempts: number
  /** `sending` for so long that its sender must be dead: two requests of 15 s and their statements are long over. */
  abandoned: boolean
}

/** A claim: only who holds the newest may write what became of the row. */
export interface Claim {
  outboxId: number
  attempts: number
}

/** Makes the row, `pending`, unless there is one. */
export async function insertOnce(db: Queryable, key: OutboxKey, facts: Facts, hash: string): Promise<void> {
  await db.query(
    `insert into discord_outbox
       (target, launch_id, kind, subject, state, facts, facts_hash, created_at, updated_at)
     values ($1, $2, $3, $4, 'pending', $5, $6, now(), now())
     on conflict (target, launch_id, kind, subject) do nothing`,
    [key.target, key.launchId, key.kind, key.subject, JSON.stringify(facts), hash],
  )
}

/** Reads the row and holds it until the transaction ends. */
export async function lockRow(db: Queryable, key: OutboxKey): Promise<OutboxRow> {
  const { rows } = await db.query<OutboxRow>(
    `select outbox_id as "outboxId", state, facts_hash as "factsHash", message_id as "messageId", reason, attempts,
            state = 'sending' and updated_at < now() - interval '2 minutes' as abandoned
     from discord_outbox
     where (target, launch_id, kind, subject) = ($1, $2, $3, $4)
     for update`,
    [key.target, key.launchId, key.kind, key.subject],
  )
  return one(rows)
}

/** Claims a row to post it. Its facts are written now: should the answer get lost, these are what may stand. */
export async function claimPost(db: Queryable, seen: Claim, facts: Facts, hash: string): Promise<Claim> {
  const { rows } = await db.query<Claim>(
    `update discord_outbox
     set state = 'sending', facts = $3, facts_hash = $4, reason = null,
         attempts = attempts + 1, updated_at = now()
     where outbox_id = $1 and attempts = $2 and message_id is null
     returning outbox_id as "outboxId", attempts`,
    [seen.outboxId, seen.attempts, JSON.stringify(facts), hash],
  )
  return one(rows)
}

/** Claims a row to edit its message. Its facts stay those of the message until the edit is confirmed. */
export async function claimEdit(db: Queryable, seen: Claim): Promise<Claim> {
  const { rows } = await db.query<Claim>(
    `update discord_outbox
     set state = 'sending', reason = null, attempts = attempts + 1, updated_at = now()
     where outbox_id = $1 and attempts = $2 and message_id is not null
     returning outbox_id as "outboxId", attempts`,
    [seen.outboxId, seen.attempts],
  )
  return one(rows)
}

/** The message stands and shows these facts. False where the claim was lost meanwhile. */
export async function recordSent(
  db: Queryable,
  claim: Claim,
  sent: { messageId: string; facts: Facts; hash: string },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update discord_outbox
     set state = 'sent', message_id = $3, facts = $4, facts_hash = $5, reason = null,
         sent_at = coalesce(sent_at, now()), updated_at = now()
     where outbox_id = $1 and attempts = $2 and state = 'sending'`,
    [claim.outboxId, claim.attempts, sent.messageId, JSON.stringify(sent.facts), sent.hash],
  )
  return rowCount === 1
}

/** The message does not stand as wanted, for this reason. False where the claim was lost meanwhile. */
export async function recordUnsent(
  db: Queryable,
  claim: Claim,
  state: 'pending' | 'unknown' | 'dead',
  reason: string,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update discord_outbox
     set state = $3, reason = $4, updated_at = now()
     where outbox_id = $1 and attempts = $2 and state = 'sending'`,
    [claim.outboxId, claim.attempts, state, reason],
  )
  return rowCount === 1
}

function one<T>(rows: T[]): T {
  const [row] = rows
  if (row === undefined)
    throw new TminusError('another process took this message of the outbox', { code: 'outbox_taken' })
  return row
}
