import type { BrowserContext } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import dag from '../../../../pipelines/rocket-launches/dag.ts'
import { disable } from '../../../../pipelines/rocket-launches/discord/target.ts'
import { parseSettings } from '../../../../src/config.ts'
import { parseWebhookUrl } from '../../../../src/connectors/discord.ts'
import { createLaunchDatabase, useDatabase } from '../../../support/database.ts'
import { BROWSER, newPage, useBrowser } from '../../../web/browser.ts'
import { type OpenSite, openSite } from '../../../web/site.ts'
import { form } from '../../../web/support.ts'

const WEBHOOK = parseWebhookUrl('https://discord.com/api/webhooks/1200000000000000001/very-secret_TOKEN-0123456789')

const database = useDatabase(createLaunchDatabase)
let site: OpenSite
const cookies: Record<'viewer' | 'operator', string> = { viewer: '', operator: '' }
beforeAll(async () => {
  const env = { DISCORD_WEBHOOK_URL: `https://discord.com/api/webhooks/${WEBHOOK.id}/${WEBHOOK.token}` }
  const settings = parseSettings(env, [dag]).settings.get(dag.id) ?? {}
  site = await openSite(database, { dags: [dag], settingsOf: () => settings })
  for (const role of ['viewer', 'operator'] as const) {
    await site.addUser(role, role)
    cookies[role] = await site.login(role)
  }
})
afterAll(() => site.close())
beforeEach(() => database.pool.query('truncate discord_outbox, discord_target restart identity cascade'))

const page = (path: string, role: 'viewer' | 'operator' = 'operator') =>
  site.get(path, { headers: { cookie: cookies[role] } })
const post = (path: string, role: 'viewer' | 'operator' = 'operator', headers: Record<string, string> = {}) =>
  site.get(path, form({}, { cookie: cookies[role], ...headers }))

interface Row {
  kind?: string
  state?: string
  reason?: string | null
  message_id?: string | null
  merged_into?: number | null
}

/** A message of the outbox. Returns its id. */
async function message({ kind = 'hold', state = 'unknown', reason = null, ...row }: Row = {}): Promise<number> {
  const { rows } = await database.pool.query<{ id: number }>(
    `insert into discord_outbox
       (target, launch_id, kind, subject, state, reason, message_id, merged_into, reason_told, facts, facts_hash)
     values ($1, 'a', $2, $2 || ':' || (select count(*) from discord_outbox), $3, $4, $5, $6, 'status Go → Hold',
       '{"name": "Falcon 9 | Nearest"}', 'x')
     returning outbox_id as id`,
    [WEBHOOK.target, kind, state, reason, row.message_id ?? null, row.merged_into ?? null],
  )
  return Number(rows[0]?.id)
}
const stateOf = async (id: number) =>
  (await database.pool.query('select state, reason from discord_outbox where outbox_id = $1', [id])).rows[0]

describe('the outbox', () => {
  test('offers an operator what each message allows', async () => {
    const disabled = { state: 'pending', kind: 'card' }
    const ids = [
      await message({ state: 'unknown' }),
      await message({ state: 'dead', reason: 'too late' }),
      await message({ state: 'dead', reason: 'forgotten' }),
      await message({ state: 'sent', message_id: '1' }),
      await message({ state: 'sent', kind: 'card', message_id: '1' }),
      await message({ state: 'sent', merged_into: 4 }),
      await message({ state: 'sending' }),
      await message(disabled),
    ]
    const offered = async () => {
      const { text } = await page('/outbox')
      return ids.map((id) => ['resend', 'forget'].filter((change) => text.includes(`href="/outbox/${id}/${change}"`)))
    }
    const [both, again, discard] = [['resend', 'forget'], ['resend'], ['forget']]
    expect(await offered()).toEqual([both, both, again, [], discard, [], [], discard])
    await disable(database.pool, WEBHOOK, 'the webhook does not exist any more')
    expect((await offered()).at(-1)).toEqual(both)
    expect((await page('/outbox')).text).toMatch(/1200000000000000001 has been disabled since .*: the webhook does not/)
  })

  test('names the channels only if there are several', async () => {
    const id = await message()
    const hasColumn = async () => (await page('/outbox')).text.includes('data-label="Channel"')
    expect(await hasColumn()).toBe(false)
    await message()
    await database.pool.query(`update discord_outbox set target = 'other' where outbox_id = $1`, [id])
    expect(await hasColumn()).toBe(true)
  })

  test('shows each state with a word and a colour', async () => {
    for (const row of [
      { state: 'unknown' },
      { state: 'dead', reason: 'too late' },
      { state: 'dead', reason: 'overtaken' },
      { state: 'sent', message_id: '1' },
      { state: 'sent', message_id: '1', reason: 'HTTP 400', kind: 'card' },
      { state: 'sent', merged_into: 4 },
      { state: 'sending' },
      { state: 'pending' },
      { state: 'pending', message_id: '1', kind: 'card' },
    ])
      await message(row)
    const shown = [...(await page('/outbox')).text.matchAll(/class="state (\w+)".*?<\/svg>([\w ]+)</g)]
    expect(shown.map(([, look, word]) => `${word}: ${look}`).reverse()).toEqual([
      'unknown: up_for_retry',
      'dead: failed',
      'dead: skipped',
      'sent: success',
      'refused: failed',
      'merged: skipped',
      'sending: running',
      'pending: queued',
      'to edit: queued',
    ])
  })

  test('a viewer sees the messages, and no button', async () => {
    const id = await message()
    const { text } = await page('/outbox', 'viewer')
    expect(text).toContain('Falcon 9 | Nearest')
    expect(text).not.toContain(`/outbox/${id}/`)
  })
})

