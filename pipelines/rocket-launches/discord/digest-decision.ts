import type { TaskContext } from 'tminus'
import type { Queryable } from 'tminus/db'
import { STORED_COLUMNS } from '../../launches/columns.ts'
import { FLOWN, type KnownLaunch } from '../../launches/launch.ts'
import { launchOrder } from '../../launches/upcoming.ts'
import { isTooLate, TOO_LATE } from './card.ts'
import type { Channel } from './channel.ts'
import { type Digest, type DigestFacts, digestOf, weekAfter } from './digest.ts'
import * as outbox from './outbox.ts'

/** A digest is posted at most this long after its tick. */
const LATE_MS = 86_400_000

interface DigestOptions extends Pick<TaskContext, 'now'> {
  dataAsOf: (launch: Pick<KnownLaunch, 'updated_at'>) => Date
}

/**
 * Decides the digest of a channel: one message for the newest tick of DISCORD_DIGEST, which is edited until the next tick.
 * A tick more than a day ago gets no message. Drops unsent older digests. Undefined: there is no digest.
 */
export async function decideDigest(
  db: Queryable,
  { webhook: { target }, digest: ticks, passes, words }: Channel,
  { now: clock, dataAsOf }: DigestOptions,
): Promise<Digest | undefined> {
  const now = clock()
  const tick = ticks && currentTick(ticks.last(now), await newestDigest(db, target), now)
  await dropDigests(db, target, tick && digestId(tick))
  if (ticks === undefined || tick === undefined) return undefined
  const launches = await launchesOfWeek(db, tick)
  const { facts, hash } = digestOf(tick, passes ? launches.filter(passes) : launches, ticks.timezone, words)
  const id = digestId(tick)
  const row = (await outbox.readOpen(db, target, [id])).find(({ launchId }) => launchId === id)
  if (row === undefined) await insertDigest(db, { target, launchId: id }, facts, hash)
  else if (isTooLate(row, { longOver: isLate(tick, now) })) await outbox.giveUp(db, row, TOO_LATE)
  else if (row.wantedHash !== hash) await outbox.setWantedHash(db, row, hash)
  return { id, facts, hash, longOver: true, dataAsOf: dataAsOf({ updated_at: null }) }
}

/** The tick whose digest is current: the newest one, unless it is too late for its post. */
function currentTick(last: Date, newest: string | undefined, now: Date): Date | undefined {
  const posted = newest === undefined ? undefined : new Date(newest.slice(PREFIX.length))
  if (posted !== undefined && posted >= last) return posted
  return isLate(last, now) ? posted : last
}

function isLate(tick: Date, now: Date): boolean {
  return now.getTime() - tick.getTime() >= LATE_MS
}

const PREFIX = 'digest:'

/** Takes the place of a launch's id in the outbox. Later ticks have greater ids. */
function digestId(tick: Date): string {
  return `${PREFIX}${tick.toISOString()}`
}

/** The finest precision that no week has: a launch of a month is not a launch of one of its weeks. */
const MONTH = 7

/** Launches whose time, day or week ends in the seven days from a tick on, flown ones too. */
async function launchesOfWeek(db: Queryable, tick: Date): Promise<KnownLaunch[]> {
  const { rows } = await db.query<KnownLaunch>(
    `select ${STORED_COLUMNS.join(', ')} from rocket_launches
     where period_end > $1 and period_end <= $2 and net_precision < $3 and launch_id is not null
       and (vanished_at is null or status_id = any ($4))
     order by ${launchOrder({ past: false })}
     limit 1000`,
    [tick.toISOString(), weekAfter(tick).toISOString(), MONTH, FLOWN],
  )
  return rows
}

/** The id of the newest digest of the channel. */
async function newestDigest(db: Queryable, target: string): Promise<string | undefined> {
  const { rows } = await db.query<{ id: string }>(
    `select launch_id as id from discord_outbox where target = $1 and kind = 'digest' order by launch_id desc limit 1`,
    [target],
  )
  return rows[0]?.id
}

/** Inserts a digest. A channel has one for each tick. */
async function insertDigest(
  db: Queryable,
  { target, launchId }: { target: string; launchId: string },
  facts: DigestFacts,
  hash: string,
): Promise<void> {
  await db.query(
    `insert into discord_outbox (target, launch_id, kind, subject, facts, facts_hash, wanted_hash, reason_told)
     values ($1, $2, 'digest', 'digest', $3, $4, $4, 'due by DISCORD_DIGEST')
     on conflict (target, launch_id, kind, subject) do nothing`,
    [target, launchId, JSON.stringify(facts), hash],
  )
}

/** Drops the unsent posts and edits of the channel's digests, except those of the current one. */
async function dropDigests(db: Queryable, target: string, current: string | undefined): Promise<void> {
  await db.query(
    `update discord_outbox set state = 'dead', reason = 'overtaken', updated_at = now()
     where target = $1 and kind = 'digest' and state = 'pending' and launch_id is distinct from $2`,
    [target, current ?? null],
  )
}
