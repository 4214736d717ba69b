import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { initializeSchema } from '../pipelines/launches/initialize-schema.ts'
import { fetchAndStoreData } from '../pipelines/rocket-launches/fetch-and-store-data.ts'
import { notifyDiscord } from '../pipelines/rocket-launches/notify-discord.ts'
import { settings } from '../pipelines/rocket-launches/settings.ts'
import {
  type DiscordOptions,
  type DiscordServer,
  startDiscord,
} from '../pipelines/rocket-launches/stand-ins/discord-server.ts'
import {
  type LaunchLibraryServer,
  startLaunchLibrary,
} from '../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import { sendJson } from '../pipelines/rocket-launches/stand-ins/loopback.ts'
import { type Http, openHttp } from '../src/connectors/http.ts'
import type { Database } from '../src/db/pool.ts'
import { quietLog } from '../test/support/quiet-log.ts'
import { RECORDED, recorded, snapshotsOf, WITHOUT_RECORDED } from '../test/support/recorded.ts'
import { FLOWN_LAST, HELD, launchPages, NEXT } from './launch-pages.ts'

/** The instant that all pages show: 46 minutes before the T-0 of `NEXT`. */
export const NOW = new Date('2026-08-30T11:19:24Z')

const LAUNCH_LIBRARY = 'https://ll.thespacedevs.com/2.2.0'
const WEBHOOK = { webhookId: '1200000000000000001', token: `sample-${'0123456789'.repeat(7)}`.slice(0, 68) }
/** The settings of a process that serves these launches. */
export const ENV: Readonly<Record<string, string>> = {
  LAUNCH_LIBRARY_URL: LAUNCH_LIBRARY,
  DISCORD_WEBHOOK_URL: `https://discord.com/api/webhooks/${WEBHOOK.webhookId}/${WEBHOOK.token}`,
  DISCORD_USERNAME: 'T-minus',
}

/** A launch as Launch Library 2.2.0 sends it. */
type Received = Readonly<Record<string, unknown>>
/** The fields of a launch that change. */
type Change = Received
/** How the channel answers: `refuses` the first post, `loses` the answer to it, or asks for every request to `wait`. */
type Trouble = 'refuses' | 'loses' | 'wait'

/**
 * Reads after the last recording. The changes are invented, because the recordings end a week before the T-0 of `NEXT`.
 */
const STORY: readonly { at: string; changes?: Readonly<Record<string, Change>>; trouble?: Trouble }[] = [
  { at: '2026-08-24T09:45:00Z' },
  { at: '2026-08-25T08:45:00Z', trouble: 'refuses' },
  { at: '2026-08-25T09:44:00Z', changes: { [FLOWN_LAST]: status(6, 'Launch in Flight') } },
  { at: '2026-08-25T11:00:00Z', changes: { [FLOWN_LAST]: status(3, 'Launch Successful') } },
  { at: '2026-08-27T12:00:00Z', changes: { [HELD]: net('2026-08-29T20:10:00Z') } },
  { at: '2026-08-28T20:12:00Z', changes: { [HELD]: net('2026-08-30T20:10:00Z') } },
  { at: '2026-08-29T11:30:00Z', changes: { [NEXT]: { probability: 80, weather_concerns: 'Cumulus Cloud Rule' } } },
  {
    at: '2026-08-30T08:40:00Z',
    trouble: 'loses',
    changes: {
      [HELD]: { ...status(5, 'On Hold'), holdreason: 'The team examines a reading of the fuel pressure.' },
      [NEXT]: { ...status(5, 'On Hold'), holdreason: 'Strong winds at altitude.' },
    },
  },
  {
    at: '2026-08-30T09:20:00Z',
    changes: { [NEXT]: { ...status(1, 'Go for Launch'), holdreason: '', ...net('2026-08-30T12:06:00Z') } },
  },
  { at: '2026-08-30T11:06:00Z', changes: { [NEXT]: { webcast_live: true, probability: 90 } } },
  { at: '2026-08-30T11:18:00Z', changes: { [HELD]: net('2026-09-01T20:10:00Z') }, trouble: 'wait' },
]

