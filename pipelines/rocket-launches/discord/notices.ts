import { isFlown, isPrecise, type KnownLaunch } from '../../launches/launch.ts'
import { detailsUrl, singleLine } from '../../launches/launch-facts.ts'
import { instantText, shortTime, statusWord } from '../../launches/launch-text.ts'
import { netOf } from '../../launches/net.ts'
import { periodEnd } from '../../launches/time.ts'
import { type Facts, factsOf } from './announcement.ts'
import { isMaterial, isSettled } from './slip.ts'

export type NoticeKind = 'slip' | 'hold' | 'go' | 'liftoff' | 'result' | 'reminder' | 'webcast'

/** What a channel was told of a launch, by a post: a row of `discord_told`. Edits of the card tell nothing here. */
export interface Told {
  net: Date
  precision: number
  status: number
  webcastLive: boolean
  /** How often another T-0 was announced, or would have been, were slips told. */
  slips: number
  holds: number
}

export interface Rules {
  notices: ReadonlySet<NoticeKind>
  /** Offsets before T-0, in ms. */
  reminders: readonly number[]
}

/** Everything a notice's message is made of, as JSON. Texts are on one line, addresses http(s). */
export type NoticeFacts = Pick<
  Facts,
  'name' | 'net' | 'precision' | 'status' | 'statusName' | 'pad' | 'location' | 'webcast'
> & {
  details: string | null
  /** Of the hold or the failure, as Launch Library gives it. */
  because: string | null
  /** Of a slip: what was announced before. ISO 8601. */
  was?: { net: string; precision: number }
  /** Of a reminder: so long before T-0. */
  offsetMs?: number
}

export interface Notice {
  kind: NoticeKind
  /** Unique within launch and kind: what comes again under the same one is not news. */
  subject: string
  /** Why it is told, as the outbox shows it; for who runs this, not for the channel. */
  reason: string
  facts: NoticeFacts
  /** No news any more after that. */
  expiresAt: Date
}

export interface At {
  now: Date
  /** The tick of a scheduled run, else now: what a run was late by is not the reminder's fault. */
  asOf: Date
  /** When the present NET and precision were first seen. Null: as long as the launch is known. */
  netSince: Date | null
}

/**
 * What to tell of a launch beside its card, and what the channel was told after that. Pure.
 *
 * A launch never announced (`told` undefined) is announced by its card: it gives a due reminder at most. What is not
 * told because its kind is switched off counts as told, so that switching it on later tells no old news. The same
 * subject may come again (a reminder for as long as it is due, a status that comes back): the outbox takes it once.
 */
