import { escapeMarkdown, type Payload, parseWebhookUrl, postMessage, truncate, Webhook } from '../connectors/discord.ts'
import type { Callback, RunEnd } from '../dag/dag.ts'

const RED = 0xd9_36_3e
const GREEN = 0x2e_a0_43

/**
 * Callbacks that post to a Discord channel when a run fails (each failed task with its try and reason) and when the next
 * run succeeds again. Spread them into a dag's options: `dag('etl', { …, ...discordFailures('OPS_WEBHOOK_URL') }, …)`.
 *
 * @param setting the dag's setting that contains one webhook address or several; if it is unset, nothing is sent
 */
export function discordFailures(setting: string): { onFailure: Callback; onSuccess: Callback } {
  const send = async (message: (end: RunEnd) => Payload, end: RunEnd, context: Parameters<Callback>[1]) => {
    for (const webhook of webhooksOf(context.settings[setting])) {
      const outcome = await postMessage(webhook, message(end), { signal: context.signal })
      if (outcome.kind !== 'sent')
        context.log.warn(`Discord did not accept the message about this run: ${outcome.kind}`)
    }
  }
  return {
    onFailure: (end, context) => send(failure, end, context),
    onSuccess: (end, context) => (end.recovered ? send(recovery, end, context) : undefined),
  }
}

function webhooksOf(value: unknown): Webhook[] {
  if (value instanceof Webhook) return [value]
  if (Array.isArray(value)) return value.flatMap(webhooksOf)
  return typeof value === 'string' ? [parseWebhookUrl(value)] : []
}

const MOST_TASKS = 10

function failure({ dagId, runId, failed }: RunEnd): Payload {
  const named = failed.slice(0, MOST_TASKS)
  const fields = named.map(({ taskId, tryNumber, reason }) => ({
    name: escapeMarkdown(`${taskId} · try ${tryNumber}`),
    value: escapeMarkdown(truncate(reason || 'no reason given', 500)),
  }))
  const more = failed.length - named.length
  const description = more > 0 ? `${escapeMarkdown(runId)}\nand ${more} more` : escapeMarkdown(runId)
  return { embeds: [{ title: `${escapeMarkdown(dagId)} failed`, description, color: RED, fields }] }
}

function recovery({ dagId, runId }: RunEnd): Payload {
  const title = `${escapeMarkdown(dagId)} succeeds again`
  return { embeds: [{ title, description: escapeMarkdown(runId), color: GREEN }] }
}
