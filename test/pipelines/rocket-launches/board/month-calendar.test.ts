import type { BrowserContextOptions, Page } from 'playwright-core'
import { beforeEach, describe, expect, test } from 'vitest'
import { createLaunchDatabase, useDatabase } from '../../../support/database.ts'
import { launchAt, withId } from '../../../support/launches.ts'
import { BROWSER, expectFit, newPage, SIZES, useBrowser } from '../../../web/browser.ts'
import { store, useBoard } from './board-site.ts'

const NOW = new Date('2026-12-10T12:00:00Z')
const database = useDatabase(createLaunchDatabase)
const site = useBoard(database, () => NOW)
beforeEach(async () => {
  await database.pool.query('truncate rocket_launches, rocket_launch_changes')
  await put(
    launch('Flown', '2026-12-02T10:00:00Z', 1, status(3)),
    launch('Vega C | Exact', '2026-12-12T10:05:00Z'),
    launch('Hour', '2026-12-12T10:00:00Z', 2),
    launch('Whole day', '2026-12-12T23:00:00Z', 5),
    launch('Week', '2026-12-20T00:00:00Z', 6),
    launch('Month', '2026-12-31T00:00:00Z', 7),
    launch('Quarter', '2026-12-31T00:00:00Z', 11),
    launch('Late', '2026-12-31T20:00:00Z', 1, status(8)),
    launch('Beside', '2027-01-02T10:00:00Z'),
    launch('Seoul', '2026-11-29T18:00:00Z', 1, status(3)),
    launch('Next month', '2027-01-31T00:00:00Z', 7),
  )
})

const status = (id: number) => ({ status: withId(id) })
const launch = (name: string, net: string, precision = 1, changes = {}) =>
  launchAt(name, net, precision, { image: null, ...changes })
const put = (...launches: unknown[]) => store(database.pool, launches, NOW)

/** The text of each visible launch below the day, week or heading that it stands in. */
function cellsOf(html: string): Record<string, string[]> {
  const parts = html.split(/(?=<li class="day|<section class="some-time|<ol class="entries" hidden)/).slice(1)
  return Object.fromEntries(
    parts.flatMap((part, index) => {
      const name = /data-day="([^"]+)"/.exec(part)?.[1] ?? /class="([^"]+)"/.exec(part)?.[1]
      const entries = [...(part.split('<ol class="entries" hidden')[0]?.matchAll(ENTRY) ?? [])]
      const texts = entries.map(([, text = '']) => textOf(text))
      return texts.length > 0 && !(index > 0 && part.startsWith('<ol')) ? [[name, texts]] : []
    }),
  )
}
const ENTRY = /<li class="entry[^>]*>(.*?)<\/li>/gs
const textOf = (html: string) =>
  html
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()

test('each launch is in its day, with its time only as exact as known', async () => {
  expect(cellsOf(await site.text('/?month=2026-12'))).toEqual({
    '2026-12-02': ['10:00 Success Flown'],
    '2026-12-12': ['10:00 ±1 h Go Hour', '10:05 Go Exact Vega C', 'time open Go Whole day'],
    'day whole-week': ['Go Week'],
    '2026-12-31': ['20:00 TBC Late'],
    '2027-01-02': ['10:00 Go Beside'],
    'some-time': ['Go Month'],
  })
})

