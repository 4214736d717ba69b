import { STORED_COLUMNS } from '../../pipelines/launches/columns.ts'
import { FINAL, isFlown, isPrecise, type KnownLaunch, type Launch } from '../../pipelines/launches/launch.ts'
import { withDetails } from '../../pipelines/launches/launch-details.ts'
import { netOf } from '../../pipelines/launches/net.ts'
import { periodEnd, periodOf } from '../../pipelines/launches/time.ts'
import { nearestLaunch } from '../../pipelines/launches/upcoming.ts'
import { EN } from '../../pipelines/launches/words/en.ts'
import { TOO_LATE } from '../../pipelines/rocket-launches/discord/card.ts'
import type { CardContext } from '../../pipelines/rocket-launches/discord/card-facts.ts'
import { launchCard } from '../../pipelines/rocket-launches/discord/card-message.ts'
import { digestMessage, digestOf } from '../../pipelines/rocket-launches/discord/digest.ts'
import type { NoticeKind } from '../../pipelines/rocket-launches/discord/notice-kinds.ts'
import { offsetText } from '../../pipelines/rocket-launches/discord/notices.ts'
import { isMaterial } from '../../pipelines/rocket-launches/discord/slip.ts'
import type { Volume } from '../../pipelines/rocket-launches/discord/volume.ts'
import type { ChannelMessage } from '../../pipelines/rocket-launches/stand-ins/discord-server.ts'
import { readCron } from '../../src/read-cron.ts'
import { headlineOf, kindOf, linesOf, withoutFooter } from './channel-words.ts'
import type { LivedYear } from './year.ts'
import type { YearChannel } from './year-channel.ts'
import { DAY, DIGEST, HOUR, MINUTE, TICK } from './year-model.ts'

/** A message in the outbox. */
interface Row {
  launch_id: string
  kind: string
  subject: string
  state: string
  reason: string | null
  reason_told: string | null
  message_id: string | null
  merged_into: number | null
  facts: Shown & { was?: Shown; now?: Shown }
  told_net: Date | null
  told_precision: number | null
  slips: number | null
  holds: number | null
}

interface Shown {
  net: string
  precision: number
}

/** What is wrong on the channels after a run. Checks more on a channel whose last runs had no fault. */
export async function mistakesOf(year: LivedYear): Promise<string[]> {
  const launches = await storedLaunches(year)
  const mistakes: string[] = []
  for (const channel of year.channels) {
    const rows = await rowsOf(year, channel)
    if (rows.some(({ kind }) => kind === 'card')) channel.startedAt = Math.min(channel.startedAt, year.now)
    countSlips(rows, channel, year)
    mistakes.push(...channel.mistakes, ...channel.discord.violations)
    mistakes.push(...channel.newMessages().flatMap((message) => wrongPost(message, rows, channel, year)))
    for (const row of rows) if (row.kind === 'card' && row.message_id === null) channel.lostCards.add(row.launch_id)
    mistakes.push(...wrongCounts(rows, channel, year))
    if (channel.clean >= SETTLED) mistakes.push(...(await unsettled(rows, launches, channel, year)))
  }
  if (year.channels.every(({ clean }) => clean >= SETTLED)) mistakes.push(...(await notIdle(year)))
  return mistakes.map((mistake) => `${new Date(year.now).toISOString()} ${mistake}`)
}

/** The last run of the fault, and two more. */
const SETTLED = 3

async function storedLaunches(year: LivedYear): Promise<Map<string, KnownLaunch>> {
  const { rows } = await year.database.pool.query<KnownLaunch>(
    `select ${STORED_COLUMNS.join(', ')} from rocket_launches`,
  )
  return new Map((await withDetails(year.database.pool, rows)).map((row) => [row.launch_id, row]))
}

async function rowsOf(year: LivedYear, { webhook }: YearChannel): Promise<Row[]> {
  const { rows } = await year.database.pool.query<Row>(
    `select discord_outbox.*, net as told_net, net_precision as told_precision, slips, holds
     from discord_outbox left join discord_told using (target, launch_id) where target = $1 order by outbox_id`,
    [webhook.target],
  )
  return rows
}

function countSlips(rows: readonly Row[], { slips }: YearChannel, { now }: LivedYear): void {
  for (const { launch_id, slips: count } of rows)
    if (count !== null && slips.get(launch_id)?.count !== count) slips.set(launch_id, { count, changedAt: now })
}

const idOf = (message: ChannelMessage) => message.embeds?.[0]?.url?.split('/').at(-1) ?? ''

