import { z } from 'zod'
import { STORED_COLUMNS } from '../../pipelines/launches/columns.ts'
import { FINAL, type KnownLaunch } from '../../pipelines/launches/launch.ts'
import { withDetails } from '../../pipelines/launches/launch-details.ts'
import { nearestLaunch } from '../../pipelines/launches/upcoming.ts'
import { EN } from '../../pipelines/launches/words/en.ts'
import type { CardContext } from '../../pipelines/rocket-launches/discord/card-facts.ts'
import { launchCard } from '../../pipelines/rocket-launches/discord/card-message.ts'
import type { Volume } from '../../pipelines/rocket-launches/discord/volume.ts'
import { fetchAndStoreData } from '../../pipelines/rocket-launches/fetch-and-store-data.ts'
import { notifyDiscord } from '../../pipelines/rocket-launches/notify-discord.ts'
import { settings } from '../../pipelines/rocket-launches/settings.ts'
import { type DiscordServer, startDiscord } from '../../pipelines/rocket-launches/stand-ins/discord-server.ts'
import {
  type LaunchLibraryServer,
  startLaunchLibrary,
} from '../../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import type { Payload } from '../../src/connectors/discord-message.ts'
import { openHttp } from '../../src/connectors/http.ts'
import { headlineOf, kindOf, linesOf, shortInstant, withoutFooter } from './channel-words.ts'
import { createLaunchDatabase, type TestDatabase } from './database.ts'
import { quietLog } from './quiet-log.ts'
import type { Snapshot } from './recorded.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
export const TICK = 5 * MINUTE

/** Runs the pipeline's two tasks with a simulated clock and stand-ins for Launch Library and Discord. */
export class Replay {
  readonly database: TestDatabase
  /** `2026-01-14 18:10Z post reminder Falcon 9 | …: T-1 hour · …` */
  readonly story: string[] = []
  discord!: DiscordServer
  #library!: LaunchLibraryServer
  readonly #http = openHttp({ userAgent: 'tminus-test/1' })
  #now = new Date(0)
  #requestsSeen = 0
  #posted = 0
  readonly #volume: Volume
  /** The length of the story before the last run. */
  #before = 0

  private constructor(database: TestDatabase, volume: Volume) {
    this.database = database
    this.#volume = volume
  }

