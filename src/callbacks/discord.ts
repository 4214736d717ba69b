import {
  escapeMarkdown,
  FORUM,
  GONE,
  type Outcome,
  type Payload,
  parseWebhookUrl,
  postMessage,
  truncate,
  Webhook,
} from '../connectors/discord.ts'
import { type Notice, type NoticeCallbacks, type NoticeOptions, noticesBy } from './notices.ts'

const COLOURS = { failed: 0xd9_36_3e, late: 0xd2_99_22, recovered: 0x2e_a0_43 }

/**
 * Callbacks that post to a Discord channel when a run fails (each failed task with its try and reason), when the next
 * run succeeds again, and with `lateAfter` when a run is late. Spread them into a dag's options:
 * `dag('etl', { …, ...discordFailures('OPS_WEBHOOK_URL') }, …)`. In a forum or media channel each dag gets a thread, and a
 * process that starts later opens a new one.
 *
 * @param setting the dag's setting that contains one webhook address or several; if it is unset, nothing is sent
 */
export function discordFailures(setting: string, options: NoticeOptions = {}): NoticeCallbacks {
  const threads: Threads = new Map()
  return noticesBy(async (notice, { settings, signal, log }) => {
    for (const webhook of webhooksOf(settings[setting])) {
      const outcome = await post(webhook, notice, threads, signal)
      if (outcome.kind !== 'sent') log.warn(`Discord did not accept the message about this run: ${outcome.kind}`)
    }
  }, options)
}

function webhooksOf(value: unknown): Webhook[] {
  if (value instanceof Webhook) return [value]
  if (Array.isArray(value)) return value.flatMap(webhooksOf)
  return typeof value === 'string' ? [parseWebhookUrl(value)] : []
}

/** The ids of the threads that this process opened in forums, by webhook and dag. */
type Threads = Map<string, string>

/** Only Discord's answer says that a channel is a forum, or that a thread was deleted or locked. */
async function post(webhook: Webhook, notice: Notice, threads: Threads, signal: AbortSignal): Promise<Outcome> {
  const key = JSON.stringify([webhook.target, notice.dagId])
  const id = threads.get(key)
  const message = messageOf(notice)
  const outcome = await postMessage(webhook, message, { signal, thread: id === undefined ? undefined : { id } })
  if (!needsThread(outcome, id)) return outcome
  threads.delete(key)
  const opened = await postMessage(webhook, message, { signal, thread: { name: notice.dagId, tags: [] } })
  if (opened.kind === 'sent' && opened.channelId !== undefined) threads.set(key, opened.channelId)
  return opened
}

/** A post reopens an archived thread, unless it is locked. */
function needsThread(outcome: Outcome, id: string | undefined): boolean {
  if (id === undefined) return outcome.kind === 'gone' && outcome.code === GONE.forum
  if (outcome.kind === 'gone') return outcome.code === GONE.thread
  return outcome.kind === 'archived' || (outcome.kind === 'rejected' && outcome.code === FORUM.locked)
}

function messageOf({ kind, title, runId, tasks, more }: Notice): Payload {
  const fields = tasks.map(({ name, reason }) => ({
    name: escapeMarkdown(name),
    value: escapeMarkdown(truncate(reason || 'no reason given', 500)),
  }))
  const description = more > 0 ? `${escapeMarkdown(runId)}\nand ${more} more` : escapeMarkdown(runId)
  const listed = fields.length > 0 ? { fields } : {}
  return { embeds: [{ title: escapeMarkdown(title), description, color: COLOURS[kind], ...listed }] }
}
