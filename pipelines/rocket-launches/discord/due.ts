import { decideCard } from './card.ts'
import type { Digest } from './digest.ts'
import type { Card } from './launch-plan.ts'
import { type NoticeKind, noticeOptions } from './notice-kinds.ts'
import type { OutboxRow } from './outbox.ts'

/** The messages that are edited when their facts change, by the id of their launch. */
type Cards = ReadonlyMap<string, Card | Digest>

/** Which of these messages to send now. In a forum, a notice waits until its launch has a thread. */
export function dueAmong(
  rows: readonly OutboxRow[],
  forum: boolean,
  { cards, now }: { cards: Cards; now: () => Date },
): (row: OutboxRow) => boolean {
  const isDueNotice = (row: OutboxRow) => isNotice(row.kind) && isNoticeDue(row, now())
  const waiting = rows.filter((row) => forum && row.threadId === null && isDueNotice(row))
  const launches = new Set(waiting.map(({ launchId }) => launchId))
  return (row) => {
    if (isNotice(row.kind)) return isDueNotice(row) && !waiting.includes(row)
    const card = cards.get(row.launchId)
    return card !== undefined && decideCard(row, card, launches.has(row.launchId)).send !== 'nothing'
  }
}

/** An edit has no expiry, and is never repeated as a post. A newer version sends the kinds that this one does not know. */
function isNoticeDue({ kind, state, messageId, expiresAt, factsHash, wantedHash }: OutboxRow, now: Date): boolean {
  if (noticeOptions(kind) === undefined) return false
  if (messageId === null) return state === 'pending' && (expiresAt === null || expiresAt > now)
  return state === 'pending' || (state === 'sent' && wantedHash !== null && wantedHash !== factsHash)
}

/** Undefined for a notice. A row of a card or digest without it is not sent. */
export function cardOf({ kind, launchId }: OutboxRow, cards: Cards): Card | Digest | undefined {
  return isNotice(kind) ? undefined : cards.get(launchId)
}

function isNotice(kind: OutboxRow['kind']): kind is NoticeKind {
  return kind !== 'card' && kind !== 'digest'
}
