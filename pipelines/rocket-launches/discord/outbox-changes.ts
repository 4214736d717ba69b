import { humanDuration, TminusError } from 'tminus'
import { type Database, inTransaction } from 'tminus/db'
import { FORGOTTEN, RESENT } from './card.ts'
import { type ListedMessage, lockMessage, setState } from './outbox-list.ts'
import { enable } from './target.ts'

/** The changes that a user can make to a message. */
export const CHANGES = ['resend', 'forget'] as const
export type Change = (typeof CHANGES)[number]

/**
 * Sends a message with the next run. Also enables the message's webhook if it is disabled, because the user has repaired
 * the webhook. Returns the message as it was, and whether its webhook was enabled. Throws TminusError `message_unknown` or
 * `message_state`.
 */
export async function resend(db: Database, id: number): Promise<{ message: ListedMessage; enabled: boolean }> {
  return await inTransaction(db, async (connection) => {
    const message = (await lockMessage(connection, id)) ?? throwUnknown(id)
    const enabled = await enable(connection, message.target)
    if (!canChange(message, 'resend', enabled)) throw wrongState(message, 'sent again')
    // If the webhook was disabled, its pending messages are sent anyway. Keeps the state of the message, so that an
    // edit does not become a new post.
    if (message.state !== 'pending') await setState(connection, id, { state: 'pending', reason: RESENT })
    return { message, enabled }
  })
}

/** Discards a message, and returns it as it was. Throws TminusError `message_unknown` or `message_state`. */
export async function forget(db: Database, id: number): Promise<ListedMessage> {
  return await inTransaction(db, async (connection) => {
    const message = (await lockMessage(connection, id)) ?? throwUnknown(id)
    if (!canChange(message, 'forget')) throw wrongState(message, 'discarded')
    await setState(connection, id, { state: 'dead', reason: FORGOTTEN })
    return message
  })
}

/** @param isDisabled true if the message's webhook is disabled: then a waiting message can be sent again */
export function canChange({ state, kind }: ListedMessage, change: Change, isDisabled = false): boolean {
  if (change === 'resend') return state === 'unknown' || state === 'dead' || (state === 'pending' && isDisabled)
  return state !== 'sending' && state !== 'merged' && (state !== 'sent' || kind === 'card' || kind === 'digest')
}

/** `the card of Falcon 9 | Nearest` */
export function titleOf({ kind, launch }: ListedMessage): string {
  return kind === 'card' ? `the card of ${launch}` : `the ${kind} of ${launch}`
}

/** What happens to a message that is discarded, as the end of a sentence. */
export function effectOfForget({ message_id }: ListedMessage): string {
  return message_id === null ? 'will not be sent' : 'stays on the channel as it is'
}

export const MAY_APPEAR_TWICE = 'If the first attempt arrived, the channel will have it twice'

function throwUnknown(id: number): never {
  throw new TminusError(`Unknown message ${id}; discord outbox --all lists all messages`, {
    code: 'message_unknown',
    retryable: false,
  })
}

function wrongState(message: ListedMessage, action: string): TminusError {
  const since = humanDuration(Math.max(0, message.age_ms))
  const states = {
    pending: 'is waiting to be sent',
    sending: `has been in delivery for ${since}`,
    sent: 'was sent',
    merged: `is part of message ${message.merged_into}`,
  }
  const state = states[message.state as keyof typeof states] ?? `is ${message.state}`
  const title = titleOf(message).replace(/^t/, 'T')
  return new TminusError(`${title} ${state}, so it cannot be ${action}`, { code: 'message_state', retryable: false })
}
