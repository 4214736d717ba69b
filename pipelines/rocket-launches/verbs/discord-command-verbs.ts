import { type CommandHost, humanDuration, TminusError } from 'tminus'
import { type Database, inTransaction } from 'tminus/db'
import { instantText } from '../../launches/launch-text.ts'
import { FORGOTTEN, RESENT } from '../discord/card.ts'
import { channelNames } from '../discord/channel.ts'
import {
  type ListedMessage,
  listMessages,
  lockMessage,
  setState,
  stateWord,
  whatWords,
  whyWords,
} from '../discord/outbox-list.ts'
import { disabledText, enable, listDisabled } from '../discord/target.ts'
import type { Settings } from '../settings.ts'

interface Options {
  output: 'table' | 'json'
  all?: boolean
  limit: number
}

/** `discord outbox`. */
export async function showOutbox(db: Database, host: CommandHost, { output, all, limit }: Options): Promise<void> {
  const messages = await listMessages(db, { all: all === true, limit })
  const disabled = await listDisabled(db)
  const nameOf = channelNames(() => host.settings() as Settings)
  if (output === 'json') {
    const named = <T extends { target: string }>(rows: readonly T[]) =>
      rows.map(({ target, ...row }) => ({ ...row, target, channel: nameOf(target) }))
    host.printJson({ messages: named(messages), disabled_targets: named(disabled) })
    return
  }
  for (const one of disabled) host.print(`${nameOf(one.target)} has been ${disabledText(one)}`)
  if (messages.length === 0) {
    host.print(all ? 'No messages yet' : 'Every message was delivered')
    return
  }
  host.table(
    ['id', 'state', 'what', 'launch', 'since', 'channel', 'why'],
    messages.map((message) => [
      String(message.outbox_id),
      stateWord(message),
      whatWords(message),
      message.launch,
      instantText(message.updated_at),
      nameOf(message.target),
      whyWords(message),
    ]),
    { spare: ['channel', 'since'] },
  )
}

/**
 * `discord resend`. Also enables the message's webhook if it is disabled, because the user has repaired the webhook.
 */
export async function resend(db: Database, host: CommandHost, id: number): Promise<void> {
  await inTransaction(db, async (connection) => {
    const message = await lockMessage(connection, id)
    if (message === undefined) throw unknownMessage(id)
    const enabled = await enable(connection, message.target)
    // If the webhook was disabled, its pending messages are sent anyway. Keeps the state of the message, so that an
    // edit does not become a new post.
    const nameOf = channelNames(() => host.settings() as Settings)
    const isWaiting = message.state === 'pending' && enabled
    if (!isWaiting && message.state !== 'unknown' && message.state !== 'dead') throw wrongState(message, 'sent again')
    if (!isWaiting) await setState(connection, id, { state: 'pending', reason: RESENT })
    host.print(`The next run sends ${titleOf(message)}${enabled ? `; ${nameOf(message.target)} is enabled again` : ''}`)
    if (message.state === 'unknown') host.print('If the first attempt arrived, the channel will have it twice')
  })
}

/** `discord forget`. */
export async function forget(db: Database, host: CommandHost, id: number): Promise<void> {
  await inTransaction(db, async (connection) => {
    const message = await lockMessage(connection, id)
    if (message === undefined) throw unknownMessage(id)
    const isDone =
      message.state === 'merged' || (message.state === 'sent' && !['card', 'digest'].includes(message.kind))
    if (message.state === 'sending' || isDone) throw wrongState(message, 'discarded')
    await setState(connection, id, { state: 'dead', reason: FORGOTTEN })
    const effect = message.message_id === null ? 'will not be sent' : 'stays on the channel as it is'
    host.print(`Discarded: ${titleOf(message)} ${effect}`)
  })
}

function titleOf({ kind, launch }: ListedMessage): string {
  return kind === 'card' ? `the card of ${launch}` : `the ${kind} of ${launch}`
}

function unknownMessage(id: number): TminusError {
  return new TminusError(`Unknown message ${id}; discord outbox --all lists all messages`, {
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
