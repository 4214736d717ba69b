import { beforeEach, describe, expect, test } from 'vitest'
import { type Parsed, parseLaunch } from '../../pipelines/launches/parse-launch.ts'
import { EN } from '../../pipelines/launches/words/en.ts'
import { sampleLaunches } from '../../pipelines/rocket-launches/demo/launches.ts'
import { picture, pictureNames } from '../../pipelines/rocket-launches/demo/picture.ts'
import { launchCard } from '../../pipelines/rocket-launches/discord/card-message.ts'
import type { ChannelMessage } from '../../pipelines/rocket-launches/stand-ins/discord-server.ts'
import { type ChannelPageOptions, channelPage } from '../../scripts/channel-page.ts'
import { store } from '../pipelines/rocket-launches/board/board-site.ts'
import { Announcing } from '../support/announcing.ts'
import { RECORDED, recorded } from '../support/recorded.ts'
import { BROWSER, newPage, RESULTS, useBrowser } from '../web/browser.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const WIDTHS = [1440, 390]

type Raw = Record<string, unknown>

/** Draws each message as Discord shows it: `test-results/discord-NAME-WIDTH.png`. */
describe.skipIf(BROWSER === undefined)('pictures of the messages', () => {
  const channel = Announcing.use()
  const { version, launches, longest } = recordedLaunches()
  const browser = useBrowser()
  beforeEach(async () => {
    await channel.database.pool.query('truncate rocket_launches')
    channel.env = {
      ...{ DISCORD_USERNAME: 'T-minus', DISCORD_ROLE_ID: '123456789012345678:reminder,hold,go,slip,result' },
      PUBLIC_URL: 'https://launches.example',
    }
  })

  /** A run at this time, after Launch Library changed the launch. Returns the new messages, as they were posted. */
  async function run(at: number, changes: Raw = {}): Promise<ChannelMessage[]> {
    channel.now = new Date(at)
    Object.assign(longest, changes, { last_updated: iso(at) })
    await store(channel.database.pool, [longest], channel.now, version)
    const before = channel.discord.messages.length
    await channel.notify({ scheduledFor: channel.now })
    return channel.discord.messages.slice(before).map((message) => ({ ...message, ...message.versions[0] }))
  }

  /** A launch from its card to its result: the new messages of each step. */
  async function story(): Promise<Record<string, ChannelMessage[]>> {
    const first = Date.parse('2026-11-22T10:17:00Z')
    const slipped = first + 51 * HOUR
    const net = slipped + 30 * MINUTE
    const timeOf = (ms: number) => ({ net: iso(ms), window_start: iso(ms), window_end: iso(ms + HOUR) })
    const minute = { id: 1, name: 'Minute' }
    const reasons = { holdreason: REASON, failreason: REASON }
    return {
      card: await run(first - 30 * HOUR, { ...timeOf(first), ...GO, net_precision: minute, webcast_live: false }),
      slip: await run(first - 20 * HOUR, { ...timeOf(slipped), ...reasons }),
      settled: await run(first - 19 * HOUR),
      hold: await run(slipped - 2 * HOUR, { status: { id: 5, name: 'Hold' } }),
      'go-again': await run(slipped - 100 * MINUTE, { ...timeOf(net), ...GO }),
      later: await run(slipped - 85 * MINUTE),
      reminder: await run(net - HOUR, { webcast_live: true }),
      result: await run(net + 10 * MINUTE, { status: { id: 4, name: 'Failure' } }),
    }
  }

  async function draw(name: string, messages: readonly ChannelMessage[], options?: ChannelPageOptions): Promise<void> {
    expect([name, messages.length]).toEqual([name, expect.toSatisfy((count: number) => count > 0)])
    for (const width of WIDTHS) {
      const context = await browser.newContext({ viewport: { width, height: 200 }, colorScheme: 'dark' })
      await context.route(/^https?:/, (route) => {
        const sky = pictureNames[route.request().url().length % pictureNames.length] ?? 'day'
        return route.fulfill({ body: picture(sky) ?? '', contentType: 'image/png' })
      })
      const { page, complaints } = await newPage(context)
      const now = messages.at(-1)?.postedAt ?? channel.now
      await page.setContent(channelPage(messages, now, options), { waitUntil: 'networkidle' })
      await page.screenshot({ path: `${RESULTS}discord-${name}-${width}.png`, fullPage: true })
      expect([name, width, complaints, await page.evaluate(WIDER)]).toEqual([name, width, [], []])
      await context.close()
    }
  }

  test('the messages about one launch fit their width', async () => {
    const { settled, later, ...steps } = await story()
    for (const [name, messages] of Object.entries(steps)) {
      const after = name === 'slip' ? settled : name === 'go-again' ? later : undefined
      await draw(name, [...messages, ...(after ?? [])])
    }
    await draw('channel', channel.discord.messages)
  }, 300_000)

  test('a thread of a forum fits its width', async () => {
    channel.forum = {}
    await story()
    const [thread] = channel.discord.threads
    const inThread = channel.discord.messages.filter(({ threadId }) => threadId === thread?.id)
    await draw('forum-thread', inThread, { name: thread?.name ?? '', isThread: true })
  }, 300_000)

  test('the messages in Korean fit their width', async () => {
    channel.env.DISCORD_LANGUAGE = 'ko'
    const { card, 'go-again': goAgain } = await story()
    await draw('korean-card', card ?? [], { language: 'ko' })
    await draw('korean-go-again', goAgain ?? [], { language: 'ko' })
    await draw('korean-channel', channel.discord.messages, { language: 'ko' })
  }, 300_000)

  test('a digest fits its width', async () => {
    const monday = Date.parse('2026-11-23T08:00:00Z')
    const raws = launches.slice(0, 60).map((launch, index) => {
      const net = iso(monday + (index + 1) * 2.5 * HOUR)
      return { ...launch, net, window_start: net, window_end: net, id: `${index}`, last_updated: iso(monday) }
    })
    channel.env.DISCORD_DIGEST = '0 9 * * 1 Europe/Berlin'
    channel.env.DISCORD_NOTICES = 'none'
    const digests = () => channel.discord.messages.filter(({ embeds }) => embeds?.[0]?.title === EN.digest.title)
    channel.now = new Date(monday)
    await store(channel.database.pool, raws.slice(0, 8), channel.now, version)
    await channel.notify()
    await draw('digest', digests())
    await store(channel.database.pool, raws, channel.now, version)
    await channel.notify()
    await draw('digest-60', digests())
  }, 300_000)
})

