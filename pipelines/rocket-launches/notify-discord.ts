import { fail, rescheduleAt, skip, type TaskContext, TminusError } from 'tminus'
import { editMessage, type Outcome, type Payload, postMessage, type Webhook } from 'tminus/connectors/discord'
import { inTransaction } from 'tminus/db'
import { z } from 'zod'
import { announceLaunch, type Facts, factsHash, factsOf } from './announcement.ts'
import { cardKey, type Step, takeStep } from './discord-card.ts'
import * as outbox from './discord-outbox.ts'
import { upcomingUrl } from './launch-library.ts'
import { type LaunchRow, nearestLaunch } from './launch-store.ts'
import { readSync } from './launch-sync.ts'
import type { Settings } from './settings.ts'

export const NotifySummary = z.object({
  launchId: z.string().nullable(),
  /** Its name. */
  launch: z.string().nullable(),
  outcome: z.enum([
    'posted',
    'edited',
    'unchanged',
    /** Another process is at it. */
    'in_progress',
    /** Posted, but Discord's answer was lost: posted anew when the facts change. */
    'unknown',
    /** Discord refused these facts before: tried again when they change. */
    'refused',
    /** Somebody deleted the message: not posted again. */
    'deleted',
    /** Discord takes no more edits of this message for now: the next run tries again. */
    'deferred',
    'no_launch',
  ]),
})
export type NotifySummary = z.infer<typeof NotifySummary>

type Context = Pick<TaskContext, 'db' | 'log' | 'now' | 'signal'> & {
  settings: Pick<Settings, 'LAUNCH_LIBRARY_URL' | 'DISCORD_WEBHOOK_URL'>
}

/** What is to be told, and to whom. */
interface Card {
  webhook: Webhook
  launch: LaunchRow
  facts: Facts
  hash: string
  message: Payload
}

type Sending = Exclude<Step, { send: 'nothing' }>

/**
 * Sees to it that the nearest launch has one message on the channel, and that it tells the facts: posts it, edits it
 * when they changed, sends nothing when they did not. Safe to run twice at once, and to be killed at any point.
 *
 * Skips without a webhook, after logging what would be posted, and without tables. Fails for good when Discord refuses webhook or
 * message; with a retry when it cannot be reached; waits as long as Discord asks.
 */
export async function notifyDiscord(_inputs: unknown, context: Context): Promise<NotifySummary> {
  const webhook = context.settings.DISCORD_WEBHOOK_URL
  const launch = await findNearest(context)
  if (webhook === undefined) throw await skipWithPreview(launch, context)
  if (launch === undefined) {
    context.log.info('no upcoming launch is known, so there is nothing to announce')
    return { launchId: null, launch: null, outcome: 'no_launch' }
  }
  const facts = factsOf(launch)
  const message = await messageFor(launch, context)
  const card = { webhook, launch, facts, hash: factsHash(facts), message }
  const key = cardKey(webhook.target, launch.launchId)
  const step = await inTransaction(context.db, (connection) => takeStep(connection, key, facts, card.hash))
  if (step.send === 'nothing') return summary(card, step.outcome, step.because, context)
  return await settle(card, step, await deliver(card, step, context), context)
}

/** This task runs also after a failed `initialize_schema`, which no retry of ours would mend. */
async function findNearest({ db, now }: Context): Promise<LaunchRow | undefined> {
  return await nearestLaunch(db, now()).catch((error: Error) => {
    if ('code' in error && MISSING.has(error.code)) {
      throw skip('the tables of this pipeline are not there yet: initialize_schema has to succeed first')
    }
    throw error
  })
}

/** Postgres' codes for a table and a column that do not exist. */
const MISSING = new Set<unknown>(['42P01', '42703'])

async function skipWithPreview(launch: LaunchRow | undefined, context: Context): Promise<Error> {
  const { log } = context
  if (launch === undefined) log.info('no upcoming launch is known, so nothing would be posted')
  else {
    const { renderMessage } = await import('./preview/render-message.ts')
    const message = await messageFor(launch, context)
    // Narrow enough to stand indented on 80 columns.
    const text = renderMessage(message, { color: false, now: context.now(), timeZone: 'UTC', width: 74 })
    log.info(`this would be posted:\n${text}`)
  }
  return skip('DISCORD_WEBHOOK_URL is not set')
}

async function messageFor(launch: LaunchRow, { db, now, settings }: Context): Promise<Payload> {
  const sync = await readSync(db, upcomingUrl(settings.LAUNCH_LIBRARY_URL).href)
  const read = [sync?.lastSuccessAt, launch.updatedAt].flatMap((date) => date?.getTime() ?? [])
  const dataAsOf = read.length > 0 ? new Date(Math.max(...read)) : now()
  return announceLaunch(launch, { now: now(), dataAsOf })
}

