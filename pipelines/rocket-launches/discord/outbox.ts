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
 * - `merged`: the message of the row `merged_into` holds this notice. In the table it is `sent`, which older versions know
 */
export type OutboxState = 'pending' | 'sending' | 'sent' | 'unknown' | 'dead' | 'merged'

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
  /** The hash of the facts that the message shows, or that are being posted. */
  factsHash: string
  /** The hash of the facts that the message should show. Null: a notice that is never edited. */
  wantedHash: string | null
  messageId: string | null
  /** In a forum: the thread of the message, or of the launch's card if the message is not posted yet. */
  threadId: string | null
  reason: string | null
  /** The reason why the message was created. */
  reasonTold: string | null
  attempts: number
  expiresAt: Date | null
  /** The row whose message holds this notice. */
  mergedInto: number | null
  /** The kinds of the notices that its message holds besides its own. */
  holds: NoticeKind[]
  /** When it was posted, or may have been, by the pipeline's clock. */
  postedAt: Date | null
  /** The last run that sent it to Discord, and how many requests that run made. */
  askedBy: string | null
  asked: number
}

export const STATE = `case when merged_into is null then state else 'merged' end`

const ROW = `outbox_id as "outboxId", launch_id as "launchId", kind, subject, ${STATE} as state, facts,
  facts_hash as "factsHash", wanted_hash as "wantedHash", message_id as "messageId",
  coalesce(thread_id, (
    select card.thread_id from discord_outbox card
    where (card.target, card.launch_id, card.kind) = (discord_outbox.target, discord_outbox.launch_id, 'card')
  )) as "threadId", reason, reason_told as "reasonTold", attempts, expires_at as "expiresAt", asked_by as "askedBy",
  asked, merged_into as "mergedInto", posted_at as "postedAt",
  array(select kind from discord_outbox part where part.merged_into = discord_outbox.outbox_id) as holds`

/**
 * The messages that may have to be sent, and the cards and digests with these ids, in the order of sending: edits of
 * notices are not urgent.
 */
export async function readOpen(db: Queryable, target: string, launchIds: readonly string[]): Promise<OutboxRow[]> {
  const { rows } = await db.query<OutboxRow>(
    `select ${ROW} from discord_outbox
     where target = $1 and (state in ('pending', 'sending')
       or launch_id = any ($2) and (kind in ('card', 'digest') or wanted_hash <> facts_hash))
     order by kind not in ('card', 'digest') and message_id is not null, outbox_id`,
    [target, launchIds],
  )
  return rows
}

/** The cards and notices of these launches, in the order in which they were decided. */
export async function readLaunches(db: Queryable, target: string, launchIds: readonly string[]): Promise<OutboxRow[]> {
  const { rows } = await db.query<OutboxRow>(
    `select ${ROW} from discord_outbox where target = $1 and launch_id = any ($2) order by outbox_id`,
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

/** A launch on a channel. */
export interface Key {
  target: string
  launchId: string
}

/** Inserts a card and returns its id. A launch has at most one card on a channel. */
export async function insertCard(
  db: Queryable,
  { target, launchId }: Key,
  facts: Facts,
  hash: string,
): Promise<number> {
  const { rows } = await db.query<{ id: number }>(
    `insert into discord_outbox (target, launch_id, kind, subject, facts, facts_hash, wanted_hash, reason_told)
     values ($1, $2, 'card', 'card', $3, $4, $4, 'the first card of the launch')
     returning outbox_id as id`,
    [target, launchId, JSON.stringify(facts), hash],
  )
  return rows[0]?.id ?? 0
}

/** Sets the facts that a card or digest should show from now on. */
export async function setWantedHash(db: Queryable, { outboxId }: OutboxRow, hash: string): Promise<void> {
  await db.query('update discord_outbox set wanted_hash = $2 where outbox_id = $1', [outboxId, hash])
}

/** What the message of a notice should show. */
export interface Wanted {
  facts: NoticeFacts
  hash: string
}

/** Inserts a notice that gets its own message, and returns its id. */
export async function insertNotice(db: Queryable, key: Key, notice: Notice, { facts, hash }: Wanted): Promise<number> {
  return await insert(db, key, { ...notice, facts }, { state: 'pending', hash, into: null })
}

/** Inserts a notice that the message of another row holds. */
export async function insertMerged(db: Queryable, key: Key, notice: Notice, into: number): Promise<void> {
  await insert(db, key, notice, { state: 'sent', hash: null, into })
}

async function insert(
  db: Queryable,
  { target, launchId }: Key,
  { kind, subject, facts, reason, expiresAt }: Notice,
  { state, hash, into }: { state: 'pending' | 'sent'; hash: string | null; into: number | null },
): Promise<number> {
  const { rows } = await db.query<{ id: number }>(
    `insert into discord_outbox
       (target, launch_id, kind, subject, facts, facts_hash, reason_told, expires_at, state, wanted_hash, merged_into)
     values ($1, $2, $3, $4, $5, '', $6, $7, $8, $9, $10)
     returning outbox_id as id`,
    [
      ...[target, launchId, kind, subject, JSON.stringify(facts), reason, expiresAt.toISOString()],
      ...[state, hash, into],
    ],
  )
  return rows[0]?.id ?? 0
}

/** Sets the facts that the message of a notice should show. A notice that another row held gets its own message. */
export async function setWanted(db: Queryable, outboxId: number, { facts, hash }: Wanted): Promise<void> {
  await db.query(
    `update discord_outbox
     set facts = $2, wanted_hash = $3, state = case when merged_into is null then state else 'pending' end,
       merged_into = null
     where outbox_id = $1`,
    [outboxId, JSON.stringify(facts), hash],
  )
}

/** The message of the row `into` holds this unsent notice from now on. */
export async function merge(db: Queryable, outboxId: number, into: number): Promise<void> {
  await db.query(
    `update discord_outbox set state = 'sent', merged_into = $2, reason = null, updated_at = now()
     where outbox_id = $1 and (state = 'pending' or merged_into is not null)`,
    [outboxId, into],
  )
}

/** Drops unsent notices, because of a newer event. */
export async function dropOvertaken(db: Queryable, outboxIds: readonly number[]): Promise<void> {
  await db.query(
    `update discord_outbox set state = 'dead', merged_into = null, reason = 'overtaken', updated_at = now()
     where outbox_id = any ($1) and (state = 'pending' or merged_into is not null)`,
    [outboxIds],
  )
}

export async function giveUp(db: Queryable, { outboxId }: OutboxRow, reason: string): Promise<void> {
  await db.query(
    `update discord_outbox set state = 'dead', reason = $2, updated_at = now() where outbox_id = $1 and state = 'pending'`,
    [outboxId, reason],
  )
}

/** Marks unsent notices that expired as dead. `now` is by the pipeline's clock. */
export async function giveUpExpired(db: Queryable, target: string, now: Date): Promise<void> {
  await db.query(
    `update discord_outbox as notice set state = 'dead', merged_into = null, reason = 'too late', updated_at = now()
     where target = $1 and expires_at <= $2 and message_id is null
       and (state = 'pending' or exists (
         select from discord_outbox as holder
         where holder.outbox_id = notice.merged_into and holder.message_id is null and holder.state in ('pending', 'dead')
       ))`,
    [target, now.toISOString()],
  )
}