const GO = { status: { id: 1, name: 'Go for Launch' } }
/** The recorded answers have no reason. */
const REASON =
  'Upper level winds exceed the limits of the vehicle, and the ground team works on a leak of liquid oxygen at the quick disconnect of the second stage.'

/** The texts of elements that are wider than the page or their parent. */
const WIDER = `[...document.querySelectorAll('body *')]
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 1 || element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline')
  .map((element) => element.className + ': ' + element.textContent.trim().slice(0, 60))`

function iso(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

/** The parts of a launch that a card shows. */
const PARTS = [
  'name',
  'launch_service_provider',
  'rocket',
  'mission',
  'pad',
  'program',
  'mission_patches',
  'probability',
]

interface Launches {
  version: '2.2.0' | '2.3.0'
  launches: Raw[]
  /** A launch whose parts are those with the longest texts. */
  longest: Raw
}

/** The recorded launches in detailed mode. Without recordings: the sample launches. */
function recordedLaunches(): Launches {
  const version = RECORDED ? '2.2.0' : '2.3.0'
  const launches: Raw[] = RECORDED
    ? recorded('v2.2.0-upcoming-detailed').flatMap((one) => one.launches)
    : sampleLaunches(new Date('2026-11-21T05:00:00Z'), { origin: 'https://pictures.test' })
  const lengthOf = (raw: Raw) => {
    const parsed: Parsed = parseLaunch(version, raw)
    if (!('launch' in parsed)) return 0
    const launch = { ...parsed.launch, details: raw, id: 0, first_seen_at: null, updated_at: null, vanished_at: null }
    return JSON.stringify(launchCard(launch, { now: new Date(), dataAsOf: new Date() }, EN)).length
  }
  let longest = launches.find((launch) => lengthOf(launch) > 0) ?? {}
  for (const part of PARTS) {
    const candidates = launches.map((launch) => ({ ...longest, [part]: launch[part] }))
    longest = candidates.reduce((best, one) => (lengthOf(one) > lengthOf(best) ? one : best))
  }
  return { version, launches, longest }
}
