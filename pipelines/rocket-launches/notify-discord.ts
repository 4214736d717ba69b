import { skip, type TaskContext } from 'tminus'
import { inTransaction, type Queryable } from 'tminus/db'
import { z } from 'zod'
import type { KnownLaunch } from '../launches/launch.ts'
import { withDetails } from '../launches/launch-details.ts'
import { upcomingUrl } from '../launches/launch-library/addresses.ts'
import { isNotMigrated } from '../launches/missing-tables.ts'
import { readSync } from '../launches/sync.ts'
import { nearestLaunch } from '../launches/upcoming.ts'
import { launchCard } from './discord/card-message.ts'
import {
  type Channel,
  type ChannelOptions,
  channelOptions,
  channelsOf,
  type DiscordSettings,
  whyNonePasses,
} from './discord/channel.ts'
import { type Decision, type DecisionOptions, decideChannel } from './discord/decision.ts'
import { type Delivery, deliver } from './discord/delivery.ts'
import { errorFor } from './discord/ending.ts'
import type { Problem } from './discord/outcome.ts'
import { enable, whyDisabled } from './discord/target.ts'
import type { Settings } from './settings.ts'

const count = z.int().nonnegative()

export const NotifySummary = z.object({
  /** The nearest launch that is announced. */
  launchId: z.string().nullable(),
  /** Its name. */
  launch: z.string().nullable(),
  /** The outcome for its card on the first channel. `disabled`: that webhook is disabled. */
  outcome: z.enum([
    ...['posted', 'edited', 'unchanged', 'in_progress', 'unknown', 'refused', 'deleted', 'deferred', 'waiting'],
    ...['disabled', 'no_launch'],
  ] as const),
  /** The channels, in the order of the settings. */
  targets: z.array(
    z.object({
      /** The channel's name: that of its entry in DISCORD_CHANNELS_FILE, or its webhook's id, or id/thread. */
      target: z.string(),
      posted: count,
      edited: count,
      /** Posts whose answer was lost. */
      unknown: count,
      /** Messages left for a later run. */
      waiting: count,
      /** The reason why the webhook is disabled. */
      disabled: z.string().optional(),
    }),
  ),
})
export type NotifySummary = z.infer<typeof NotifySummary>

type Context = Pick<TaskContext, 'db' | 'log' | 'now' | 'runId' | 'signal' | 'runType' | 'logicalDate'> & {
  settings: Pick<Settings, 'LAUNCH_LIBRARY_URL' | 'PUBLIC_URL'> & DiscordSettings
}

/**
 * Updates every channel: posts the nearest launch's card, edits cards whose facts changed, and posts notices. Sends
 * nothing if nothing changed. Two runs may overlap, and a run may be killed at any point.
 *
 * - Without a webhook it logs a preview and skips. It also skips if the tables do not exist.
 * - A problem with one channel does not delay the others.
 * - It fails without a retry if Discord refuses a webhook or a message, and with a retry if Discord is unreachable.
 *   A scheduled run is never retried: the next run tries again, so that reminders are not late.
 * - If Discord asks to wait, the task is rescheduled. See `errorFor` for the longest wait.
 */
export async function notifyDiscord(_inputs: unknown, context: Context): Promise<NotifySummary> {
  const channels = channelsOf(context.settings)
  const options = await decisionOptions(context).catch(skipWithoutTables)
  if (channels.length === 0) throw await skipWithPreview(options, context)
  const contextOf = (channel: Channel) => (channels.length > 1 ? withName(channel, context) : context)
  const results = await Promise.allSettled(channels.map((one) => updateChannel(one, options, contextOf(one))))
  const thrown = results.find((one) => one.status === 'rejected')
  if (thrown) throw thrown.reason
  const reports = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const problems = reports.flatMap(({ target, delivery }) => {
    return delivery.problems.map((problem) => (reports.length > 1 ? named(target, problem) : problem))
  })
  const error = errorFor(problems, context)
  if (error) throw error
  return summaryOf(reports)
}

/** This task also runs after `initialize_schema` failed. A retry would not create the tables. */
function skipWithoutTables(error: Error): never {
  if (isNotMigrated(error)) {
    throw skip('the tables of this pipeline do not exist yet: initialize_schema must succeed first')
  }
  throw error
}

async function decisionOptions({ db, now, settings, runType, logicalDate }: Context): Promise<DecisionOptions> {
  await db.query('select from discord_forum limit 0') // the table that was added last
  const sync = await readSync(db, upcomingUrl(settings.LAUNCH_LIBRARY_URL).href)
  return {
    now,
    asOf: runType === 'scheduled' ? logicalDate : now(),
    dataAsOf: (launch) => latest([sync?.lastSuccessAt, launch.updated_at]) ?? now(),
    pageOf: (launch) => settings.PUBLIC_URL && boardPage(settings.PUBLIC_URL, launch),
  }
}

