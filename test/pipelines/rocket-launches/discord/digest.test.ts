import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { KnownLaunch } from '../../../../pipelines/launches/launch.ts'
import { EN } from '../../../../pipelines/launches/words/en.ts'
import { RESENT } from '../../../../pipelines/rocket-launches/discord/card.ts'
import { digestMessage, digestOf } from '../../../../pipelines/rocket-launches/discord/digest.ts'
import { setState } from '../../../../pipelines/rocket-launches/discord/outbox-list.ts'
import { metrics } from '../../../../pipelines/rocket-launches/metrics.ts'
import { type Settings, settings } from '../../../../pipelines/rocket-launches/settings.ts'
import { issuesOf } from '../../../../pipelines/rocket-launches/stand-ins/discord-rules.ts'
import type { ChannelMessage } from '../../../../pipelines/rocket-launches/stand-ins/discord-server.ts'
import type { MetricsHost } from '../../../../src/commands.ts'
import { parseWebhookUrl } from '../../../../src/connectors/discord.ts'
import type { Database } from '../../../../src/db/pool.ts'
import { Announcing } from '../../../support/announcing.ts'
import { linesOf } from '../../../support/channel-words.ts'
import { aLaunch } from '../../../support/factories.ts'
import { SEED } from '../../../support/random.ts'

/** A Monday at 09:00 in Berlin. */
const MONDAY = Date.parse('2026-11-23T08:00:00Z')
const HOUR = 3_600_000
const DAY = 24 * HOUR

