import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import launches from '../../../../pipelines/rocket-launches/dag.ts'
import { channelsOf, type DiscordSettings } from '../../../../pipelines/rocket-launches/discord/channel.ts'
import { KEYS } from '../../../../pipelines/rocket-launches/discord/channels-file.ts'
import { disable } from '../../../../pipelines/rocket-launches/discord/target.ts'
import { type DiscordServer, startDiscord } from '../../../../pipelines/rocket-launches/stand-ins/discord-server.ts'
import {
  type LaunchLibraryServer,
  startLaunchLibrary,
} from '../../../../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import { parseSettings } from '../../../../src/config.ts'
import { scrubber } from '../../../../src/secrets.ts'
import { expectNoSecret, PIPELINES } from '../../../e2e/support.ts'
import { runCli } from '../../../support/cli.ts'
import { createEmptyDatabase, useDatabase } from '../../../support/database.ts'
import { launch230 } from '../../../support/launches.ts'
import { removeFolder, scratchFolder } from '../../../support/scratch.ts'
import { openBoard } from '../board/board-site.ts'

const TOKEN = 'very-secret_TOKEN-0123456789'
const address = (id: number) => `https://discord.com/api/webhooks/${id}/${TOKEN}${id}`
let folder: string
const database = useDatabase(createEmptyDatabase)
beforeAll(async () => {
  folder = await scratchFolder()
})
afterAll(() => removeFolder(folder))

function fileOf(text: string): string {
  const path = join(folder, 'channels.toml')
  writeFileSync(path, text)
  return path
}

function read(text: string, env: Record<string, string> = {}): DiscordSettings {
  const { settings } = parseSettings({ DISCORD_CHANNELS_FILE: fileOf(text), ...env }, [launches])
  return settings.get(launches.id) as DiscordSettings
}

/** The error without the name of the setting, which begins each line. */
function complaint(text: string, env: Record<string, string> = {}): string[] {
  try {
    read(text, env)
  } catch (error) {
    const { message } = error as Error
    expect(error).toHaveProperty('code', 'config')
    expect(message).not.toContain(TOKEN)
    return message.split('\n').flatMap((line) => /DISCORD_CHANNELS_FILE (.*)/.exec(line)?.[1] ?? [])
  }
  throw new Error('the file was accepted')
}

const entry = (lines: string, name = 'news', id = 1) =>
  `[[channel]]\nname = "${name}"\nwebhook = "${address(id)}"\n${lines}\n`

