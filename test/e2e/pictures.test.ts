import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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
import { BROWSER, newPage, openBrowser, RESULTS } from '../web/browser.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const WIDTHS = [1440, 390]

type Raw = Record<string, unknown>

/** Draws the messages of one launch as Discord shows them: `test-results/discord-NAME-WIDTH.png`. */
describe.skipIf(BROWSER === undefined)('pictures of the messages', () => {
  const channel = Announcing.use()
  const [version, longest] = longestLaunch()
  let browser: Browser
  beforeAll(async () => {
    browser = await openBrowser()
  })
  afterAll(() => browser?.close())

  /** Stores the launch as Launch Library has it from now on. */
  async function change(changes: Raw): Promise<void> {
    Object.assign(longest, changes, { last_updated: iso(channel.now) })
    await store(channel.database.pool, [longest], channel.now, version)
  }

  /** A run at this time. Returns the messages that it posted, in their first state. */
  async function run(at: number): Promise<ChannelMessage[]> {
    channel.now = new Date(at)
    const before = channel.discord.messages.length
    await channel.notify({ scheduledFor: channel.now })
    return channel.discord.messages.slice(before).map((message) => ({ ...message, ...message.versions[0] }))
  }

  async function draw(name: string, messages: readonly ChannelMessage[], options?: ChannelPageOptions): Promise<void> {
    for (const width of WIDTHS) {
      const context = await browser.newContext({ viewport: { width, height: 200 }, colorScheme: 'dark' })
      await context.route(/^https?:/, (route) => {
        const name = pictureNames[route.request().url().length % pictureNames.length] ?? 'day'
        return route.fulfill({ body: picture(name) ?? '', contentType: 'image/png' })
      })
      const { page, complaints } = await newPage(context)
      await page.setContent(channelPage(messages, channel.now, options), { waitUntil: 'networkidle' })
      await page.screenshot({ path: `${RESULTS}discord-${name}-${width}.png`, fullPage: true })
      expect([name, width, complaints]).toEqual([name, width, []])
      expect([name, width, await page.evaluate(WIDER)]).toEqual([name, width, []])
      await context.close()
    }
  }

  test('every message fits its width, with the longest texts', async () => {
    await channel.database.pool.query('truncate rocket_launches')
    channel.env = {
      ...{ DISCORD_USERNAME: 'T-minus', DISCORD_ROLE_ID: '123456789012345678:reminder,hold,go,slip,result' },
      DISCORD_NOTICES: 'slip,hold,go,result,reminder',
    }
    let net = Date.parse('2026-11-22T10:17:00Z')
    const at = (ms: number) => ({
      net: iso(new Date(net)),
      window_start: iso(new Date(net)),
      window_end: iso(new Date(net + ms)),
    })
    channel.now = new Date(net - 30 * HOUR)
    await change({
      ...at(HOUR),
      status: { id: 1, name: 'Go' },
      net_precision: { id: 1, name: 'Minute' },
      webcast_live: false,
    })
    await draw('card', await run(net - 30 * HOUR))

    net += 2 * DAY + 3 * HOUR
    await change(at(HOUR))
    await draw('slip', await run(net - 2 * DAY - 26 * HOUR))

    channel.now = new Date(net - 2 * HOUR)
    await change({ status: { id: 5, name: 'Hold' } })
    await draw('hold', await run(net - 2 * HOUR))

    net += 30 * MINUTE
    channel.now = new Date(net - 100 * MINUTE)
    await change({ ...at(HOUR), status: { id: 1, name: 'Go' } })
    await draw('go-again', await run(net - 80 * MINUTE))

    await change({ webcast_live: true })
    await draw('reminder', await run(net - 60 * MINUTE))

    channel.now = new Date(net + 10 * MINUTE)
    await change({ status: { id: 4, name: 'Failure' } })
    await draw('result', await run(net + 10 * MINUTE))
    await draw('channel', channel.discord.messages)
  }, 120_000)
})

/** The texts of elements that are wider than the page or their parent. */
const WIDER = `[...document.querySelectorAll('body *')]
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 1 || element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline')
  .map((element) => element.className + ': ' + element.textContent.trim().slice(0, 60))`

function iso(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`
}

/** A launch whose parts are the longest of the recorded launches (without recordings: of the sample launches). */
function longestLaunch(): ['2.2.0' | '2.3.0', Raw] {
  const version = RECORDED ? '2.2.0' : '2.3.0'
  const all: Raw[] = RECORDED
    ? recorded('v2.2.0-upcoming-detailed').flatMap(({ launches }) => launches)
    : sampleLaunches(new Date('2026-11-21T05:00:00Z'), { origin: 'https://pictures.test' })
  const lengthOf = (raw: Raw) => {
    const parsed: Parsed = parseLaunch(version, raw)
    if (!('launch' in parsed)) return 0
    const launch = { ...parsed.launch, id: 0, first_seen_at: null, updated_at: null, vanished_at: null }
    return JSON.stringify(launchCard(launch, { now: new Date(), dataAsOf: new Date() }, EN)).length
  }
  let longest = all[0] ?? {}
  for (const part of Object.keys(longest)) {
    if (['id', 'status', 'net', 'net_precision'].includes(part)) continue
    const candidates = all.map((raw) => ({ ...longest, [part]: raw[part] }))
    longest = candidates.reduce((best, one) => (lengthOf(one) > lengthOf(best) ? one : best))
  }
  const reasons = all.flatMap(({ holdreason, failreason }) => [`${holdreason ?? ''}`, `${failreason ?? ''}`])
  const reason = reasons.reduce((best, one) => (one.length > best.length ? one : best), 'Weather')
  return [version, { ...longest, holdreason: reason, failreason: reason }]
}
