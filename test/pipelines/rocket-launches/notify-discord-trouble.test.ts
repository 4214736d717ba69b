import type { ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { disable } from '../../../pipelines/rocket-launches/discord/target.ts'
import { parseWebhookUrl } from '../../../src/connectors/discord.ts'
import { Rescheduled } from '../../../src/dag/ending.ts'
import { isRetryable, TminusError } from '../../../src/errors.ts'
import { Announcing, NOW, TOKEN } from '../../support/announcing.ts'

const channel = Announcing.use()

describe('when Discord refuses a message or does not answer', () => {
  it.each([
    ['a 500', (response: ServerResponse) => response.writeHead(500).end()],
    ['a broken 200', (response: ServerResponse) => response.writeHead(200).end('{"id":')],
    ['a reset', (response: ServerResponse) => response.destroy()],
  ])('does not post again after %s until the facts change', async (_name, answer) => {
    channel.interceptAnswer = (_request, response) => {
      answer(response)
      return true
    }
    expect(await channel.notify()).toMatchObject({ outcome: 'unknown' })
    channel.interceptAnswer = undefined
    expect(await channel.notify()).toMatchObject({ outcome: 'unknown' })
    expect(channel.discord.requests).toHaveLength(1)
    expect(channel.logged.at(-1)).toMatch(/^warn .*not known whether Discord received the message/)
    await channel.change({ net: '2026-11-22T11:00:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
    expect(await channel.notify()).toMatchObject({ outcome: 'unchanged' })
    expect(channel.discord.requests).toHaveLength(2)
  })

  it('does not post again after a second lost answer', async () => {
    channel.refuse(500, {})
    expect(await channel.notify()).toMatchObject({ outcome: 'unknown' })
    await channel.change({ net: '2026-11-22T11:00:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'unknown' })
    expect(await channel.notify()).toMatchObject({ outcome: 'unknown' })
    expect(channel.discord.requests).toHaveLength(2)
  })

  it('repeats an unconfirmed edit, even if the facts changed back', async () => {
    await channel.notify()
    await channel.change({ net: '2026-11-22T11:00:00Z' })
    channel.refuse(500, {})
    const ended = await channel.ending()
    expect(ended).toMatchObject({ code: 'discord_unconfirmed' })
    expect(isRetryable(ended)).toBe(true)
    channel.intercept = undefined
    await channel.change({ net: '2026-11-22T10:00:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'edited' })
    expect(await channel.notify()).toMatchObject({ outcome: 'unchanged' })
    expect(channel.discord.requests.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'PATCH'])
  })

  it('waits as long as Discord asks', async () => {
    channel.refuse(429, { retry_after: 12.5 }, { 'retry-after': '13' })
    const ended = await channel.ending()
    expect(ended).toBeInstanceOf(Rescheduled)
    expect(ended).toHaveProperty('at', new Date(NOW.getTime() + 13_000))
    channel.intercept = undefined
    expect(await channel.ending()).toBeInstanceOf(Rescheduled)
    expect(channel.discord.requests).toHaveLength(1)
    await channel.age('13 seconds')
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
  })

  it('waits a minute after a ban without a duration', async () => {
    channel.refuse(429, {})
    expect(await channel.ending()).toHaveProperty('at', new Date(NOW.getTime() + 60_000))
    expect(channel.discord.requests).toHaveLength(1)
  })

  it('can be retried if nothing was sent', async () => {
    await channel.discord.close()
    const ended = await channel.ending()
    expect(ended).toMatchObject({ code: 'discord_unreachable' })
    const reason = 'Discord cannot be reached (connection refused); check the network and DISCORD_WEBHOOK_URL'
    expect(ended).toHaveProperty('message', reason)
    expect(isRetryable(ended)).toBe(true)
    expect(await channel.outbox()).toMatchObject([{ state: 'pending', message_id: null }])
  })

  it.each([
    [404, 10015],
    [401, 50027],
    [404, 10003],
  ])(
    'disables a deleted webhook (%i/%i): one run fails, later scheduled runs send nothing until its address changes',
    async (...answer) => {
      const [status, code] = answer
      channel.refuse(status, { code, message: 'Unknown' })
      const ended = await channel.ending()
      expect(ended).toHaveProperty('message', expect.stringMatching(/(set|from|to) DISCORD_WEBHOOK_URL/))
      expect(isRetryable(ended)).toBe(false)
      expect(inspect(ended)).not.toContain(TOKEN)
      channel.intercept = undefined
      await channel.change({ net: '2026-11-22T11:00:00Z' })
      const { outcome, targets } = await channel.notify({ scheduledFor: NOW })
      expect([outcome, targets]).toEqual([
        'disabled',
        [expect.objectContaining({ posted: 0, disabled: expect.stringContaining(`Discord's code ${code}`) })],
      ])
      expect(channel.logged.at(-1)).toMatch(
        /^warn nothing is sent: the webhook has been disabled since \d{4}-.*Z: .*(set|from|to) DISCORD_WEBHOOK_URL/,
      )
      expect(channel.discord.requests).toHaveLength(1)
      const { rows } = await channel.database.pool.query('select * from discord_target')
      expect(rows).toMatchObject([{ target: '1200000000000000001' }])
      expect(inspect(rows)).not.toContain(TOKEN)

      const elsewhere = parseWebhookUrl(channel.discord.webhookUrl.replace(TOKEN, 'another_TOKEN-0123456789'))
      expect(await channel.ending({ webhook: elsewhere })).toMatchObject({ code: 'failed' })
      expect(channel.discord.requests).toHaveLength(2)
      expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
    },
  )

  it('a manual run tries a disabled webhook again: it fails while the webhook is missing, and sends when it is back', async () => {
    channel.refuse(404, { code: 10015, message: 'Unknown Webhook' })
    await channel.ending({ scheduledFor: NOW })
    expect(await channel.ending()).toMatchObject({ code: 'failed', message: expect.stringContaining('10015') })
    expect(channel.logged).toContainEqual(
      expect.stringMatching(/^warn a manual run tries the webhook again, which has been disabled since \d{4}-/),
    )
    channel.intercept = undefined
    expect(await channel.notify({ scheduledFor: NOW })).toMatchObject({ outcome: 'disabled' })
    expect(channel.discord.requests).toHaveLength(2)
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
    expect(await channel.notify({ scheduledFor: NOW })).toMatchObject({ outcome: 'unchanged' })
  })

  it('a manual run without a message says that it does not know whether the webhook works again', async () => {
    await channel.notify()
    await disable(channel.database.pool, parseWebhookUrl(channel.discord.webhookUrl), 'it is gone')
    expect(await channel.notify()).toMatchObject({ outcome: 'unchanged' })
    expect(channel.logged.at(-1)).toMatch(
      /^warn no message was sent, so it is not known whether the webhook works again/,
    )
    await channel.change({ net: '2026-11-22T11:00:00Z' })
    expect(await channel.notify({ scheduledFor: NOW })).toMatchObject({ outcome: 'edited' })
  })

  it.each(['image', 'thumbnail', 'author.icon_url'])(
    'sends the message again without pictures if Discord refuses its %s',
    async (path) => {
      await channel.database.pool.query("update rocket_launches set details = $1 where launch_id = 'a'", [
        {
          mission_patches: [{ image_url: 'https://images.example/patch.png' }],
          launch_service_provider: { logo_url: 'https://images.example/logo.png' },
        },
      ])
      const complaint = { url: { _errors: [{ message: 'Not a well formed URL.' }] } }
      const refused = path.split('.').reduceRight<object>((inner, key) => ({ [key]: inner }), complaint)
      channel.intercept = (_request, response, { body }) => {
        if (!/"(image|thumbnail|icon_url)"/.test(JSON.stringify(body))) return false
        response.writeHead(400, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ code: 50035, message: 'Invalid Form Body', errors: { embeds: { 0: refused } } }))
        return true
      }
      expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
      expect(channel.discord.messages[0]?.embeds?.[0]?.author).toEqual({ name: 'SpaceX' })
    },
  )

  it('sends the message again without an image that Discord refuses', async () => {
    const image = { embeds: { 0: { image: { url: { _errors: [{ message: 'Not a well formed URL.' }] } } } } }
    channel.intercept = (_request, response, { body }) => {
      if (!JSON.stringify(body).includes('"image"')) return false
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ code: 50035, message: 'Invalid Form Body', errors: image }))
      return true
    }
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
    expect(await channel.notify()).toMatchObject({ outcome: 'unchanged' })
    expect(channel.discord.requests).toHaveLength(2)
    expect(channel.discord.messages[0]?.embeds?.[0]).not.toHaveProperty('image')
  })

  it("fails with Discord's words, and tries again when the facts change", async () => {
    channel.refuse(400, { code: 50035, message: 'Invalid Form Body' })
    const ended = await channel.ending()
    expect(ended).toHaveProperty('message', expect.stringContaining('Invalid Form Body'))
    expect(isRetryable(ended)).toBe(false)
    channel.intercept = undefined
    expect(await channel.notify()).toMatchObject({ outcome: 'refused' })
    expect(channel.discord.requests).toHaveLength(2) // the second one without the image
    await channel.change({ net: '2026-11-22T11:00:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
  })

  it('tries again after a refusal of the webhook', async () => {
    channel.refuse(403, { code: 40001, message: 'Unauthorized' })
    expect(isRetryable(await channel.ending())).toBe(false)
    channel.intercept = undefined
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
  })

  it('leaves an edit to the next run if the message had too many edits', async () => {
    await channel.notify()
    await channel.change({ net: '2026-11-22T11:00:00Z' })
    channel.refuse(400, { code: 30046, message: 'Maximum number of edits to messages older than 1 hour reached.' })
    expect(await channel.notify()).toMatchObject({ outcome: 'deferred' })
    channel.intercept = undefined
    expect(await channel.notify()).toMatchObject({ outcome: 'edited' })
  })

  it('a 429 for too many edits of one message does not delay other messages', async () => {
    channel.env = { DISCORD_NOTICES: 'slip' }
    await channel.notify()
    await channel.change({ net: '2026-11-22T20:00:00Z' })
    channel.intercept = (request, response) => {
      if (request.method !== 'PATCH') return false
      response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '60' })
      response.end(JSON.stringify({ message: 'Maximum number of edits', code: 30046, retry_after: 60 }))
      return true
    }
    expect(await channel.notify()).toMatchObject({ outcome: 'deferred', targets: [{ posted: 1, waiting: 1 }] })
    expect(channel.discord.messages.map(({ embeds }) => embeds?.[0]?.description)).toContainEqual(
      expect.stringContaining('Postponed'),
    )
    channel.intercept = undefined
    expect(await channel.notify()).toMatchObject({ outcome: 'edited', targets: [{ posted: 0, waiting: 0 }] })
  })

  it('a card in an archived thread is posted again, and later edits change the new message', async () => {
    const webhook = parseWebhookUrl(`${channel.discord.webhookUrl}?thread_id=77`)
    await channel.notify({ webhook })
    await channel.change({ net: '2026-11-22T11:00:00Z' })
    channel.intercept = ({ method }, response) => {
      if (method !== 'PATCH') return false
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ code: 50083, message: 'Thread is archived' }))
      return true
    }
    expect(await channel.notify({ webhook })).toMatchObject({ outcome: 'posted' })
    channel.intercept = undefined
    expect(await channel.notify({ webhook })).toMatchObject({ outcome: 'unchanged' })
    await channel.change({ net: '2026-11-22T12:00:00Z' })
    expect(await channel.notify({ webhook })).toMatchObject({ outcome: 'edited' })
    expect(channel.discord.messages.map(({ versions }) => versions.length)).toEqual([1, 2])
  })

  it('the run fails if a post does not reopen the thread, says what to do, and the card stays pending', async () => {
    channel.refuse(400, { code: 50083, message: 'Thread is archived' })
    expect(await channel.ending()).toHaveProperty('message', expect.stringContaining('unarchive it'))
    channel.intercept = undefined
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
  })

  it.each([
    ['an old form', { embeds: ['0'] }],
    ['a message alone', { message: 'Invalid image' }],
    ['nothing', {}],
  ])('sends the message again without its image after a 400 with %s', async (_name, refusal) => {
    channel.intercept = (_request, response, { body }) => {
      if (!JSON.stringify(body).includes('"image"')) return false
      response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(refusal))
      return true
    }
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
    expect(await channel.notify()).toMatchObject({ outcome: 'unchanged' })
    expect(channel.discord.requests).toHaveLength(2)
    expect(channel.discord.messages[0]?.embeds?.[0]).not.toHaveProperty('image')
    const [row] = await channel.outbox()
    expect(JSON.stringify(row?.message)).not.toContain('"image"')
  })

  it("shows Discord's own words if it refuses the message without its image as well", async () => {
    channel.refuse(400, { embeds: ['0'] })
    expect(await channel.ending()).toHaveProperty('message', 'Discord refused the message (HTTP 400): embeds: 0')
    expect(channel.discord.requests).toHaveLength(2)
  })

  it.each([
    ['{"retry_after": 1e999}', '1e999'],
    ['{"retry_after": 1e12}', '1000000000000'],
  ])('an endless wait is limited to a day: %s', async (body, header) => {
    channel.intercept = (_request, response) => {
      response.writeHead(429, { 'content-type': 'application/json', 'retry-after': header }).end(body)
      return true
    }
    expect(await channel.notify()).toMatchObject({ outcome: 'waiting' })
    expect(channel.logged.at(-1)).toBe('warn Discord asks to wait 86400 s; a later run tries again')
    channel.intercept = undefined
    await channel.age('1 day')
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
  })

  it.each([0, -5, 1e-9])('a run makes at most five requests, at least a second apart: %d', async (wait) => {
    channel.refuse(429, { retry_after: wait }, { 'retry-after': String(wait) })
    const asked = async () => {
      const ended = await channel.ending({ runId: 'by-hand' })
      await channel.age('1 second')
      return ended
    }
    for (let start = 1; start < 5; start += 1)
      expect(await asked()).toHaveProperty('at', new Date(NOW.getTime() + 1_000))
    expect(await asked()).toMatchObject({
      code: 'failed',
      message: 'Discord asks to wait 1 s; this run tried 5 times, a later run tries again',
    })
    expect(channel.discord.requests).toHaveLength(5)
    channel.intercept = undefined
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
  })

  it('does not restore a message that was deleted on Discord', async () => {
    await channel.notify()
    channel.discord.messages.splice(0)
    await channel.change({ net: '2026-11-22T11:00:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'deleted' })
    await channel.change({ net: '2026-11-22T12:00:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'deleted' })
    expect(channel.discord.messages).toEqual([])
    expect(channel.discord.requests).toHaveLength(2)
  })

  it('sends nothing after the task was stopped', async () => {
    expect(await channel.ending({ signal: AbortSignal.abort() })).toBeInstanceOf(TminusError)
    expect(channel.discord.requests).toEqual([])
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
  })
})
