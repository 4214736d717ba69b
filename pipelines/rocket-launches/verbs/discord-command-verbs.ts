import type { CommandHost } from 'tminus'
import type { Database } from 'tminus/db'
import { instantText } from '../../launches/launch-text.ts'
import { channelNames } from '../discord/channel.ts'
import * as change from '../discord/outbox-changes.ts'
import { listMessages, stateWord, whatWords, whyWords } from '../discord/outbox-list.ts'
import { disabledText, listDisabled } from '../discord/target.ts'
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

/** `discord resend`. */
export async function resend(db: Database, host: CommandHost, id: number): Promise<void> {
  const { message, enabled } = await change.resend(db, id)
  const nameOf = channelNames(() => host.settings() as Settings)
  host.print(
    `The next run sends ${change.titleOf(message)}${enabled ? `; ${nameOf(message.target)} is enabled again` : ''}`,
  )
  if (message.state === 'unknown') host.print(change.MAY_APPEAR_TWICE)
}

/** `discord forget`. */
export async function forget(db: Database, host: CommandHost, id: number): Promise<void> {
  const message = await change.forget(db, id)
  host.print(`Discarded: ${change.titleOf(message)} ${change.effectOfForget(message)}`)
}
