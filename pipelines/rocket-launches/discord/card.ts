import type { KnownLaunch } from '../../launches/launch.ts'
import { periodEnd, precisionOf } from '../../launches/time.ts'
import { type Facts, factsHash } from './card-facts.ts'
import type { OutboxRow } from './outbox.ts'

/** The reason why a card is not sent. */
export type NotSentOutcome = 'unchanged' | 'in_progress' | 'unknown' | 'refused' | 'deleted'

export type CardDecision =
  | { send: 'post' }
  | { send: 'edit' }
  | { send: 'nothing'; outcome: NotSentOutcome; because: string }

/** Stored in the outbox as the reason: a user ran `discord forget`. */
export const FORGOTTEN = 'forgotten'
/** Stored as the reason if a user ran `discord resend`. The message is then sent even if it is old. */
export const RESENT = 'sent again as asked'
/** Stored as the reason: the message could not be sent in time. */
export const TOO_LATE = 'too late'

/** Stored as the reasons if the launch's own thread in a forum is closed: the launch gets no more messages there. */
export const THREAD_CLOSED = {
  deleted: 'the thread of this launch was deleted on Discord, so the launch gets no more messages there',
  locked: 'the thread of this launch is locked on Discord, so the launch gets no more messages there',
} as const

/** Stored as the reason: the card of a forum shows older facts, because an edit does not reopen its archived thread. */
export const ARCHIVED = 'the thread is archived; the next message in it updates the card'

/** True for the card of a launch whose thread is closed. */
export function isThreadClosed(row: Pick<OutboxRow, 'state' | 'reason'> | undefined): boolean {
  return row?.state === 'dead' && Object.values<string | null>(THREAD_CLOSED).includes(row.reason)
}

/** A result is posted for up to two days, so a launch gets its first card within the same time. */
const NEWS_MS = 2 * 86_400_000

/** True from two days after the end of T-0's period. Such a launch gets no first card. */
export function isLongOver(launch: Pick<KnownLaunch, 'net' | 'net_precision'>, now: Date): boolean {
  return now.getTime() - periodEnd(launch.net, precisionOf(launch)).getTime() >= NEWS_MS
}

/** True for a card that was never shown and whose launch is long over. It is not sent. */
export function isTooLate({ state, messageId, reason }: OutboxRow, { longOver }: { longOver: boolean }): boolean {
  return longOver && state === 'pending' && messageId === null && reason !== RESENT
}

/**
 * The hash of the facts that the card should show. A card of a version that showed no details stays as it is until one
 * of its other facts changes, so that an upgrade edits no card.
 */
export function hashFor(facts: Facts, row: OutboxRow | undefined): string {
  const { boosters, programme, patch, logo, country, weather, ...older } = facts
  const isOlder = row !== undefined && row.state !== 'pending' && !('boosters' in row.facts)
  return isOlder && factsHash(older) === row.factsHash ? row.factsHash : factsHash(facts)
}

/**
 * Decides whether to send a card. `hash` is the hash of the facts that the card should show. The card is sent if it
 * shows other facts.
 *
 * If the answer to a POST was lost, the message may exist already. Such a card is posted again only when its facts
 * change. An edit can be repeated safely. A launch that is long over gets no new card.
 *
 * @param noticeWaits a notice waits for the thread that the card opens, in a forum: the card is then posted again at most
 *   twice, even if its facts do not change
 */
export function decideCard(
  row: OutboxRow,
  { hash, longOver }: { hash: string; longOver: boolean },
  noticeWaits = false,
): CardDecision {
  const { state, messageId, reason, factsHash, wantedHash, attempts } = row
  const changed = factsHash !== hash
  const sendIt: CardDecision = { send: messageId === null ? 'post' : 'edit' }
  if (wantedHash !== hash) return doNotSend('in_progress', 'another process has newer facts')
  switch (state) {
    case 'pending':
      return sendIt
    case 'sending':
      return doNotSend('in_progress', 'another process is sending it')
    case 'sent':
      if (changed) return sendIt
      if (reason === ARCHIVED) return doNotSend('unchanged', reason)
      return reason === null ? doNotSend('unchanged', 'nothing to send') : doNotSend('refused', reason)
    case 'unknown':
      return (changed || (noticeWaits && attempts < 3)) && !longOver ? sendIt : doNotSend('unknown', reason ?? '')
    case 'merged': // only notices are
    case 'dead':
      if (messageId !== null || reason === FORGOTTEN || isThreadClosed(row)) return doNotSend('deleted', reason ?? '')
      return changed && !longOver ? sendIt : doNotSend('refused', reason ?? '')
  }
}

function doNotSend(outcome: NotSentOutcome, because: string): CardDecision {
  return { send: 'nothing', outcome, because }
}
