import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import launches from '../../../../pipelines/rocket-launches/dag.ts'
import { settings } from '../../../../pipelines/rocket-launches/settings.ts'
import { type DiscordServer, startDiscord } from '../../../../pipelines/rocket-launches/stand-ins/discord-server.ts'
import {
  type LaunchLibraryServer,
  startLaunchLibrary,
} from '../../../../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import { openClock } from '../../../../src/clock.ts'
import { createDatabase, type TestDatabase } from '../../../support/database.ts'
import { launch230 } from '../../../support/launches.ts'
import { openTestRunner, statesOf, testResources } from '../../../support/runner.ts'

/** T-0 of the only launch. */
const NET = new Date('2026-11-22T10:00:00Z')
const minus = (minutes: number) => new Date(NET.getTime() - minutes * 60_000)

let database: TestDatabase
let discord: DiscordServer
let library: LaunchLibraryServer
/** Launch Library's refusal; undefined: it answers normally. */
let refusal: { status: number; headers: Record<string, string> } | undefined
let clock: Date

beforeEach(async () => {
  database = await createDatabase()
  refusal = undefined
  discord = await startDiscord()
  library = await startLaunchLibrary({
    now: () => clock,
    launches: () => [launch230({ net: NET.toISOString() })],
    intercept: (_request, response) => {
      if (refusal !== undefined) response.writeHead(refusal.status, refusal.headers).end('{}')
      return refusal !== undefined
    },
  })
})
afterEach(() => Promise.all([discord.close(), library.close(), database.drop()]))

/** A scheduled run, with a clock that starts at its tick (CLOCK). */
async function tick(at: Date) {
  clock = at
  const { now } = openClock(at)
  const env = { LAUNCH_LIBRARY_URL: library.url, DISCORD_WEBHOOK_URL: discord.webhookUrl, DISCORD_VOLUME: 'full' }
  const parsed = z.object(settings).parse(env)
  const resources = { ...testResources(database), now, settingsOf: () => parsed }
  const { run } = await openTestRunner(database, [launches], { resources })
  return await run(launches, { runType: 'scheduled', logicalDate: at })
}

describe('a reminder', () => {
  it.each([
    ['the fetch fails', { status: 500, headers: {} }, 'failed'],
    ['the quota is used up', { status: 429, headers: { 'retry-after': '3000' } }, 'success'],
  ])('is sent at its tick even if %s', async (_name, how, fetched) => {
    const first = await tick(minus(80))
    expect(statesOf(first)).toMatchObject({ fetch_and_store_data: 'success', notify_discord: 'success' })
    expect(discord.messages).toHaveLength(1)
    refusal = how
    const run = await tick(minus(60))
    expect(statesOf(run)).toMatchObject({ fetch_and_store_data: fetched, notify_discord: 'success' })
    expect(run.state).toBe(fetched)
    expect(run.task_instances.map(({ try_number }) => try_number)).toEqual([1, 1, 1])
    expect(discord.messages.map(({ embeds }) => embeds?.[0]?.description)).toEqual([
      expect.anything(),
      expect.stringContaining('T-1 hour'),
    ])
    await tick(minus(55))
    await tick(minus(10))
    expect(discord.messages).toHaveLength(3)
    expect(discord.violations).toEqual([])
  })
})
