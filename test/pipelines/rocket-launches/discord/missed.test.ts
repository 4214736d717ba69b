import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { loadHistory } from '../../../../pipelines/launch-history/load-history.ts'
import { FORGOTTEN } from '../../../../pipelines/rocket-launches/discord/card.ts'
import { setState } from '../../../../pipelines/rocket-launches/discord/outbox-list.ts'
import { fetchAndStoreData } from '../../../../pipelines/rocket-launches/fetch-and-store-data.ts'
import {
  type LaunchLibraryServer,
  startLaunchLibrary,
} from '../../../../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import { parseWebhookUrl } from '../../../../src/connectors/discord.ts'
import { openHttp } from '../../../../src/connectors/http.ts'
import { Announcing } from '../../../support/announcing.ts'
import { headlineOf } from '../../../support/channel-words.ts'
import { sendJson } from '../../../support/http-server.ts'
import { launch230 } from '../../../support/launches.ts'
import { quietLog } from '../../../support/quiet-log.ts'

const channel = Announcing.use()
const http = openHttp({ userAgent: 'tminus-test/1' })
afterAll(() => http.close())

const HOUR = 3_600_000
const START = Date.parse('2026-11-10T05:00:00Z')
let library: LaunchLibraryServer
let listed: Record<string, unknown>[]
let past: Record<string, unknown>[]
/** Requests for a page from this offset on are answered with a 502. */
let brokenFrom: number
/** Pages of previous launches that are answered before each further request gets a 502. */
let pagesLeft: number

beforeEach(async () => {
  listed = [launchOf('next', { in: 60 })]
  past = []
  brokenFrom = Number.POSITIVE_INFINITY
  pagesLeft = Number.POSITIVE_INFINITY
  library = await startLaunchLibrary({
    ...{ launches: () => listed, archive: () => past, now: () => channel.now },
    intercept: (_request, response, { path, query }) => {
      if (path.includes('previous')) pagesLeft -= 1
      const broken = Number(query.offset ?? 0) >= brokenFrom || pagesLeft < 0
      if (broken) sendJson(response, {}, 502)
      return broken
    },
  })
  channel.env = { LAUNCH_LIBRARY_URL: library.url, DISCORD_NOTICES: 'result' }
  await channel.database.pool.query(
    'truncate rocket_launches, rocket_launch_history, rocket_launch_rejects, launch_library_quota',
  )
})
afterEach(() => library.close())

let updates = 0
const STATUS = { go: 1, tbd: 2, success: 3, failure: 4 } as const

/** A launch whose T-0 is `in` hours after the start. */
function launchOf(
  id: string,
  { in: hours, status = 'go', precision = 1 }: { in: number; status?: keyof typeof STATUS; precision?: number },
) {
  const net = `${new Date(START + hours * HOUR).toISOString().slice(0, 19)}Z`
  const name = { id: precision, name: '', abbrev: '', description: '' }
  return launch230({
    ...{ id, name: id, net, net_precision: name, last_updated: new Date(START + ++updates).toISOString() },
    status: { id: STATUS[status], name: status },
  })
}

/** A run `hours` after the start: it reads the whole list, unless Launch Library is down, and then notifies the channels. */
async function run(
  hours: number,
  { down = false, ...circumstances }: Parameters<Announcing['notify']>[0] & { down?: boolean } = {},
) {
  channel.now = new Date(START + hours * HOUR)
  if (!down) await fetchAndStoreData({}, { ...context(), runType: 'manual', params: { sync: 'full' } }).catch(() => {})
  await channel.notify({ scheduledFor: channel.now, ...circumstances })
  return posts()
}

function context() {
  return {
    ...{ db: channel.database.pool, http, log: quietLog(), now: () => channel.now, logicalDate: channel.now },
    signal: new AbortController().signal,
    settings: {
      LAUNCH_LIBRARY_URL: library.url,
      LAUNCH_LIBRARY_TOKEN: undefined,
      LAUNCH_LIBRARY_INTERVALS: [1, 1, 1] as const,
    },
  }
}

async function loadPast(): Promise<void> {
  await loadHistory({}, { ...context(), params: {} })
}

/** The messages so far, without the card of `next`: `name: headline`. */
function posts(): string[] {
  return channel.discord.messages
    .filter(({ embeds }) => embeds?.[0]?.title !== 'next')
    .map((message) => `${message.embeds?.[0]?.title}: ${headlineOf(message)}`)
}