test('a launch that the weeks contain only in another zone is hidden', async () => {
  const html = await site.text('/?month=2026-12')
  expect(html).toMatch(/<ol class="entries" hidden[^>]*><li class="entry[^>]*><a href="\/launches\/id-Seoul"/)
})

test('the page names its month and zone, marks today, and links to the months beside', async () => {
  const html = await site.text('/?month=2026-12&q=vega&status=go')
  expect(html).toContain('<title>Launches in December 2026 (Go) with “vega” · T-minus</title>')
  expect(html).toContain('Days and times are in UTC.')
  expect([...html.matchAll(/data-day="([^"]+)" aria-current="date"/g)].map(([, day]) => day)).toEqual(['2026-12-10'])
  expect(html).toMatch(/rel="prev" href="\/\?month=2026-11&amp;q=vega&amp;status=go"/)
  expect(html).toMatch(/rel="next" href="\/\?month=2027-01&amp;q=vega&amp;status=go"/)
  expect(html).not.toContain('This month')
  expect(await site.text('/?month=2027-01')).toMatch(/href="\/\?month=2026-12">This month</)
})

test('search and filters narrow the calendar, and the list leads to it', async () => {
  const narrow = await site.text('/?month=2026-12&q=vega')
  expect(Object.keys(cellsOf(narrow))).toEqual(['2026-12-12'])
  expect(narrow).toMatch(/id="part-count"[^>]*>1 launch</)
  expect(narrow).toContain('name="month" value="2026-12"')
  const whole = await site.text('/?month=2026-12')
  expect(whole).toMatch(/id="part-count"[^>]*>7 launches</)
  expect(whole).toMatch(/href="\/\?month=2026-12&amp;status=tbc">TBC<small> 1</)
  expect(await site.text('/?q=vega')).toContain('href="/?month=2026-12&amp;q=vega">Calendar</a>')
  expect(await site.text('/?month=2026-12&q=xyzzy')).toContain('No launch in this month matches')
})

test('a month has past and upcoming launches, but none that Launch Library no longer lists', async () => {
  await database.pool.query(`update rocket_launches set vanished_at = now() where name = 'Late'`)
  const { launches, total } = (await (await site.get('/launches.json?month=2026-12&show=past')).json()) as {
    launches: { name: string }[]
    total: number
  }
  expect(launches.map(({ name }) => name)).toEqual(['Flown', 'Hour', 'Vega C | Exact', 'Whole day', 'Week', 'Month'])
  expect(total).toBe(6)
})

test('the calendar to subscribe to does not depend on the month', async () => {
  expect(await site.text('/launches.ics?month=1990-01')).toBe(await site.text('/launches.ics'))
  expect(await site.text('/?month=2026-12&q=vega')).toContain('/launches.ics?q=vega"')
})

test.each([
  '',
  '2026-13',
  '0000-01',
  '9999-12',
  '-2026-12',
  '2026-12-01',
  '2026-12%00',
  '%3Cscript%3E',
  `2026-12'--`,
  '２０２６-12',
  '1e5',
  `${'9'.repeat(5_000)}-12`,
  '2026-12&month=2030-01',
])('month=%s shows the present month', async (month) => {
  const answer = await site.get(`/?month=${month}`)
  expect([answer.status, (await answer.text()).includes('<h1 id="coming-title">December 2026</h1>')]).toEqual([
    200,
    true,
  ])
})

test.each(['1950-01', '2199-12'])('the calendar has an end: %s', async (month) => {
  const html = await site.text(`/?month=${month}`)
  expect(html.match(/rel="(prev|next)"/g)).toHaveLength(1)
  expect(html).toContain('No launch in this month')
})

test('a month with 200 launches is under 150 kB; with more, the page says that it is cut', async () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      launch(
        `Long March 99Z | ${'Some long name '.repeat(6)}${index}`,
        new Date(Date.UTC(2027, 2, 1, 3 * index)).toISOString().replace('.000Z', 'Z'),
        index % 3,
      ),
    )
  await put(...many(200))
  const html = await site.text('/?month=2027-03')
  expect(html.match(/class="entry /g)).toHaveLength(200)
  expect(Buffer.byteLength(html)).toBeLessThan(150_000)
  await put(...many(248), ...Array.from({ length: 60 }, (_, index) => launch(`More ${index}`, '2027-03-31T01:00:00Z')))
  const cut = await site.text('/?month=2027-03')
  expect(cut.match(/class="entry /g)).toHaveLength(200)
  expect(cut).toMatch(/id="part-count"[^>]*>308 launches</)
  expect(cut).toContain('The calendar shows the first 200 launches.')
  expect(Buffer.byteLength(cut)).toBeLessThan(150_000)
})

test('the calendar is there in Korean, and before the first run', async () => {
  const answer = await fetch(`${site.url}/?month=2026-12`, { headers: { 'accept-language': 'ko' } })
  const html = await answer.text()
  expect(html).toContain('2026년 12월 중')
  expect(html).toContain('날짜와 시각은 UTC 기준입니다.')
  await database.pool.query('alter table rocket_launches rename to away')
  expect((await site.get('/?month=2026-12')).status).toBe(200)
  await database.pool.query('alter table away rename to rocket_launches')
})

describe.skipIf(BROWSER === undefined)('in a browser', () => {
  const browser = useBrowser()

  async function within(options: BrowserContextOptions, work: (page: Page) => Promise<void>) {
    const context = await browser.newContext({ locale: 'en-GB', ...options })
    const { page, complaints } = await newPage(context)
    await work(page)
    expect(complaints).toEqual([])
    await context.close()
  }

  /** The visible launches of a day. */
  const inDay = async (page: Page, day: string) =>
    (await page.locator(`[data-day="${day}"] .entry:visible`).allInnerTexts()).map((text) =>
      text.split(/\s+/).join(' '),
    )

  const SCREENS = (['390-light', '1440-light', '1440-dark'] as const).map((size) => [size, SIZES[size]] as const)
  test.each(SCREENS)('meets WCAG 2.2 AA and fits the width on %s', async (size, options) => {
    await within({ ...options, bypassCSP: true }, async (page) => {
      for (const [name, path] of [
        ['month', '/?month=2026-12'],
        ['empty', '/?month=2031-01'],
      ] as const) {
        await page.goto(site.url + path)
        await expectFit(page, `board-${name}-${size}`)
      }
    })
  })

  test.each([
    [
      'Asia/Seoul',
      { '2026-11-30': ['03:00 Success Seoul'], '2026-12-31': [], '2027-01-01': ['05:00 TBC Late'] },
      '2026-12-10',
    ],
    ['Pacific/Kiritimati', { '2026-11-30': ['08:00 Success Seoul'], '2027-01-01': ['10:00 TBC Late'] }, '2026-12-11'],
    ['America/New_York', { '2026-11-30': [], '2026-12-31': ['15:00 TBC Late'] }, '2026-12-10'],
    ['UTC', { '2026-11-30': [], '2026-12-31': ['20:00 TBC Late'] }, '2026-12-10'],
  ])('in %s each launch is in the day of the reader', async (timezoneId, days, today) => {
    await within({ ...SIZES['1440-light'], timezoneId }, async (page) => {
      await page.goto(`${site.url}/?month=2026-12`)
      for (const [day, expected] of Object.entries(days)) expect([day, await inDay(page, day)]).toEqual([day, expected])
      // A launch that is known to the day stays in its day, after those with a time.
      expect((await inDay(page, '2026-12-12')).at(-1)).toBe('time open Go Whole day')
      expect(await page.locator('[aria-current="date"]').getAttribute('data-day')).toBe(today)
      expect(await page.locator('.calendar .sub').innerText()).toContain('in your time zone')
    })
  })

  test('a reader who chose UTC, or has no scripts, sees UTC', async () => {
    for (const javaScriptEnabled of [true, false])
      await within({ timezoneId: 'Asia/Seoul', javaScriptEnabled }, async (page) => {
        const cookie = { name: 'display', value: 'utc.system', url: site.url }
        if (javaScriptEnabled) await page.context().addCookies([cookie])
        await page.goto(`${site.url}/?month=2026-12`)
        expect(await inDay(page, '2026-12-31')).toEqual(['20:00 TBC Late'])
        expect(await inDay(page, '2026-11-30')).toEqual([])
        expect(await page.locator('.calendar .sub').innerText()).toContain('Days and times are in UTC.')
      })
  })

  test('without scripts a reader goes from the list to a month, the next, and a launch', async () => {
    await within({ ...SIZES['390-light'], javaScriptEnabled: false }, async (page) => {
      await page.goto(site.url)
      await page.getByRole('link', { name: 'Calendar', exact: true }).first().click()
      await page.waitForURL(/month=2026-12/)
      // A phone shows only the days that have a launch.
      expect(await page.locator('.day:visible .day-name').allInnerTexts()).toEqual([
        'Wed 2 Dec',
        'Sat 12 Dec',
        'Some time this week',
        'Thu 31 Dec',
      ])
      await page.getByRole('link', { name: 'January 2027' }).click()
      await page.waitForURL(/month=2027-01/)
      await page.getByRole('link', { name: 'Beside' }).click()
      await page.waitForURL(/\/launches\/id-Beside/)
    })
  })
})