function status(id: number, name: string): Change {
  return { status: { id, name } }
}

function net(at: string): Change {
  return { net: at, window_start: at, window_end: at }
}

/**
 * Stores the recorded launches like runs of the pipeline that read each recording at its time, with what a channel was
 * sent. Returns the pages that show them, by name; undefined, and says so, without the recordings.
 */
export async function placeRecordedLaunches(db: Database): Promise<Record<string, string> | undefined> {
  if (!RECORDED) {
    console.warn(WITHOUT_RECORDED)
    return undefined
  }
  await initializeSchema({}, { db, log: quietLog() })
  const world = new World()
  const [library, discord] = await world.open()
  const http = openHttp({ userAgent: 'tminus-pages/1' })
  try {
    for (const at of world.times) await run(world, at, { db, http, library, discord })
  } finally {
    await Promise.all([library.close(), discord.close(), http.close()])
  }
  // The pages name the source and its quota by the address in `ENV`.
  await db.query('update rocket_launch_sync set source = replace(source, $1, $2)', [library.url, LAUNCH_LIBRARY])
  return await launchPages(db)
}

interface Places {
  db: Database
  http: Http
  library: LaunchLibraryServer
  discord: DiscordServer
}

/** A run of the pipeline at this time. */
async function run(world: World, at: Date, { db, http, library, discord }: Places): Promise<void> {
  world.now = at
  const context = {
    ...{ db, http, log: quietLog(), now: () => at, signal: new AbortController().signal },
    ...{ runId: `scheduled__${at.toISOString()}`, runType: 'scheduled' as const, logicalDate: at },
    params: { sync: 'full' as const },
    settings: z
      .object(settings)
      .parse({ ...ENV, LAUNCH_LIBRARY_URL: library.url, DISCORD_WEBHOOK_URL: discord.webhookUrl }),
  }
  await fetchAndStoreData({}, context)
  // The run of a refused message fails, as it should.
  await notifyDiscord({}, context).catch((error: unknown) => {
    if (world.troubleAt(at) === undefined) throw error
  })
  await moveMessages(db, at)
}

/** Postgres' clock sets the times of the outbox. This moves those of the last run to `at`. */
async function moveMessages(db: Database, at: Date): Promise<void> {
  await db.query(
    `update discord_outbox set updated_at = $1, created_at = least(created_at, $1), sent_at = least(sent_at, $1),
       not_before = not_before - updated_at + $1
     where updated_at > $1`,
    [at.toISOString()],
  )
}

/** Launch Library and Discord at the time `now`. */
class World {
  now = new Date(0)
  readonly #lists = [...snapshotsOf('eclectic-sailor'), ...snapshotsOf('kohld-zenith')].sort((a, b) => +a.at - +b.at)
  readonly #troubled = new Set<Trouble>()