export function decide(
  launch: KnownLaunch,
  told: Told | undefined,
  at: At,
  rules: Rules,
): { notices: Notice[]; told: Told } {
  const before = told ?? { ...netOf(launch), ...seenOf(launch), slips: 0, holds: 0 }
  const moved = isMoved(launch, before, at)
  const slip = moved && isSettled(before, netOf(launch), at) ? slipOf(launch, before, at) : undefined
  const hold = holdOf(launch, before, at)
  const after: Told = {
    ...before,
    ...seenOf(launch),
    ...(slip && { ...netOf(launch), slips: before.slips + 1 }),
    ...(hold && { holds: before.holds + 1 }),
  }
  const notices = [
    slip,
    hold,
    goOf(launch, before, at),
    liftoffOf(launch, before, at),
    resultOf(launch, before, at),
    webcastOf(launch, before, after, at),
    // Nobody is reminded of a T-0 that is still to be announced.
    moved && !slip ? undefined : reminderOf(launch, after, at, rules),
  ].filter((notice) => notice !== undefined)
  return { notices: notices.filter(({ kind }) => rules.notices.has(kind)), told: after }
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const STATUS = { go: 1, success: 3, failure: 4, hold: 5, inFlight: 6, partialFailure: 7 } as const
const RESULTS: readonly number[] = [STATUS.success, STATUS.failure, STATUS.partialFailure]

function seenOf({ status_id, webcast_live }: KnownLaunch): Pick<Told, 'status' | 'webcastLive'> {
  return { status: status_id ?? 0, webcastLive: webcast_live ?? false }
}

/** Against what was announced last, so that many small moves add up to one that is told. */
function isMoved(launch: KnownLaunch, told: Told, { now }: At): boolean {
  return !isFlown(launch.status_id) && isMaterial(told, netOf(launch), now)
}

function slipOf(launch: KnownLaunch, told: Told, at: At): Notice {
  const { net, precision } = netOf(launch)
  const was = { net: told.net.toISOString(), precision: told.precision }
  const reason = `time ${shortTime(told.net, told.precision)} → ${shortTime(net, precision)}`
  const facts = { ...noticeFacts(launch), was }
  return { kind: 'slip', subject: `slip:${told.slips + 1}`, reason, facts, expiresAt: fromNow(at, DAY) }
}

function holdOf(launch: KnownLaunch, told: Told, at: At): Notice | undefined {
  if (launch.status_id !== STATUS.hold || told.status === STATUS.hold) return undefined
  return ofStatus('hold', `hold:${told.holds + 1}`, launch, told, fromNow(at, DAY))
}

function goOf(launch: KnownLaunch, told: Told, at: At): Notice | undefined {
  if (launch.status_id !== STATUS.go || told.status !== STATUS.hold) return undefined
  return ofStatus('go', `go:${told.holds}`, launch, told, fromNow(at, DAY))
}

/** A status comes with the next look at the API, hours late where that was down. */
function liftoffOf(launch: KnownLaunch, told: Told, at: At): Notice | undefined {
  if (launch.status_id !== STATUS.inFlight || isFlown(told.status) || since(launch, at) >= HOUR) return undefined
  return ofStatus('liftoff', `status:${launch.status_id}`, launch, told, fromNow(at, HOUR))
}

function resultOf(launch: KnownLaunch, told: Told, at: At): Notice | undefined {
  const id = launch.status_id ?? 0
  if (!RESULTS.includes(id) || told.status === id || since(launch, at) >= 2 * DAY) return undefined
  return ofStatus('result', `status:${id}`, launch, told, fromNow(at, 2 * DAY))
}

function webcastOf(launch: KnownLaunch, told: Told, { slips }: Told, at: At): Notice | undefined {
  const over = isFlown(launch.status_id) && launch.status_id !== STATUS.inFlight
  if (!launch.webcast_live || told.webcastLive || over || since(launch, at) >= ON_AIR) return undefined
  const reason = 'the webcast went live'
  return {
    kind: 'webcast',
    subject: `live#${slips}`,
    reason,
    facts: noticeFacts(launch),
    expiresAt: fromNow(at, ON_AIR),
  }
}

/** Some launches stay in flight, and on the air, for hours after all there was to see. */
const ON_AIR = 2 * HOUR

/** How much later than due a run may stand for, and how much later a slow run may still send. */
const LATE = { run: 5 * MINUTE, send: 15 * MINUTE }

/** The most urgent one that is due: nobody wants "in 24 hours" beside "in 1 hour". */
function reminderOf(launch: KnownLaunch, { slips }: Told, { now, asOf }: At, rules: Rules): Notice | undefined {
  const net = launch.net.getTime()
  const id = launch.status_id
  if (!isPrecise(launch.net_precision) || launch.vanished_at || isFlown(id) || id === STATUS.hold) return undefined
  if (now.getTime() >= net) return undefined
  const due = rules.reminders.filter((offset) => {
    const late = (clock: Date) => clock.getTime() - (net - offset)
    return late(now) >= 0 && late(now) <= LATE.send && late(asOf) <= LATE.run
  })
  if (due.length === 0) return undefined
  const offset = Math.min(...due)
  const text = offsetText(offset)
  return {
    kind: 'reminder',
    subject: `T-${text}#${slips}`,
    reason: `due at ${instantText(new Date(net - offset))}, ${text} before NET`,
    facts: { ...noticeFacts(launch), offsetMs: offset },
    expiresAt: new Date(Math.min(net, net - offset + LATE.send)),
  }
}

/** `24h`, `1h`, `90m`, `30s`: in the largest unit that divides it. */
export function offsetText(ms: number): string {
  if (ms % HOUR === 0) return `${ms / HOUR}h`
  return ms % MINUTE === 0 ? `${ms / MINUTE}m` : `${ms / 1_000}s`
}

function ofStatus(kind: NoticeKind, subject: string, launch: KnownLaunch, told: Told, expiresAt: Date): Notice {
  const [before, now] = [told.status, launch.status_id ?? 0].map((id) =>
    statusWord({ status_id: id, status_name: String(id) }),
  )
  const reason = `status ${before} → ${now}`
  return { kind, subject, reason, facts: noticeFacts(launch), expiresAt }
}

function noticeFacts(launch: KnownLaunch): NoticeFacts {
  const { name, net, precision, status, statusName, pad, location, webcast } = factsOf(launch)
  const because = singleLine(isFlown(status) ? launch.fail_reason : launch.hold_reason)
  const details = detailsUrl(launch) ?? null
  return { name, net, precision, status, statusName, pad, location, webcast, details, because }
}

function fromNow({ now }: At, ms: number): Date {
  return new Date(now.getTime() + ms)
}

/** Since NET, or since the end of the period it stands for: nobody knows better when in it the launch flew. */
function since(launch: KnownLaunch, { now }: At): number {
  const { net, precision } = netOf(launch)
  return now.getTime() - (isPrecise(precision) ? net : periodEnd(net, precision)).getTime()
}
