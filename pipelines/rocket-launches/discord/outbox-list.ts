import type { Queryable } from 'tminus/db'
import { ARCHIVED } from './card.ts'
import { type OutboxState, STATE } from './outbox.ts'

/** A message in the form that the CLI and the outbox page show. */
export interface ListedMessage {
  outbox_id: number
  target: string
  launch_id: string
  /** The name of the launch, as the message has it. */
  launch: string
  /** `card`, `digest`, or the kind of notice. */
  kind: string
  subject: string
  state: OutboxState
  /** The reason for the state of the message. */
  reason: string | null
  reason_told: string | null
  message_id: string | null
  /** The message that holds this one. */
  merged_into: number | null
  attempts: number
  /** The next four times are by the database's clock; `expires_at` is by the pipeline's. */
  created_at: Date
  updated_at: Date
  sent_at: Date | null
  not_before: Date | null
  expires_at: Date | null
  /** How long the message has been in this state. */
  age_ms: number
}

const LISTED = `outbox_id, target, launch_id, facts->>'name' as launch, kind, subject, ${STATE} as state, reason, reason_told,
  message_id, merged_into, attempts, created_at, updated_at, sent_at, not_before, expires_at,
  round(extract(epoch from now() - updated_at) * 1000)::float8 as age_ms`

/** Messages, latest first. Without `all`, omits messages that were sent, forgotten or replaced by newer messages. */
export async function listMessages(
  db: Queryable,
  { all, limit }: { all: boolean; limit: number },
): Promise<ListedMessage[]> {
  const { rows } = await db.query<ListedMessage>(
    `select ${LISTED} from discord_outbox
     where $1 or (state <> 'sent' or reason is not null) and (reason in ('forgotten', 'overtaken')) is not true
     order by outbox_id desc
     limit $2`,
    [all, limit],
  )
  return rows
}

/** The state as lists show it. `refused`: a sent card for which Discord refused an edit. */
export function stateWord({ state, reason, message_id }: ListedMessage): string {
  if (state === 'sent') return reason === null || reason === ARCHIVED ? 'sent' : 'refused'
  return state === 'pending' && message_id !== null ? 'to edit' : state
}

/** `card`, `slip 2`, `reminder T-1h`, `liftoff`: the kind, with the number or offset of its subject. */
export function whatWords({ kind, subject }: ListedMessage): string {
  const which =
    /^T-[^#]+/.exec(subject)?.[0] ?? (subject.startsWith(`${kind}:`) ? subject.slice(kind.length + 1) : undefined)
  return which === undefined ? kind : `${kind} ${which}`
}

/** The reason for the message's state. If there is none, the reason why the message was created. */
export function whyWords({ reason, reason_told, merged_into }: ListedMessage): string {
  const why = reason ?? reason_told ?? ''
  return merged_into === null ? why : `in message ${merged_into}; ${why}`
}

/** One message; undefined if there is none with this id. */
export async function readMessage(
  db: Queryable,
  outboxId: number,
  lock: '' | 'for update' = '',
): Promise<ListedMessage | undefined> {
  const { rows } = await db.query<ListedMessage>(`select ${LISTED} from discord_outbox where outbox_id = $1 ${lock}`, [
    outboxId,
  ])
  return rows[0]
}

/** Reads a message and locks it until the transaction ends. */
export async function lockMessage(db: Queryable, outboxId: number): Promise<ListedMessage | undefined> {
  return await readMessage(db, outboxId, 'for update')
}

/**
 * Sets the state. A message that is to be sent again becomes a new message on Discord, and does not expire. Discarding a
 * message that is not on Discord also discards the notices that it holds.
 */
export async function setState(
  db: Queryable,
  outboxId: number,
  { state, reason }: { state: 'pending' | 'dead'; reason: string },
): Promise<void> {
  await db.query(
    `update discord_outbox
     set state = $2, reason = $3, not_before = null, updated_at = now(),
       message_id = case when $2 = 'pending' then null else message_id end,
       expires_at = case when $2 = 'pending' then null else expires_at end,
       merged_into = null
     where outbox_id = $1 or $2 = 'dead' and merged_into = $1
       and (select message_id from discord_outbox where outbox_id = $1) is null`,
    [outboxId, state, reason],
  )
}
