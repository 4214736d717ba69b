import type { Outcome } from 'tminus/connectors/discord'
import type { Unsent } from './outbox.ts'

export type NotSent = Exclude<Outcome, { kind: 'sent' }>

/** What keeps a run from being a success, or a channel from being served to the end. */
export type Trouble =
  /** Waiting does not mend it. */
  | { kind: 'failed'; reason: string }
  | { kind: 'retry'; code: string; reason: string }
  | { kind: 'wait'; ms: number; reason: string }
  | { kind: 'in_progress'; reason: string }

export type CardOutcome =
  | 'posted'
  | 'edited'
  | 'unchanged'
  /** Another process is at it. */
  | 'in_progress'
  /** Posted, but Discord's answer was lost: posted anew when the facts change. */
  | 'unknown'
  /** Discord refused these facts: tried again when they change. */
  | 'refused'
  /** Somebody deleted the message, or it was forgotten: not posted again. */
  | 'deleted'
  /** Discord takes no more edits of this message for now: the next run tries again. */
  | 'deferred'
  /** Not sent yet: Discord asks to wait, or cannot be reached. */
  | 'waiting'

/** What follows from an outcome. */
export interface Verdict {
  unsent: Unsent
  card: CardOutcome
  trouble?: Trouble
  /** The next message to this channel would fare no better, or be lost as well. */
  stop: boolean
}

/** "Maximum number of edits to messages older than 1 hour reached. Try again later" */
const TOO_MANY_EDITS = 30046

export function judge(outcome: NotSent, send: 'post' | 'edit'): Verdict {
  const reason = reasonOf(outcome)
  const pending: Unsent = { state: 'pending', reason }
  const retry = (code: string): Verdict => {
    return { unsent: pending, card: 'waiting', trouble: { kind: 'retry', code, reason }, stop: true }
  }
  switch (outcome.kind) {
    case 'rate_limited': {
      const ms = outcome.retryAfterMs
      return { unsent: { ...pending, waitMs: ms }, card: 'waiting', trouble: { kind: 'wait', ms, reason }, stop: true }
    }
    case 'unreachable':
      return retry('discord_unreachable')
    case 'unknown':
      if (send === 'edit') return retry('discord_unconfirmed')
      return { unsent: { state: 'unknown', reason }, card: 'unknown', stop: true }
    case 'message_gone':
      return { unsent: { state: 'dead', reason }, card: 'deleted', stop: false }
    case 'gone':
      return { unsent: pending, card: 'waiting', trouble: { kind: 'failed', reason }, stop: true }
    case 'rejected':
      return judgeRejected(outcome, send, reason)
  }
}

/** A 400 is about the message, and the same one would be refused again; the rest is about webhook or address. */
function judgeRejected(
  { status, code }: NotSent & { kind: 'rejected' },
  send: 'post' | 'edit',
  reason: string,
): Verdict {
  if (code === TOO_MANY_EDITS) return { unsent: { state: 'pending', reason }, card: 'deferred', stop: false }
  const trouble: Trouble = { kind: 'failed', reason }
  if (status !== 400) return { unsent: { state: 'pending', reason }, card: 'waiting', trouble, stop: true }
  return { unsent: { state: send === 'post' ? 'dead' : 'sent', reason }, card: 'refused', trouble, stop: false }
}

const WRONG_TOKEN = 50027

function reasonOf(outcome: NotSent): string {
  switch (outcome.kind) {
    case 'rejected':
      return `Discord refused the message (HTTP ${outcome.status}, code ${outcome.code}): ${outcome.message}${outcome.status === 400 ? '' : '; check DISCORD_WEBHOOK_URL'}`
    case 'rate_limited':
      return waitText(outcome.retryAfterMs)
    case 'unknown':
      return `it is not known whether Discord took the message: ${outcome.reason}`
    case 'unreachable':
      return `Discord cannot be reached (${outcome.reason}); check the network and DISCORD_WEBHOOK_URL`
    case 'gone':
      return outcome.code === WRONG_TOKEN
        ? `the webhook's token is wrong (Discord's code ${outcome.code}); copy its address anew and set DISCORD_WEBHOOK_URL`
        : `the webhook does not exist any more, or its address was not copied whole (Discord's code ${outcome.code}); copy it anew, or make a new one, and set DISCORD_WEBHOOK_URL`
    case 'message_gone':
      return 'the message was deleted on Discord, so it is not posted again'
  }
}

export function waitText(ms: number): string {
  return `Discord asks to wait ${Math.ceil(ms / 1_000)} s`
}
