import { FORUM, GONE, type Outcome, type Thread } from 'tminus/connectors/discord'
import type { Queryable } from 'tminus/db'
import { FINAL } from '../../launches/launch.ts'
import { ARCHIVED, THREAD_CLOSED } from './card.ts'
import type { Facts } from './card-facts.ts'
import type { Channel } from './channel.ts'
import type { Digest } from './digest.ts'
import type { Card } from './launch-plan.ts'
import type { NoticeKind } from './notice-kinds.ts'
import { STATUS } from './notices.ts'
import type { OutboxRow } from './outbox.ts'
import type { NotSent, Verdict } from './outcome.ts'
import { isMaterial } from './slip.ts'

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
  row: OutboxRow
  send: 'post' | 'edit'
  /** Undefined: the message is a notice. */
  card: Card | Digest | undefined
  thread: Thread | undefined
}

/**
 * How to continue after an unsuccessful attempt in a forum. Undefined: as in any other channel.
 *
 * - A launch whose thread was deleted or locked gets no more messages there; other launches do.
 * - A card in an archived thread is edited after the next notice, which reopens the thread. It is posted again only if
 *   it has news that this channel gets no notice of.
 */
export function judgeInForum(outcome: NotSent, attempt: Attempt, { rules }: Channel, now: Date): Verdict | undefined {
  const { row, send, card, thread } = attempt
  if (thread === undefined && saysForum(outcome))
    return { unsent: { state: 'pending', reason: 'waits for the thread of its launch' }, card: 'waiting', stop: false }
  if (thread === undefined || !('id' in thread)) return undefined
  const closed = whyClosed(outcome, send)
  if (closed) return { unsent: { state: 'dead', reason: closed }, card: 'deleted', closesThread: true, stop: false }
  if (outcome.kind !== 'archived') return undefined
  const news = card && 'launch' in card ? newsOf(row.facts as Facts, card.facts, now) : undefined
  if (news !== undefined && !rules.notices.has(news)) return undefined
  return { unsent: { state: 'sent', reason: ARCHIVED }, card: 'deferred', stop: false }
}

/** The kind of notice about the difference from the shown facts. Undefined: it is too small for a notice. */
function newsOf(shown: Facts, facts: Facts, now: Date): NoticeKind | undefined {
  const kind = shown.status === facts.status ? undefined : statusKind(shown.status, facts.status)
  const netIn = ({ net, precision }: Facts) => ({ net: new Date(net), precision })
  return kind ?? (isMaterial(netIn(shown), netIn(facts), now) ? 'slip' : undefined)
}

function statusKind(from: number, to: number): NoticeKind | undefined {
  if (FINAL.includes(to)) return 'result'
  if (to === STATUS.go) return from === STATUS.hold ? 'go' : undefined
  return to === STATUS.hold ? 'hold' : to === STATUS.inFlight ? 'liftoff' : undefined
}

/** A post reopens an archived thread, unless the thread is locked. */
function whyClosed(outcome: NotSent, send: 'post' | 'edit'): string | undefined {
  if (outcome.kind === 'gone' && outcome.code === GONE.thread) return THREAD_CLOSED.deleted
  if (outcome.kind === 'archived' && send === 'post') return THREAD_CLOSED.locked
  return outcome.kind === 'rejected' && outcome.code === FORUM.locked ? THREAD_CLOSED.locked : undefined
}

/** The messages about a launch that could not be edited are edited now: its archived thread is open again. */
export async function reopenThread(
  db: Queryable,
  { target, launchId }: { target: string; launchId: string },
): Promise<void> {
  await db.query(
    `update discord_outbox set reason = null, facts_hash = ''
     where target = $1 and launch_id = $2 and state = 'sent' and reason = $3`,
    [target, launchId, ARCHIVED],
  )
}

/**
 * Ends the messages about a launch, or a digest, in a forum whose thread is closed. `discord resend` of the card or digest
 * opens a new thread.
 */
export async function closeThread(
  db: Queryable,
  { target, launchId }: { target: string; launchId: string },
  reason: string,
): Promise<void> {
  await db.query(
    `update discord_outbox
     set state = 'dead', reason = $3, updated_at = now(),
       thread_id = case when kind in ('card', 'digest') then null else thread_id end
     where target = $1 and launch_id = $2 and (kind in ('card', 'digest') or state = 'pending')`,
    [target, launchId, reason],
  )
}
