import { FORUM, GONE, type Outcome } from 'tminus/connectors/discord'
import type { Unsent } from './outbox-claims.ts'

export type NotSent = Exclude<Outcome, { kind: 'sent' }>

/** The reason why the run fails, waits, or could not send all messages of the channel. */
export type Problem =
  /** Retrying cannot help. */
  | { kind: 'failed'; reason: string }
  | { kind: 'retry'; code: string; reason: string }
  | { kind: 'wait'; ms: number; reason: string }
  | { kind: 'in_progress'; reason: string }

export type CardOutcome =
  | 'posted'
  | 'edited'
  | 'unchanged'
  /** Another process is sending the card. */
  | 'in_progress'
  /** Posted, but Discord's answer was lost: posted again when the facts change. */
  | 'unknown'
  /** Discord refused the message: tried again when the facts change. */
  | 'refused'
  /** The message or its thread was deleted on Discord, or `discord forget` gave it up: not posted again. */
  | 'deleted'
  /** Discord accepts no more edits of this message for now: the next run tries again. */
  | 'deferred'
  /** Not sent yet: Discord asks to wait, or cannot be reached. */
  | 'waiting'

/** How to continue after an unsuccessful attempt to send a message. */
export interface Verdict {
  unsent: Omit<Unsent, 'asked'>
  card: CardOutcome
  problem?: Problem
  /** The launch's thread in a forum is closed, so the launch gets no more messages there. */
  closesThread?: true
  /** Stops sending to this channel, because the next message would have the same problem. */
  stop: boolean
}

export function judge(
  outcome: NotSent,
  send: 'post' | 'edit',
  what: 'card' | 'notice',
  settings: SettingNames,
): Verdict {
  const reason = reasonOf(outcome, settings)
  const pending: Verdict['unsent'] = { state: 'pending', reason }
  const retry = (code: string): Verdict => {
    return { unsent: pending, card: 'waiting', problem: { kind: 'retry', code, reason }, stop: true }
  }
  switch (outcome.kind) {
    case 'rate_limited': {
      const ms = outcome.retryAfterMs
      return { unsent: { ...pending, waitMs: ms }, card: 'waiting', problem: { kind: 'wait', ms, reason }, stop: true }
    }
    case 'unreachable':
      return retry('discord_unreachable')
    case 'unknown':
      if (send === 'edit') return retry('discord_unconfirmed')
      return { unsent: { state: 'unknown', reason }, card: 'unknown', stop: true }
    case 'message_gone':
      return { unsent: { state: 'dead', reason }, card: 'deleted', stop: false }
    case 'gone':
      return { unsent: pending, card: 'waiting', problem: { kind: 'failed', reason }, stop: true }
    case 'edit_limited':
      return { unsent: pending, card: 'deferred', stop: false }
    case 'archived':
      return judgeArchived(send, what, pending)
    case 'rejected':
      return judgeRejected(outcome, send, pending)
  }
}

/**
 * A post reopens an archived thread, but an edit does not. So the card is posted again, with the current facts. A notice
 * stays as it is.
 */
function judgeArchived(send: 'post' | 'edit', what: 'card' | 'notice', pending: Verdict['unsent']): Verdict {
  if (send === 'edit' && what === 'notice') {
    const reason = 'the thread is archived, so the message stays as it is'
    return { unsent: { state: 'sent', reason }, card: 'waiting', stop: false }
  }
  const reason = 'the thread is archived, so the card is posted again'
  if (send === 'edit') return { unsent: { state: 'pending', reason, postAgain: true }, card: 'waiting', stop: false }
  return { unsent: pending, card: 'waiting', problem: { kind: 'failed', reason: pending.reason }, stop: true }
}

/** Discord refused either this message, which then becomes dead, or the webhook, which affects every message. */
function judgeRejected(
  { about }: NotSent & { kind: 'rejected' },
  send: 'post' | 'edit',
  pending: Verdict['unsent'],
): Verdict {
  const { reason } = pending
  const problem: Problem = { kind: 'failed', reason }
  if (about === 'webhook') return { unsent: pending, card: 'waiting', problem, stop: true }
  return { unsent: { state: send === 'post' ? 'dead' : 'sent', reason }, card: 'refused', problem, stop: false }
}

/** The maximum number of requests that one run makes for one message. */
export const MAX_REQUESTS = 5

/** A run may make a limited number of requests. After the last one the run fails instead of waiting; a later run tries again. */
export function failInsteadOfWaiting(verdict: Verdict): Verdict {
  const { problem } = verdict
  if (problem?.kind !== 'wait' && problem?.kind !== 'retry') return verdict
  const reason = `${problem.reason}; this run tried ${MAX_REQUESTS} times, a later run tries again`
  return { ...verdict, problem: { kind: 'failed', reason } }
}

/** What to change if the channel's webhook or the tags of its forum are wrong. */
export interface SettingNames {
  webhook: string
  tags: string
}

export function reasonOf(outcome: NotSent, { webhook, tags }: SettingNames): string {
  switch (outcome.kind) {
    case 'rejected': {
      if (outcome.code === FORUM.tagRequired)
        return `the forum requires a tag (Discord's code ${outcome.code}); set ${tags} to the number of one of its tags`
      const code = outcome.code === 0 ? '' : `, code ${outcome.code}`
      const setting = outcome.code === FORUM.unknownTag ? tags : webhook
      const then = outcome.about === 'message' ? '' : `; check ${setting} and the webhook's permissions`
      return `Discord refused the message (HTTP ${outcome.status}${code}): ${outcome.message}${then}`
    }
    case 'rate_limited':
      return waitText(outcome.retryAfterMs)
    case 'edit_limited':
      return 'Discord accepts no more edits of this message for now; a later run tries again'
    case 'archived':
      return `the thread is archived; unarchive it on Discord, or set the id of another thread in ${webhook}`
    case 'unknown':
      return `it is not known whether Discord received the message: ${outcome.reason}`
    case 'unreachable':
      return `Discord cannot be reached (${outcome.reason}); check the network and ${webhook}`
    case 'gone':
      return goneText(outcome.code, webhook)
    case 'message_gone':
      return 'the message was deleted on Discord, so it is not posted again'
  }
}

function goneText(code: number, setting: string): string {
  const named = `(Discord's code ${code})`
  switch (code) {
    case GONE.token:
      return `the webhook's token is wrong ${named}; copy the webhook's address again and set ${setting}`
    case GONE.thread:
      return `the thread or channel no longer exists ${named}; remove ?thread_id= from ${setting}, or use the id of another thread`
    default:
      return `the webhook no longer exists, or its address is incomplete ${named}; copy its address again or create a new webhook, then set ${setting}`
  }
}

export function waitText(ms: number): string {
  return `Discord asks to wait ${Math.ceil(ms / 1_000)} s`
}
