import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { paragraphsOf } from '../../../../pipelines/rocket-launches/board/words.ts'
import { sampleLaunches } from '../../../../pipelines/rocket-launches/demo/launches.ts'
import { createLaunchDatabase, useDatabase } from '../../../support/database.ts'
import { RECORDED, recorded, WITHOUT_RECORDED } from '../../../support/recorded.ts'
import { BROWSER, expectFit, newPage, openBrowser, SCREENS } from '../../../web/browser.ts'
import { store, useBoard } from './board-site.ts'

test('a text is split into paragraphs at empty lines, and long spaces cost no time', () => {
  expect(paragraphsOf('one\n \n\n two\nlines\r\nthree\r\n\r\n')).toEqual(['one', 'two\nlines', 'three'])
  const start = performance.now()
  expect(paragraphsOf(`a\n${' '.repeat(50_000)}b`)).toHaveLength(1)
  expect(performance.now() - start).toBeLessThan(1_000)
})

describe('the page of a launch', () => {
  const database = useDatabase(createLaunchDatabase)
  const now = new Date('2026-11-21T09:05:00Z')
  const site = useBoard(database, () => now)

  const [sample] = sampleLaunches(now).filter(({ status }) => status.id === 1)
  const stored = async (details: object, id = 'detailed', net = sample?.net ?? '') => {
    await store(database.pool, [{ ...sample, id, net, window_start: net, window_end: net, ...details }], now)
    const response = await site.get(`/launches/${id}`)
    return { text: await response.text(), policy: response.headers.get('content-security-policy') ?? '' }
  }
  const booster = (serial_number: string) => ({
    rocket: {
      ...sample?.rocket,
      launcher_stage: [
        {
          launcher_flight_number: 9,
          launcher: { serial_number },
          landing: { attempt: true, success: null, landing_location: { name: 'Of Course', abbrev: 'OCISLY' } },
        },
      ],
    },
  })

  test('shows records, booster, countdown, news and local time', async () => {
    const record = { successful_launches: 9, failed_launches: 0, consecutive_successful_launches: 9 }
    const { text } = await stored({
      ...booster('B1100'),
      launch_service_provider: { ...sample?.launch_service_provider, ...record },
      timeline: [{ relative_time: '-PT38M', type: { abbrev: 'GO for Prop Load', description: '' } }],
      updates: [{ comment: 'GO for launch.', created_by: 'Penguin', created_on: '2026-11-20T15:55:00Z' }],
    })
    const shown = text.replace(/<[^>]*>/g, '')
    for (const part of ['9 of 9 successful', 'B1100', '9th flight, lands on OCISLY', 'T−38:00', 'GO for Prop Load'])
      expect([part, shown.includes(part)]).toEqual([part, true])
    for (const part of ['GO for launch. Penguin', 'Liftoff, local time', 'world.svg?v='])
      expect([part, (part.includes('?') ? text : shown).includes(part)]).toEqual([part, true])
  })

  test('lines of a description that start with an asterisk are a list', async () => {
    const description = 'Two satellites:\r\n\r\n* One\r\n* Two\r\n\r\nA 9 * 9 grid.'
    const { text } = await stored({ mission: { ...sample?.mission, description } })
    expect(text).toContain('<p>Two satellites:</p><ul><li>One</li><li>Two</li></ul><p>A 9 * 9 grid.</p>')
  })

  test('a long countdown moves the messages into the wide column', async () => {
    const steps = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ relative_time: `-PT${index + 1}M`, type: { abbrev: 'Step' } }))
    for (const [count, moved] of [
      [10, false],
      [11, true],
    ] as const) {
      const { text } = await stored({ timeline: steps(count) })
      expect([count, text.indexOf('id="part-sent"') > text.indexOf('id="part-news"')]).toEqual([count, moved])
    }
  })

  test('lists earlier launches of the booster and from the pad, and none that has not flown', async () => {
    const flown = { status: { id: 3, name: 'Success' } }
    await stored({ ...booster('B77'), ...flown, name: 'Earlier one' }, 'earlier', '2026-05-01T00:00:00Z')
    await stored({ ...booster('B77'), name: 'Not flown' }, 'never', '2026-05-02T00:00:00Z')
    await stored({ ...booster('B78'), ...flown, name: 'Other booster' }, 'other', '2026-05-03T00:00:00Z')
    const { text } = await stored(booster('B77'), 'this')
    const [, ofBooster = '', fromPad = ''] = /Booster B77<\/h3>([\s\S]*)From this pad<\/h3>([\s\S]*)/.exec(text) ?? []
    expect([ofBooster.match(/Earlier one/g)?.length, ofBooster.includes('Other booster')]).toEqual([1, false])
    expect([fromPad.includes('Earlier one'), fromPad.includes('Other booster')]).toEqual([true, true])
    expect(text).not.toContain('Not flown')
  })

  test('only a launch with a YouTube video may frame its player', async () => {
    const video = await stored({ vid_urls: [{ url: 'https://youtu.be/7r0RfmKbr_Q' }] })
    expect(video.policy).toContain('frame-src https://www.youtube-nocookie.com;')
    expect(video.text).toContain('data-video="7r0RfmKbr_Q"')
    expect(video.text).not.toContain('<iframe')
    const other = await stored({ vid_urls: [{ url: 'https://x.com/spacex' }], last_updated: '2026-11-21T09:04:00Z' })
    expect(other.policy).toContain("frame-src 'none';")
  })

  test('shows details as text, and links only http(s) addresses', async () => {
    const evil = '<script>alert(1)</script>'
    const { text } = await stored({
      ...booster(evil),
      updates: [{ comment: evil, created_by: evil, created_on: '2026-11-20T15:55:00Z', info_url: 'javascript:1' }],
      timeline: [{ relative_time: 'P0D', type: { abbrev: evil, description: evil } }],
      vid_urls: [{ url: 'https://a.b', title: evil, type: { name: evil }, feature_image: 'javascript:1' }],
      program: [{ name: evil, description: `"${evil}`, info_url: 'javascript:1' }],
      mission_patches: [{ image_url: 'javascript:1', name: evil }],
      last_updated: now.toISOString(),
    })
    expect(text).toContain('&lt;script&gt;')
    expect(text).not.toContain(evil)
    expect(text).not.toContain('javascript:1')
  })

  test('lists of 10,000 elements do not make the page long', async () => {
    const many = (element: (index: number) => unknown) => Array.from({ length: 10_000 }, (_, index) => element(index))
    const name = (index: number) => `${'W'.repeat(300)} ${index}`
    const url = (index: number) => `https://example.com/${index}`
    const spacecraft_stage = many((index) => ({
      spacecraft: { name: name(index) },
      launch_crew: [{ role: name(index), astronaut: { name: name(index) } }],
    }))
    const launcher_stage = many((index) => ({ launcher: { serial_number: name(index) } }))
    const { text } = await stored({
      rocket: { ...sample?.rocket, spacecraft_stage, launcher_stage },
      updates: many((index) => ({ comment: name(index), created_on: '2026-11-20T15:55:00Z', info_url: url(index) })),
      timeline: many((index) => ({ relative_time: `PT${index}S`, type: { abbrev: name(index) } })),
      vid_urls: many((index) => ({ url: url(index), title: name(index) })),
      info_urls: many((index) => ({ url: url(index), title: name(index) })),
      program: many((index) => ({ name: name(index), description: name(index) })),
      last_updated: now.toISOString(),
    })
    expect(text).toContain('WWW')
    expect(Buffer.byteLength(text)).toBeLessThan(150_000)
  })

  test('a launch with odd or no details has a whole page', async () => {
    for (const details of [null, 'text', [], {}, { rocket: 7, pad: null, updates: [null, 3], vid_urls: {} }]) {
      await database.pool.query('update rocket_launches set details = $1 where launch_id = $2', [
        JSON.stringify(details),
        'detailed',
      ])
      const response = await site.get('/launches/detailed')
      expect([details, response.status]).toEqual([details, 200])
      expect(await response.text()).toContain('How it moved')
    }
  })
})

