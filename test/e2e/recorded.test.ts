import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startDiscord } from '../../pipelines/rocket-launches/stand-ins/discord-server.ts'
import { startLaunchLibrary } from '../../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import { runCli } from '../support/cli.ts'
import { createEmptyDatabase } from '../support/database.ts'
import { RECORDED, type Recorded, recorded, WITHOUT_RECORDED } from '../support/recorded.ts'

const README = fileURLToPath(new URL('../../../shared/data/ll2-recorded/README.md', import.meta.url))

/** All recorded shapes; two processes each. */
const FILES = [
  'v2.0.0-upcoming-athanator-1.json', // flown, in flight, placeholders, and one with an open time
  'v2.0.0-upcoming-ranog-2.json',
  'v2.2.0-upcoming-nipun4338-1.json', // of 2022: without net_precision
  'v2.2.0-upcoming-detailed-aarlert-1.json',
  'v2.2.0-upcoming-detailed100-kohld-zenith-3.json', // 100 launches, two of them without an image
  'v2.3.0-upcoming-eloxfire-1.json',
  'v2.3.0-upcoming-aayushxl5-1.json',
]

test.skipIf(!RECORDED).each(FILES)(`%s${RECORDED ? '' : ` (${WITHOUT_RECORDED})`}`, async (name) => {
  const [file] = recorded(name) as [Recorded]
  const { version, launches } = file
  const clock = recordedAt(name)
  const library = await startLaunchLibrary({ version, launches: () => launches })
  const discord = await startDiscord()
  const database = await createEmptyDatabase()
  const env = {
    PIPELINES_DIR: fileURLToPath(new URL('../../pipelines', import.meta.url)),
    CLOCK: clock.toISOString(),
    DATABASE_URL: database.connectionString,
    LAUNCH_LIBRARY_URL: library.url,
    DISCORD_WEBHOOK_URL: discord.webhookUrl,
  }
  const rows = async (sql: string) => (await database.pool.query(sql)).rows
  try {
    const first = await runCli(['pipeline', 'rocket-launches'], { env })
    expect([first.code, first.stderr]).toEqual([0, ''])
    expect(first.stdout).toContain(`fetched ${launches.length}, inserted ${launches.length}\n`)

    const stored = await rows('SELECT id, launch_id, name, net, image_url FROM rocket_launches;')
    expect(new Set(stored.map(({ id }) => id)).size).toBe(launches.length)
    expect(byId(stored.map(({ id: _, ...row }) => row))).toEqual(byId(launches.map(asStored)))
    expect(await rows('select * from rocket_launch_rejects')).toEqual([])

    const { name: nearest, net } = nearestOf(launches, clock)
    expect(discord.requests).toHaveLength(1)
    expect(discord.messages).toHaveLength(1)
    const embed = discord.messages[0]?.embeds?.[0]
    expect(embed?.title?.replaceAll('\\', '')).toBe(nearest)
    expect(embed?.description).toContain(`<t:${Date.parse(net) / 1_000}:F>`)

    const versions = 'select launch_id, xmin::text from rocket_launches order by id'
    const before = await rows(versions)
    const second = await runCli(['pipeline', 'rocket-launches'], { env })
    expect([second.code, second.stderr]).toEqual([0, ''])
    expect(second.stdout).toContain(`fetched ${launches.length}, unchanged ${launches.length}\n`)
    expect(await rows(versions)).toEqual(before)
    expect(discord.requests).toHaveLength(1)
    expect(discord.violations).toEqual([])
  } finally {
    await Promise.all([library.close(), discord.close()])
    await database.drop()
  }
})

/** `… @ 4c2136c3 (2025-05-09T03:29)` in the table of the recordings: a day, or a minute. */
function recordedAt(name: string): Date {
  const line = existsSync(README) ? readFileSync(README, 'utf8').split('\n') : []
  const [, day, time] =
    / @ \w+ \((\d{4}-\d\d-\d\d)(T\d\d:\d\d)?\)/.exec(
      line.find((row) => row.startsWith('|') && row.includes(name)) ?? '',
    ) ?? []
  return new Date(`${day}${time ?? 'T00:00'}Z`)
}

type Raw = Record<string, unknown>

function asStored({ id, name, net, image }: Raw) {
  const url = typeof image === 'object' && image !== null ? (image as Raw).image_url : image
  return { launch_id: id, name, net: new Date(String(net)), image_url: url ?? null }
}

function byId<T extends { launch_id?: unknown }>(rows: T[]): T[] {
  return rows.sort((a, b) => (String(a.launch_id) < String(b.launch_id) ? -1 : 1))
}

/** By the raw data alone: the earliest upcoming launch that has not flown and whose time is not a placeholder. */
function nearestOf(launches: readonly Raw[], now: Date): { name: string; net: string } {
  const waiting = launches.filter(({ net, status }) => {
    const { id } = status as { id: number }
    return Date.parse(String(net)) >= now.getTime() && [1, 2, 5, 8].includes(id)
  })
  const timed = waiting.filter((launch) => {
    const precision = launch.net_precision as { id: number } | null | undefined
    if (precision) return precision.id <= 2
    // No time: a "to be determined" launch at midnight is known to the day at best.
    const midnight = String(launch.net).includes('T00:00:00')
    return launch.tbddate !== true && !(midnight && (launch.status as { id: number }).id === 2)
  })
  const [nearest] = timed.sort((a, b) => Date.parse(String(a.net)) - Date.parse(String(b.net)))
  return nearest as { name: string; net: string }
}
