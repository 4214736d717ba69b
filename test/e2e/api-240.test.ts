import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { sampleLaunches } from '../../pipelines/rocket-launches/demo/launches.ts'
import { shaped } from '../../pipelines/rocket-launches/demo/shape.ts'
import { startDiscord } from '../../pipelines/rocket-launches/stand-ins/discord-server.ts'
import { startLaunchLibrary } from '../../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import { runCli } from '../support/cli.ts'
import { createEmptyDatabase } from '../support/database.ts'

const NOW = new Date('2026-11-21T12:00:00Z')

/** As in the official app: another path before the version, modes by path, lists by filter, another throttle path. */
test('API 2.4.0 under another path fills the database and the channel; a second run changes nothing', async () => {
  const sample = sampleLaunches(NOW)
  const [past = [], coming = []] = [true, false].map((wanted) =>
    sample.filter(({ net }) => new Date(net) < NOW === wanted).map(shaped('2.4.0')),
  )
  const library = await startLaunchLibrary({
    ...{ version: '2.4.0', basePath: '/api/ll', now: () => NOW },
    ...{ launches: () => coming, archive: () => past },
  })
  const discord = await startDiscord()
  const database = await createEmptyDatabase()
  const env = {
    PIPELINES_DIR: fileURLToPath(new URL('../../pipelines', import.meta.url)),
    CLOCK: NOW.toISOString(),
    DATABASE_URL: database.connectionString,
    LAUNCH_LIBRARY_URL: library.url,
    DISCORD_WEBHOOK_URL: discord.webhookUrl,
  }
  const run = async (pipeline: string) => await runCli(['pipeline', pipeline], { env })
  const rows = async (sql: string) => (await database.pool.query(sql)).rows
  try {
    const first = await run('rocket-launches')
    expect([first.code, first.stderr]).toEqual([0, ''])
    expect(first.stdout).toContain(`fetched ${coming.length}, inserted ${coming.length}`)
    expect(discord.messages).toHaveLength(1)
    expect((await rows('select count(*)::int from rocket_launches where thumbnail_url is not null'))[0].count).toBe(
      coming.filter((launch) => (launch as { image: unknown }).image !== null).length,
    )
    const second = await run('rocket-launches')
    expect([second.code, second.stderr]).toEqual([0, ''])
    expect(second.stdout).toContain(`unchanged ${coming.length}`)

    const history = await run('launch-history')
    expect([history.code, history.stderr]).toEqual([0, ''])
    expect(past.length).toBeGreaterThan(0)
    expect((await rows('select count(*)::int from rocket_launches'))[0].count).toBe(sample.length)
    expect(await rows('select * from rocket_launch_rejects')).toEqual([])
    expect(discord.violations).toEqual([])
    expect(new Set(library.requests.map(({ path }) => path))).toEqual(
      new Set(['/api/ll/2.4.0/launches/detailed/', '/api/ll/2.4.0/api-throttle/status/']),
    )
  } finally {
    await Promise.all([library.close(), discord.close()])
    await database.drop()
  }
})