/** Checks a message that was just posted. */
function wrongPost(message: ChannelMessage, rows: readonly Row[], channel: YearChannel, year: LivedYear): string[] {
  if (isDigest(message)) return wrongDigest(message, channel, year)
  const launchId = idOf(message)
  const launch = year.present(launchId)
  const kind = kindOf(message)
  const what = `${kind} of ${launchId} (${headlineOf(message)})`
  if (launch === undefined) return [`of no launch: ${what}`]
  return [
    ...(year.passes(launchId) ? [] : [`filtered, yet posted: ${what}`]),
    ...(kind === 'reminder' ? wrongReminder(message, launch, channel, year) : []),
    ...(kind === 'card' || hasCard(launchId, rows, channel) ? [] : [`before its card: ${what}`]),
    ...unheardOf(message, rows, channel).map((text) => `${what}: ${text} was not shown before`),
    ...tooSoon(message, rows, channel, year).map((before) => `${what} within 15 min of ${before}`),
  ].map((mistake) => `channel ${channel.index}: ${mistake}`)
}

function wrongReminder(message: ChannelMessage, launch: Launch, { discord }: YearChannel, year: LivedYear): string[] {
  const { launch_id: launchId, net, status_id, net_precision } = launch
  const what = `reminder of ${launchId} (${headlineOf(message)})`
  const listed = year.states.get(launchId)?.at(-1) !== undefined
  const same = discord.messages.filter((one) => one.embeds?.[0]?.description === message.embeds?.[0]?.description)
  const shown = Number(/<t:(\d+):F>/.exec(message.embeds?.[0]?.description ?? '')?.[1]) * 1_000
  return [
    ...(Math.abs(shown - net.getTime()) >= 15 * MINUTE ? [`T-0 is ${net.toISOString()}: ${what}`] : []),
    ...(net.getTime() <= year.now ? [`at or after T-0 ${net.toISOString()}: ${what}`] : []),
    ...(isFlown(status_id) || status_id === 5 || !isPrecise(net_precision) || !listed ? [`not to be: ${what}`] : []),
    ...(same.filter((one) => idOf(one) === launchId).length > 1 ? [`twice for one T-0: ${what}`] : []),
  ]
}

function hasCard(launchId: string, rows: readonly Row[], { discord, deleted }: YearChannel): boolean {
  const lost = rows.some((row) => row.launch_id === launchId && row.kind === 'card' && row.state === 'unknown')
  const messages = [...discord.messages, ...deleted.values()]
  return lost || messages.some((one) => idOf(one) === launchId && kindOf(one) === 'card')
}

/** Facts that a message presupposes but no earlier message showed. A message whose answer was lost may have shown them. */
function unheardOf(message: ChannelMessage, rows: readonly Row[], channel: YearChannel): string[] {
  const { discord, deleted, lostCards } = channel
  if (lostCards.has(idOf(message))) return []
  if (rows.some(({ launch_id, state }) => launch_id === idOf(message) && state === 'unknown')) return []
  const before = [...discord.messages, ...deleted.values()]
    .filter((one) => one !== message && idOf(one) === idOf(message))
    .flatMap(({ versions }) => versions.flatMap(linesOf))
  const known = linesOf(message).flatMap((line) => /^~~(.*)~~$/.exec(line)?.[1] ?? [])
  if (kindOf(message) === 'go') known.push(EN.status[5])
  return known.filter((text) => !before.some((line) => line.includes(text)))
}

/**
 * Earlier posts about the launch less than 15 minutes ago, unless its status or its announced T-0 changed since. A post
 * whose answer was lost does not count, and neither does the card that repeats it.
 */
function tooSoon(message: ChannelMessage, rows: readonly Row[], channel: YearChannel, year: LivedYear): string[] {
  const launchId = idOf(message)
  const own = rows.filter((row) => row.launch_id === launchId)
  const isKnown = (one: ChannelMessage) =>
    own.some((row) => row.message_id === one.id) && !(kindOf(one) === 'card' && channel.lostCards.has(launchId))
  const changedAt = Math.max(year.statusChangedAt.get(launchId) ?? 0, channel.slips.get(launchId)?.changedAt ?? 0)
  return channel.discord.messages
    .slice(0, channel.discord.messages.indexOf(message))
    .filter((one) => idOf(one) === launchId && isKnown(one) && isKnown(message))
    .filter(({ postedAt }) => year.now - postedAt.getTime() < 15 * MINUTE && postedAt.getTime() >= changedAt)
    .map((one) => `${kindOf(one)} (${headlineOf(one)})`)
}

