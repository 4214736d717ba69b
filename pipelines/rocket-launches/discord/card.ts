import type { KnownLaunch } from '../../launches/launch.ts'
import { periodEnd, precisionOf } from '../../launches/time.ts'
import type { OutboxRow } from './outbox.ts'

/** Why a card is left as it is. */
export type Left = 'unchanged' | 'in_progress' | 'unknown' | 'refused' | 'deleted'

export type CardDecision = { send: 'post' } | { send: 'edit' } | { send: 'nothing'; outcome: Left; because: string }

/** Why a row is dead that a person gave up. */
export const FORGOTTEN = 'forgotten'
/** Why a row is pending that a person wants sent, however old it is. */
export const RESENT = 'sent again as asked'
/** Why a row is dead that came to nobody in time. */
export const TOO_LATE = 'too late'

/** As long as a result is told, so long is a launch worth a card of its own. */
const NEWS_MS = 2 * 86_400_000

/** By the end of the period its NET stands for: nobody expects to hear of it for the first time now. */
export function isLongOver(launch: Pick<KnownLaunch, 'net' | 'net_precision'>, now: Date): boolean {
  return now.getTime() - periodEnd(launch.net, precisionOf(launch)).getTime() >= NEWS_MS
}

/** True where nobody has seen the card, and it would tell of a launch that is long over: it is given up. */
export function isTooLate({ state, messageId, reason }: OutboxRow, { over }: { over: boolean }): boolean {
  return over && state === 'pending' && messageId === null && reason !== RESENT
}

/**
 * A card is a wanted state: it is sent when the facts (of this hash) differ from those it shows. Only a POST can stand
 * twice, so only a POST whose fate is unknown is not repeated before the facts change; an edit is. A launch that is
 * long over gets no card any more.
 */
export function decideCard(row: OutboxRow, { hash, over }: { hash: string; over: boolean }): CardDecision {
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
      return changed && !over ? again : leave('unknown', reason ?? '')
    case 'dead':
      if (messageId !== null || reason === FORGOTTEN) return leave('deleted', reason ?? '')
      return changed && !over ? again : leave('refused', reason ?? '')
  }
}

function leave(outcome: Left, because: string): CardDecision {
  return { send: 'nothing', outcome, because }
}
