import { beforeEach, describe, expect, test } from 'vitest'
import { Announcing } from '../../../support/announcing.ts'
import { PIPELINES, runCli } from '../../../support/cli.ts'
import { createEmptyDatabase } from '../../../support/database.ts'

const ENV = { PIPELINES_DIR: `${PIPELINES}/../../../pipelines` }

const channel = Announcing.use()
beforeEach(() => {
  channel.env = {}
})

const discord = (...args: string[]) =>
  runCli(['discord', ...args], { env: { ...ENV, DATABASE_URL: channel.database.connectionString } })
const lines = (text: string) => text.trimEnd().split('\n')
const idOf = async (subject: string) =>
  String((await channel.outbox()).find((row) => row.subject === subject)?.outbox_id ?? 'none')

/** Posts a hold notice whose answer is lost. */
async function loseAnswer(): Promise<string> {
  await channel.notify()
  await channel.change({ statusId: 5 })
  channel.interceptAnswer = (request, response) => {
    if (request.method === 'PATCH') return false
    response.writeHead(500).end()
    return true
  }
  await channel.notify()
  channel.interceptAnswer = undefined
  return await idOf('hold:1')
}

describe('discord outbox', () => {
  test('shows undelivered messages with the reason; all with --all; JSON with -o json', async () => {
    const id = await loseAnswer()
    const shown = await discord('outbox')
    expect([shown.code, shown.stderr]).toEqual([0, ''])
    expect(lines(shown.stdout)[0]).toMatch(/^id +state +what +launch +since +channel +why$/)
    expect(lines(shown.stdout).slice(1)).toEqual([
      expect.stringMatching(new RegExp(`^${id} +unknown +hold 1 +Falcon 9 \\| Nearest .* HTTP 500$`)),
    ])
    expect(lines((await discord('outbox', '--all')).stdout)).toHaveLength(3)
    const { messages, disabled_targets } = JSON.parse((await discord('outbox', '--all', '-o', 'json')).stdout)
    expect(messages).toMatchObject([
      { outbox_id: Number(id), kind: 'hold', state: 'unknown', launch_id: 'a', reason_told: 'status Go → Hold' },
      { kind: 'card', state: 'sent', message_id: channel.discord.messages[0]?.id },
    ])
    expect(disabled_targets).toEqual([])
  })

  test('says that every message was delivered, and shows a disabled webhook', async () => {
    expect((await discord('outbox')).stdout).toBe('Every message was delivered\n')
    channel.refuse(404, { code: 10015, message: 'Unknown Webhook' })
    await channel.ending()
    expect(lines((await discord('outbox')).stdout)[0]).toMatch(
      /^1200000000000000001 has been disabled since \d{4}-\d\d-\d\d \d\d:\d\dZ: the webhook no longer exists/,
    )
  })

  test('says what to run before the first run', async () => {
    const empty = await createEmptyDatabase()
    const { code, stderr } = await runCli(['discord', 'outbox'], {
      env: { ...ENV, DATABASE_URL: empty.connectionString },
    })
    await empty.drop()
    expect([code, stderr]).toEqual([1, expect.stringContaining('run npm run pipeline rocket-launches')])
  })
})

describe('discord resend', () => {
  test('sends the message with the next run and warns about a duplicate', async () => {
    const id = await loseAnswer()
    const { code, stdout } = await discord('resend', id)
    expect([code, lines(stdout)]).toEqual([
      0,
      [
        'The next run sends the hold of Falcon 9 | Nearest',
        'If the first attempt arrived, the channel will have it twice',
      ],
    ])
    expect(channel.discord.messages).toHaveLength(2)
    await channel.notify()
    expect(channel.discord.messages).toHaveLength(3)
    const again = await discord('resend', id)
    expect([again.code, again.stderr]).toEqual([
      1,
      expect.stringMatching(/^✖ The .* was sent, so it cannot be sent again/),
    ])
  })

  test('restores a card that was deleted on Discord, and enables a disabled webhook', async () => {
    await channel.notify()
    channel.discord.messages.splice(0)
    await channel.change({ net: '2026-11-22T10:05:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'deleted' })
    await channel.change({ net: '2026-11-22T10:10:00Z' })
    await channel.database.pool.query(`insert into discord_target values ('1200000000000000001', 'x', now(), 'gone')`)
    const { stdout } = await discord('resend', await idOf('card'))
    expect(stdout).toContain('the card of Falcon 9 | Nearest; 1200000000000000001 is enabled again\n')
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
    expect(channel.discord.messages).toHaveLength(1)
  })

  test('enables the disabled webhook of a waiting message, once', async () => {
    await channel.notify()
    await channel.change({ net: '2026-11-22T10:05:00Z' })
    channel.refuse(404, { code: 10015, message: 'Unknown Webhook' })
    await channel.ending()
    const id = await idOf('card')
    const { code, stdout } = await discord('resend', id)
    expect([code, stdout]).toEqual([
      0,
      'The next run sends the card of Falcon 9 | Nearest; 1200000000000000001 is enabled again\n',
    ])
    const again = await discord('resend', id)
    expect([again.code, again.stderr]).toEqual([
      1,
      '✖ The card of Falcon 9 | Nearest is waiting to be sent, so it cannot be sent again\n',
    ])
    channel.intercept = undefined
    expect(await channel.notify({ scheduledFor: channel.now })).toMatchObject({ outcome: 'edited' })
  })
})

describe('discord forget', () => {
  test('discards a message that is waiting or may be lost', async () => {
    const id = await loseAnswer()
    expect((await discord('forget', id)).stdout).toBe('Discarded: the hold of Falcon 9 | Nearest will not be sent\n')
    expect((await discord('outbox')).stdout).toBe('Every message was delivered\n')
    await channel.notify()
    expect(channel.discord.messages).toHaveLength(2)
  })

  test('discards what an unsent message holds; a notice that a message holds is not discarded alone', async () => {
    await channel.notify()
    channel.refuse(429, { retry_after: 60 }, { 'retry-after': '60' })
    await channel.change({ net: '2026-11-22T16:00:00Z', statusId: 5 })
    await channel.ending()
    const id = await idOf('hold:1')
    expect((await discord('outbox', '--all')).stdout).toMatch(new RegExp(`merged +slip 1 .* in message ${id}`))
    const alone = await discord('forget', await idOf('slip:1'))
    expect(alone.stderr).toBe(`✖ The slip of Falcon 9 | Nearest is part of message ${id}, so it cannot be discarded\n`)
    await discord('forget', id)
    channel.intercept = undefined
    await channel.age()
    await channel.notify()
    expect(channel.discord.messages).toHaveLength(1)
  })

  test('does not change a card on the channel', async () => {
    await channel.notify()
    expect((await discord('forget', await idOf('card'))).stdout).toMatch(/stays on the channel as it is\n$/)
    await channel.change({ net: '2026-11-22T10:05:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'deleted' })
    expect(channel.discord.requests).toHaveLength(1)
  })

  test.each([
    [['forget', '4711'], 1, /Unknown message 4711; discord outbox --all lists all messages/],
    [['forget', 'x'], 2, /The id must be a number, as discord outbox shows it/],
    [['outbox', '--limit', '0'], 2, /--limit must be a whole number/],
  ])('%j ends in a sentence', async (args, code, sentence) => {
    const ended = await discord(...args)
    expect([ended.code, ended.stderr]).toEqual([code, expect.stringMatching(sentence)])
  })
})
