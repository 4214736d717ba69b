import { escapeMarkdown, type Payload, parseWebhookUrl, postMessage, truncate, Webhook } from '../connectors/discord.ts'
import { type Notice, type NoticeCallbacks, type NoticeOptions, noticesBy } from './notices.ts'

const COLOURS = { failed: 0xd9_36_3e, late: 0xd2_99_22, recovered: 0x2e_a0_43 }

/**
 * Callbacks that post to a Discord channel when a run fails (each failed task with its try and reason), when the next
 * run succeeds again, and with `lateAfter` when a run is late. Spread them into a dag's options:
 * `dag('etl', { …, ...discordFailures('OPS_WEBHOOK_URL') }, …)`.
 *
 * @param setting the dag's setting that contains one webhook address or several; if it is unset, nothing is sent
 */
export function discordFailures(setting: string, options: NoticeOptions = {}): NoticeCallbacks {
  return noticesBy(async (notice, { settings, signal, log }) => {
    for (const webhook of webhooksOf(settings[setting])) {
      const outcome = await postMessage(webhook, messageOf(notice), { signal })
      if (outcome.kind !== 'sent') log.warn(`Discord did not accept the message about this run: ${outcome.kind}`)
    }
  }, options)
}

function webhooksOf(value: unknown): Webhook[] {
  if (value instanceof Webhook) return [value]
  if (Array.isArray(value)) return value.flatMap(webhooksOf)
  return typeof value === 'string' ? [parseWebhookUrl(value)] : []
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