/** A board is always mounted below its dag's id, even if it is also at the root. */
function boardPage(publicUrl: string, { launch_id }: Pick<KnownLaunch, 'launch_id'>): string {
  return `${publicUrl}/rocket-launches/launches/${encodeURIComponent(launch_id)}`
}

function latest(dates: readonly (Date | null | undefined)[]): Date | undefined {
  const times = dates.flatMap((date) => date?.getTime() ?? [])
  return times.length > 0 ? new Date(Math.max(...times)) : undefined
}

async function skipWithPreview({ dataAsOf, pageOf }: DecisionOptions, context: Context): Promise<Error> {
  const { db, log, now, settings } = context
  const options = channelOptions(settings)
  const launch = await nearestLaunch(db, now(), options.passes)
  const filtered = launch === undefined ? await logNoLaunch(options, context) : undefined
  if (launch !== undefined) {
    const { renderMessage } = await import('tminus/connectors/discord-preview')
    const [detailed = launch] = await withDetails(db, [launch])
    const about = { now: now(), dataAsOf: dataAsOf(launch), page: pageOf(launch), nearest: true }
    const message = launchCard(detailed, about, options.words)
    // With the indent of the log, 74 columns fit a terminal of 80.
    const text = renderMessage(message, { color: false, now: now(), timeZone: 'UTC', width: 74 })
    log.info(`this would be posted:\n${text}`)
  }
  return skip(['DISCORD_WEBHOOK_URL is not set', filtered].filter(Boolean).join('; '))
}

/** Logs why there is no launch to announce. If the filters exclude all launches, returns that as the reason. */
async function logNoLaunch(options: ChannelOptions, { db, now, log }: Context): Promise<string | undefined> {
  const filtered = await whyNonePasses(db, now(), options)
  if (filtered === undefined) log.info('no upcoming launch is known, so there is none to announce')
  else log.warn(filtered)
  return filtered
}

function named(target: string, problem: Problem): Problem {
  return { ...problem, reason: `${target}: ${problem.reason}` }
}

/** The result of one run for one channel. */
interface Report {
  target: string
  nearest: KnownLaunch | undefined
  delivery: Delivery
  disabled?: string | undefined
}

/** Decides the messages of a channel and sends them. */
async function updateChannel(channel: Channel, options: DecisionOptions, context: Context): Promise<Report> {
  const { name: target } = channel
  const { db, log, now, runId, signal } = context
  const { disabled, decision } = await inTransaction(db, (connection) => decide(connection, channel, options, context))
  if (decision === undefined) {
    log.warn(`nothing is sent: the webhook has been ${disabled}`)
    return { target, nearest: undefined, delivery: NOTHING_SENT, disabled }
  }
  if (disabled) log.warn(`a manual run tries the webhook again, which has been ${disabled}`)
  const { nearest, cards } = decision
  if (nearest === undefined) await logNoLaunch(channel, context)
  const delivery = await deliver({ db, channel, cards, log, now, runId, signal })
  if (disabled && delivery.posted + delivery.edited + delivery.problems.length === 0)
    log.warn('no message was sent, so it is not known whether the webhook works again; the next one will show it')
  return { target, nearest, delivery }
}

/**
 * Decides the messages of a channel. If its webhook is disabled, `disabled` says why. A scheduled run then sends
 * nothing, and `decision` is undefined. A manual run enables the webhook again, to show the user whether it works now.
 */
async function decide(
  db: Queryable,
  channel: Channel,
  options: DecisionOptions,
  { runType }: Context,
): Promise<{ disabled: string | undefined; decision?: Decision }> {
  const disabled = await whyDisabled(db, channel.webhook)
  if (disabled !== undefined && runType !== 'manual') return { disabled }
  if (disabled !== undefined) await enable(db, channel.webhook.target)
  return { disabled, decision: await decideChannel(db, channel, options) }
}

const NOTHING_SENT: Delivery = { posted: 0, edited: 0, unknown: 0, waiting: 0, cards: new Map(), problems: [] }

/** The log lines name the channel. */
function withName({ name }: Channel, context: Context): Context {
  const at = (level: keyof TaskContext['log']) => (message: string, fields?: Record<string, unknown>) =>
    context.log[level](`${name}: ${message}`, fields)
  return { ...context, log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } }
}

function summaryOf(reports: readonly Report[]): NotifySummary {
  const [first] = reports
  const nearest = reports.find((report) => report.nearest)?.nearest
  return {
    launchId: nearest?.launch_id ?? null,
    launch: nearest?.name ?? null,
    outcome: first ? outcomeOf(first) : 'no_launch',
    targets: reports.map(({ target, delivery: { posted, edited, unknown, waiting }, disabled }) => {
      return { target, posted, edited, unknown, waiting, ...(disabled !== undefined && { disabled }) }
    }),
  }
}

function outcomeOf({ nearest, delivery, disabled }: Report): NotifySummary['outcome'] {
  if (disabled !== undefined) return 'disabled'
  return nearest ? (delivery.cards.get(nearest.launch_id) ?? 'waiting') : 'no_launch'
}
