import { beforeAll, describe, expect, test } from 'vitest'
import type { Payload } from '../../../../src/connectors/discord.ts'
import { migrateMetadata } from '../../../../src/maintenance/schema.ts'
import { Announcing, NOW } from '../../../support/announcing.ts'
import { useBoard } from './board-site.ts'

const channel = Announcing.use()

describe('the card on the page is the message that Discord got', () => {
  beforeAll(async () => {
    await migrateMetadata(channel.database.pool, 'metadata')
  })
  const site = useBoard(channel.database, () => NOW)

  const onPage = async () => {
    const html = await site.text('/launches/a')
    return html.slice(html.indexOf('On Discord'), html.indexOf('</article>'))
  }
  /** Expects the channel's last message on the page. */
  const expectAsSent = async () => {
    const card = await onPage()
    const { embeds, components } = (channel.discord.requests.at(-1)?.body ?? {}) as Payload
    const [embed] = embeds ?? []
    expect(card).toContain(embed?.title)
    expect(card).toContain(`fill="#${embed?.color?.toString(16)}"`)
    expect(card).toContain(embed?.footer?.text)
    for (const { label, url } of components?.flatMap((row) => row.components) ?? [])
      expect(card).toMatch(new RegExp(`<a href="${url}"[^>]*>${label}</a>`))
    for (const { name, value } of embed?.fields ?? []) expect(card).toMatch(new RegExp(`${name}</dt><dd>${value}</dd>`))
    const [, seconds] = /<t:(\d+):R>/.exec(embed?.description ?? '') ?? []
    const at = seconds && new Date(Number(seconds) * 1_000).toISOString()
    if (at) expect(card).toMatch(new RegExp(`<time datetime="${at}"[^>]*>.* · <span[^>]*data-away="${at}"`))
    else expect(card).toContain(embed?.description?.split('\n')[1])
    expect(card.includes('<img')).toBe(embed?.image !== undefined)
    return card
  }
  const set = (columns: string) =>
    channel.database.pool.query(`update rocket_launches set ${columns} where launch_id = 'a'`)

  test('shows time, countdown, buttons, fields, image and footer', async () => {
    await set("slug = 'falcon-nearest', webcast_url = 'https://video.example/1', orbit = 'LEO'")
    await channel.notify()
    const card = await expectAsSent()
    expect(card).toContain('>Watch</a>')
    expect(card).toContain('>Details</a>')
    expect(card).toMatch(/embed-sender">Webhook<.*APP</)
  })

  test('shows the last edit, not later changes of the launch', async () => {
    await channel.notify()
    channel.now = new Date(NOW.getTime() + 3_600_000)
    await channel.change({ net: '2026-11-22T11:00:00Z' })
    await channel.notify()
    await channel.change({ net: '2026-11-25T11:00:00Z' })
    const card = await expectAsSent()
    expect(card).toContain('2026-11-22T11:00:00.000Z')
    expect(card).not.toContain('2026-11-25')
    await channel.database.pool.query('update discord_outbox set sent_at = updated_at')
    expect(await onPage()).not.toContain('edited')
    await channel.database.pool.query(`update discord_outbox set sent_at = sent_at - interval '1 hour'`)
    expect(await onPage()).toMatch(/sent <time[^>]*>[^<]*<\/time>, edited <time/)
  })

  test('shows a date without a time, and a message that Discord accepted only without its image', async () => {
    await channel.database.pool.query("delete from rocket_launches where launch_id = 'b'")
    await set('net_precision = 5')
    channel.intercept = (_request, response, { body }) => {
      if (!JSON.stringify(body).includes('"image"')) return false
      response.writeHead(400, { 'content-type': 'application/json' }).end('{"embeds": ["0"]}')
      return true
    }
    await channel.notify()
    expect(await expectAsSent()).toContain('(time to be announced)')
  })

  test('shows the sender, and markdown characters in a name', async () => {
    await set(`name = '*Falcon* | @everyone <t:0:R>'`)
    await channel.notify({ env: { DISCORD_USERNAME: 'Launches' } })
    const card = await onPage()
    expect(card).toContain('Launches</p>')
    expect(card.replace('\u200b', '')).toContain('*Falcon* | @everyone &lt;t:0:R&gt;')
  })

  test('shows a card of an older version from its facts', async () => {
    await channel.notify()
    await channel.database.pool.query('update discord_outbox set message = null')
    const card = await onPage()
    expect(card).toContain('<strong>🟢 Go for launch</strong>')
    expect(card).toContain('2026-11-22T10:00:00.000Z')
  })
})
