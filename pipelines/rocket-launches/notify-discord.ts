import { skip, type TaskContext } from 'tminus'
import type { Payload, Webhook } from 'tminus/connectors/discord'
import { inTransaction } from 'tminus/db'
import { z } from 'zod'
import type { KnownLaunch } from '../launches/launch.ts'
import { upcomingUrl } from '../launches/launch-library/addresses.ts'
import { isMissingTable } from '../launches/missing-tables.ts'
import { readSync } from '../launches/sync.ts'
import { nearestLaunch } from '../launches/upcoming.ts'
import { announceLaunch } from './discord/announcement.ts'
import { type Deciding, decideTarget } from './discord/decision.ts'
import { type Delivery, deliver } from './discord/delivery.ts'
import { endingOf } from './discord/ending.ts'
import type { NoticeKind } from './discord/notices.ts'
import type { Trouble } from './discord/outcome.ts'
import { filterOf, nothingPasses } from './discord/settings-filter.ts'
import { enable, whyDisabled } from './discord/target.ts'
import type { Settings } from './settings.ts'

const count = z.int().nonnegative()

export const NotifySummary = z.object({
  /** The nearest launch that is announced. */
  launchId: z.string().nullable(),
  /** Its name. */
  launch: z.string().nullable(),
  /** What became of its card, on the first channel. `disabled`: that webhook is gone. */
  outcome: z.enum([
    ...['posted', 'edited', 'unchanged', 'in_progress', 'unknown', 'refused', 'deleted', 'deferred', 'waiting'],
    ...['disabled', 'no_launch'],
  ] as const),
  /** Channels by the order of DISCORD_WEBHOOK_URL. */
  targets: z.array(
    z.object({
      /** Webhook id, or id/thread. */
      target: z.string(),
      posted: count,
      edited: count,
      /** Posts whose answer was lost. */
      unknown: count,
      /** Messages that are still to be sent. */
      waiting: count,
      /** Why nothing is sent there, in words. */
      disabled: z.string().optional(),
    }),
  ),
})
export type NotifySummary = z.infer<typeof NotifySummary>

type Context = Pick<TaskContext, 'db' | 'log' | 'now' | 'runId' | 'signal' | 'runType' | 'logicalDate'> & {
  settings: Pick<Settings, 'LAUNCH_LIBRARY_URL' | (`DISCORD_${string}` & keyof Settings)>
}

/**
 * Sees to it that each channel has a card of the nearest launch, that every card tells the facts, and that people hear
 * in time what they need to know. Nothing changed: nothing is sent. Safe to run twice at once, and to be killed at any
 * point.
 *
 * Skips without a webhook, after logging what would be posted, and without tables. A channel that cannot be served
 * does not hold up another one; then fails for good when Discord refuses webhook or message; with a retry when it
 * cannot be reached; waits as long as Discord asks. A scheduled run leaves both to the next one: reminders do not
 * wait for a retry.
 */
export async function notifyDiscord(_inputs: unknown, context: Context): Promise<NotifySummary> {
  const webhooks = context.settings.DISCORD_WEBHOOK_URL
  const deciding = await prepare(context).catch(skipWithoutTables)
  if (webhooks === undefined) throw await skipWithPreview(deciding, context)
  const served = await Promise.allSettled(webhooks.map((webhook) => serve(webhook, deciding, context)))
  const broken = served.find((one) => one.status === 'rejected')
  if (broken) throw broken.reason
  const reports = served.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const troubles = reports.flatMap(({ target, delivery }) => {
    return delivery.troubles.map((trouble) => (reports.length > 1 ? named(target, trouble) : trouble))
  })
  const ending = endingOf(troubles, context)
  if (ending) throw ending
  return summaryOf(reports)
}

/** This task runs also after a failed `initialize_schema`, which no retry of ours would mend. */
function skipWithoutTables(error: Error): never {
  if (isMissingTable(error)) {
    throw skip('the tables of this pipeline are not there yet: initialize_schema has to succeed first')
  }
  throw error
}

async function prepare({ db, now, settings, runType, logicalDate }: Context): Promise<Deciding> {
  await db.query('select from discord_target limit 0') // the newest of the tables
  const sync = await readSync(db, upcomingUrl(settings.LAUNCH_LIBRARY_URL).href)
  return {
    now,
    asOf: runType === 'scheduled' ? logicalDate : now(),
    rules: { notices: settings.DISCORD_NOTICES, reminders: settings.DISCORD_REMINDERS },
    passes: filterOf(settings),
    dataAsOf: (launch) => latest([sync?.lastSuccessAt, launch.updated_at]) ?? now(),
  }
}