  get times(): Date[] {
    return [...this.#lists.map(({ at }) => at), ...STORY.map(({ at }) => new Date(at))]
  }

  troubleAt(at: Date): Trouble | undefined {
    return STORY.find((one) => one.at === at.toISOString().replace('.000', ''))?.trouble
  }

  async open(): Promise<[LaunchLibraryServer, DiscordServer]> {
    const now = () => this.now
    const launches = () => [...this.#upcoming(), ...this.#unreadable()]
    const library = await startLaunchLibrary({ version: '2.2.0', now, launches, archive: () => this.#archive() })
    const discord = await startDiscord({ ...WEBHOOK, now, ...this.#hooks() })
    return [library, discord]
  }

  #hooks(): Pick<DiscordOptions, 'intercept' | 'interceptAnswer'> {
    return {
      intercept: (request, response) => {
        const trouble = this.#troubleWith(request)
        if (trouble === 'wait') sendJson(request, response, 429, { retry_after: 600 }, { 'retry-after': '600' })
        if (trouble === 'refuses') sendJson(request, response, 400, REFUSAL)
        return trouble === 'wait' || trouble === 'refuses'
      },
      interceptAnswer: (request) => {
        const isLost = this.#troubleWith(request, true) === 'loses'
        if (isLost) request.socket.destroy()
        return isLost
      },
    }
  }

  /** Only the first post of a run is refused or lost. */
  #troubleWith({ method }: IncomingMessage, isAnswered = false): Trouble | undefined {
    const trouble = this.troubleAt(this.now)
    if (trouble === 'wait') return trouble
    if (trouble === undefined || method !== 'POST' || this.#troubled.has(trouble)) return undefined
    if (trouble === 'refuses' || isAnswered) this.#troubled.add(trouble)
    return trouble
  }

  #upcoming(): Received[] {
    const list = this.#lists.filter(({ at }) => at <= this.now).at(-1)?.launches ?? []
    const dayAgo = this.now.getTime() - 86_400_000
    return list.map((launch) => this.#told(launch)).filter((launch) => Date.parse(String(launch.net)) >= dayAgo)
  }

  /** The launches that left the list, in their last recorded state. If they have flown, with an invented result. */
  #archive(): Received[] {
    const listed = new Set(this.#upcoming().map(({ id }) => id))
    const past = this.#lists.filter(({ at }) => at <= this.now).flatMap(({ launches }) => launches)
    const latest = new Map(past.map((launch) => [launch.id, this.#told(launch)]))
    return [...latest.values()].filter(({ id }) => !listed.has(id)).map((launch) => this.#ended(launch))
  }

  /** The launch with the changes of the story so far. */
  #told(launch: Received): Received {
    const changes = STORY.filter(({ at }) => new Date(at) <= this.now).flatMap(({ at, changes = {} }) =>
      Object.entries(changes)
        .filter(([name]) => String(launch.name).includes(name))
        .map(([, change]) => ({ ...change, last_updated: at })),
    )
    return Object.assign({}, launch, ...changes)
  }

  #ended(launch: Received): Received {
    const { id } = (launch.status ?? {}) as { id?: number }
    const flownAt = { ...launch, ...exactNet(launch) }
    if (Date.parse(flownAt.net) > this.now.getTime() || [3, 4, 7].includes(id ?? 0)) return launch
    const outcome = Number.parseInt(String(launch.id).slice(0, 4), 16) % 16
    if (outcome === 0)
      return { ...flownAt, ...status(4, 'Launch Failure'), failreason: 'The second stage did not ignite.' }
    return {
      ...flownAt,
      ...(outcome === 1 ? status(7, 'Launch was a Partial Failure') : status(3, 'Launch Successful')),
    }
  }

  /** A launch of an answer in another mode, and one without a T-0. */
  #unreadable(): Received[] {
    if (this.now < NOW_MINUS_A_DAY) return []
    const [listMode, other] = recorded('upcoming-list-aarlert').flatMap(({ launches }) => launches)
    const withoutNet = { ...this.#upcoming()[0], id: other?.id, name: other?.name, net: null }
    return [...(listMode ? [listMode] : []), withoutNet]
  }
}

/** The T-0 of a launch that flew: as recorded if it is a time, otherwise an invented time in the recorded period. */
function exactNet({ id, net, net_precision }: Received): { net: string; net_precision?: unknown } {
  const recorded = String(net)
  const { id: precision = 0 } = (net_precision ?? {}) as { id?: number }
  if (precision <= 2) return { net: recorded }
  const minutes = Number.parseInt(String(id).slice(4, 8), 16) % (20 * 1_440)
  return {
    net: new Date(Date.parse(recorded) - minutes * 60_000).toISOString(),
    net_precision: { id: 1, name: 'Minute' },
  }
}

const NOW_MINUS_A_DAY = new Date(NOW.getTime() - 86_400_000)

const REFUSAL = {
  message: 'Invalid Form Body',
  code: 50_035,
  errors: {
    embeds: {
      0: { title: { _errors: [{ code: 'BASE_TYPE_MAX_LENGTH', message: 'Must be 256 or fewer in length.' }] } },
    },
  },
}
