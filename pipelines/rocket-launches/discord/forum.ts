import { FORUM, GONE, type Outcome, type Thread } from 'tminus/connectors/discord'
import type { Queryable } from 'tminus/db'
import { isFlown } from '../../launches/launch.ts'
import { THREAD_CLOSED } from './card.ts'
import type { Channel } from './channel.ts'
import type { Digest } from './digest.ts'
import type { Card } from './launch-plan.ts'
import type { OutboxRow } from './outbox.ts'
import type { NotSent, Verdict } from './outcome.ts'

/** True if Discord has said that the channel is a forum: there each launch has its own thread. */
export async function isForum(db: Queryable, target: string): Promise<boolean> {
  const { rowCount } = await db.query('select from discord_forum where target = $1', [target])
  return rowCount === 1
}

export async function recordForum(db: Queryable, target: string, isForum: boolean): Promise<void> {
  if (isForum) await db.query('insert into discord_forum (target) values ($1) on conflict do nothing', [target])
  else await db.query('delete from discord_forum where target = $1', [target])
}

/** True if the answer says that the channel is a forum or media channel; false if it says that it is none. */
export function saysForum(outcome: Outcome): boolean | undefined {
  if (outcome.kind === 'gone' && outcome.code === GONE.forum) return true
  return outcome.kind === 'rejected' && outcome.code === FORUM.noForum ? false : undefined
}

/** The thread of a message in a forum: that of its launch, or a new one, which the launch's card opens. */
export function threadOf(
  { threadId }: OutboxRow,
  card: Card | Digest | undefined,
  { tags }: Channel,
): Thread | undefined {
  if (threadId !== null) return { id: threadId }
  return card && { name: card.facts.name, tags }
}

/** In a forum, edits come last: an edit fails in an archived thread, and a post reopens the thread. */
export function inOrder(rows: OutboxRow[], forum: boolean): OutboxRow[] {
  const isEdit = ({ messageId }: OutboxRow) => Number(messageId !== null)
  return forum ? rows.toSorted((a, b) => isEdit(a) - isEdit(b)) : rows
}

interface Attempt {
  send: 'post' | 'edit'
  /** Undefined: the message is a notice. */
  card: Card | Digest | undefined
  thread: Thread | undefined
}

/**
 * How to continue after an unsuccessful attempt in a forum. Undefined: as in any other channel. A launch whose thread was
 * deleted or locked gets no more messages there; other launches do. A card in an archived thread is posted again, but
 * not if its launch has flown.
 */
export function judgeInForum(outcome: NotSent, { send, card, thread }: Attempt): Verdict | undefined {
  if (thread === undefined && saysForum(outcome))
    return { unsent: { state: 'pending', reason: 'waits for the thread of its launch' }, card: 'waiting', stop: false }
  if (thread === undefined || !('id' in thread)) return undefined
  const closed = whyClosed(outcome, send)
  if (closed) return { unsent: { state: 'dead', reason: closed }, card: 'deleted', closesThread: true, stop: false }
  const mayPostAgain = card !== undefined && 'launch' in card && !isFlown(card.facts.status)
  if (outcome.kind !== 'archived' || mayPostAgain) return undefined
  return { unsent: { state: 'sent', reason: ARCHIVED }, card: 'refused', stop: false }
}

const ARCHIVED = 'the thread is archived, so the message stays as it is'

/** A post reopens an archived thread, unless the thread is locked. */
function whyClosed(outcome: NotSent, send: 'post' | 'edit'): string | undefined {
  if (outcome.kind === 'gone' && outcome.code === GONE.thread) return THREAD_CLOSED.deleted
  if (outcome.kind === 'archived' && send === 'post') return THREAD_CLOSED.locked
  return outcome.kind === 'rejected' && outcome.code === FORUM.locked ? THREAD_CLOSED.locked : undefined
}
