import type { TaskContext } from 'tminus'
import type { Queryable } from 'tminus/db'
import type { KnownLaunch } from '../../launches/launch.ts'
import { netOf } from '../../launches/net.ts'
import { nearestLaunch } from '../../launches/upcoming.ts'
import { type CardContext, type Facts, factsHash, factsOf } from './announcement.ts'
import { isLongOver, isTooLate, TOO_LATE } from './card.ts'
import { launchesToFollow, netSince } from './followed-launches.ts'
import { decide, type Notice, type NoticeKind, type Rules, type Told } from './notices.ts'
import * as outbox from './outbox.ts'
import { isMaterial } from './slip.ts'
import { lockTarget } from './target.ts'
import { readTold, writeTold } from './told.ts'

/** A launch and what its card is to show. */
export interface Card {
  launch: KnownLaunch
  facts: Facts
  hash: string
  /** So long that nobody is to hear of it for the first time. */
  over: boolean
  told: CardContext
}

export interface Decided {
  nearest: KnownLaunch | undefined
  /** By launch, of those that have a card on the channel or are to get one. */
  cards: Map<string, Card>
}

export interface Deciding extends Pick<TaskContext, 'now'> {
  /** See `At` of the notices. */
  asOf: Date
  rules: Rules
  /** Which launches are announced; undefined: all. */
  passes: ((launch: KnownLaunch) => boolean) | undefined
  /** When Launch Library told of a launch last. */
  dataAsOf: (launch: KnownLaunch) => Date
}

/**
 * Decides what a channel is told, and writes it: which cards it has, what they are to show, what else is told. In one
 * transaction, alone: killed before its commit nothing was decided, after it the next run delivers.
 */
export async function decideTarget(db: Queryable, target: string, deciding: Deciding): Promise<Decided> {
  const now = deciding.now()
  await lockTarget(db, target)
  await outbox.settleAbandoned(db, target)
  await outbox.giveUpLate(db, target, now)
  const nearest = await nearestLaunch(db, now, deciding.passes)
  const followed = await launchesToFollow(db, { target, now, withinMs: horizonMs(deciding.rules) })
  const launches = new Map([...(nearest ? [nearest] : []), ...followed].map((launch) => [launch.launch_id, launch]))
  const known = await readKnown(db, target, [...launches.keys()])
  const cards = new Map<string, Card>()
  for (const launch of launches.values()) {
    const card = cardOf(launch, {
      now,
      dataAsOf: deciding.dataAsOf(launch),
      nearest: launch.launch_id === nearest?.launch_id,
    })
    if (await tell(db, { target, card, known, now }, deciding)) cards.set(launch.launch_id, card)
  }
  return { nearest, cards }
}

function horizonMs({ notices, reminders }: Rules): number {
  return notices.has('reminder') ? Math.max(0, ...reminders) : 0
}

/** What is stored of these launches for one channel. */
interface Known {
  told: Map<string, Told>
  since: Map<string, Date>
  rows: Map<string, outbox.OutboxRow>
  /** Nothing was ever announced there. */
  fresh: boolean
}

async function readKnown(db: Queryable, target: string, launchIds: string[]): Promise<Known> {
  const rows = await outbox.readOpen(db, target, launchIds)
  const cards = rows.filter(({ kind }) => kind === 'card')
  return {
    told: await readTold(db, target, launchIds),
    since: await netSince(db, launchIds),
    rows: new Map(cards.map((row) => [row.launchId, row])),
    fresh: cards.length === 0 && !(await outbox.hasCards(db, target)),
  }
}

function cardOf(launch: KnownLaunch, told: CardContext): Card {
  const facts = factsOf(launch, told)
  return { launch, facts, hash: factsHash(facts), over: isLongOver(launch, told.now), told }
}

interface Telling {
  target: string
  card: Card
  known: Known
  now: Date
}

/**
 * Writes what is to be told of one launch. False where it is not announced here: it has no card, is not the nearest,
 * and there is nothing to say of it. On a channel that has nothing yet, the nearest launch's card is all. A card that
 * nobody can have seen will announce what it shows by then: what changed meanwhile is no news beside it. Where all is
 * long over by then, it is given up, until the launch is to come again.
 */
async function tell(db: Queryable, telling: Telling, { asOf, rules, passes }: Deciding): Promise<boolean> {
  const { target, card, known, now } = telling
  const { launch, facts, hash } = card
  const { launch_id: launchId } = launch
  const row = known.rows.get(launchId)
  const before = known.told.get(launchId)
  if (row && isTooLate(row, card)) {
    await outbox.giveUp(db, row, TOO_LATE)
    return false
  }
  const unseen = row?.messageId === null && (row.state === 'pending' || row.reason === TOO_LATE)
  const at = { now, asOf, netSince: unseen ? null : (known.since.get(launchId) ?? null) }
  const decision = decide(launch, before, at, passes === undefined || passes(launch) ? rules : NOTHING)
  const told = unseen ? { ...decision.told, ...netOf(launch) } : decision.told
  const notices = decision.notices.filter(({ kind }) => !known.fresh && (!unseen || kind === 'reminder'))
  if (row === undefined && !card.told.nearest && notices.length === 0) return false
  if (row === undefined) await outbox.insertCard(db, { target, launchId }, facts, hash)
  else if (row.wantedHash !== hash) await outbox.want(db, row, hash)
  const overtaken = before ? await overtake(db, telling, before, told) : []
  if (!isSame(before, told)) await writeTold(db, { target, launchId }, told, now)
  for (const notice of notices.flatMap((one) => merged(one, overtaken, card))) {
    await outbox.insertNotice(db, { target, launchId }, notice)
  }
  return true
}

const NOTHING: Rules = { notices: new Set(), reminders: [] }

type Overtaken = Awaited<ReturnType<typeof outbox.overtake>>

/** What was decided but could not be sent so far, and is not true any more. */
async function overtake(db: Queryable, { target, card }: Telling, before: Told, after: Told): Promise<Overtaken> {
  const kinds: NoticeKind[] = [
    ...(after.slips > before.slips ? (['slip', 'reminder'] as const) : []),
    ...(after.status !== before.status ? (['hold', 'go', 'liftoff', 'reminder'] as const) : []),
  ]
  return kinds.length === 0 ? [] : await outbox.overtake(db, { target, launchId: card.launch.launch_id }, kinds)
}

function isSame(before: Told | undefined, after: Told): boolean {
  return before !== undefined && JSON.stringify(sorted(before)) === JSON.stringify(sorted(after))
}

function sorted(told: Told): unknown[] {
  return Object.entries(told).sort(([a], [b]) => (a < b ? -1 : 1))
}

/** A slip after one that nobody read is told from what was read before; none, where the launch is back there. */
function merged(notice: Notice, overtaken: Overtaken, { launch, told }: Card): Notice[] {
  const was = overtaken.find(({ kind }) => kind === 'slip')?.facts.was
  if (notice.kind !== 'slip' || was === undefined) return [notice]
  const from = { net: new Date(was.net), precision: was.precision }
  return isMaterial(from, netOf(launch), told.now) ? [{ ...notice, facts: { ...notice.facts, was } }] : []
}
