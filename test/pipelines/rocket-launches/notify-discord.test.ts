import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { NotifySummary } from '../../../pipelines/rocket-launches/notify-discord.ts'
import { settings } from '../../../pipelines/rocket-launches/settings.ts'
import { parseWebhookUrl } from '../../../src/connectors/discord.ts'
import { Skipped } from '../../../src/dag/ending.ts'
import { Announcing, TOKEN } from '../../support/announcing.ts'
import { createEmptyDatabase } from '../../support/database.ts'

const channel = Announcing.use()

describe('notifyDiscord', () => {
  it('posts the nearest launch once, and sends nothing if nothing changed', async () => {
    const first = await channel.notify()
    expect(first).toEqual({
      launchId: 'a',
      launch: 'Falcon 9 | Nearest',
      outcome: 'posted',
      targets: [{ target: '1200000000000000001', posted: 1, edited: 0, unknown: 0, waiting: 0 }],
    })
    expect(NotifySummary.parse(first)).toEqual(first)
    expect(await channel.notify()).toMatchObject({ launchId: 'a', outcome: 'unchanged' })
    expect(channel.discord.requests).toHaveLength(1)
    expect(channel.discord.messages).toMatchObject([{ embeds: [{ title: 'Falcon 9 | Nearest' }], pinged: [] }])
    expect(channel.logged.at(-1)).toContain('unchanged')
    expect(await channel.outbox()).toMatchObject([
      { target: '1200000000000000001', state: 'sent', message_id: channel.discord.messages[0]?.id, attempts: 1 },
    ])
  })

  it('edits the message when the facts change', async () => {
    await channel.notify()
    await channel.change({ net: '2026-11-22T12:30:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'edited' })
    expect(await channel.notify()).toMatchObject({ outcome: 'unchanged' })
    expect(channel.discord.requests.map(({ method }) => method)).toEqual(['POST', 'PATCH'])
    expect(channel.discord.messages).toHaveLength(1)
    expect(channel.discord.messages[0]?.embeds?.[0]?.description).toContain('<t:1795350600:F>')
  })

  it('announces the next launch when the nearest has flown', async () => {
    await channel.notify()
    await channel.change({ statusId: 6 })
    expect(await channel.notify()).toMatchObject({ launchId: 'b', outcome: 'posted' })
    expect(channel.discord.messages).toHaveLength(2)
  })

  it('says that no launch passes the filters, with and without a webhook', async () => {
    const env = { DISCORD_FILTER_LOCATIONS: '"Kennedy, FL"', DISCORD_FILTER_ORBITS: 'polar' }
    const why =
      'none of the 2 upcoming launches passes DISCORD_FILTER_LOCATIONS and DISCORD_FILTER_ORBITS, so none is announced'
    expect(await channel.notify({ env })).toMatchObject({ outcome: 'no_launch' })
    expect(await channel.ending({ env, webhook: undefined })).toHaveProperty(
      'message',
      `DISCORD_WEBHOOK_URL is not set; ${why}`,
    )
    expect(channel.logged).toEqual([`warn ${why}`, `warn ${why}`])
    await channel.database.pool.query('truncate rocket_launches')
    await channel.notify({ env })
    expect(channel.logged.at(-1)).toBe('info no upcoming launch is known, so there is none to announce')
  })

  it('logs a preview and skips without a webhook', async () => {
    const ended = await channel.ending({ webhook: undefined })
    expect(ended).toBeInstanceOf(Skipped)
    expect(ended).toHaveProperty('message', 'DISCORD_WEBHOOK_URL is not set')
    const log = channel.logged.join('\n')
    expect(log).toContain('Falcon 9 | Nearest')
    expect(log).toContain('22 November 2026 10:00 UTC')
    expect(log).not.toContain('<t:')
    expect(await channel.outbox()).toEqual([])
  })

  it('says when there is nothing to announce', async () => {
    await channel.database.pool.query('truncate rocket_launches')
    expect(await channel.notify()).toMatchObject({ launchId: null, launch: null, outcome: 'no_launch' })
    expect(channel.discord.requests).toEqual([])
    expect(channel.logged.at(-1)).toContain('no upcoming launch')
  })

  it('skips if the tables are missing', async () => {
    const empty = await createEmptyDatabase()
    const ended = await channel.ending({ db: empty.pool }).finally(() => empty.drop())
    expect(ended).toBeInstanceOf(Skipped)
    expect(ended).toHaveProperty('message', expect.stringContaining('initialize_schema'))
  })

  it('many runs at once post, edit and repost only once', async () => {
    const once = async (expected: string) => {
      const summaries = await Promise.all(Array.from({ length: 6 }, () => channel.notify()))
      expect(summaries.filter(({ outcome }) => outcome === expected)).toHaveLength(1)
    }
    await once('posted')
    await channel.change({ net: '2026-11-22T12:30:00Z' })
    await once('edited')
    await channel.database.pool.query(`update discord_outbox set state = 'pending', message_id = null`)
    await once('posted')
    expect(channel.discord.requests.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'POST'])
  })

  it('treats each channel and thread separately', async () => {
    await channel.notify()
    const inThread = parseWebhookUrl(`${channel.discord.webhookUrl}?thread_id=42`)
    expect(await channel.notify({ webhook: inThread })).toMatchObject({ outcome: 'posted' })
    await channel.change({ net: '2026-11-22T11:00:00Z' })
    expect(await channel.notify({ webhook: inThread })).toMatchObject({ outcome: 'edited' })
    expect(channel.discord.messages.map(({ threadId }) => threadId)).toEqual([null, '42'])
  })
})

describe('DISCORD_WEBHOOK_URL', () => {
  const read = (value?: string) => z.object(settings).safeParse({ DISCORD_WEBHOOK_URL: value })

  it('is parsed into a webhook that does not print its token', () => {
    const { data } = read(channel.discord.webhookUrl)
    expect(data?.DISCORD_WEBHOOK_URL?.map(({ token }) => token)).toEqual([TOKEN])
    expect(inspect(data, { depth: 9, showHidden: true }) + JSON.stringify(data)).not.toContain(TOKEN)
    expect(read(undefined).data?.DISCORD_WEBHOOK_URL).toBeUndefined()
  })

  it('is rejected without being repeated in the error', () => {
    const { error } = read(`https://evil.example/api/webhooks/1/${TOKEN}`)
    expect(error?.issues).toMatchObject([{ path: ['DISCORD_WEBHOOK_URL'] }])
    expect(error?.issues[0]?.message).toMatch(/^is not a Discord webhook address: it looks like https:/)
    expect(inspect(error, { depth: 9 })).not.toContain(TOKEN)
  })
})

describe('killed', () => {
  it('keeps a claim until its sender must be dead, then the post is unknown', async () => {
    await channel.mortal(Number.POSITIVE_INFINITY)
    await channel.database.pool.query(`update discord_outbox set state = 'sending', message_id = null`)
    expect(await channel.notify()).toMatchObject({ outcome: 'in_progress' })
    await channel.age()
    expect(await channel.notify()).toMatchObject({ outcome: 'unknown' })
    expect(await channel.outbox()).toMatchObject([{ state: 'unknown' }])
    expect(channel.discord.requests).toHaveLength(1)
  })

  it.each([
    ['while posting', false],
    ['while editing', true],
  ])(
    '%s, after any statement: no duplicate card for the same facts, and the last card is right',
    async (_name, editing) => {
      for (let statements = 1; ; statements += 1) {
        await channel.database.pool.query('truncate discord_outbox')
        await channel.change({ net: '2026-11-22T10:00:00Z' })
        channel.discord.messages.splice(0)
        if (editing) {
          await channel.notify()
          await channel.change({ net: '2026-11-22T10:30:00Z' })
        }
        const survived = await channel.mortal(statements)
        await channel.age()
        await channel.notify()
        expect(channel.discord.messages.length).toBeLessThanOrEqual(1)
        const lost = channel.discord.messages.length === 1 && (await channel.outbox()).at(0)?.state === 'unknown'
        await channel.change({ net: '2026-11-22T11:00:00Z' })
        await channel.notify()
        expect(channel.discord.messages).toHaveLength(lost ? 2 : 1)
        expect(channel.discord.messages.at(-1)?.embeds?.[0]?.description).toContain('<t:1795345200:F>')
        expect(await channel.notify()).toMatchObject({ outcome: 'unchanged' })
        if (survived) {
          expect(statements).toBeGreaterThan(6)
          return
        }
      }
    },
  )
})
