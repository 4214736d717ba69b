import { createHash } from 'node:crypto'
import { GONE, type Webhook } from 'tminus/connectors/discord'
import type { Queryable } from 'tminus/db'
import { instantText } from '../../launches/launch-text.ts'

/** Locks the channel. Until the transaction ends, no other process decides or claims messages of this channel. */
export async function lockTarget(db: Queryable, target: string): Promise<void> {
  await db.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`tminus discord ${target}`])
}

export interface DisabledTarget {
  target: string
  disabled_at: Date
  reason: string
}

/** Part of the reason for which an older version, which could not post to forums, disabled a webhook. */
const FORUM_REFUSED = `Discord's code ${GONE.forum}`

/**
 * The reason why this webhook is disabled; undefined if it is not disabled. A new address enables it again, and so does this
 * version if the channel is a forum.
 */
export async function whyDisabled(db: Queryable, webhook: Webhook): Promise<string | undefined> {
  const { rows } = await db.query<DisabledTarget & { address: string }>(
    'select target, disabled_at, reason, address from discord_target where target = $1',
    [webhook.target],
  )
  const [row] = rows
  if (row === undefined) return undefined
  if (row.address === digest(webhook) && !row.reason.includes(FORUM_REFUSED)) return disabledText(row)
  await enable(db, webhook.target)
  return undefined
}

/** `disabled since 2026-11-21 18:00Z: …`. The end of the reason says what the user can do. */
export function disabledText({ disabled_at, reason }: DisabledTarget): string {
  return `disabled since ${instantText(disabled_at)}: ${reason}`
}

export async function disable(db: Queryable, webhook: Webhook, reason: string): Promise<void> {
  await db.query(
    `insert into discord_target (target, address, disabled_at, reason) values ($1, $2, now(), $3)
     on conflict (target) do update
     set address = excluded.address, disabled_at = excluded.disabled_at, reason = excluded.reason`,
    [webhook.target, digest(webhook), reason],
  )
}

/** Enables a channel. Returns false if it was not disabled. */
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

/** Returns the disabled ones of these channels. A channel whose webhook's address has changed is no longer disabled. */
export async function disabledAmong<C extends { webhook: Webhook }>(
  db: Queryable,
  channels: readonly C[],
): Promise<(C & DisabledTarget)[]> {
  const { rows } = await db.query<DisabledTarget>(
    'select target, disabled_at, reason from discord_target where address = any ($1) order by disabled_at, target',
    [channels.map(({ webhook }) => digest(webhook))],
  )
  return rows.flatMap((row) => {
    return channels.filter(({ webhook }) => webhook.target === row.target).map((one) => ({ ...one, ...row }))
  })
}

/** A hash that identifies an address without revealing it, because a token has over 400 bits. */
function digest({ apiBase, id, token, threadId = '' }: Webhook): string {
  return createHash('sha256').update([apiBase, id, token, threadId].join('\n')).digest('hex')
}
