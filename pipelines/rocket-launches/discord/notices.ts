import { isFlown, isPrecise, type KnownLaunch } from '../../launches/launch.ts'
import { detailsUrl, singleLine } from '../../launches/launch-facts.ts'
import { instantText, shortTime, statusWord } from '../../launches/launch-text.ts'
import { netOf } from '../../launches/net.ts'
import { periodEnd } from '../../launches/time.ts'
import { type Facts, factsOf } from './card-facts.ts'
import type { NoticeKind } from './notice-kinds.ts'
import { isMaterial, isSettled } from './slip.ts'

/**
 * The facts about a launch that a channel last announced: a row of `discord_told`. A notice is due if the launch
 * differs from them. Only posts are announcements; an edit of the card is not.
 */
export interface LastAnnounced {
  net: Date
  precision: number
  status: number
  webcastLive: boolean
  /** The number of announced slips. Counts slips even if DISCORD_NOTICES excludes them. */
  slips: number
  holds: number
}

export interface Rules {
  notices: ReadonlySet<NoticeKind>
  /** How long before T-0 reminders are due, in ms. */
  reminders: readonly number[]
  /** How long before T-0 a launch without a card gets it, in ms. Undefined: with its first reminder. */
  cardAt?: number | undefined
  /** How many posts about a launch may be reminders only. Undefined: any number, because each new T-0 has its own. */
  maxReminders?: number | undefined
}

/** The content of a notice's message, as JSON. Each text is one line, each address is http(s). */
export type NoticeFacts = Pick<
  Facts,
  'name' | 'net' | 'precision' | 'status' | 'statusName' | 'pad' | 'location' | 'webcast'
> & {
  details: string | null
  /** Launch Library's reason for the hold or the failure. */
  because: string | null
  /** The T-0 and precision that were announced before, if the message announces a slip. ISO 8601. */
  was?: { net: string; precision: number }
  /** Reminders only: how long before T-0 they are due, in ms. */
  offsetMs?: number
  /** The other notices that the message holds. */
  parts?: NoticeKind[]
  /** The webcast is live. */
  live?: true
  /** The T-0 and precision that replaced `net` after the message was posted. ISO 8601. */
  now?: { net: string; precision: number }
}

export interface Notice {
  kind: NoticeKind
  /** Identifies the event. The outbox stores one notice for each launch, kind and subject. */
  subject: string
  /** The reason why the notice is sent. `discord outbox` shows this reason; the channel does not. */
  reason: string
  facts: NoticeFacts
  /** The notice is not sent after this time, because it is no longer news. */
  expiresAt: Date
  /** True: only a reason to post the launch's card, see `cardAt`. It is never a post of its own. */
  cardOnly?: boolean
}

export interface Times {
  now: Date
  /** The tick of a scheduled run, else now. A run that starts late still sends the reminders of its tick. */
  asOf: Date
  /** When the current T-0 (NET) and precision were first seen. Null: they never changed. */
  netSince: Date | null
}

/**
 * Decides which notices to send about a launch, and which facts count as announced afterwards. Pure.
 *
 * - The first announcement of a launch (`last` undefined) is its card. Besides that, only a due reminder is sent.
 * - A notice of a disabled kind counts as announced too, so that enabling the kind later does not send old news.
 * - The same subject may be returned again, for example while a reminder is due. The outbox stores it once.
 */