/**
 * A channel with volume `normal` gets at most 4 posts about a launch, one more for each slip and two for each hold. A
 * result that Launch Library corrects is another result.
 */
function tooMuch(launchId: string, { discord, index }: YearChannel, rows: readonly Row[], year: LivedYear): string[] {
  const own = rows.filter((row) => row.launch_id === launchId)
  const { slips, holds } = own.find((row) => row.slips !== null) ?? {}
  const corrections = Math.max(0, own.filter(({ kind }) => kind === 'result').length - 1)
  const most = 4 + (slips ?? 0) + 2 * (holds ?? 0) + corrections
  const posts = discord.messages.filter(({ id }) => own.some((row) => row.message_id === id))
  if (year.year.volume !== 'normal' || posts.length <= most) return []
  return [
    `channel ${index}: ${posts.length} posts about ${launchId}, at most ${most}: ${posts.map(headlineOf).join(', ')}`,
  ]
}

/** Checks all messages for duplicates, missing reasons, slips without a change and too many notices. */
function wrongCounts(rows: readonly Row[], channel: YearChannel, year: LivedYear): string[] {
  const { discord, lost } = channel
  const ids = new Set(rows.map(({ message_id }) => message_id))
  const orphans = discord.messages.filter(({ id }) => !ids.has(id))
  const unknown = rows.filter(({ state }) => state === 'unknown')
  const cards = discord.messages.filter((message) => ids.has(message.id) && kindOf(message) === 'card').map(idOf)
  return [
    ...(orphans.length > lost ? [`${orphans.length} messages without a row, ${lost} answers lost`] : []),
    ...(unknown.length > lost ? [`${unknown.length} unknown, ${lost} answers lost`] : []),
    ...cards.filter((id, index) => cards.indexOf(id) !== index).map((id) => `two cards of ${id}`),
    ...rows.filter((row) => !row.reason_told).map(({ subject }) => `no reason: ${subject}`),
    ...rows.flatMap((row) => wrongDirection(row)),
    ...[...year.states].flatMap(([launchId, states]) => tooMany(launchId, states, channel, rows)),
    ...[...year.states.keys()].flatMap((launchId) => tooMuch(launchId, channel, rows, year)),
  ].map((mistake) => `channel ${channel.index}: ${mistake}`)
}

/** A slip whose old and new period are the same. */
function wrongDirection({ kind, subject, facts: { net, precision, was } }: Row): string[] {
  if (kind !== 'slip' || was === undefined) return []
  const [old, present] = [periodOf(new Date(was.net), was.precision), periodOf(new Date(net), precision)]
  const same = old.start === present.start && old.end === present.end
  return same ? [`slip without a change: ${subject}`] : []
}

/** Checks that there are not more posts than events. */
function tooMany(
  launchId: string,
  states: readonly (Launch | undefined)[],
  { discord, index }: YearChannel,
  rows: readonly Row[],
): string[] {
  const listed = states.filter((state) => state !== undefined)
  const changes = (is: (state: Launch, before: Launch | undefined) => boolean) =>
    listed.filter((state, at) => is(state, listed[at - 1])).length
  const moves = changes(
    (state, before) => before !== undefined && JSON.stringify(netOf(state)) !== JSON.stringify(netOf(before)),
  )
  const became = (id: number) => changes((state, before) => state.status_id === id && before?.status_id !== id)
  const most: Record<NoticeKind, number> = {
    slip: moves,
    hold: became(5),
    go: Math.min(became(5), became(1)),
    liftoff: Math.min(1, became(6)),
    result: [3, 4, 7].filter((id) => became(id) > 0).length,
    reminder: 3 * (moves + 1),
    webcast: changes((state, before) => state.webcast_live && before?.webcast_live !== true),
  }
  return Object.entries(most).flatMap(([kind, count]) => {
    const posted = discord.messages.filter((message) => idOf(message) === launchId && kindOf(message) === kind).length
    const sent = rows.filter((row) => row.launch_id === launchId && row.kind === kind && row.state !== 'dead').length
    return posted > Math.min(count, sent)
      ? [`channel ${index}: ${posted} ${kind} of ${launchId} for ${count} changes and ${sent} rows`]
      : []
  })
}