describe('DISCORD_CHANNELS_FILE', () => {
  it('describes channels, each with its own settings: docs/channels.example.toml', () => {
    const example = readFileSync(new URL('../../../../docs/channels.example.toml', import.meta.url), 'utf8')
    const settings = read(example, { ALL_LAUNCHES_WEBHOOK: address(1), SPACEX_WEBHOOK: address(2) })
    const [all, spacex, florida] = channelsOf(settings)
    expect(all).toMatchObject({
      name: 'all launches',
      passes: undefined,
      settings: { webhook: 'ALL_LAUNCHES_WEBHOOK' },
    })
    expect(all?.webhook.target).toBe('1')
    expect(spacex).toMatchObject({
      filters: ["'providers'", "'orbits'", "'keywords'"],
      role: { id: '123456789012345678' },
    })
    const { notices, reminders } = florida?.rules ?? {}
    expect([[...(notices ?? [])].sort(), reminders]).toEqual([
      ['hold', 'reminder', 'result', 'slip'],
      [86_400_000, 600_000],
    ])
    expect(florida).toMatchObject({ tags: ['234567890123456789'], username: 'Launches' })
    for (const key of Object.values(KEYS)) if (key !== 'webhook') expect(example).toMatch(new RegExp(`^${key} = `, 'm'))
  })

  it('reads a term with a comma in a list and in a text alike', () => {
    const inList = read(entry(`locations = ["-Kennedy, \\"FL\\"", "Vandenberg"]`))
    const inText = read(entry(`locations = '-"Kennedy, ""FL""",Vandenberg'`))
    const terms = { include: ['vandenberg'], exclude: ['kennedy, "fl"'] }
    for (const one of [inList, inText])
      expect(one.DISCORD_CHANNELS_FILE?.[0]?.settings.DISCORD_FILTER_LOCATIONS).toEqual(terms)
  })

  it('names every wrong entry at once', () => {
    const text = [
      entry('notices = "slips"\nvolume = "loud"'),
      `[[channel]]\nwebhook = "${address(2)}"`,
      `[[channel]]\nname = "evil"\nwebhook = "https://evil.example/${TOKEN}"`,
      `[[channel]]\nname = "unset"\nwebhook_variable = "NOT_SET"`,
      `[[channel]]\nname = "wrong"\nwebhook_variable = "NEWS"`,
      `[[channel]]\nname = "both"\nwebhook_variable = "NEWS"\nwebhook = "${address(3)}"`,
      '[[channel]]\nname = "none"',
      entry('notice = "slip"\nreminders = 24\nvolume = "loud"', 'misspelt'),
      `[[channel]]\nname = "${address(4)}"\nwebhook = "${address(4)}"`,
    ].join('\n')
    expect(complaint(text, { NEWS: TOKEN })).toEqual([
      expect.stringMatching(/^has a mistake in channel 'news': volume must be one of quiet,normal,full$/),
      expect.stringMatching(/^has a mistake in channel 'news': notices must be none, or some of slip,/),
      'has a mistake in channel 2: name is not set',
      expect.stringMatching(/^has a mistake in channel 'evil': webhook is not a Discord webhook address/),
      "has a mistake in channel 'unset': the variable NOT_SET is not set",
      expect.stringMatching(/^has a mistake in channel 'wrong': NEWS is not a Discord webhook address/),
      "has a mistake in channel 'both': webhook and webhook_variable are both set; remove one",
      "has a mistake in channel 'none': webhook is not set",
      "has a mistake in channel 'misspelt': reminders must be a text or a list of texts",
      expect.stringMatching(/^has a mistake in channel 'misspelt': the key notice is not known; the keys are name, /),
      "has a mistake in channel 'misspelt': volume must be one of quiet,normal,full",
      expect.stringMatching(/^has a mistake in channel 9: name must have at most 40 letters/),
    ])
  })

  it.each([
    ['an empty file', '', 'names a file without a [[channel]] entry'],
    ['an empty list', 'channel = []', 'names a file without a [[channel]] entry'],
    ['a text as an entry', 'channel = ["a"]', 'has a mistake in channel 1: the entry must be a table'],
    ['a key outside', `token = "${TOKEN}"`, 'names a file with text outside of its [[channel]] entries'],
    [
      'wrong TOML',
      `[[channel]]\nname = "a"\nwebhook = ${TOKEN}`,
      'names a file with a mistake in line 3, column 11: invalid value',
    ],
    [
      'an unknown key',
      `${entry('')}${TOKEN} = 1`,
      `has a mistake in channel 'news': a key is not known; the keys are name, webhook_variable, ${Object.values(KEYS).join(', ')}`,
    ],
    ['a name twice', entry('') + entry('', 'news', 2), "names two channels 'news'; give each its own name"],
    [
      'a webhook twice',
      entry('') + entry('', 'other'),
      "has one webhook in the channels 'news' and 'other'; list each webhook (and thread) once",
    ],
    [
      'two webhooks',
      `[[channel]]\nname = "a"\nwebhook = "${address(1)},${address(2)}"`,
      "has a mistake in channel 'a': webhook must be one address; add an entry for each channel",
    ],
  ])('is refused, without a token in the message: %s', (_name, text, message) => {
    expect(complaint(text)).toEqual([message])
  })

  it('is refused beside a variable that it would override, unless that has its default', () => {
    const conflict = (name: string) => `and ${name} are both set; the file describes all channels, so unset ${name}`
    expect(complaint(entry(''), { DISCORD_WEBHOOK_URL: address(2), DISCORD_NOTICES: 'slip' })).toEqual([
      conflict('DISCORD_WEBHOOK_URL'),
      conflict('DISCORD_NOTICES'),
    ])
    expect(channelsOf(read(entry(''), { DISCORD_VOLUME: 'normal' }))).toHaveLength(1)
  })

  it.each([
    ['missing', 'ENOENT'],
    ['.', 'it is not a file'],
  ])('says why it cannot read %s', (path, why) => {
    const env = { DISCORD_CHANNELS_FILE: join(folder, path) }
    expect(() => parseSettings(env, [launches])).toThrow(
      `DISCORD_CHANNELS_FILE names a file that cannot be read (${why}); a relative path starts at the current folder`,
    )
  })
})

describe('the log of a process with DISCORD_CHANNELS_FILE', () => {
  it('shows no token of the file, not even outside of an address, and hides nothing else of it', () => {
    const path = fileOf(entry('providers = ["SpaceX"]'))
    const scrub = scrubber({ DISCORD_CHANNELS_FILE: path }, [launches])
    expect(scrub(`token ${TOKEN}1, ${encodeURIComponent(address(1))}`)).not.toContain(TOKEN)
    const words = `channel news of ${path}, SpaceX`
    expect(scrub(words)).toBe(words)
  })
})