export function decideNotices(
  launch: KnownLaunch,
  last: LastAnnounced | undefined,
  at: Times,
  rules: Rules,
): { notices: Notice[]; announced: LastAnnounced } {
  const before = last ?? { ...netOf(launch), ...statusOf(launch), slips: 0, holds: 0 }
  const moved = isMoved(launch, before, at)
  const go = goOf(launch, before, at)
  // The end of a hold confirms a new T-0.
  const settled = go !== undefined || isSettled(before, netOf(launch), at)
  const slip = moved && settled ? slipOf(launch, before, at) : undefined
  const hold = holdOf(launch, before, at)
  const after: LastAnnounced = {
    ...before,
    ...statusOf(launch),
    ...(slip && { ...netOf(launch), slips: before.slips + 1 }),
    ...(hold && { holds: before.holds + 1 }),
  }
  const notices = [
    slip,
    hold,
    go,
    liftoffOf(launch, before, at),
    resultOf(launch, before, at),
    webcastOf(launch, before, after, at),
    // If T-0 moved, the slip is sent first and the reminder later.
    moved && !slip ? undefined : reminderOf(launch, after, at, rules),
  ].filter((notice) => notice !== undefined)
  return { notices: notices.filter(({ kind }) => rules.notices.has(kind)), announced: after }
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export const STATUS = { go: 1, success: 3, failure: 4, hold: 5, inFlight: 6, partialFailure: 7 } as const
const RESULTS: readonly number[] = [STATUS.success, STATUS.failure, STATUS.partialFailure]

function statusOf({ status_id, webcast_live }: KnownLaunch): Pick<LastAnnounced, 'status' | 'webcastLive'> {
  return { status: status_id ?? 0, webcastLive: webcast_live ?? false }
}

/** Compares with the last announced T-0, so that many small moves add up to one slip. */
function isMoved(launch: KnownLaunch, last: LastAnnounced, { now }: Times): boolean {
  return !isFlown(launch.status_id) && isMaterial(last, netOf(launch), now)
}

function slipOf(launch: KnownLaunch, last: LastAnnounced, at: Times): Notice {
  const { net, precision } = netOf(launch)
  const was = { net: last.net.toISOString(), precision: last.precision }
  const reason = `time ${shortTime(last.net, last.precision)} → ${shortTime(net, precision)}`
  const facts = { ...noticeFacts(launch), was }
  return { kind: 'slip', subject: `slip:${last.slips + 1}`, reason, facts, expiresAt: fromNow(at, DAY) }
}

function holdOf(launch: KnownLaunch, last: LastAnnounced, at: Times): Notice | undefined {
  if (launch.status_id !== STATUS.hold || last.status === STATUS.hold) return undefined
  return ofStatus('hold', `hold:${last.holds + 1}`, launch, last, fromNow(at, DAY))
}

function goOf(launch: KnownLaunch, last: LastAnnounced, at: Times): Notice | undefined {
  if (launch.status_id !== STATUS.go || last.status !== STATUS.hold) return undefined
  return ofStatus('go', `go:${last.holds}`, launch, last, fromNow(at, DAY))
}

/** The notice of a liftoff, unless it is too old: if the API was unreachable, a status arrives hours late. */
function liftoffOf(launch: KnownLaunch, last: LastAnnounced, at: Times): Notice | undefined {
  if (launch.status_id !== STATUS.inFlight || isFlown(last.status) || since(launch, at) >= HOUR) return undefined
  return ofStatus('liftoff', `status:${launch.status_id}`, launch, last, fromNow(at, HOUR))
}

function resultOf(launch: KnownLaunch, last: LastAnnounced, at: Times): Notice | undefined {
  const id = launch.status_id ?? 0
  if (!RESULTS.includes(id) || last.status === id || since(launch, at) >= 2 * DAY) return undefined
  return ofStatus('result', `status:${id}`, launch, last, fromNow(at, 2 * DAY))
}

function webcastOf(launch: KnownLaunch, last: LastAnnounced, { slips }: LastAnnounced, at: Times): Notice | undefined {
  if (!launch.webcast_live || last.webcastLive || isFlown(launch.status_id) || since(launch, at) >= WEBCAST_NEWS)
    return undefined
  const reason = 'the webcast went live'
  return {
    kind: 'webcast',
    subject: `live#${slips}`,
    reason,
    facts: noticeFacts(launch),
    expiresAt: fromNow(at, WEBCAST_NEWS),
  }
}

/** Some webcasts stay live for hours after T-0, whatever became of the launch. */
const WEBCAST_NEWS = 2 * HOUR

/**
 * How late a reminder may be: `tick` is the limit for the tick of the run, `send` the limit for a slow run that sends
 * it.
 */
const MAX_DELAY = { tick: 5 * MINUTE, send: 15 * MINUTE }

/** The most urgent reminder that is due: never "T-24h" together with "T-1h". */
function reminderOf(launch: KnownLaunch, last: LastAnnounced, at: Times, rules: Rules): Notice | undefined {
  const [mostUrgent] = remindersOf(launch, last, at, rules, (offset) => {
    const late = (clock: Date) => clock.getTime() - (launch.net.getTime() - offset)
    return late(at.now) >= 0 && late(at.now) <= MAX_DELAY.send && late(at.asOf) <= MAX_DELAY.tick
  })
  return mostUrgent
}

/** The reminders that are not due yet, but within this time, in ms. None if T-0 moved and the slip is not announced. */
export function remindersAhead(
  launch: KnownLaunch,
  last: LastAnnounced,
  at: Times,
  rules: Rules,
  withinMs: number,
): Notice[] {
  if (!rules.notices.has('reminder') || isMoved(launch, last, at)) return []
  return remindersOf(launch, last, at, rules, (offset) => {
    const ahead = launch.net.getTime() - offset - at.now.getTime()
    return ahead > 0 && ahead < withinMs
  })
}

/** The reminders for these offsets, the most urgent one first. */
function remindersOf(
  launch: KnownLaunch,
  { slips }: LastAnnounced,
  { now }: Times,
  { reminders, cardAt }: Rules,
  isWanted: (offset: number) => boolean,
): Notice[] {
  const net = launch.net.getTime()
  const id = launch.status_id
  if (!isPrecise(launch.net_precision) || launch.vanished_at || isFlown(id) || id === STATUS.hold) return []
  if (now.getTime() >= net) return []
  const offsets = (cardAt === undefined ? reminders : [...reminders, cardAt]).filter(isWanted)
  return offsets
    .sort((a, b) => a - b)
    .map((offset) => {
      const text = offsetText(offset)
      return {
        kind: 'reminder',
        subject: `T-${text}#${slips}`,
        reason: `due at ${instantText(new Date(net - offset))}, ${text} before NET`,
        facts: { ...noticeFacts(launch), offsetMs: offset },
        expiresAt: new Date(Math.min(net, net - offset + MAX_DELAY.send)),
        ...(!reminders.includes(offset) && { cardOnly: true }),
      }
    })
}

/** `24h`, `1h`, `90m`, `30s`: in the largest unit that gives a whole number. */
export function offsetText(ms: number): string {
  if (ms % HOUR === 0) return `${ms / HOUR}h`
  return ms % MINUTE === 0 ? `${ms / MINUTE}m` : `${ms / 1_000}s`
}

function ofStatus(
  kind: NoticeKind,
  subject: string,
  launch: KnownLaunch,
  last: LastAnnounced,
  expiresAt: Date,
): Notice {
  const [before, now] = [last.status, launch.status_id ?? 0].map((id) =>
    statusWord({ status_id: id, status_name: String(id) }),
  )
  const reason = `status ${before} → ${now}`
  return { kind, subject, reason, facts: noticeFacts(launch), expiresAt }
}

export function noticeFacts(launch: KnownLaunch): NoticeFacts {
  const { name, net, precision, status, statusName, pad, location, webcast } = factsOf(launch)
  const because = singleLine(isFlown(status) ? launch.fail_reason : launch.hold_reason)
  const details = detailsUrl(launch) ?? null
  return { name, net, precision, status, statusName, pad, location, webcast, details, because }
}

function fromNow({ now }: Times, ms: number): Date {
  return new Date(now.getTime() + ms)
}

/** How long ago T-0 was. If no time is known: how long ago the period ended, because the launch may have flown then. */
function since(launch: KnownLaunch, { now }: Times): number {
  const { net, precision } = netOf(launch)
  return now.getTime() - (isPrecise(precision) ? net : periodEnd(net, precision)).getTime()
}