describe('the digest on a channel', () => {
  const channel = Announcing.use()

  /** A run this long after the tick. Returns the digests on the channel. */
  async function run(
    after: number,
    circumstances: Parameters<Announcing['notify']>[0] = {},
  ): Promise<ChannelMessage[]> {
    channel.now = new Date(MONDAY + after)
    const env = { DISCORD_DIGEST: '0 9 * * 1 Europe/Berlin', ...circumstances.env }
    await channel.notify({ scheduledFor: channel.now, ...circumstances, env })
    return digests()
  }

  function digests(): ChannelMessage[] {
    return channel.discord.messages.filter(({ embeds }) => embeds?.[0]?.title === EN.digest.title)
  }

  async function state(): Promise<unknown[]> {
    return (await channel.outbox()).filter(({ kind }) => kind === 'digest').map(({ state, reason }) => [state, reason])
  }

  const launch = (id: string, net: string, columns: object = {}) =>
    aLaunch(channel.database.pool, { launch_id: id, name: `Launch ${id}`, net, ...columns })

  test('lists the launches of the next seven days in order, with their status', async () => {
    await launch('c', '2026-11-23T07:59:59Z')
    await launch('day', '2026-11-25T00:00:00Z', { net_precision: 5, status_id: 2 })
    await launch('late', '2026-11-25T23:00:00Z', { status_id: 8 })
    await launch('month', '2026-11-30T00:00:00Z', { net_precision: 7, status_id: 2 })
    await launch('end', '2026-11-30T08:00:00Z')
    await launch('after', '2026-11-30T08:00:01Z')
    await launch('gone', '2026-11-26T08:00:00Z', { vanished_at: '2026-11-20T00:00:00Z' })
    const [message] = await run(30_000)
    expect(message && linesOf(message).map((line) => line.replaceAll(/<t:(\d+):D>/g, '$1'))).toEqual([
      `${MONDAY / 1_000} – ${(MONDAY + 7 * DAY) / 1_000}`,
      ...['🟢 **Vulcan | Later**', '2026-11-23 10:00Z · Go for launch'],
      ...['🟡 **Launch late**', '2026-11-25 23:00Z · Date to be confirmed'],
      ...['⚪ **Launch day**', '25 November 2026 (time to be announced) · Date to be determined'],
      ...['🟢 **Launch end**', '2026-11-30 08:00Z · Go for launch'],
    ])
    const [, next] = await run(7 * DAY)
    expect(next && linesOf(next).filter((line) => line.includes('**'))).toEqual(['🟢 **Launch after**'])
  })

  test('pings no one, and comes from the sender of the channel', async () => {
    const env = { DISCORD_ROLE_ID: '1:slip,hold,go,liftoff,result,reminder,webcast', DISCORD_USERNAME: 'T-minus' }
    const [message] = await run(0, { env })
    expect(message).toMatchObject({ pinged: [], username: 'T-minus', versions: [{ allowed_mentions: { parse: [] } }] })
    expect(message?.content ?? '').toBe('')
  })

  test('is no notice in the metrics', async () => {
    await run(0)
    const host = {
      settings: () => ({ LAUNCH_LIBRARY_URL: 'https://ll.example/2.3.0' }),
      now: () => channel.now,
      withDatabase: <T>(read: (db: Database) => Promise<T>) => read(channel.database.pool),
    }
    const found = await metrics(host as MetricsHost<Settings>)
    expect(found.map(({ labels }) => labels?.kind).sort()).toEqual(['card', 'digest'])
  })

  test('is edited when a fact of its launches changes, until the next digest', async () => {
    const [first] = await run(0)
    const requests = channel.discord.requests.length
    await run(HOUR)
    expect(channel.discord.requests).toHaveLength(requests)
    await channel.database.pool.query(`update rocket_launches set status_id = 3 where launch_id = 'b'`)
    await launch('new', '2026-11-27T00:00:00Z')
    const [edited] = await run(2 * HOUR)
    expect(edited?.id).toBe(first?.id)
    expect(edited && linesOf(edited).join()).toMatch(/Later\*\*,.* · Launch successful,🟢 \*\*Launch new/)
    const [, second] = await run(7 * DAY)
    expect(second && linesOf(second).join()).toContain('No launch is planned')
    await channel.database.pool.query(`update rocket_launches set status_id = 4 where launch_id = 'b'`)
    const [old, current] = await run(7 * DAY + HOUR)
    expect([old?.versions.length, current?.versions.length]).toEqual([2, 1])
  })

  test('is posted up to a day late, and only for the newest tick', async () => {
    expect(await run(-HOUR)).toHaveLength(0)
    expect(await run(DAY)).toHaveLength(0)
    expect(await run(7 * DAY + 23 * HOUR)).toHaveLength(1)
    expect(await run(8 * DAY)).toHaveLength(1)
    const daily = { env: { DISCORD_DIGEST: '0 9 * * * Europe/Berlin' } }
    expect(await run(20 * DAY + HOUR, daily)).toHaveLength(2)
    expect(await run(20 * DAY + 2 * HOUR, daily)).toHaveLength(2)
  })

  test('a clock that jumps back repeats no digest', async () => {
    await run(7 * DAY)
    expect(await run(HOUR)).toHaveLength(1)
    expect(await run(7 * DAY + HOUR)).toHaveLength(1)
    expect(await run(14 * DAY)).toHaveLength(2)
  })

  test('each channel has its own, with the launches that pass its filter', async () => {
    const webhooks = ['', '?thread_id=120000000000000099'].map((query) =>
      parseWebhookUrl(`${channel.discord.webhookUrl}${query}`),
    )
    await launch('other', '2026-11-27T00:00:00Z', { provider: 'Rocket Lab' })
    const messages = await run(0, { webhooks, env: { DISCORD_FILTER_PROVIDERS: 'Rocket Lab' } })
    expect(messages.map((message) => linesOf(message).filter((line) => line.includes('**')))).toEqual([
      ['🟢 **Launch other**'],
      ['🟢 **Launch other**'],
    ])
  })

  test('a digest whose answer was lost is not posted again', async () => {
    channel.interceptAnswer = ({ method }, response) => method === 'POST' && Boolean(response.destroy())
    await run(0).catch(() => {})
    await run(HOUR).catch(() => {})
    channel.interceptAnswer = undefined
    await channel.database.pool.query(`update rocket_launches set status_id = 3 where launch_id = 'b'`)
    expect(await run(2 * HOUR)).toHaveLength(1)
    expect(await state()).toEqual([['unknown', expect.any(String)]])
  })

  test('a digest that Discord did not accept in time is dropped', async () => {
    channel.refuse(403, { code: 50013, message: 'Missing Permissions' })
    await run(0).catch(() => {})
    await run(DAY).catch(() => {})
    await run(7 * DAY).catch(() => {})
    channel.intercept = undefined
    expect(await state()).toEqual([
      ['dead', 'too late'],
      ['pending', expect.stringContaining('Missing Permissions')],
    ])
    expect(await run(14 * DAY)).toHaveLength(1)
    expect((await state())[1]).toEqual(['dead', 'overtaken'])
  })

  test('a deleted digest is not posted again', async () => {
    await run(0)
    channel.discord.messages.splice(channel.discord.messages.indexOf(digests()[0] as ChannelMessage), 1)
    await channel.database.pool.query(`update rocket_launches set status_id = 3 where launch_id = 'b'`)
    await run(HOUR)
    expect(await run(2 * HOUR)).toEqual([])
  })

  test('a digest in an archived thread stays as it is', async () => {
    await run(0)
    channel.intercept = ({ method }, response) => {
      if (method !== 'PATCH') return false
      response
        .writeHead(400, { 'content-type': 'application/json' })
        .end('{"code": 50083, "message": "Thread is archived"}')
      return true
    }
    await channel.database.pool.query(`update rocket_launches set status_id = 3 where launch_id = 'b'`)
    expect(await run(HOUR)).toHaveLength(1)
    expect(await run(2 * HOUR)).toHaveLength(1)
  })

  test('in a forum, each digest has its own thread', async () => {
    channel.forum = {}
    await run(0)
    await channel.database.pool.query(`update rocket_launches set status_id = 3 where launch_id = 'b'`)
    const [first] = await run(HOUR)
    expect(first?.versions).toHaveLength(2)
    const [, second] = await run(7 * DAY)
    const threads = new Map(channel.discord.threads.map(({ id, name }) => [id, name]))
    expect([first, second].map((message) => threads.get(message?.threadId ?? ''))).toEqual([
      'Launches of the week from 23 November 2026',
      'Launches of the week from 30 November 2026',
    ])
    for (const thread of channel.discord.threads) thread.deleted = true
    await launch('new', '2026-12-02T00:00:00Z')
    expect(await run(7 * DAY + HOUR)).toHaveLength(2)
    const closed = (await channel.outbox()).filter(({ kind, state }) => kind === 'digest' && state === 'dead')
    expect(closed).toHaveLength(1)
    await setState(channel.database.pool, Number(closed[0]?.outbox_id), { state: 'pending', reason: RESENT })
    const [, , again] = await run(7 * DAY + 2 * HOUR)
    expect(channel.discord.threads.find(({ id }) => id === again?.threadId)).toMatchObject({ deleted: false })
  })

  test('is not posted without DISCORD_DIGEST, and an unsent one is dropped', async () => {
    channel.refuse(403, { code: 50013, message: 'Missing Permissions' })
    await run(0).catch(() => {})
    channel.intercept = undefined
    await channel.notify()
    expect(digests()).toEqual([])
    expect(await state()).toEqual([['dead', 'overtaken']])
  })

  test('a run that is killed at any await posts it at most once', async () => {
    for (let awaits = 1, survived = false; !survived; awaits += 1) {
      await channel.forget()
      channel.discord.messages.splice(0)
      channel.now = new Date(MONDAY)
      survived = await channel.mortal(awaits, {
        scheduledFor: channel.now,
        env: { DISCORD_DIGEST: '0 9 * * 1 Europe/Berlin' },
      })
      await channel.age()
      expect((await run(5 * 60_000)).length).toBeLessThanOrEqual(1)
      if ((await state()).flat()[0] !== 'unknown') expect(digests()).toHaveLength(1)
    }
  })
})