if (!RECORDED) console.warn(WITHOUT_RECORDED)

/** Falcon 9 with Starlink Group 15-20: booster B1100, four webcasts, a countdown. */
const FLOWN = '6208f972-18ec-490f-bbe5-6f5c6cfcd48c'

describe.skipIf(!RECORDED || BROWSER === undefined)('the page of a recorded launch', () => {
  const database = useDatabase(createLaunchDatabase)
  const now = new Date('2026-08-22T08:40:00Z')
  let browser: Browser
  beforeAll(async () => {
    for (const { launches, version } of recorded('v2.2.0-upcoming-detailed100'))
      await store(database.pool, launches, now, version)
    await database.pool.query(
      `update rocket_launches set status_id = 3, status_name = 'Launch Successful' where net < $1 and status_id <> 3`,
      [now.toISOString()],
    )
    browser = await openBrowser()
  })
  const site = useBoard(database, () => now)
  afterAll(async () => {
    await browser?.close()
  })

  test.each(['desktop-light', 'phone-dark'] as const)('fits and has no axe finding: %s', async (screen) => {
    const context = await browser.newContext(SCREENS[screen])
    await context.route(/^https:/, (route) => route.abort())
    const { page, complaints } = await newPage(context)
    for (const [name, id] of [
      ['flown', FLOWN],
      ['crew', await idOf('%Crew-13')],
    ] as const) {
      await page.goto(`${site.url}/launches/${id}`)
      await expectFit(page, `launch-page-${name}-${screen}`)
    }
    expect(complaints.filter((text) => !text.includes('ERR_FAILED'))).toEqual([])
    await context.close()
  })

  test('is whole without scripts, and the map shows the land', async () => {
    const context = await browser.newContext({ ...SCREENS['desktop-dark'], javaScriptEnabled: false })
    await context.route(/^https:/, (route) => route.abort())
    const page = await context.newPage()
    const [map] = await Promise.all([page.waitForResponse(/world\.svg/), page.goto(`${site.url}/launches/${FLOWN}`)])
    expect(map.status()).toBe(200)
    for (const text of ['B1100', 'T−38:00', 'Starlink Mission', 'Cosmic_Penguin', '9th flight, landed on OCISLY'])
      expect([text, await page.getByText(text, { exact: true }).first().isVisible()]).toEqual([text, true])
    expect(await page.getByRole('button', { name: /^Play here/ }).count()).toBe(0)
    await context.close()
  })

  async function idOf(name: string): Promise<string> {
    const { rows } = await database.pool.query('select launch_id from rocket_launches where name like $1', [name])
    return rows[0].launch_id
  }
})