describe('Resend', () => {
  test('says what it does, sends the message with the next run, and logs who asked', async () => {
    const id = await message()
    const { text } = await page(`/outbox/${id}/resend`)
    expect(text).toContain('The next run sends the hold of Falcon 9 | Nearest to 1200000000000000001.')
    expect(text).toContain('If the first attempt arrived, the channel will have it twice.')
    expect(await stateOf(id)).toMatchObject({ state: 'unknown' })
    const { status, headers } = await post(`/outbox/${id}/resend`)
    expect([status, headers.get('location')]).toEqual([303, '/outbox'])
    expect(await stateOf(id)).toEqual({ state: 'pending', reason: 'sent again as asked' })
    expect(JSON.parse(site.logged().at(-1) ?? '')).toMatchObject({
      msg: 'message to send again on the page',
      dag_id: 'rocket-launches',
      outbox_id: id,
      user: 'operator',
    })
  })

  test('enables the disabled webhook of a waiting message', async () => {
    const id = await message({ state: 'pending' })
    await disable(database.pool, WEBHOOK, 'gone')
    expect((await page(`/outbox/${id}/resend`)).text).toContain('is disabled; this enables it again.')
    expect((await post(`/outbox/${id}/resend`)).status).toBe(303)
    expect((await database.pool.query('select from discord_target')).rowCount).toBe(0)
  })

  test('refuses a message that was sent in the meantime, and says why', async () => {
    const id = await message({ state: 'sent', message_id: '1' })
    const { status, text } = await post(`/outbox/${id}/resend`)
    expect([status, text]).toEqual([
      409,
      expect.stringContaining('The hold of Falcon 9 | Nearest was sent, so it cannot be sent again'),
    ])
    expect((await page(`/outbox/${id}/resend`)).text).toMatch(/<button type="submit"[^>]* disabled/)
  })
})

test('Forget says what it does, and discards the message', async () => {
  const card = await message({ kind: 'card', state: 'sent', message_id: '1' })
  expect((await page(`/outbox/${card}/forget`)).text).toContain(
    'The card of Falcon 9 | Nearest stays on the channel as it is. It is not edited again.',
  )
  const id = await message()
  expect((await page(`/outbox/${id}/forget`)).text).toContain('The hold of Falcon 9 | Nearest will not be sent.')
  expect((await post(`/outbox/${id}/forget`)).status).toBe(303)
  expect(await stateOf(id)).toEqual({ state: 'dead', reason: 'forgotten' })
  expect(JSON.parse(site.logged().at(-1) ?? '')).toMatchObject({ msg: 'message discarded on the page', outbox_id: id })
})

test.each(['resend', 'forget'])(
  '%s needs the role operator, a form of this site, and a known message',
  async (change) => {
    const id = await message()
    expect((await page(`/outbox/${id}/${change}`, 'viewer')).status).toBe(403)
    expect((await post(`/outbox/${id}/${change}`, 'viewer')).status).toBe(403)
    expect((await post(`/outbox/${id}/${change}`, 'operator', { origin: 'https://evil.example' })).status).toBe(403)
    expect(await stateOf(id)).toMatchObject({ state: 'unknown' })
    for (const unknown of ['4711', 'x', '0', '99999999999999999999'])
      expect((await post(`/outbox/${unknown}/${change}`)).status).toBe(404)
  },
)

describe.skipIf(BROWSER === undefined)('in a browser', () => {
  const browser = useBrowser()

  async function signIn(context: BrowserContext): Promise<void> {
    const [name = '', value = ''] = cookies.operator.split('=')
    await context.addCookies([{ name, value, url: site.url }])
  }

  test('an operator without scripts sends a message again', async () => {
    const id = await message()
    const context = await browser.newContext({ javaScriptEnabled: false })
    await signIn(context)
    const { page: shown } = await newPage(context)
    await shown.goto(`${site.url}/outbox`)
    await shown.getByRole('link', { name: `Resend message ${id}` }).click()
    await shown.getByRole('button', { name: 'Resend the message' }).click()
    await shown.waitForURL(`${site.url}/outbox`)
    expect(await shown.locator('tbody .state').textContent()).toBe('pending')
    await context.close()
  })
})
