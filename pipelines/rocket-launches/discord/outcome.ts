import { GONE, type Outcome } from 'tminus/connectors/discord'
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
  unsent: Omit<Unsent, 'asked'>
  card: CardOutcome
  trouble?: Trouble
  /** The next message to this channel would fare no better, or be lost as well. */
  stop: boolean
}

export function judge(outcome: NotSent, send: 'post' | 'edit'): Verdict {
  const reason = reasonOf(outcome)
  const pending: Verdict['unsent'] = { state: 'pending', reason }
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
    case 'edit_limited':
      return { unsent: pending, card: 'deferred', stop: false }
    case 'archived':
      return judgeArchived(send, pending)
    case 'rejected':
      return judgeRejected(outcome, send, pending)
  }
}

/** An edit does not wake an archived thread, a post does: the card is posted anew, so that people see what is true. */
function judgeArchived(send: 'post' | 'edit', pending: Verdict['unsent']): Verdict {
  const reason = 'the thread is archived, so the card is posted anew'
  if (send === 'edit') return { unsent: { state: 'pending', reason, postAnew: true }, card: 'waiting', stop: false }
  return { unsent: pending, card: 'waiting', trouble: { kind: 'failed', reason: pending.reason }, stop: true }
}

/** A message that was refused would be refused again; the rest is about the webhook, and holds for every message. */
function judgeRejected(
  { about }: NotSent & { kind: 'rejected' },
  send: 'post' | 'edit',
  pending: Verdict['unsent'],
): Verdict {
  const { reason } = pending
  const trouble: Trouble = { kind: 'failed', reason }
  if (about === 'webhook') return { unsent: pending, card: 'waiting', trouble, stop: true }
  return { unsent: { state: send === 'post' ? 'dead' : 'sent', reason }, card: 'refused', trouble, stop: false }
}

/** How often one run asks Discord to take one message. */
export const MOST_ASKS = 5

/** What Discord did not take so often fails this run. A later run asks again. */
export function endWaiting(verdict: Verdict): Verdict {
  const { trouble } = verdict
  if (trouble?.kind !== 'wait' && trouble?.kind !== 'retry') return verdict
  const reason = `${trouble.reason}; this run asked ${MOST_ASKS} times, a later run asks again`
  return { ...verdict, trouble: { kind: 'failed', reason } }
}

export function reasonOf(outcome: NotSent): string {
  switch (outcome.kind) {
    case 'rejected': {
      const code = outcome.code === 0 ? '' : `, code ${outcome.code}`
      const then = outcome.about === 'message' ? '' : '; check DISCORD_WEBHOOK_URL and what the webhook may do'
      return `Discord refused the message (HTTP ${outcome.status}${code}): ${outcome.message}${then}`
    }
    case 'rate_limited':
      return waitText(outcome.retryAfterMs)
    case 'edit_limited':
      return 'Discord takes no more edits of this message for now; a later run tries again'
    case 'archived':
      return 'the thread is archived; unarchive it on Discord, or set the id of another thread in DISCORD_WEBHOOK_URL'
    case 'unknown':
      return `it is not known whether Discord took the message: ${outcome.reason}`
    case 'unreachable':
      return `Discord cannot be reached (${outcome.reason}); check the network and DISCORD_WEBHOOK_URL`
    case 'gone':
      return goneText(outcome.code)
    case 'message_gone':
      return 'the message was deleted on Discord, so it is not posted again'
  }
}

function goneText(code: number): string {
  const named = `(Discord's code ${code})`
  switch (code) {
    case GONE.token:
      return `the webhook's token is wrong ${named}; copy its address anew and set DISCORD_WEBHOOK_URL`
    case GONE.thread:
      return `the thread or channel does not exist any more ${named}; remove ?thread_id= from DISCORD_WEBHOOK_URL, or set that of another thread`
    case GONE.forum:
      return `the webhook belongs to a forum, where every message needs a thread ${named}; make a post there and add ?thread_id= with its id to DISCORD_WEBHOOK_URL`
    default:
      return `the webhook does not exist any more, or its address was not copied whole ${named}; copy it anew, or make a new one, and set DISCORD_WEBHOOK_URL`
  }
}

export function waitText(ms: number): string {
  return `Discord asks to wait ${Math.ceil(ms / 1_000)} s`
}