/** Checks a channel whose last runs had no fault. */
async function unsettled(
  rows: readonly Row[],
  launches: ReadonlyMap<string, KnownLaunch>,
  channel: YearChannel,
  year: LivedYear,
): Promise<string[]> {
  const now = new Date(year.now)
  const nearest = await nearestLaunch(year.database.pool, now, ({ launch_id }) => year.passes(launch_id))
  const cards = rows.filter(({ kind }) => kind === 'card')
  return [
    ...rows
      .filter(({ state }) => state === 'pending' || state === 'sending')
      .map(({ launch_id, subject, state, reason }) => `${state}: ${subject} of ${launch_id} (${reason})`),
    ...(nearest && !cards.some((row) => row.launch_id === nearest.launch_id)
      ? [`no card of ${nearest.launch_id}`]
      : []),
    ...cards.flatMap((row) => wrongCard(row, launches.get(row.launch_id), channel, now)),
    ...rows.flatMap((row) => wrongList(row, [...launches.values()], channel, year)),
    ...[...launches.values()].flatMap((launch) => notReminded(launch, rows, year)),
    ...[...launches.values()].flatMap((launch) => notMentioned(launch, cards, channel, year)),
    ...cards.flatMap((row) => notAnnounced(row, rows, launches.get(row.launch_id), year)),
    ...rows.flatMap((row) => outdated(row, launches.get(row.launch_id), channel, now)),
  ].map((mistake) => `channel ${channel.index}, settled: ${mistake}`)
}

function wrongCard(row: Row, launch: KnownLaunch | undefined, { discord, deleted }: YearChannel, now: Date): string[] {
  if (launch === undefined) return [`card of ${row.launch_id}, which is no launch`]
  // While it is unsent, it is a mistake of a settled channel.
  if (row.state === 'dead' && row.reason === TOO_LATE) return []
  if (row.state === 'dead') return deleted.has(row.message_id ?? '') ? [] : [`dead: ${row.launch_id} (${row.reason})`]
  if (row.state !== 'sent' || deleted.has(row.message_id ?? '') || !isFollowed(launch, now)) return []
  const context: CardContext = { now, dataAsOf: now }
  const wanted = { ...launch, image_url: launch.image_url?.includes('/refused/') ? null : launch.image_url }
  const message = discord.messages.find(({ id }) => id === row.message_id)
  const shown = JSON.stringify(message && withoutFooter(message))
  const facts = JSON.stringify(withoutFooter(launchCard(wanted, context, EN)))
  return shown === facts ? [] : [`card of ${row.launch_id} shows ${shown}, not ${facts}`]
}

function isDigest({ embeds }: ChannelMessage): boolean {
  return embeds?.[0]?.title === EN.digest.title
}

/** A digest that was just posted: at most a day after its tick, and once. */
function wrongDigest(message: ChannelMessage, { discord, deleted, index }: YearChannel, { now }: LivedYear): string[] {
  const daysOf = (one: ChannelMessage) => one.versions[0]?.embeds?.[0]?.description?.split('\n')[0]
  const digests = [...discord.messages, ...deleted.values()].filter(isDigest)
  const tick = readCron(DIGEST).last(new Date(now)).getTime()
  return [
    ...(daysOf(message)?.startsWith(`<t:${tick / 1_000}:D>`) ? [] : [`not of the newest tick: ${daysOf(message)}`]),
    ...(digests.filter((one) => daysOf(one) === daysOf(message)).length > 1 ? [`twice: ${daysOf(message)}`] : []),
  ].map((mistake) => `channel ${index}: digest ${mistake}`)
}

/** The current digest lists other launches, or shows other facts. */
function wrongList(row: Row, launches: readonly KnownLaunch[], channel: YearChannel, year: LivedYear): string[] {
  const tick = readCron(DIGEST).last(new Date(year.now))
  const message = channel.discord.messages.find(({ id }) => id === row.message_id)
  if (row.launch_id !== `digest:${tick.toISOString()}` || row.state !== 'sent' || message === undefined) return []
  const endOf = ({ net, net_precision }: KnownLaunch) => periodEnd(net, net_precision).getTime()
  const orderOf = (launch: KnownLaunch) => (isPrecise(launch.net_precision) ? launch.net.getTime() : endOf(launch))
  const precisionOf = ({ net_precision }: KnownLaunch) => net_precision ?? 0
  const listed = launches
    .filter((launch) => endOf(launch) > tick.getTime() && endOf(launch) <= tick.getTime() + 7 * DAY)
    .filter(({ net_precision }) => net_precision !== null && net_precision < 7)
    .filter(({ launch_id, vanished_at, status_id }) => year.passes(launch_id) && (!vanished_at || isFlown(status_id)))
    .sort((a, b) => orderOf(a) - orderOf(b) || precisionOf(a) - precisionOf(b) || (a.launch_id < b.launch_id ? -1 : 1))
  const wanted = digestMessage(digestOf(tick, listed, 'UTC', EN).facts, new Date(), EN)
  const [shown, facts] = [message, wanted].map((one) => JSON.stringify(withoutFooter(one)))
  return shown === facts ? [] : [`digest shows ${shown}, not ${facts}`]
}

