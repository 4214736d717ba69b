import { isDeepStrictEqual } from 'node:util'
import type { TaskContext } from 'tminus'
import type { Queryable } from 'tminus/db'
import type { KnownLaunch } from '../../launches/launch.ts'
import { withDetails } from '../../launches/launch-details.ts'
import { nearestLaunch } from '../../launches/upcoming.ts'
import { hashFor, isLongOver, isThreadClosed, TOO_LATE } from './card.ts'
import { type CardContext, factsHash, factsOf } from './card-facts.ts'
import type { Channel } from './channel.ts'
import type { Digest } from './digest.ts'
import { decideDigest } from './digest-decision.ts'
import { launchesMissed, launchesToFollow, netSince } from './followed-launches.ts'
import { readLastAnnounced, writeLastAnnounced } from './last-announced.ts'
import { type Announcement, type Card, type Known, planLaunch } from './launch-plan.ts'
import type { Holder, Part } from './moments.ts'
import { noticeOptions } from './notice-kinds.ts'
import type { NoticeFacts, Rules } from './notices.ts'
import * as outbox from './outbox.ts'
import { releaseAbandoned } from './outbox-claims.ts'
import { lockTarget } from './target.ts'

export interface Decision {
  nearest: KnownLaunch | undefined
  /** The cards of the channel, existing and new, by launch id, and the current digest. */
  cards: Map<string, Card | Digest>
}

export interface DecisionOptions extends Pick<TaskContext, 'now'> {
  /** See `Times`. */
  asOf: Date
  /** When Launch Library last confirmed a launch. */
  dataAsOf: (launch: Pick<KnownLaunch, 'updated_at'>) => Date
  /** The address of a launch's page on the board; undefined without PUBLIC_URL. */
  pageOf: (launch: Pick<KnownLaunch, 'launch_id'>) => string | undefined
}

/**
 * Decides which cards and notices a channel gets, and stores them in the outbox.
 *
 * Runs in one transaction, and in one process at a time for each channel. If the process is killed before the commit, it
 * has decided nothing. If it is killed after the commit, the next run sends the messages.
 */
export async function decideChannel(db: Queryable, channel: Channel, options: DecisionOptions): Promise<Decision> {
  const { target } = channel.webhook
  const now = options.now()
  await lockTarget(db, target)
  await releaseAbandoned(db, target)
  await outbox.giveUpExpired(db, target, now)
  const nearest = await nearestLaunch(db, now, channel.passes)
  const followed = await launchesToFollow(db, { target, now, withinMs: horizonMs(channel.rules) })
  const missed = await missedOf(db, channel, now)
  const all = [...(nearest ? [nearest] : []), ...followed, ...missed]
  const launches = new Map(all.map((launch) => [launch.launch_id, launch]))
  const knownOf = await readKnown(db, target, [...launches.keys()])
  const cards: Decision['cards'] = new Map()
  for (const launch of await withDetails(db, [...launches.values()])) {
    const isNearest = launch.launch_id === nearest?.launch_id
    const context = { now, dataAsOf: options.dataAsOf(launch), page: options.pageOf(launch), nearest: isNearest }
    const known = { ...knownOf(launch), missed: missed.some((one) => one.launch_id === launch.launch_id) }
    const card = cardOf(launch, context, known)
    if (await updateLaunch(db, channel, card, known, options)) cards.set(launch.launch_id, card)
  }
  const digest = await decideDigest(db, channel, options)
  if (digest) cards.set(digest.id, digest)
  return { nearest, cards }
}

/** A run posts a few missed launches at most, so that a wrong date in many launches does not flood the channel. */
const MOST_MISSED = 2

async function missedOf(db: Queryable, { webhook, rules, passes }: Channel, now: Date): Promise<KnownLaunch[]> {
  if (!rules.notices.has('result')) return []
  const missed = await launchesMissed(db, { target: webhook.target, now })
  return missed.filter((launch) => passes === undefined || passes(launch)).slice(0, MOST_MISSED)
}

function horizonMs({ notices, reminders, cardAt = 0 }: Rules): number {
  return notices.has('reminder') ? Math.max(cardAt, ...reminders) : 0
}

async function readKnown(db: Queryable, target: string, launchIds: string[]) {
  const rows = await outbox.readLaunches(db, target, launchIds)
  const last = await readLastAnnounced(db, target, launchIds)
  const since = await netSince(db, launchIds)
  const newChannel = rows.length === 0 && !(await outbox.hasCards(db, target))
  return ({ launch_id: launchId }: KnownLaunch) => {
    const own = rows.filter((row) => row.launchId === launchId)
    return {
      row: own.find(({ kind }) => kind === 'card'),
      notices: own.filter(({ kind }) => noticeOptions(kind) !== undefined),
      last: last.get(launchId),
      netSince: since.get(launchId) ?? null,
      newChannel,
    }
  }
}

function cardOf(launch: KnownLaunch, context: CardContext, { row }: Known): Card {
  const facts = factsOf(launch, context)
  return { launch, facts, hash: hashFor(facts, row), longOver: isLongOver(launch, context.now), context }
}

/** Plans and stores the channel's messages about one launch. Returns false if the launch has no card there. */
async function updateLaunch(
  db: Queryable,
  { webhook: { target }, rules, passes }: Channel,
  card: Card,
  known: Known,
  { asOf }: DecisionOptions,
): Promise<boolean> {
  const isSilent = isThreadClosed(known.row) || passes?.(card.launch) === false
  const plan = planLaunch(card, known, asOf, isSilent ? NO_NOTICES : rules)
  if (plan.action === 'nothing') return false
  if (plan.action === 'give_up') {
    await outbox.giveUp(db, plan.row, TOO_LATE)
    return false
  }
  await storeAnnouncement(db, target, card, known, plan)
  return true
}

const NO_NOTICES: Rules = { notices: new Set(), reminders: [] }

async function storeAnnouncement(
  db: Queryable,
  target: string,
  { launch, facts, hash, context }: Card,
  { row, last }: Known,
  { announced, dropped, lead, merged, edits }: Announcement,
): Promise<void> {
  const key = { target, launchId: launch.launch_id }
  if (row !== undefined && row.wantedHash !== hash) await outbox.setWantedHash(db, row, hash)
  const card = row?.outboxId ?? (await outbox.insertCard(db, key, facts, hash))
  if (!isDeepStrictEqual(last, announced)) await writeLastAnnounced(db, key, announced, context.now)
  if (dropped.length > 0) await outbox.dropOvertaken(db, dropped)
  for (const edit of edits) await outbox.setWanted(db, edit.row.outboxId, wantedOf(edit.facts))
  const own = lead && (await storeLead(db, key, lead.part, wantedOf(lead.facts)))
  const idOf = (into: Holder) => (into === 'card' ? card : into === 'lead' ? (own ?? 0) : into)
  for (const { part, into } of merged) {
    if (part.row === undefined) await outbox.insertMerged(db, key, part, idOf(into))
    else await outbox.merge(db, part.row, idOf(into))
  }
}

function wantedOf(facts: NoticeFacts): outbox.Wanted {
  return { facts, hash: factsHash(facts) }
}

async function storeLead(db: Queryable, key: outbox.Key, part: Part, wanted: outbox.Wanted): Promise<number> {
  if (part.row === undefined) return await outbox.insertNotice(db, key, part, wanted)
  await outbox.setWanted(db, part.row, wanted)
  return part.row
}