/** Discord may refuse an image whose address only looks right; the news is worth more than the picture. */
async function deliver(card: Card, step: Sending, { signal, log }: Context): Promise<Outcome> {
  const send = (message: Payload) =>
    step.send === 'post'
      ? postMessage(card.webhook, message, { signal })
      : editMessage(card.webhook, step.messageId, message, { signal })
  const outcome = await send(card.message)
  if (outcome.kind !== 'rejected' || !outcome.imageRefused) return outcome
  log.warn('Discord refused the image; sending the message without it', { image: card.facts.image })
  return await send(withoutImages(card.message))
}

function withoutImages(message: Payload): Payload {
  return { ...message, embeds: message.embeds?.map(({ image: _refused, ...embed }) => embed) ?? [] }
}

/** Writes what became of the message, then ends the task as that deserves. */
async function settle(card: Card, step: Sending, outcome: Outcome, context: Context): Promise<NotifySummary> {
  const { db, log } = context
  if (outcome.kind === 'sent') {
    const sent = { messageId: outcome.messageId, facts: card.facts, hash: card.hash }
    if (!(await outbox.recordSent(db, step.claim, sent))) log.warn(TAKEN_OVER)
    const done = step.send === 'post' ? 'posted' : 'edited'
    return summary(card, done, `message ${outcome.messageId}`, context)
  }
  const reason = reasonOf(outcome)
  if (!(await outbox.recordUnsent(db, step.claim, stateAfter(step, outcome), reason))) log.warn(TAKEN_OVER)
  switch (outcome.kind) {
    case 'rate_limited':
      throw rescheduleAt(new Date(context.now().getTime() + outcome.retryAfterMs), reason)
    case 'unreachable':
      throw new TminusError(reason, { code: 'discord_unreachable' })
    case 'unknown':
      if (step.send === 'edit') throw new TminusError(reason, { code: 'discord_unconfirmed' })
      return summary(card, 'unknown', reason, context)
    case 'message_gone':
      return summary(card, 'deleted', reason, context)
    case 'rejected':
      if (outcome.code === TOO_MANY_EDITS) return summary(card, 'deferred', reason, context)
      throw fail(reason)
    case 'gone':
      throw fail(reason)
  }
}

const TAKEN_OVER = 'took so long that another process took this message over; the channel may show it twice'
/** "Maximum number of edits to messages older than 1 hour reached. Try again later" */
const TOO_MANY_EDITS = 30046

/** `pending` is tried again by the next run, with the facts of then. */
function stateAfter(step: Sending, outcome: Outcome): 'pending' | 'unknown' | 'dead' {
  if (outcome.kind === 'message_gone') return 'dead'
  if (step.send === 'edit') return 'pending'
  if (outcome.kind === 'unknown') return 'unknown'
  // A 400 is about the message, and the same one would be refused again; the rest is about webhook or address.
  return outcome.kind === 'rejected' && outcome.status === 400 ? 'dead' : 'pending'
}

const WRONG_TOKEN = 50027

function reasonOf(outcome: Exclude<Outcome, { kind: 'sent' }>): string {
  switch (outcome.kind) {
    case 'rejected':
      return `Discord refused the message (HTTP ${outcome.status}, code ${outcome.code}): ${outcome.message}${outcome.status === 400 ? '' : '; check DISCORD_WEBHOOK_URL'}`
    case 'rate_limited':
      return `Discord asks to wait ${Math.ceil(outcome.retryAfterMs / 1_000)} s`
    case 'unknown':
      return `it is not known whether Discord took the message: ${outcome.reason}`
    case 'unreachable':
      return `Discord cannot be reached (${outcome.reason}); check the network and DISCORD_WEBHOOK_URL`
    case 'gone':
      return outcome.code === WRONG_TOKEN
        ? `the webhook's token is wrong (Discord's code ${outcome.code}); copy its address anew and set DISCORD_WEBHOOK_URL`
        : `the webhook does not exist any more (Discord's code ${outcome.code}); make a new one and set DISCORD_WEBHOOK_URL`
    case 'message_gone':
      return 'the message was deleted on Discord, so it is not posted again'
  }
}

const TROUBLING = new Set<NotifySummary['outcome']>(['unknown', 'refused', 'deferred'])

function summary(
  { launch }: Card,
  outcome: NotifySummary['outcome'],
  because: string,
  { log }: Context,
): NotifySummary {
  const words = outcome.replace('_', ' ')
  log[TROUBLING.has(outcome) ? 'warn' : 'info'](`${words}: ${launch.name} (${because})`)
  return { launchId: launch.launchId, launch: launch.name, outcome }
}