/** A notice on the channel that shows another T-0 than the announced one. */
function outdated(row: Row, launch: KnownLaunch | undefined, { discord }: YearChannel, now: Date): string[] {
  const { kind, subject, told_net, message_id, facts } = row
  const isShown = kind !== 'card' && row.state === 'sent' && discord.messages.some(({ id }) => id === message_id)
  if (!isShown || told_net === null || launch === undefined || isFlown(launch.status_id)) return []
  const { net, precision } = facts.now ?? facts
  const announced = { net: told_net, precision: row.told_precision ?? 7 }
  return isMaterial({ net: new Date(net), precision }, announced, now) ? [`${subject} shows the old T-0 ${net}`] : []
}

function isFollowed({ net, status_id }: KnownLaunch, now: Date): boolean {
  return net.getTime() > now.getTime() - 7 * DAY || !FINAL.includes(status_id ?? 0)
}

/** A stable slip must have been announced. */
function notAnnounced(row: Row, rows: readonly Row[], launch: KnownLaunch | undefined, year: LivedYear): string[] {
  if (launch === undefined || row.told_net === null || isFlown(launch.status_id) || !year.passes(row.launch_id))
    return []
  const announced = { net: row.told_net, precision: row.told_precision ?? 7 }
  const states = year.states.get(row.launch_id) ?? []
  const changedAt = launch.updated_at?.getTime() ?? 0
  if (year.now - changedAt < 11 * MINUTE || states.length === 0) return []
  return isMaterial(announced, netOf(launch), new Date(year.now))
    ? [`a slip of ${row.launch_id} was not announced (${rows.length})`]
    : []
}

/** A reminder that is due at this tick must have been sent, unless the channel is new. */
function notReminded(launch: KnownLaunch, rows: readonly Row[], year: LivedYear): string[] {
  const { launch_id: launchId, net, status_id, vanished_at } = launch
  if (!isPrecise(launch.net_precision) || vanished_at || isFlown(status_id) || status_id === 5) return []
  const offset = OFFSETS[year.year.volume].find((ms) => {
    const late = year.now - (net.getTime() - ms)
    return late >= 0 && late < TICK
  })
  const own = rows.filter((row) => row.launch_id === launchId)
  const [first] = own
  if (offset === undefined || !year.passes(launchId) || rows.filter(({ kind }) => kind !== 'digest').length === 1)
    return []
  const announced = first?.told_net && { net: first.told_net, precision: first.told_precision ?? 7 }
  if (announced && isMaterial(announced, netOf(launch), new Date(year.now))) return []
  const sent = own.some(
    ({ subject, facts }) =>
      subject.startsWith(`T-${offsetText(offset)}#`) && Math.abs(Date.parse(facts.net) - net.getTime()) < 15 * MINUTE,
  )
  return sent ? [] : [`no reminder of ${launchId}, ${offset / MINUTE} min before ${net.toISOString()}`]
}

/**
 * A launch whose result arrived after the channel's first message, and up to two days after the flight, must have a
 * card. Launches that have flown when the database is filled do not count.
 */
function notMentioned(
  { launch_id: launchId, net, net_precision, status_id }: KnownLaunch,
  cards: readonly Row[],
  { startedAt }: YearChannel,
  year: LivedYear,
): string[] {
  const since = year.results.get(launchId) ?? 0
  const filled = (year.happenings[0]?.at ?? 0) + HOUR + TICK
  const isOld = year.now - Math.min(since, periodEnd(net, net_precision).getTime()) >= 2 * DAY
  if (!FINAL.includes(status_id ?? 0) || !year.passes(launchId) || isOld || since <= Math.max(startedAt, filled))
    return []
  return cards.some((row) => row.launch_id === launchId) ? [] : [`${launchId} flew and was not mentioned`]
}

/** When a launch gets its card or a reminder. */
const OFFSETS: Record<Volume, readonly number[]> = {
  full: [DAY, HOUR, 10 * MINUTE],
  normal: [DAY, HOUR],
  quiet: [DAY, 10 * MINUTE],
}

/** A run without changes must not send a request. */
async function notIdle(year: LivedYear): Promise<string[]> {
  const requests = () => year.channels.map(({ discord }) => discord.requests.length)
  const before = requests()
  await year.again()
  return requests().join() === before.join() ? [] : [`a run in which nothing changed sent: ${before} → ${requests()}`]
}