test('a launch that is first seen flown gets one post with its result', async () => {
  await run(0)
  listed.push(launchOf('flown', { in: 1, status: 'success' }), launchOf('failed', { in: 2, status: 'failure' }))
  const expected = ['flown: Launch successful', 'failed: Launch failed']
  expect(await run(3)).toEqual(expected)
  expect(await run(4)).toEqual(expected)
  // The card is the message of the result.
  const rows = (await channel.outbox()).map(
    ({ launch_id, kind, merged_into }) => `${launch_id} ${kind} ${merged_into !== null}`,
  )
  const both = ['flown card false', 'flown result true', 'failed card false', 'failed result true']
  expect(rows).toEqual(['next card false', ...both])
})

test('the post of a missed launch pings as a result does', async () => {
  await run(0)
  listed.push(launchOf('flown', { in: 1, status: 'success' }))
  await run(2, { env: { DISCORD_ROLE_ID: '42:result' } })
  listed.push(launchOf('failed', { in: 2, status: 'failure' }))
  await run(3, { env: { DISCORD_ROLE_ID: '42:reminder' } })
  expect(channel.discord.messages.map(({ pinged }) => pinged)).toEqual([[], ['<@&42>'], []])
})

test('a launch that flies without ever having an exact date gets one post with its result', async () => {
  // Both are placeholders at the end of November.
  const month = { in: 474, precision: 7 }
  listed.push(launchOf('secret', { ...month, status: 'tbd' }))
  expect(await run(0)).toEqual([])
  listed[1] = launchOf('secret', { ...month, status: 'success' })
  expect(await run(1)).toEqual(['secret: Launch successful'])
  expect(await run(2)).toEqual(['secret: Launch successful'])
})

test('a result that was stored more than two days ago is no news, even if the period is not over', async () => {
  await run(0)
  listed.push(launchOf('secret', { in: 474, precision: 7, status: 'success' }))
  channel.env.DISCORD_FILTER_PROVIDERS = 'Rocket Lab'
  await run(2)
  channel.env.DISCORD_FILTER_PROVIDERS = ''
  expect(await run(50.1)).toEqual([])
})

test('a launch that flew while the pipeline was down for a day gets one post, one that flew earlier gets none', async () => {
  listed = [launchOf('next', { in: 24 }), launchOf('dated', { in: 26 })]
  listed.push(launchOf('old', { in: 100, precision: 7, status: 'tbd' }))
  await run(0)
  listed[1] = launchOf('dated', { in: 26, status: 'success' })
  listed[2] = launchOf('old', { in: 1, status: 'success' })
  listed.push(launchOf('new', { in: 30, status: 'success' }))
  expect(await run(50)).toEqual(['dated: Launch successful', 'new: Launch successful'])
})

test('a run posts two missed launches, and later runs post the others', async () => {
  await run(0)
  // The only card so far also changes.
  listed = [launchOf('next', { in: 60, status: 'tbd' })]
  for (const id of ['1', '2', '3', '4', '5']) listed.push(launchOf(id, { in: Number(id), status: 'success' }))
  expect(await run(6)).toHaveLength(2)
  expect(await run(6.1, { down: true })).toHaveLength(4)
  expect(await run(6.2)).toEqual(['1', '2', '3', '4', '5'].map((id) => `${id}: Launch successful`))
  expect(await run(6.3)).toHaveLength(5)
})

test('a missed launch is not posted after two days', async () => {
  await run(0)
  for (const id of ['1', '2', '3']) listed.push(launchOf(id, { in: Number(id), status: 'success' }))
  expect(await run(6)).toHaveLength(2)
  expect(await run(52)).toHaveLength(2)
})

test('the first reading of an empty database posts the nearest launch only', async () => {
  listed.push(launchOf('flown', { in: -1, status: 'success' }))
  expect(await run(0)).toEqual([])
  expect(await run(1)).toEqual([])
  // The channel is not new, but the database is.
  await channel.database.pool.query('truncate rocket_launches, rocket_launch_changes, rocket_launch_sync')
  listed.push(launchOf('other', { in: 1, status: 'success' }))
  expect(await run(2)).toEqual([])
  expect(await run(3)).toEqual([])
})

test('a first reading that is interrupted after a page posts the nearest launch only', async () => {
  listed.push(launchOf('flown', { in: -1, status: 'success' }))
  for (let index = 0; index < 98; index += 1) listed.push(launchOf(`later ${index}`, { in: 1_000 + index }))
  listed.push(launchOf('on page two', { in: -2, status: 'success' }))
  brokenFrom = 1
  expect(await run(0)).toEqual([])
  brokenFrom = Number.POSITIVE_INFINITY
  expect(await run(0.5)).toEqual([])
  expect(await run(2)).toEqual([])
  expect((await channel.database.pool.query('select from rocket_launches')).rowCount).toBe(101)
})