describe('the message of a digest', () => {
  const tick = new Date(MONDAY)
  const launchOf = (index: number, columns: Partial<KnownLaunch> = {}): KnownLaunch =>
    ({
      ...{ launch_id: `${index}`, name: `Falcon 9 Block 5 | Starlink Group ${index}`, status_id: 1, net_precision: 1 },
      ...{ net: new Date(MONDAY + index * HOUR), slug: `falcon-9-block-5-starlink-group-${index}`, ...columns },
    }) as KnownLaunch
  const messageOf = (launches: KnownLaunch[]) => digestMessage(digestOf(tick, launches, 'UTC', EN).facts, tick, EN)
  const textOf = (launches: KnownLaunch[]) => messageOf(launches).embeds?.[0]?.description ?? ''

  test('links the launches, unless there are too many', () => {
    expect(textOf([launchOf(1)])).toContain(
      '[**Falcon 9 Block 5 | Starlink Group 1**](https://spacelaunchnow.me/launch/falcon',
    )
    expect(textOf([launchOf(1, { info_url: 'https://example.com/a_(b)' })])).toContain(
      '(https://example.com/a_%28b%29)',
    )
    const sixty = textOf(Array.from({ length: 60 }, (_, index) => launchOf(index)))
    expect(sixty).not.toContain('https')
    expect(sixty).toMatch(/\n\nand \d+ more$/)
    expect(sixty.split('\n\n')).toHaveLength(2 + 60 - Number(/and (\d+) more/.exec(sixty)?.[1]))
  })

  test('says so if no launch is planned', () => {
    expect(textOf([]).split('\n\n').at(-1)).toBe('No launch is planned for these days.')
  })

  test('keeps within the limits of Discord and names each launch, or says how many are missing', () => {
    const name = fc.string({
      unit: fc.constantFrom('a', ' ', '*', '[', '](', ')', '<t:1:F>', '|', '🚀', '\n'),
      minLength: 1,
      maxLength: 200,
    })
    const precision = fc.constantFrom(0, 1, 2, 3, 4, 5, 6)
    const info = fc.option(fc.constantFrom('https://example.com/a_(b)', `https://example.com/${'x'.repeat(490)}`))
    const launch = fc.record({
      name,
      net_precision: precision,
      info_url: info,
      status_id: fc.constantFrom(1, 2, 3, 77),
    })
    fc.assert(
      fc.property(fc.array(launch, { maxLength: 70, size: 'max' }), (launches) => {
        const message = messageOf(launches.map((columns, index) => launchOf(index, columns)))
        expect(issuesOf({ ...message })).toEqual([])
        const [, ...parts] = message.embeds?.[0]?.description?.split('\n\n') ?? []
        const more = Number(/^and (\d+) more$/.exec(parts.at(-1) ?? '')?.[1] ?? 0)
        const shown = parts.length - Number(more > 0) - Number(launches.length === 0)
        expect(shown + more).toBe(launches.length)
      }),
      { seed: SEED },
    )
  })
})

test.each([
  ['* * * * *', 'must be a cron expression with one minute'],
  ['0 9 * * 1 Europe/Berlim', "is wrong: timezone 'Europe/Berlim' is unknown"],
])("DISCORD_DIGEST='%s' is refused: it %s", (value, message) => {
  const parsed = z.object(settings).safeParse({ LAUNCH_LIBRARY_URL: 'https://ll.example/2.3.0', DISCORD_DIGEST: value })
  expect(parsed.error?.issues).toMatchObject([{ path: ['DISCORD_DIGEST'], message: expect.stringContaining(message) }])
})
