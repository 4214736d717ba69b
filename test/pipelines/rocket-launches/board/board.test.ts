import { beforeEach, describe, expect, test } from 'vitest'
import { initializeSchema } from '../../../../pipelines/launches/initialize-schema.ts'
import { sampleLaunches } from '../../../../pipelines/rocket-launches/demo/launches.ts'
import { createLaunchDatabase, useDatabase } from '../../../support/database.ts'
import { launch230, withId } from '../../../support/launches.ts'
import { quietLog } from '../../../support/quiet-log.ts'
import { store, useBoard } from './board-site.ts'

const NOW = new Date('2026-11-21T12:00:00Z')
const hours = (count: number) => new Date(NOW.getTime() + count * 3_600_000).toISOString().replace('.000Z', 'Z')
const status = (id: number) => ({ id, name: `status ${id}`, abbrev: '', description: '' })
let number = 0
/** A launch in `hours` hours, with a time known to the minute. */
const launch = (name: string, inHours: number, changes: Record<string, unknown> = {}) =>
  launch230({
    id: `00000000-0000-4000-8000-${String(++number).padStart(12, '0')}`,
    name,
    net: hours(inHours),
    window_start: hours(inHours),
    window_end: hours(inHours),
    ...changes,
  })

describe('before the first run of the pipeline', () => {
  const database = useDatabase()
  const site = useBoard(database, () => NOW)

  test('the table of the older Airflow version: says what to do, and not that there are no launches', async () => {
    await database.pool.query(
      `create table rocket_launches (id serial, launch_id varchar(255) unique, name varchar(255), image_url text,
         net timestamp, details jsonb)`,
    )
    for (const path of ['/', '/launches.json', '/launches.ics', '/launches/none']) {
      const answer = await site.get(path)
      expect([path, answer.status]).toEqual([path, 503])
      expect(await answer.text()).toContain('or run npm run pipeline rocket-launches')
    }
    await database.pool.query('drop table rocket_launches')
  })

  test.each(['no tables', 'empty tables'])('%s: says what to do', async (kind) => {
    if (kind === 'empty tables') await initializeSchema({}, { db: database.pool, log: quietLog() })
    const home = await site.get('/')
    expect(home.status).toBe(200)
    expect(await home.text()).toMatch(/No process reads Launch Library\. Start one:.*npm start/)
    expect(await (await site.get('/launches.json')).json()).toEqual({
      as_of: null,
      next_look: null,
      total: 0,
      launches: [],
    })
    expect(await site.text('/launches.ics')).toMatch(/^BEGIN:VCALENDAR\r\n[\s\S]*END:VCALENDAR\s*$/)
    const missing = await site.get('/launches/none')
    expect([missing.status, await missing.text()]).toEqual([404, expect.stringContaining('No launch &#39;none&#39;')])
  })
})

