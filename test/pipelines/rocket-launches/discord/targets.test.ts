import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type DiscordOptions,
  type DiscordServer,
  startDiscord,
} from '../../../../pipelines/rocket-launches/stand-ins/discord-server.ts'
import { parseWebhookUrl } from '../../../../src/connectors/discord.ts'
import { Rescheduled } from '../../../../src/dag/ending.ts'
import { isRetryable } from '../../../../src/errors.ts'
import { Announcing, NOW, TOKEN } from '../../../support/announcing.ts'

const channel = Announcing.use()
/** A second channel on another server, which may have problems. */
let other: DiscordServer
let otherAnswers: DiscordOptions['intercept']

beforeEach(async () => {
  otherAnswers = undefined
  other = await startDiscord({
    webhookId: '1200000000000000002',
    token: 'other_TOKEN-0123456789',
    intercept: (...args) => otherAnswers?.(...args) ?? false,
  })
})
afterEach(async () => {
  expect(other.violations).toEqual([])
  expect(inspect([channel.logged, await channel.outbox()], { depth: 9 })).not.toMatch(/TOKEN-0123456789/)
  await other.close()
})

/** The channel with the problem first. */
const both = () => [parseWebhookUrl(other.webhookUrl), parseWebhookUrl(channel.discord.webhookUrl)]
const answering = (status: number, body: object, headers: Record<string, string> = {}): void => {
  otherAnswers = (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    return true
  }
}
const scheduled = { scheduledFor: NOW }

describe('two channels', () => {
  it('each get their own card and notices', async () => {
    channel.env = {}
    const summary = await channel.notify({ webhooks: both() })
    expect(summary).toMatchObject({ launchId: 'a', outcome: 'posted', targets: [{ posted: 1 }, { posted: 1 }] })
    await channel.change({ net: '2026-11-22T14:00:00Z' })
    await channel.notify({ webhooks: both() })
    for (const { messages, requests } of [channel.discord, other])
      expect([messages.length, requests.map(({ method }) => method)]).toEqual([2, ['POST', 'PATCH', 'POST']])
    await channel.notify({ webhooks: both() })
    expect(channel.discord.requests.length + other.requests.length).toBe(6)
  })

  it.each([
    ['gone', 404, { code: 10015, message: 'Unknown Webhook' }],
    ['refusing the message', 400, { code: 200000, message: 'Message was blocked by automatic moderation' }],
    ['refusing everything', 403, { code: 50013, message: 'Missing Permissions' }],
  ])('one that is %s does not delay the other; the error names it', async (_name, status, body) => {
    answering(status, body)
    const ended = await channel.ending({ webhooks: both(), ...scheduled })
    expect(ended).toMatchObject({ message: expect.stringMatching(/^1200000000000000002: /) })
    expect(isRetryable(ended)).toBe(false)
    expect([channel.discord.messages.length, other.requests.length]).toEqual([1, 1])
  })

  it('later runs log a warning about a deleted webhook and do not fail', async () => {
    answering(404, { code: 10015, message: 'Unknown Webhook' })
    await channel.ending({ webhooks: both(), ...scheduled })
    await channel.change({ net: '2026-11-22T10:30:00Z' })
    const summary = await channel.notify({ webhooks: both(), ...scheduled })
    expect(summary).toMatchObject({
      launchId: 'a',
      outcome: 'disabled',
      targets: [{ disabled: expect.stringContaining('10015') }, { edited: 1 }],
    })
    expect(channel.logged.join('\n')).toMatch(
      /warn 1200000000000000002: nothing is sent: the webhook has been disabled since/,
    )
    expect(other.requests).toHaveLength(1)
  })

  it('an unreachable one does not delay the other: a manual run is retried, a scheduled run is not', async () => {
    await other.close()
    const byHand = await channel.ending({ webhooks: both() })
    expect([byHand, isRetryable(byHand)]).toEqual([expect.objectContaining({ code: 'discord_unreachable' }), true])
    expect(channel.discord.messages).toHaveLength(1)
    const bySchedule = await channel.ending({ webhooks: both(), ...scheduled })
    expect(bySchedule).toMatchObject({ message: expect.stringMatching(/; the next scheduled run tries again$/) })
    expect(isRetryable(bySchedule)).toBe(false)
  })

  it('a slow one does not delay the other', async () => {
    let release = () => {}
    const asked = new Promise<void>((resolve) => {
      otherAnswers = (_request, response) => {
        release = () => response.writeHead(500).end()
        resolve()
        return true
      }
    })
    const run = channel.notify({ webhooks: both() })
    await asked
    await expect.poll(() => channel.discord.messages.length).toBe(1)
    release()
    expect(await run).toMatchObject({ outcome: 'unknown', targets: [{ unknown: 1 }, { posted: 1 }] })
    expect(other.requests).toHaveLength(1)
  })

  it('after a short wait the same run sends to it again, and nothing more to the other', async () => {
    answering(429, { retry_after: 30 }, { 'retry-after': '30' })
    const ended = await channel.ending({ webhooks: both(), ...scheduled })
    expect(ended).toBeInstanceOf(Rescheduled)
    expect(ended).toHaveProperty('at', new Date(NOW.getTime() + 30_000))
    otherAnswers = undefined
    await channel.age('30 seconds')
    expect(await channel.notify({ webhooks: both(), ...scheduled })).toMatchObject({
      targets: [{ posted: 1 }, { posted: 0, edited: 0 }],
    })
    expect(channel.discord.requests).toHaveLength(1)
  })

  it('during a long wait scheduled runs succeed and send nothing to it', async () => {
    answering(429, { retry_after: 900 }, { 'retry-after': '900' })
    for (const edited of [0, 1]) {
      const summary = await channel.notify({ webhooks: both(), ...scheduled })
      expect(summary).toMatchObject({ outcome: 'waiting', targets: [{ waiting: 1 }, { waiting: 0, edited }] })
      expect(channel.logged.at(-1)).toMatch(/warn 1200000000000000002: Discord asks to wait \d+ s; a later run/)
      await channel.change({ net: '2026-11-22T10:30:00Z' })
    }
    expect(other.requests).toHaveLength(1)
    expect(await channel.ending({ webhooks: both() })).toBeInstanceOf(Rescheduled)
    otherAnswers = undefined
    await channel.age('15 minutes')
    expect(await channel.notify({ webhooks: both(), ...scheduled })).toMatchObject({ outcome: 'posted' })
    expect(channel.discord.requests.map(({ method }) => method)).toEqual(['POST', 'PATCH'])
  })

  it('a ban without a duration is waited for at least a minute', async () => {
    answering(429, {})
    expect(await channel.ending({ webhooks: both() })).toHaveProperty('at', new Date(NOW.getTime() + 60_000))
    expect(await channel.ending({ webhooks: both() })).toBeInstanceOf(Rescheduled)
    expect(other.requests).toHaveLength(1)
    expect(other.webhookUrl).not.toContain(TOKEN)
  })
})
