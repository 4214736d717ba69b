import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parseWebhookUrl } from '../../src/connectors/discord.ts'
import { UsageError } from '../../src/errors.ts'

const TOKEN = 'very-secret_TOKEN-0123456789'
const ID = '1234567890123456789'

describe('parseWebhookUrl', () => {
  it.each([
    [`https://discord.com/api/webhooks/${ID}/${TOKEN}`, 'https://discord.com/api'],
    [`https://discord.com/api/v10/webhooks/${ID}/${TOKEN}`, 'https://discord.com/api'],
    [`https://discordapp.com/api/webhooks/${ID}/${TOKEN}/`, 'https://discord.com/api'],
    [`https://ptb.discord.com/api/webhooks/${ID}/${TOKEN}?wait=true`, 'https://discord.com/api'],
    [` https://canary.discord.com/api/webhooks/${ID}/${TOKEN}\n`, 'https://discord.com/api'],
    [`http://127.0.0.1:8123/api/webhooks/${ID}/${TOKEN}`, 'http://127.0.0.1:8123/api'],
    [`http://localhost:8123/api/v9/webhooks/${ID}/${TOKEN}`, 'http://localhost:8123/api'],
    [`http://[::1]:8123/api/webhooks/${ID}/${TOKEN}`, 'http://[::1]:8123/api'],
  ])('accepts %s', (text, apiBase) => {
    const webhook = parseWebhookUrl(text)
    expect(webhook).toMatchObject({ id: ID, token: TOKEN, threadId: undefined, apiBase, target: ID })
  })

  it('keeps the thread and includes it in the target', () => {
    const webhook = parseWebhookUrl(`https://discord.com/api/webhooks/${ID}/${TOKEN}?thread_id=42`)
    expect(webhook).toMatchObject({ threadId: '42', target: `${ID}/42` })
  })

  it.each([
    '',
    TOKEN,
    `http://discord.com/api/webhooks/${ID}/${TOKEN}`,
    `https://discord.com:8443/api/webhooks/${ID}/${TOKEN}`,
    `https://discord.com.evil.example/api/webhooks/${ID}/${TOKEN}`,
    `https://evil.example/api/webhooks/${ID}/${TOKEN}`,
    `http://127.0.0.1.evil.example/api/webhooks/${ID}/${TOKEN}`,
    `https://user:${TOKEN}@discord.com/api/webhooks/${ID}/${TOKEN}`,
    `https://discord.com/api/webhooks/${ID}/${TOKEN}/slack`,
    `https://discord.com/api/webhooks/${TOKEN}`,
    `https://discord.com/api/webhooks/name/${TOKEN}`,
    `https://discord.com/api/webhooks/${ID}/${TOKEN}?thread_id=${TOKEN}`,
  ])('rejects %s without repeating it', (text) => {
    const refuse = () => parseWebhookUrl(text)
    expect(refuse).toThrow(UsageError)
    expect(refuse).toThrow(/looks like https:\/\/discord\.com\/api\/webhooks\//)
    expect(inspect(thrownBy(refuse))).not.toContain(TOKEN)
  })

  it('shows its token neither to inspect nor to JSON', () => {
    const webhook = parseWebhookUrl(`https://discord.com/api/webhooks/${ID}/${TOKEN}`)
    expect(inspect({ webhook }, { depth: 9, showHidden: true })).not.toContain(TOKEN)
    expect(JSON.stringify(webhook)).not.toContain(TOKEN)
  })
})

function thrownBy(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return error
  }
}