describe('the board', () => {
  const database = useDatabase(createLaunchDatabase)
  let now = NOW
  const site = useBoard(database, () => now)
  beforeEach(async () => {
    now = NOW
    await database.pool.query(
      'truncate rocket_launches, rocket_launch_changes, rocket_launch_sync, launch_library_quota',
    )
  })

  const put = (...launches: unknown[]) => store(database.pool, launches, NOW)
  const names = async (query = '') => {
    const { launches } = (await (await site.get(`/launches.json${query}`)).json()) as { launches: { name: string }[] }
    return launches.map(({ name }) => name)
  }
  const featured = async () => /id="hero-name">(.*?)<\/h1>/.exec(await site.text('/'))?.[1]?.replace(/<[^>]*>/g, '')

  test('shows the next launch with a countdown and lists upcoming launches', async () => {
    await store(database.pool, sampleLaunches(NOW, { origin: 'https://pictures.test' }), NOW)
    const html = await site.text('/')
    // This launch is in flight since less than an hour and nearer than the next one.
    expect(await featured()).toBe('Falcon 9 Block 5 | Starlink Group 17-52 (sample)')
    expect(html).toContain('<span>Just now</span>')
    expect(html).toMatch(/role="timer" data-countdown="2026-11-21T[\d:.]+Z">/)
    expect(html.match(/class="launch-name"/g)?.length).toBeGreaterThan(20)
    expect(html).toContain('<noscript>')
    expect(html).toMatch(/<img src="https:\/\/pictures\.test\/[^"]+" alt="" width="320" height="180" loading="lazy"/)
    expect(Buffer.byteLength(html)).toBeLessThan(150_000)
  })

  test('credits the picture; the path of the dag shows the same page', async () => {
    await put(launch('Here', 5))
    expect(/<figcaption><a href="https:[^>]*>([^<]*)/.exec(await site.text('/'))?.[1]).toBe('Picture: SpaceX')
    expect(await site.text('/rocket-launches')).toContain('Here')
  })

  test('a page has no inline code that its policy refuses, and loads only pictures from other hosts', async () => {
    await store(database.pool, sampleLaunches(NOW, { origin: 'https://pictures.test' }), NOW)
    const answer = await site.get('/')
    const policy = answer.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("script-src 'self'; style-src 'self'; img-src 'self' https: data:")
    expect(policy).not.toContain('unsafe')
    const { id } = (
      (await (await site.get('/launches.json')).json()) as { launches: { id: number; launch_id: string }[] }
    ).launches.map(({ launch_id }) => ({ id: launch_id }))[0] as { id: string }
    for (const html of [await answer.text(), await site.text(`/launches/${id}`)]) {
      expect(html.match(/ style=| on[a-z]+=/g)).toBeNull()
      expect(html.match(/<script(?![^>]* src="\/)/g)).toBeNull()
      for (const [, address] of html.matchAll(/<(?:script|link(?! rel="canonical"))[^>]*(?:src|href)="([^"]*)"/g))
        expect((await site.get(address ?? '')).status).toBe(200)
    }
  })

  test('a drawing replaces a picture that is not https', async () => {
    await put(
      launch('Old', 5, {
        image: { image_url: 'http://pictures.test/a.png', thumbnail_url: 'http://pictures.test/b.png' },
      }),
    )
    const html = await site.text('/')
    expect(html).not.toContain('<img')
    expect(html).toContain('#drawn-rocket')
  })

  test('a placeholder is shown as a period in words, after precise times', async () => {
    const month = { net_precision: withId(7), net: '2026-12-01T00:00:00Z' }
    await put(
      launch('Some time in December', 0, month),
      launch('On the fifth', 0, { net: '2026-12-05T10:00:00Z' }),
      launch('Some time this month', 0, { net_precision: withId(7), net: '2026-11-01T00:00:00Z' }),
      launch('Next year', 0, { net_precision: withId(14), net: '2027-01-01T00:00:00Z' }),
    )
    expect(await names()).toEqual(['Some time this month', 'On the fifth', 'Some time in December', 'Next year'])
    const html = await site.text('/')
    expect(await featured()).toBe('On the fifth')
    expect(html).not.toMatch(/2026-12-01|2027-01-01T/)
    expect(html).toMatch(/NET<\/span> <span>December 2026/)
    const { launches } = (await (await site.get('/launches.json')).json()) as { launches: Record<string, unknown>[] }
    expect(launches.map(({ net_is_time, period }) => [net_is_time, period])).toEqual([
      [false, 'NET November 2026'],
      [true, null],
      [false, 'NET December 2026'],
      [false, 'NET 2027'],
    ])
    await database.pool.query(`delete from rocket_launches where name = 'On the fifth'`)
    expect(await featured()).toBe('Some time this month')
    expect(await site.text('/')).not.toContain('data-countdown')
  })

  test('features a launch for an hour after T-0, unless the next is nearer or the outcome is known', async () => {
    await put(launch('A', 1), launch('B', 3))
    const atHour = async (hour: number) => {
      now = new Date(NOW.getTime() + hour * 3_600_000)
      return await featured()
    }
    expect(await atHour(0)).toBe('A')
    expect(await atHour(1.5)).toBe('A')
    expect(await site.text('/')).toContain('T+')
    expect(await atHour(2.5)).toBe('B')
    await database.pool.query(`update rocket_launches set net = net + interval '1 day' where name = 'B'`)
    expect(await atHour(1.9)).toBe('A')
    expect(await atHour(2.1)).toBe('B')
    await database.pool.query(`update rocket_launches set status_id = 3 where name = 'A'`)
    expect(await atHour(1.5)).toBe('B')
  })

  test('lists past launches, latest first, without vanished launches and rows without a launch', async () => {
    await put(launch('Flown', -5, { status: status(3) }), launch('Early', 1, { status: status(6) }), launch('Past', -2))
    await put(launch('Gone', 9), launch('Double', 8), launch('Coming', 7))
    await database.pool.query(`update rocket_launches set vanished_at = now() where name = 'Gone'`)
    await database.pool.query(`alter table rocket_launches alter launch_id drop not null`)
    await database.pool.query(`update rocket_launches set launch_id = null where name = 'Double'`)
    expect(await names()).toEqual(['Coming'])
    expect(await names('?show=past')).toEqual(['Early', 'Past', 'Flown'])
    await database.pool.query('delete from rocket_launches where launch_id is null')
  })

  test('searches and filters by the address; SQL in it is text', async () => {
    await put(
      launch('Falcon 9 | Starlink', 1),
      launch('Electron | 100 % sure_thing', 2, { launch_service_provider: { id: 2, name: "O'Neill & Söhne" } }),
    )
    expect(await names('?q=starlink+falcon')).toEqual(['Falcon 9 | Starlink'])
    expect(await names('?q=cape')).toEqual([])
    expect(await names('?q=vandenberg')).toHaveLength(2)
    expect(await names('?q=%25')).toEqual(['Electron | 100 % sure_thing'])
    expect(await names('?q=_')).toEqual(['Electron | 100 % sure_thing'])
    expect(await names(`?provider=${encodeURIComponent("O'Neill & Söhne")}`)).toEqual(['Electron | 100 % sure_thing'])
    for (const evil of [
      "'; drop table rocket_launches; --",
      '\\',
      "' or ''='",
      '\0',
      '$1',
      '%00%ff',
      'x'.repeat(5_000),
    ]) {
      for (const name of ['q', 'provider', 'show', 'page']) {
        const answer = await site.get(`/?${name}=${encodeURIComponent(evil)}`)
        expect([name, evil, answer.status]).toEqual([name, evil, 200])
      }
      expect((await site.get(`/launches/${encodeURIComponent(evil)}`)).status).toBe(404)
    }
    expect(await names()).toHaveLength(2)
    const html = await site.text('/?q=nothing%22%3E%3Cb%3E')
    expect(html).toContain('No upcoming launch matches')
    expect(html).toContain('value="nothing&quot;&gt;&lt;b&gt;"')
  })

  test('shows fifty launches a page, and the links to other pages keep the search', async () => {
    await put(...Array.from({ length: 120 }, (_, index) => launch(`Launch ${index}`, index + 1)))
    const html = await site.text('/?q=launch&page=2')
    expect(html.match(/class="launch-name"/g)).toHaveLength(50)
    expect(html).toContain('Page 2 of 3, 120 launches')
    expect(html).toContain('href="/?q=launch"')
    expect(html).toContain('href="/?q=launch&amp;page=3"')
    expect(await site.text('/?page=99')).toContain('Page 99 of 3')
  })

  test('shows the age of the data, the next read and the calls that are left', async () => {
    await put(launch('Next', 30))
    await database.pool.query(
      `insert into rocket_launch_sync (source, last_attempt_at, last_success_at) values ($1, $2, $2)`,
      ['https://ll.thespacedevs.com/2.3.0/launches/upcoming/', new Date(NOW.getTime() - 4 * 60_000).toISOString()],
    )
    await database.pool.query(
      `insert into launch_library_quota (caller, told_at, told_limit, told_window, told_others)
       values ('ll.thespacedevs.com', $1, 15, '1 hour', 3)`,
      [NOW.toISOString()],
    )
    const words = (html: string) =>
      /class="data-age">(.*?)data by/s
        .exec(html)?.[1]
        ?.replace(/<[^>]+>/g, '|')
        .replace(/[|\s]+/g, ' ')
    expect(words(await site.text('/'))).toMatch(/As of 4 min ago next read in 56 min 9 of 15 calls left/)
    expect(await (await site.get('/launches.json')).json()).toMatchObject({
      as_of: '2026-11-21T11:56:00.000Z',
      next_look: '2026-11-21T12:56:00.000Z',
    })
    now = new Date(NOW.getTime() + 3_600_000)
    expect(words(await site.text('/'))).toMatch(/As of 1 hour ago next read is due \d+ of 15 calls left/)
  })

  test('JSON has the columns of the table', async () => {
    await put(launch('One', 5))
    const { launches } = (await (await site.get('/launches.json')).json()) as { launches: Record<string, unknown>[] }
    expect(launches).toEqual([
      expect.objectContaining({
        launch_id: expect.any(String),
        name: 'One',
        net: '2026-11-21T17:00:00.000Z',
        net_precision: 1,
        net_is_time: true,
        period: null,
        status_id: 1,
        provider: 'SpaceX',
        image_url: 'https://images.example/falcon.jpg',
        thumbnail_url: 'https://images.example/small.jpg',
      }),
    ])
    expect(launches[0]).not.toHaveProperty('details')
  })

  test.each(['/launches.json', '/launches.ics', '/rocket-launches/launches.ics?q=one'])(
    '%s: a request with the ETag of the last answer gets 304 until something changes',
    async (path) => {
      const one = launch('One', 5)
      await put(one)
      const first = await site.get(path)
      const tag = first.headers.get('etag') ?? ''
      expect([tag, first.headers.get('cache-control')]).toEqual([
        expect.stringMatching(/^W\/"[\w-]{27}"$/),
        'private, no-cache',
      ])
      const request = async () => await fetch(`${site.url}${path}`, { headers: { 'if-none-match': `"other", ${tag}` } })
      now = new Date(NOW.getTime() + 60_000)
      const same = await request()
      expect([same.status, same.headers.get('etag'), await same.text()]).toEqual([304, tag, ''])
      await put({ ...(one as object), name: 'Renamed one' })
      const changed = await request()
      expect([changed.status, await changed.text()]).toEqual([200, expect.stringContaining('Renamed')])
      expect(changed.headers.get('etag')).not.toBe(tag)
    },
  )
})
