import type { DemoHost } from 'tminus'
import { type ChannelMessage, startDiscord } from '../stand-ins/discord-server.ts'
import { startLaunchLibrary } from '../stand-ins/launch-library-server.ts'
import { firstNews, type Update, update, withDetails } from './details.ts'
import { type SampleLaunch, sampleLaunches } from './launches.ts'
import { find } from './parts.ts'

/** The demo's surroundings: sample launches, a channel, and a clock that can be advanced. */
export interface Stage {
  now(): Date
  /** The messages of the channel in their current state, oldest first. */
  messages: readonly ChannelMessage[]
  /** Advances the clock to `msBefore` ms before the T-0 of the demo's launch: the next launch when the demo began. */
  advanceTo(msBefore: number): void
  /** Moves the T-0 of the demo's launch. */
  slip(ms: number): void
  /** Changes the launch of this mission; by default the demo's launch. */
  change(change: LaunchChange, mission?: string): void
  /** Runs the pipeline once; returns the effect on the channel. `quiet` prints nothing. */
  run(options?: { quiet?: boolean }): Promise<Run>
  /** The settings of a process that serves the board at this moment. */
  settings(): Record<string, string>
  close(): Promise<void>
}

export interface LaunchChange {
  slipMs?: number
  /** A key of `statuses` in `parts.json`. */
  status?: string
  live?: boolean
}

export interface Run {
  /** Exit code. */
  code: number
  /** Methods of the requests to Discord, in order. */
  sent: string[]
  /** New and edited messages in their current state. */
  changed: ChannelMessage[]
}

export interface StageOptions {
  /** Default: now. */
  startsAt?: Date
  /** The server in the addresses of the pictures. Default: the stand-in for Launch Library. */
  origin?: string
}

export async function openStage(host: DemoHost, options: StageOptions = {}): Promise<Stage> {
  let ahead = (options.startsAt?.getTime() ?? Date.now()) - Date.now()
  const now = () => new Date(Date.now() + ahead)
  const launchLibrary = await startLaunchLibrary({ now })
  const discord = await startDiscord({ now })
  let launches = sampleLaunches(now(), { origin: options.origin ?? new URL(launchLibrary.url).origin })
  const startedAt = now()
  /** By launch id, latest first. */
  const news = new Map<string, Update[]>(launches.map((launch) => [launch.id, firstNews(launch, startedAt)]))
  launchLibrary.setLaunches(() => launches.map((launch) => withDetails(launch, news.get(launch.id) ?? [])))
  const next = launches.findIndex(({ net }) => Date.parse(net) > now().getTime())
  const net = () => Date.parse(launches[next]?.net ?? '')
  const settings = () => ({
    LAUNCH_LIBRARY_URL: launchLibrary.url,
    DISCORD_WEBHOOK_URL: discord.webhookUrl,
    CLOCK: now().toISOString(),
  })
  const change: Stage['change'] = (changed, mission) => {
    const name = mission ?? launches[next]?.mission?.name
    launches = launches.map((launch) => {
      if (launch.mission?.name !== name) return launch
      news.set(launch.id, [update(newsOf(changed), now()), ...(news.get(launch.id) ?? [])])
      return changedLaunch(launch, changed, now())
    })
  }

  return {
    now,
    messages: discord.messages,
    advanceTo(msBefore) {
      ahead = net() - msBefore - Date.now()
    },
    slip: (slipMs) => change({ slipMs }),
    change,
    settings,
    async run(options) {
      const versions = new Map(discord.messages.map((message) => [message.id, message.versions.length]))
      const from = discord.requests.length
      const code = await host.run(settings(), options)
      const sent = discord.requests.slice(from).map(({ method }) => method)
      const changed = discord.messages.filter((message) => versions.get(message.id) !== message.versions.length)
      return { code, sent, changed }
    },
    async close() {
      await discord.close()
      await launchLibrary.close()
    },
  }
}

const NEWS: Readonly<Record<string, string>> = {
  hold: 'Hold: the team looks at a reading of a valve.',
  go: 'Go for launch again.',
  inFlight: 'Liftoff!',
  success: 'Launch success.',
}

function newsOf({ status = '', slipMs = 0 }: LaunchChange): string {
  return NEWS[status] ?? (slipMs < 0 ? 'New, earlier T-0.' : 'New, later T-0.')
}

function changedLaunch(launch: SampleLaunch, { slipMs = 0, status, live }: LaunchChange, now: Date): SampleLaunch {
  const moved = (at: string) => iso(Date.parse(at) + slipMs)
  return {
    ...launch,
    net: moved(launch.net),
    window_start: moved(launch.window_start),
    window_end: moved(launch.window_end),
    ...(status !== undefined && { status: find('statuses', status) }),
    ...(live !== undefined && { webcast_live: live }),
    last_updated: iso(now.getTime()),
  }
}

/** ISO 8601 in whole seconds, like the API's times. */
function iso(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