function latest(dates: readonly (Date | null | undefined)[]): Date | undefined {
  const times = dates.flatMap((date) => date?.getTime() ?? [])
  return times.length > 0 ? new Date(Math.max(...times)) : undefined
}

async function skipWithPreview({ passes, dataAsOf }: Deciding, context: Context): Promise<Error> {
  const { db, log, now } = context
  const launch = await nearestLaunch(db, now(), passes)
  const nothing = launch === undefined ? await sayNoLaunch(context, log) : undefined
  if (launch !== undefined) {
    const { renderMessage } = await import('tminus/connectors/discord-preview')
    const message = announceLaunch(launch, { now: now(), dataAsOf: dataAsOf(launch), nearest: true })
    // Narrow enough to stand indented on 80 columns.
    const text = renderMessage(message, { color: false, now: now(), timeZone: 'UTC', width: 74 })
    log.info(`this would be posted:\n${text}`)
  }
  return skip(['DISCORD_WEBHOOK_URL is not set', nothing].filter(Boolean).join('; '))
}

/** Why there is no launch to announce. Returns it where the filters are why. */
async function sayNoLaunch({ db, now, settings }: Context, log: TaskContext['log']): Promise<string | undefined> {
  const nothing = await nothingPasses(db, now(), settings)
  if (nothing === undefined) log.info('no upcoming launch is known, so there is none to announce')
  else log.warn(nothing)
  return nothing
}

function named(target: string, trouble: Trouble): Trouble {
  return { ...trouble, reason: `${target}: ${trouble.reason}` }
}

/** What one run did for one channel. */
interface Report {
  target: string
  nearest: KnownLaunch | undefined
  delivery: Delivery
  disabled?: string
}

/** Decides, then sends. A webhook that is out of use is left alone, save by a run by hand: who starts it wants to know. */
async function serve(webhook: Webhook, deciding: Deciding, context: Context): Promise<Report> {
  const { target } = webhook
  const { db, now, runId, signal, runType } = context
  const log = (context.settings.DISCORD_WEBHOOK_URL?.length ?? 0) > 1 ? naming(target, context.log) : context.log
  const decided = await inTransaction(db, async (connection) => {
    const outOfUse = await whyDisabled(connection, webhook)
    if (outOfUse !== undefined && runType !== 'manual') return { disabled: outOfUse }
    if (outOfUse !== undefined) await enable(connection, target)
    return { outOfUse, ...(await decideTarget(connection, target, deciding)) }
  })
  if ('disabled' in decided) {
    log.warn(`nothing is sent: the webhook is ${decided.disabled}`)
    return { target, nearest: undefined, delivery: NOTHING_SENT, disabled: decided.disabled }
  }
  const { nearest, cards, outOfUse } = decided
  if (outOfUse !== undefined) log.warn(`a run by hand asks it again: the webhook was ${outOfUse}`)
  if (nearest === undefined) await sayNoLaunch(context, log)
  const dressed = (message: Payload, kind: 'card' | NoticeKind) => dress(message, kind, context)
  const delivery = await deliver({ db, webhook, cards, dressed, log, now, runId, signal })
  if (outOfUse !== undefined && delivery.posted + delivery.edited + delivery.troubles.length === 0)
    log.warn('nothing was sent that could tell whether it works again; the next message does')
  return { target, nearest, delivery }
}

const NOTHING_SENT: Delivery = { posted: 0, edited: 0, unknown: 0, waiting: 0, cards: new Map(), troubles: [] }

function naming(target: string, log: TaskContext['log']): TaskContext['log'] {
  const at = (level: keyof TaskContext['log']) => (message: string, fields?: Record<string, unknown>) =>
    log[level](`${target}: ${message}`, fields)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function dress(message: Payload, kind: 'card' | NoticeKind, { settings }: Context): Payload {
  const { DISCORD_USERNAME: username, DISCORD_AVATAR: avatar, DISCORD_ROLE_ID: role } = settings
  const pings = role !== undefined && kind !== 'card' && role.kinds.has(kind)
  return {
    ...message,
    ...(username !== undefined && { username }),
    ...(avatar !== undefined && { avatar_url: avatar }),
    ...(pings && {
      content: [`<@&${role.id}>`, message.content].filter(Boolean).join(' '),
      allowed_mentions: { parse: [], roles: [role.id] },
    }),
  }
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