test('launches that launch-history stored are not posted', async () => {
  await run(0)
  past = [launchOf('loaded', { in: 5, status: 'success' })]
  channel.now = new Date(START + 40 * HOUR)
  await loadPast()
  expect(await run(40.1)).toEqual([])
  // The list still has the launch, so the pipeline reads it too.
  listed.push(launchOf('loaded', { in: 5, status: 'success' }), launchOf('flown', { in: 40, status: 'success' }))
  expect(await run(41)).toEqual(['flown: Launch successful'])
})

test('a launch that is first seen flown while launch-history loads older launches gets one post', async () => {
  await run(0)
  past = Array.from({ length: 300 }, (_, n) => launchOf(`old ${n}`, { in: n - 5_000, status: 'success' }))
  const loadPage = async (hours: number) => {
    channel.now = new Date(START + hours * HOUR)
    pagesLeft = 1
    await expect(loadPast()).rejects.toThrow()
    pagesLeft = Number.POSITIVE_INFINITY
  }
  await loadPage(40)
  const flown = launchOf('flown', { in: 39, status: 'success' })
  listed.push(flown)
  past.push(flown)
  channel.now = new Date(START + 40.1 * HOUR)
  await fetchAndStoreData({}, { ...context(), runType: 'manual', params: { sync: 'full' } })
  await loadPage(40.2)
  expect(await run(40.3)).toEqual(['flown: Launch successful'])
  channel.now = new Date(START + 40.4 * HOUR)
  await loadPast()
  expect(await run(40.5)).toEqual(['flown: Launch successful'])
})

test('a new channel gets the nearest launch only, then each missed launch', async () => {
  await run(0)
  listed.push(launchOf('flown', { in: 1, status: 'success' }))
  const old = parseWebhookUrl(channel.discord.webhookUrl)
  const added = parseWebhookUrl(`${channel.discord.webhookUrl}?thread_id=120000000000000099`)
  const rowsOf = async (target: string) =>
    (await channel.outbox()).flatMap((row) => (row.target === target && row.kind === 'card' ? [row.launch_id] : []))
  await run(2, { webhooks: [old, added] })
  expect(await rowsOf(old.target)).toEqual(['next', 'flown'])
  expect(await rowsOf(added.target)).toEqual(['next'])
  listed.push(launchOf('second', { in: 2, status: 'success' }))
  await run(3, { webhooks: [old, added] })
  expect(await rowsOf(old.target)).toEqual(['next', 'flown', 'second'])
  expect(await rowsOf(added.target)).toEqual(['next', 'second'])
})

test('a missed launch that discord forget discards is not posted again', async () => {
  await run(0)
  listed.push(launchOf('flown', { in: 1, status: 'success' }))
  channel.refuse(429, { retry_after: 60 }, { 'retry-after': '60' })
  await run(2).catch(() => {})
  channel.intercept = undefined
  const [card] = (await channel.outbox()).filter(({ launch_id, kind }) => launch_id === 'flown' && kind === 'card')
  await setState(channel.database.pool, Number(card?.outbox_id), { state: 'dead', reason: FORGOTTEN })
  expect(await run(3)).toEqual([])
})

test('a filter and DISCORD_NOTICES decide which missed launches are posted', async () => {
  await run(0)
  listed.push(launchOf('flown', { in: 1, status: 'success' }))
  expect(await run(2, { env: { DISCORD_FILTER_PROVIDERS: 'Rocket Lab' } })).toEqual([])
  expect(await run(2, { env: { DISCORD_NOTICES: 'slip,hold' } })).toEqual([])
  expect(await run(2)).toEqual(['flown: Launch successful'])
})

test('a run that is killed at any await posts a missed launch at most once', async () => {
  for (let awaits = 1, survived = false; !survived; awaits += 1) {
    await channel.forget()
    channel.discord.messages.splice(0)
    await channel.database.pool.query('truncate rocket_launches, rocket_launch_changes, rocket_launch_sync')
    listed = [launchOf('next', { in: 60 })]
    await run(0)
    listed.push(launchOf('flown', { in: 1, status: 'success' }))
    await fetchAndStoreData(
      {},
      { ...context(), now: () => new Date(START + 2 * HOUR), runType: 'manual', params: { sync: 'full' } },
    )
    channel.now = new Date(START + 2 * HOUR)
    survived = await channel.mortal(awaits, { scheduledFor: channel.now })
    await channel.age()
    const [lost] = (await channel.outbox()).filter(({ launch_id, kind }) => launch_id === 'flown' && kind === 'card')
    const shown = await run(2.1)
    expect(shown.length).toBeLessThanOrEqual(1)
    if (lost?.state !== 'sending') expect(shown).toEqual(['flown: Launch successful'])
  }
})
