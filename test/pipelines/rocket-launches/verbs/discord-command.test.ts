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

/** A hold whose answer got lost. */
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
  test('shows what does not stand, and why; everything with --all; JSON with -o json', async () => {
    const id = await loseAnswer()
    const shown = await discord('outbox')
    expect([shown.code, shown.stderr]).toEqual([0, ''])
    expect(lines(shown.stdout)[0]).toMatch(/^id +state +what +launch +since +target +why$/)
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

  test('says that all is well, and which webhook is out of use', async () => {
    expect((await discord('outbox')).stdout).toBe('Everything that was announced stands on its channel\n')
    channel.refuse(404, { code: 10015, message: 'Unknown Webhook' })
    await channel.ending()
    expect(lines((await discord('outbox')).stdout)[0]).toMatch(
      /^1200000000000000001 is out of use since \d{4}-\d\d-\d\d \d\d:\d\dZ: the webhook does not exist any more/,
    )
  })

  test('says what to run where there are no tables yet', async () => {
    const empty = await createEmptyDatabase()
    const { code, stderr } = await runCli(['discord', 'outbox'], {
      env: { ...ENV, DATABASE_URL: empty.connectionString },
    })
    await empty.drop()
    expect([code, stderr]).toEqual([1, expect.stringContaining('run npm run pipeline rocket-launches')])
  })
})

describe('discord resend', () => {
  test('sends it with the next run, and says that it may stand twice', async () => {
    const id = await loseAnswer()
    const { code, stdout } = await discord('resend', id)
    expect([code, lines(stdout)]).toEqual([
      0,
      [
        'The next run sends the hold of Falcon 9 | Nearest',
        'If it did arrive the first time, it will stand there twice',
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

  test('brings back a card that was deleted on Discord, and a webhook that is out of use', async () => {
    await channel.notify()
    channel.discord.messages.splice(0)
    await channel.change({ net: '2026-11-22T10:05:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'deleted' })
    await channel.change({ net: '2026-11-22T10:10:00Z' })
    await channel.database.pool.query(`insert into discord_target values ('1200000000000000001', 'x', now(), 'gone')`)
    const { stdout } = await discord('resend', await idOf('card'))
    expect(stdout).toContain('the card of Falcon 9 | Nearest; 1200000000000000001 is in use again\n')
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
    expect(channel.discord.messages).toHaveLength(1)
  })

  test('of what waits takes a webhook that is out of use into use again, once', async () => {
    await channel.notify()
    await channel.change({ net: '2026-11-22T10:05:00Z' })
    channel.refuse(404, { code: 10015, message: 'Unknown Webhook' })
    await channel.ending()
    const id = await idOf('card')
    const { code, stdout } = await discord('resend', id)
    expect([code, stdout]).toEqual([
      0,
      'The next run sends the card of Falcon 9 | Nearest; 1200000000000000001 is in use again\n',
    ])
    const again = await discord('resend', id)
    expect([again.code, again.stderr]).toEqual([
      1,
      '✖ The card of Falcon 9 | Nearest is still to be sent, so it cannot be sent again\n',
    ])
    channel.intercept = undefined
    expect(await channel.notify({ scheduledFor: channel.now })).toMatchObject({ outcome: 'edited' })
  })
})

describe('discord forget', () => {
  test('gives up what is still to be sent, or of unknown fate', async () => {
    const id = await loseAnswer()
    expect((await discord('forget', id)).stdout).toBe(
      'Forgotten: the hold of Falcon 9 | Nearest is not sent any more\n',
    )
    expect((await discord('outbox')).stdout).toBe('Everything that was announced stands on its channel\n')
    await channel.notify()
    expect(channel.discord.messages).toHaveLength(2)
  })

  test('leaves a card as it is', async () => {
    await channel.notify()
    expect((await discord('forget', await idOf('card'))).stdout).toMatch(/is left as it is\n$/)
    await channel.change({ net: '2026-11-22T10:05:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'deleted' })
    expect(channel.discord.requests).toHaveLength(1)
  })

  test.each([
    [['forget', '4711'], 1, /There is no message 4711; discord outbox --all lists them/],
    [['forget', 'x'], 2, /The id must be a number, as discord outbox shows it/],
    [['outbox', '--limit', '0'], 2, /--limit must be a whole number/],
  ])('%j ends in a sentence', async (args, code, sentence) => {
    const ended = await discord(...args)
    expect([ended.code, ended.stderr]).toEqual([code, expect.stringMatching(sentence)])
  })
})
