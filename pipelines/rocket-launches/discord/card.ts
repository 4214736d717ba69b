import type { OutboxRow } from './outbox.ts'

/** Why a card is left as it is. */
export type Left = 'unchanged' | 'in_progress' | 'unknown' | 'refused' | 'deleted'

export type CardDecision = { send: 'post' } | { send: 'edit' } | { send: 'nothing'; outcome: Left; because: string }

/** Why a row is dead that a person gave up. */
export const FORGOTTEN = 'forgotten'

/**
 * A card is a wanted state: it is sent when the facts (of this hash) differ from those it shows. Only a POST can stand
 * twice, so only a POST whose fate is unknown is not repeated before the facts change; an edit is.
 */
export function decideCard(row: OutboxRow, hash: string): CardDecision {
  const { state, messageId, reason, factsHash, wantedHash } = row
  const changed = factsHash !== hash
  const again: CardDecision = { send: messageId === null ? 'post' : 'edit' }
  if (wantedHash !== hash) return leave('in_progress', 'another process knows something newer')
  switch (state) {
    case 'pending':
      return again
    case 'sending':
      return leave('in_progress', 'another process is sending it')
    case 'sent':
      if (changed) return again
      return reason === null ? leave('unchanged', 'nothing is sent') : leave('refused', reason)
    case 'unknown':
      return changed ? again : leave('unknown', reason ?? '')
    case 'dead':
      if (messageId !== null || reason === FORGOTTEN) return leave('deleted', reason ?? '')
      return changed ? again : leave('refused', reason ?? '')
  }
}

function leave(outcome: Left, because: string): CardDecision {
  return { send: 'nothing', outcome, because }
}
