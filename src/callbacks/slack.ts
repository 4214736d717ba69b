import { truncate } from '../connectors/discord-message.ts'
import { messageOf } from '../errors.ts'
import { type Notice, type NoticeCallbacks, type NoticeOptions, noticesBy } from './notices.ts'

const COLOURS = { failed: '#d9363e', late: '#d29922', recovered: '#2ea043' }
const MOST_REASON = 500
const TIMEOUT_MS = 15_000

/**
 * As `discordFailures`, for an incoming webhook of Slack, or of a server that accepts the same messages (Mattermost,
 * Rocket.Chat). Spread the callbacks into a dag's options: `...slackFailures('SLACK_WEBHOOK_URL')`.
 *
 * @param setting the dag's setting that contains one webhook address or a list; if it is unset, nothing is sent
 */
export function slackFailures(setting: string, options: NoticeOptions = {}): NoticeCallbacks {
  return noticesBy(async (notice, { settings, http, log }) => {
    const value = settings[setting]
    for (const url of Array.isArray(value) ? value : value === undefined ? [] : [value]) {
      // An error of `http` names the path of the address, which is the secret.
      const answer = await http
        .post(String(url), slackMessage(notice), { timeoutMs: TIMEOUT_MS })
        .then(({ status }) => (status < 300 ? undefined : `status ${status}`))
        .catch((error) => messageOf(error).replaceAll(pathOf(url), '/***'))
      if (answer !== undefined)
        log.warn(`The webhook of ${setting} did not accept the message about this run: ${answer}`)
    }
  }, options)
}

function pathOf(url: unknown): string {
  return URL.canParse(String(url)) ? new URL(String(url)).pathname : String(url)
}

/** Messages with attachments: https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments */
function slackMessage({ kind, title, runId, tasks, more }: Notice): object {
  const fields = tasks.map(({ name, reason }) => ({
    title: escaped(name),
    value: escaped(truncate(reason, MOST_REASON) || 'no reason given'),
  }))
  const text = more > 0 ? `${escaped(runId)}\nand ${more} more` : escaped(runId)
  return { text: escaped(title), attachments: [{ color: COLOURS[kind], fallback: escaped(title), text, fields }] }
}

/** Slack's own escapes, and a zero-width space after @, so that no text mentions a person or a channel. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('@', '@\u200b')
}
