import type { Queryable } from 'tminus/db'
import type { Facts } from './announcement.ts'
import * as outbox from './discord-outbox.ts'

/** Why a run left a card as it is. */
export type Left = 'unchanged' | 'in_progress' | 'unknown' | 'refused' | 'deleted'

export type Decision =
  | { send: 'post' }
  | { send: 'edit'; messageId: string }
  | { send: 'nothing'; outcome: Left; because: string }

/** What was decided, and the claim to do it. */
export type Step =
  | { send: 'post'; claim: outbox.Claim }
  | { send: 'edit'; claim: outbox.Claim; messageId: string }
  | { send: 'nothing'; outcome: Left; because: string }

/** A launch has one card on a channel, ever. */
export function cardKey(target: string, launchId: string): outbox.OutboxKey {
  return { target, launchId, kind: 'card', subject: 'card' }
}

/**
 * Decides what to do for a card and claims it, in the caller's transaction: of two processes the second waits here
 * for the first's commit, and then sees its claim. Killed before the commit, nothing happened; after it, the row
 * stays `sending` until it counts as abandoned.
 */
export async function takeStep(db: Queryable, key: outbox.OutboxKey, facts: Facts, hash: string): Promise<Step> {
  await outbox.insertOnce(db, key, facts, hash)
  const row = await outbox.lockRow(db, key)
  const decision = decide(row, hash)
  if (decision.send === 'post') return { ...decision, claim: await outbox.claimPost(db, row, facts, hash) }
  if (decision.send === 'edit') return { ...decision, claim: await outbox.claimEdit(db, row) }
  if (row.abandoned) await outbox.recordUnsent(db, row, 'unknown', ABANDONED)
  return decision
}

const ABANDONED = 'its sender died before it could tell whether the message arrived'

/**
 * The card is a wanted state: it is sent when the facts differ from those it shows. Only a POST can stand twice, so
 * only a POST whose fate is unknown is not repeated before the facts change; an edit is.
 */
export function decide(row: outbox.OutboxRow, hash: string): Decision {
  const { state, messageId, abandoned } = row
  const changed = row.factsHash !== hash
  const again: Decision = messageId === null ? { send: 'post' } : { send: 'edit', messageId }
  switch (state) {
    case 'pending':
      return again
    case 'sending':
      if (!abandoned) return leave('in_progress', 'another process is sending it')
      return changed || messageId !== null ? again : leave('unknown', ABANDONED)
    case 'sent':
      return changed ? again : leave('unchanged', 'nothing is sent')
    case 'unknown':
      return changed ? again : leave('unknown', row.reason ?? ABANDONED)
    case 'dead':
      if (messageId !== null) return leave('deleted', row.reason ?? '')
      return changed ? again : leave('refused', row.reason ?? '')
  }
}

function leave(outcome: Left, because: string): Decision {
  return { send: 'nothing', outcome, because }
}