  /** Launch Library serves the latest recording, and for launches no longer listed their last recorded state. */
  static async open(snapshots: readonly Snapshot[], volume: Volume): Promise<Replay> {
    const replay = new Replay(await createLaunchDatabase(), volume)
    replay.discord = await startDiscord({ now: () => replay.#now })
    const past = () => snapshots.filter(({ at }) => at <= replay.#now)
    replay.#library = await startLaunchLibrary({
      version: snapshots[0]?.version ?? '2.2.0',
      now: () => replay.#now,
      launches: () => past().at(-1)?.launches ?? [],
      archive: () => {
        const listed = new Set(
          past()
            .at(-1)
            ?.launches.map(({ id }) => id),
        )
        const seen = new Map(past().flatMap(({ launches }) => launches.map((launch) => [launch.id, launch])))
        return [...seen.values()].filter(({ id }) => !listed.has(id))
      },
    })
    return replay
  }

  async close(): Promise<void> {
    await Promise.all([this.discord.close(), this.#library.close(), this.#http.close()])
    await this.database.drop()
  }

  /** A scheduled run. Adds what it sent to the story. */
  async run(tick: Date): Promise<void> {
    this.#now = tick
    this.#before = this.story.length
    const context = this.#context(tick)
    await fetchAndStoreData({}, context)
    await notifyDiscord({}, context)
    this.#addToStory()
  }

  /** If the last run sent anything: what a second run at the same time sends. */
  async again(tick: Date): Promise<string[]> {
    const before = this.story.length
    if (before > this.#before) await this.run(tick)
    return this.story.slice(before)
  }

  #context(tick: Date) {
    return {
      db: this.database.pool,
      http: this.#http,
      log: quietLog(),
      now: () => this.#now,
      runId: `scheduled__${tick.toISOString()}`,
      runType: 'scheduled' as const,
      logicalDate: tick,
      params: { sync: 'auto' as const },
      signal: new AbortController().signal,
      settings: z
        .object(settings)
        .parse({
          LAUNCH_LIBRARY_URL: this.#library.url,
          DISCORD_WEBHOOK_URL: this.discord.webhookUrl,
          DISCORD_VOLUME: this.#volume,
        }),
    }
  }

  #addToStory(): void {
    for (const { method, path } of this.discord.requests.slice(this.#requestsSeen)) {
      const id = path.split('/messages/')[1]
      const edited = this.discord.messages.find((message) => message.id === id)
      const posted = id === undefined ? this.discord.messages[this.#posted++] : undefined
      const [before, message] = edited ? edited.versions.slice(-2) : [undefined, posted?.versions[0]]
      if (message === undefined) throw new Error(`${method} ${path} did nothing`)
      const kind = kindOf(message)
      const words = before ? differences(before, message) : linesOf(message).slice(0, kind === 'slip' ? 3 : 2)
      const what = before ? 'edit' : `post ${kind}`
      this.story.push(`${shortInstant(this.#now)} ${what} | ${message.embeds?.[0]?.title} | ${words.join(' · ')}`)
    }
    this.#requestsSeen = this.discord.requests.length
  }

  /** The next tick that can send something: after a recording, or when a reminder or an expiry is due. */
  async nextTick(snapshots: readonly Snapshot[], until: Date): Promise<Date | undefined> {
    const { rows } = await this.database.pool.query<{ net: Date }>('select net from rocket_launches')
    const around = snapshots.flatMap(({ at }) =>
      [0, 1, 2, 3, 12, 13, 14, 15].map((index) => at.getTime() + index * TICK),
    )
    const due = rows.flatMap(({ net }) =>
      [7 * DAY, DAY, HOUR, 30 * MINUTE, 10 * MINUTE, -TICK].map((offset) => net.getTime() - offset),
    )
    const ticks = [...around, ...due].map((ms) => Math.ceil(ms / TICK) * TICK).filter((ms) => ms > this.#now.getTime())
    const next = new Date(Math.min(...ticks))
    return next <= until ? next : undefined
  }

  /** Cards that differ from the database, for the nearest launch and all launches that are still updated. */
  async wrongCards(): Promise<object[]> {
    const { pool } = this.database
    const nearest = await nearestLaunch(pool, this.#now)
    const { rows } = await pool.query<KnownLaunch & { messageId: string | null }>(
      `with shown as (
         select ${STORED_COLUMNS.join(', ')}, (
           select message_id from discord_outbox
           where kind = 'card' and discord_outbox.launch_id = rocket_launches.launch_id
         ) as "messageId" from rocket_launches)
       select * from shown where "messageId" is not null or launch_id = $1`,
      [nearest?.launch_id],
    )
    const context: CardContext = { now: this.#now, dataAsOf: this.#now }
    return (await withDetails(pool, rows)).flatMap(({ messageId, ...launch }) => {
      if (launch.net.getTime() < this.#now.getTime() - 7 * DAY && FINAL.includes(launch.status_id ?? 0)) return []
      const message = this.discord.messages.find(({ id }) => id === messageId)
      const wanted = withoutFooter(launchCard(launch, context, EN))
      const shown = message === undefined ? 'no card' : withoutFooter(message)
      return JSON.stringify(shown) === JSON.stringify(wanted) ? [] : [{ at: this.#now, shown, wanted }]
    })
  }

  /** Messages without a reason, unsent messages and duplicates. */
  async unexplained(): Promise<string[]> {
    const { rows } = await this.database.pool.query<{ message_id: string; reason_told: string; state: string }>(
      'select message_id, reason_told, state from discord_outbox',
    )
    const reasons = new Map(rows.map(({ message_id, reason_told }) => [message_id, reason_told]))
    const texts = this.discord.messages.map(({ versions: [posted] }) => JSON.stringify(posted?.embeds))
    return [
      ...rows.filter(({ state }) => state !== 'sent').map((row) => `not sent: ${JSON.stringify(row)}`),
      ...this.discord.messages.filter(({ id }) => !reasons.get(id)).map((message) => `why? ${headlineOf(message)}`),
      ...texts.filter((text, index) => texts.indexOf(text) !== index).map((text) => `twice: ${text}`),
    ]
  }
}

/** The parts of a card, or the lines of a notice, that an edit changed. Throws if a card has none. */
function differences(before: Payload, after: Payload): string[] {
  if (kindOf(after) !== 'card') return linesOf(after).filter((line) => !linesOf(before).includes(line))
  const [old, present] = [partsOf(before), partsOf(after)]
  const changed = Object.keys({ ...old, ...present }).filter((part) => old[part] !== present[part])
  if (changed.length === 0) throw new Error(`edited without a change: ${JSON.stringify(after)}`)
  return changed.map((part) => (SHOWN.has(part) ? (present[part] ?? `no ${part}`) : part))
}

const SHOWN = new Set(['status', 'when', 'title', 'webcast'])

function partsOf(message: Payload): Record<string, string | undefined> {
  const [embed] = message.embeds ?? []
  const [status, when, ...rest] = linesOf(message)
  return {
    title: embed?.title,
    status: status?.replaceAll('**', ''),
    when,
    webcast: rest.find((line) => line === EN.notice.kinds.webcast),
    mission: rest.filter((line) => line !== EN.notice.kinds.webcast).join(' '),
    image: embed?.image?.url,
    patch: embed?.thumbnail?.url,
    provider: embed?.author?.name,
    logo: embed?.author?.icon_url,
    details: embed?.url,
    ...Object.fromEntries(embed?.fields?.map(({ name, value }) => [name, value]) ?? []),
    buttons: JSON.stringify(message.components),
  }
}