describe('a run with DISCORD_CHANNELS_FILE', () => {
  let [news, forum]: DiscordServer[] = []
  let library: LaunchLibraryServer

  beforeAll(async () => {
    news = await startDiscord({ webhookId: '1', token: TOKEN })
    forum = await startDiscord({
      webhookId: '2',
      token: `${TOKEN}2`,
      forum: () => ({ tags: ['11'], requiresTag: true }),
    })
    library = await startLaunchLibrary({
      launches: () => [
        launch230({ id: '00000000-0000-4000-8000-000000000001', name: 'Electron | First', net: days(1) }),
        launch230({ id: '00000000-0000-4000-8000-000000000002', name: 'Falcon 9 | Second', net: days(2) }),
      ],
    })
  })
  afterAll(() => Promise.all([news?.close(), forum?.close(), library.close()]))

  const days = (count: number) => new Date(Date.now() + count * 86_400_000).toISOString()
  const run = (args: string[], env: Record<string, string> = {}) =>
    runCli(args, {
      cwd: folder,
      env: {
        ...{ PIPELINES_DIR: PIPELINES, DATABASE_URL: database.connectionString, LAUNCH_LIBRARY_URL: library.url },
        ...{ DISCORD_CHANNELS_FILE: 'channels.toml', FORUM_WEBHOOK: forum?.webhookUrl ?? '', ...env },
      },
    })

  it('posts to each channel what its entry says; lists and checks name the channels', async () => {
    fileOf(`
      [[channel]]
      name = "news"
      webhook = "${news?.webhookUrl}"
      username = "Range Control"
      language = "ko"
      [[channel]]
      name = "falcons"
      webhook_variable = "FORUM_WEBHOOK"
      keywords = ["Falcon"]
      tags = ["11"]
      [[channel]]
      name = "nothing"
      webhook = "${news?.webhookUrl}?thread_id=7"
      orbits = "no such orbit"
    `)
    const ended = await run(['pipeline', 'rocket-launches'])
    expect([ended.code, ended.stdout]).toEqual([0, expect.stringContaining('news: posted: Electron | First')])
    expect(news?.messages.map(({ username, embeds }) => [username, embeds?.[0]?.title])).toEqual([
      ['Range Control', 'Electron | First'],
    ])
    expect(news?.messages[0]?.embeds?.[0]?.description).toContain('발사 확정')
    expect(forum?.threads.map(({ name, tags }) => [name, tags])).toEqual([['Falcon 9 | Second', ['11']]])
    await expectNoSecret([TOKEN], ended, database.pool)

    await disable(
      database.pool,
      channelsOf(
        read(readFileSync(join(folder, 'channels.toml'), 'utf8'), { FORUM_WEBHOOK: forum?.webhookUrl ?? '' }),
      )[1]?.webhook as never,
      'it is gone',
    )
    const outbox = await run(['discord', 'outbox', '--all'])
    expect(outbox.stdout).toMatch(/^falcons has been disabled since .*: it is gone$/m)
    expect(outbox.stdout).toMatch(/card +Electron \| First .* news( |$)/m)
    const { messages } = JSON.parse((await run(['discord', 'outbox', '--all', '-o', 'json'])).stdout)
    expect(messages).toMatchObject([
      { target: '2', channel: 'falcons' },
      { target: '1', channel: 'news' },
    ])
    const check = await run(['db', 'check'])
    expect(check.stdout).toMatch(/webhook falcons has been disabled since/)
    expect(check.stdout).toContain("nothing: none of the 2 upcoming launches passes 'orbits', so none is announced")
    const site = await openBoard(database.pool, () => new Date(), {
      ...{ DISCORD_CHANNELS_FILE: join(folder, 'channels.toml'), FORUM_WEBHOOK: forum?.webhookUrl ?? '' },
    })
    const pages = await Promise.all(['/outbox', '/status'].map(site.text)).finally(site.close)
    expect(pages).toEqual([
      expect.stringContaining('<td data-label="Channel">falcons</td>'),
      expect.stringContaining('webhook falcons has been disabled since'),
    ])
    const next = await run(['launches', 'next'])
    expect(next.stdout).toContain("Note: nothing: none of the 2 upcoming launches passes 'orbits'")
  })

  it('ends with exit code 2 if an entry is wrong; a variable that an entry names counts as known', async () => {
    fileOf('[[channel]]\nname = "news"\nwebhook_variable = "DISCORD_WEBHOOK_NEWS"\nvolume = "loud"')
    const { code, stderr } = await run(['pipeline', 'rocket-launches'])
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining("channel 'news': the variable DISCORD_WEBHOOK_NEWS is not set"),
    ])
    fileOf('[[channel]]\nname = "news"\nwebhook_variable = "DISCORD_WEBHOOK_NEWS"')
    writeFileSync(join(folder, '.env'), `DISCORD_WEBHOOK_NEWS=${news?.webhookUrl}\nDISCORD_WEBHOOK_OLD=x\n`)
    const check = await run(['db', 'check'])
    expect(check.stdout).toContain('DISCORD_WEBHOOK_OLD in .env is not a known setting')
    expect(check.stdout).not.toContain('DISCORD_WEBHOOK_NEWS')
  })
})
