import { describe, expect, test } from 'vitest'
import { createLaunchDatabase, useDatabase } from '../../../support/database.ts'
import { aLaunch } from '../../../support/factories.ts'
import { useBoard } from './board-site.ts'

const NOW = new Date('2026-11-21T12:00:00Z')

const database = useDatabase(createLaunchDatabase)
const site = useBoard(database, () => NOW)

/** Writes to the tables directly, because the parser of answers would refuse most of this. */
async function insert(launchId: string, text: string, columns: Record<string, unknown> = {}): Promise<void> {
  const { rows } = await database.pool.query<{ name: string; type: string }>(
    `select column_name as name, data_type as type from information_schema.columns
     where table_name = 'rocket_launches' and is_generated = 'NEVER'`,
  )
  const texts = rows.filter(({ type }) => type === 'text').map(({ name }) => [name, text])
  const launch: Record<string, unknown> = {
    ...Object.fromEntries(texts),
    launch_id: launchId,
    net: '2026-11-22T12:00:00Z',
    net_precision: 0,
    status_id: 99,
    details: JSON.stringify({ image: { thumbnail_url: text } }),
    first_seen_at: '2026-11-01T00:00:00Z',
    updated_at: '2026-11-20T00:00:00Z',
    ...columns,
  }
  await aLaunch(database.pool, launch)
  const changes = [
    ...[...texts.map(([name = '']) => name), text].map((field) => [field, text, `${text}!`]),
    ['net', '2026-12-31T00:00:00.000Z', '2026-11-22T12:00:00.000Z'],
    ['net_precision', '7', '0'],
  ]
  await database.pool.query(
    `insert into rocket_launch_changes (launch_id, field, old, new, seen_at)
     select $1, change.*, $5 from unnest($2::text[], $3::text[], $4::text[]) as change`,
    [launchId, ...[0, 1, 2].map((part) => changes.map((change) => change[part])), NOW.toISOString()],
  )
  const facts = {
    name: text,
    net: '2026-11-22T12:00:00.000Z',
    precision: 0,
    status: 99,
    statusName: text,
    provider: text,
  }
  const more = { rocket: text, pad: text, location: text, orbit: text, mission: text, image: text, webcast: text }
  for (const kind of ['card', text, 'slip'])
    await database.pool.query(
      `insert into discord_outbox (target, launch_id, kind, subject, state, facts, facts_hash, reason, reason_told, message)
       values ($1, $2, $3, $3, 'dead', $4, '', $5, $5, $6)`,
      [
        ...[text.slice(0, 100), launchId, kind.slice(0, 500), JSON.stringify({ ...facts, ...more }), text],
        JSON.stringify(messageOf(text)),
      ],
    )
}

const messageOf = (text: string) => ({
  username: text,
  content: text,
  embeds: [
    {
      ...{ title: text, url: text, description: text, color: 1, image: { url: text }, footer: { text } },
      fields: [{ name: text, value: text }],
    },
  ],
  components: [{ type: 1, components: [{ type: 2, style: 5, label: text, url: text }] }],
})

const path = (launchId: string) => `/launches/${encodeURIComponent(launchId)}`

