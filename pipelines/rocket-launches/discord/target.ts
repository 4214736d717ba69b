import { createHash } from 'node:crypto'
import type { Webhook } from 'tminus/connectors/discord'
import type { Queryable } from 'tminus/db'
import { instantText } from '../../launches/launch-text.ts'

/**
 * Held until the end of the transaction: whoever decides what a channel is told, or takes a message to be sent there,
 * does so alone.
 */
export async function lockTarget(db: Queryable, target: string): Promise<void> {
  await db.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`tminus discord ${target}`])
}

export interface DisabledTarget {
  target: string
  disabled_at: Date
  reason: string
}

/** Why nothing is sent to this webhook; undefined where it is in use. Another address takes it into use again. */
export async function whyDisabled(db: Queryable, webhook: Webhook): Promise<string | undefined> {
  const { rows } = await db.query<DisabledTarget & { address: string }>(
    'select target, disabled_at, reason, address from discord_target where target = $1',
    [webhook.target],
  )
  const [row] = rows
  if (row === undefined) return undefined
  if (row.address === digest(webhook)) return disabledWords(row)
  await enable(db, webhook.target)
  return undefined
}

/** `out of use since 2026-11-21 18:00Z: …`; the reason ends with what to do about it. */
export function disabledWords({ disabled_at, reason }: DisabledTarget): string {
  return `out of use since ${instantText(disabled_at)}: ${reason}`
}

export async function disable(db: Queryable, webhook: Webhook, reason: string): Promise<void> {
  await db.query(
    `insert into discord_target (target, address, disabled_at, reason) values ($1, $2, now(), $3)
     on conflict (target) do update
     set address = excluded.address, disabled_at = excluded.disabled_at, reason = excluded.reason`,
    [webhook.target, digest(webhook), reason],
  )
}

/** False where it was in use. */
export async function enable(db: Queryable, target: string): Promise<boolean> {
  const { rowCount } = await db.query('delete from discord_target where target = $1', [target])
  return rowCount === 1
}

export async function listDisabled(db: Queryable): Promise<DisabledTarget[]> {
  const { rows } = await db.query<DisabledTarget>(
    'select target, disabled_at, reason from discord_target order by disabled_at, target',
  )
  return rows
}

/** Of these webhooks those to which nothing is sent; one that has another address by now is not among them. */
export async function disabledAmong(db: Queryable, webhooks: readonly Webhook[]): Promise<DisabledTarget[]> {
  const { rows } = await db.query<DisabledTarget>(
    'select target, disabled_at, reason from discord_target where address = any ($1) order by disabled_at, target',
    [webhooks.map(digest)],
  )
  return rows
}

/** Tells one address from another without telling it: a token has over 400 bits. */
function digest({ apiBase, id, token, threadId = '' }: Webhook): string {
  return createHash('sha256').update([apiBase, id, token, threadId].join('\n')).digest('hex')
}
