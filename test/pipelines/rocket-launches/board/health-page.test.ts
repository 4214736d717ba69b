import { expect, test } from 'vitest'
import { initializeSchema } from '../../../../pipelines/launches/initialize-schema.ts'
import { disable } from '../../../../pipelines/rocket-launches/discord/target.ts'
import { parseWebhookUrl } from '../../../../src/connectors/discord.ts'
import { useDatabase } from '../../../support/database.ts'
import { quietLog } from '../../../support/quiet-log.ts'
import { store, useBoard } from './board-site.ts'

const TOKEN = 'very-secret_TOKEN-0123456789'
const WEBHOOK_URL = `https://discord.com/api/webhooks/1200000000000000001/${TOKEN}`

const database = useDatabase()
const site = useBoard(database, () => new Date(), { DISCORD_WEBHOOK_URL: WEBHOOK_URL })

test('the status page shows the checks of the pipeline: without tables, without problems, with a deleted webhook', async () => {
  expect(await site.text('/status')).toContain('none stored yet')
  await initializeSchema({}, { db: database.pool, log: quietLog() })
  expect(await site.text('/status')).toContain('1 in use')
  await disable(database.pool, parseWebhookUrl(`${WEBHOOK_URL}x`), 'its token is wrong, and was mended since')
  expect(await site.text('/status')).toContain('1 in use')
  await disable(database.pool, parseWebhookUrl(WEBHOOK_URL), 'the webhook does not exist any more; make a new one')
  const page = await site.text('/status')
  expect(page).toContain('make a new one')
  expect(page).not.toContain('Everything is healthy')
  expect(page).not.toContain(TOKEN)
})

test('the outbox and the rejects have a page each, which escapes all texts', async () => {
  await database.pool.query(
    `insert into discord_outbox (target, launch_id, kind, subject, state, reason, facts, facts_hash)
     values ('1', 'a/b', 'card', 'card', 'unknown', 'HTTP 500', '{"name":"<img src=x onerror=alert(1)>"}', 'x');`,
  )
  const outbox = await site.text('/outbox')
  expect(outbox).toContain('HTTP 500')
  expect(outbox).toContain('/launches/a%2Fb')
  expect(outbox).toContain('&lt;img src=x onerror=alert(1)&gt;')
  expect(await site.text('/rejects')).toContain('Every launch was parsed')
  await store(database.pool, [{ id: '<b>bad</b>' }], new Date())
  const rejects = await site.text('/rejects')
  expect(rejects).toContain('&lt;b&gt;bad&lt;/b&gt;')
  expect(rejects).toContain('name: Invalid input: expected string, received undefined')
  await store(database.pool, [{ id: 'named', name: 'Electron | <i>Owl</i>' }], new Date())
  expect(await site.text('/rejects')).toContain('Electron | &lt;i&gt;Owl&lt;/i&gt;')
})