describe('hostile texts in the tables', () => {
  const PAYLOADS = [
    '<img src=x onerror=alert(1)>',
    '"><script>alert(1)</script>',
    `' onmouseover='alert(1)`,
    '</title></textarea></style><svg onload=alert(1)>',
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)//https://x',
    ' \tjava\nscript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'https://x.test/"onerror="alert(1)',
    '<!--<![CDATA[ ]]>-->&lt;b&gt;&#x3c;',
  ]
  test.each(PAYLOADS)('%s in every text is escaped', async (payload) => {
    const id = `${payload}#/?`
    await insert(id, payload)
    for (const page of [
      '/',
      `/?q=${encodeURIComponent(payload)}`,
      `/?provider=${encodeURIComponent(payload)}`,
      `/?month=${encodeURIComponent(payload)}`,
      '/?month=2026-11',
      '/map',
      `/?location=${encodeURIComponent(payload)}`,
      path(id),
    ]) {
      const answer = await site.get(page)
      const html = await answer.text()
      expect([page, answer.status]).toEqual([page, 200])
      // In a tag, only a quoted value may contain the payload.
      for (const [tag] of html.matchAll(/<[a-z!/][^>]*>/gi)) {
        const bare = tag.replace(/"[^"]*"/g, '')
        expect([tag, /alert|onerror|onload|CDATA/i.test(bare)]).toEqual([tag, false])
        expect(tag).not.toMatch(/(?:src|href|action|formaction)="\s*(?:javascript|data|vbscript):/i)
      }
      expect(html.match(/<script/g)).toHaveLength(3)
    }
    for (const feed of ['/launches.json', '/launches.ics']) {
      const answer = await site.get(feed)
      expect(answer.headers.get('content-type')).toMatch(/^(application\/json|text\/calendar)/)
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    }
    await database.pool.query('truncate rocket_launches, rocket_launch_changes, discord_outbox')
  })

  test('invisible characters do not reach pages, calendars or feeds; JSON has the stored text', async () => {
    const unseen = '\u202E\u2066\u200B\u200E\u061C\u0007\u001b[31m\u0085\u2028\u{E0041}'
    await insert('turned', `Falcon${unseen}9`)
    for (const page of [
      '/',
      '/?show=past',
      '/?month=2026-11',
      '/map',
      `/?q=${encodeURIComponent(unseen)}`,
      path('turned'),
      '/nothing',
      '/launches.ics',
      '/launches.atom',
    ])
      expect((await site.text(page)).replaceAll(/\r?\n[ \t]?/g, '').replaceAll(/ value="[^"]*"/g, '')).not.toMatch(
        /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u,
      )
    const { launches } = JSON.parse(await site.text('/launches.json'))
    expect(launches).toContainEqual(expect.objectContaining({ name: `Falcon${unseen}9` }))
    await database.pool.query('truncate rocket_launches, rocket_launch_changes, discord_outbox')
  })

  test('pages stay small with texts of 10,000 characters', async () => {
    for (let index = 0; index < 60; index++)
      await insert(`long-${index}`, `${'W'.repeat(5_000)} ${'<&"'.repeat(1_666)}`, {
        image_url: null,
        net: '2026-11-23T00:00:00Z',
      })
    for (const page of ['/', '/?show=past', '/?month=2026-11', '/map', path('long-7')])
      expect([page, Buffer.byteLength(await site.text(page)) < 150_000]).toEqual([page, true])
    await database.pool.query('truncate rocket_launches, rocket_launch_changes, discord_outbox')
  })

  test('an address of many locations does not make a page long, because each link repeats them', async () => {
    await insert('one', 'one')
    const many = Array.from({ length: 100 }, (_, index) => `location=${index}${'a'.repeat(100)}`).join('&')
    for (const page of [`/?${many}`, `/map?${many}`, `/?month=2026-11&${many}`])
      expect([page.slice(0, 20), Buffer.byteLength(await site.text(page)) < 150_000]).toEqual([page.slice(0, 20), true])
    await database.pool.query('truncate rocket_launches, rocket_launch_changes, discord_outbox')
  })

  test('facts and numbers of another version do not break a page', async () => {
    await insert('odd', 'odd', {
      net: '9999-12-31T23:59:59Z',
      net_precision: 77,
      status_id: -5,
      probability: 999,
      latitude: 'NaN',
    })
    await insert('early', 'early', { net: '0001-01-01T00:00:00Z', net_precision: null, status_id: null })
    await insert('bc', 'bc', { net: '0044-03-15 00:00:00+00 BC', net_precision: 6 })
    await database.pool.query(
      `update discord_outbox set facts = case kind when 'card' then '[]'::jsonb else '{"name": 7, "net": "soon"}' end,
         message = case kind when 'card' then '{"embeds": [{"color": -1, "fields": 7}]}'::jsonb end`,
    )
    for (const page of [
      '/',
      '/?show=past',
      '/?month',
      '/launches.json',
      '/launches.ics',
      path('odd'),
      path('early'),
      path('bc'),
    ])
      expect([page, (await site.get(page)).status]).toEqual([page, 200])
  })
})
