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
    launch('A', '2026-12-12T10:00:00Z', CAPE),
    launch('B', '2026-12-13T10:00:00Z', CAPE),
    launch('C', '2026-12-31T00:00:00Z', KENNEDY, { net_precision: withId(7) }),
    launch('D', '2026-12-14T10:00:00Z', MAHIA, { status: withId(8) }),
    launch('E', '2026-12-15T10:00:00Z', ['Nowhere', null, null]),
    launch('Flown', '2026-12-01T10:00:00Z', MAHIA, { status: withId(3) }),
  )
})

type Site = [location: string, latitude: number | null, longitude: number | null]
const CAPE: Site = ['Cape Canaveral SFS, FL, USA', 28.5, -80.6]
const KENNEDY: Site = ['Kennedy Space Center, FL, USA', 28.6, -80.6]
const MAHIA: Site = ['Mahia Peninsula, New Zealand', -39.3, 177.9]
const launch = (name: string, net: string, [location, latitude, longitude]: Site, changes = {}) =>
  launchAt(name, net, 1, {
    pad: { id: 1, name: 'Pad', latitude, longitude, location: { id: 1, name: location } },
    image: null,
    ...changes,
  })
const put = (...launches: unknown[]) => store(database.pool, launches, NOW)

const textOf = (html = '') =>
  html
    .replace(/<[^>]*>/g, ' ')
    .replaceAll('&amp;', '&')
    .replace(/\s+/g, ' ')
    .trim()
/** The circles of a wide screen: label, and the locations of the link. */
const circlesOf = (html: string) =>
  [
    ...(html.split('class="points wide"')[1]?.split('</g>')[0] ?? '').matchAll(
      /<a class="point" href="([^"]*)"><title>([^<]*)/g,
    ),
  ].map(([, href = '', label]) => [
    label,
    new URL(href.replaceAll('&amp;', '&'), site.url).searchParams.getAll('location'),
  ])
const rowsOf = (html: string) => [...html.matchAll(/<tr>(.*?)<\/tr>/gs)].slice(1).map(([, row]) => textOf(row))

test('the map has a circle for each place, and the table has the same with the next launch', async () => {
  const html = await site.text('/map')
  expect(circlesOf(html)).toEqual([
    ['Cape Canaveral SFS, Kennedy Space Center: 3 launches', [CAPE[0], KENNEDY[0]]],
    ['Mahia Peninsula: 1 launch', [MAHIA[0]]],
  ])
  expect(rowsOf(html)).toEqual([
    'Cape Canaveral SFS, FL, USA 2 A Sat 12 Dec 2026, 10:00 UTC',
    'Kennedy Space Center, FL, USA 1 C NET December 2026',
    'Mahia Peninsula, New Zealand 1 D Mon 14 Dec 2026, 10:00 UTC',
    'Nowhere not on the map 1 E Tue 15 Dec 2026, 10:00 UTC',
  ])
  expect(html).toMatch(/id="part-count"[^>]*>5 launches</)
  expect(html).toContain('<title>Map of upcoming launches · T-minus</title>')
})

test('a circle leads to the list of its launches', async () => {
  const html = await site.text('/map?q=10')
  expect(html).toContain('No upcoming launch matches')
  const [, href = ''] = /<a class="point" href="([^"]*)"/.exec(await site.text('/map')) ?? []
  const list = await site.text(href.replaceAll('&amp;', '&'))
  expect([...list.matchAll(/class="launch-name"[^>]*>([^<]*)</g)].map(([, name]) => name)).toEqual(['A', 'B', 'C'])
})

test('search, filters and past launches work on the map, and its links keep them', async () => {
  expect(rowsOf(await site.text('/map?country=New+Zealand'))).toHaveLength(1)
  const past = await site.text('/map?show=past&status=success')
  expect(rowsOf(past)).toEqual(['Mahia Peninsula, New Zealand 1 Flown Tue 1 Dec 2026, 10:00 UTC'])
  expect(past).toContain('Last launch')
  expect(past).toContain('href="/map?show=past">Clear')
  expect(past).toContain('href="/?show=past&amp;status=success">List<')
  expect(past).toContain('href="/?month=2026-12&amp;status=success">Calendar<')
  expect(past).toMatch(/<form[^>]*action="\/map"/)
  expect(await site.text('/?q=x')).toContain('href="/map?q=x">Map<')
})

test('a place is there if its launches have no location, or a very long one', async () => {
  const long = `${'x'.repeat(300)}, USA`
  await put(launch('Long', '2026-12-16T10:00:00Z', [long, 0, 0]))
  await database.pool.query('update rocket_launches set location = null where name = $1', ['E'])
  const html = await site.text('/map')
  expect(rowsOf(html).at(-1)).toBe('Unknown place not on the map 1 E Tue 15 Dec 2026, 10:00 UTC')
  const { total } = (await (await site.get(`/launches.json?location=${'x'.repeat(100)}`)).json()) as { total: number }
  expect(total).toBe(1)
})

test('200 places make a page under 150 kB, which says that it is cut', async () => {
  await put(
    ...Array.from({ length: 200 }, (_, index) =>
      launch(`${'W'.repeat(200)} ${index}`, '2026-12-20T10:00:00Z', [
        `${'A place with a long name '.repeat(6)}${index}, USA`,
        (index % 14) * 9 - 50,
        Math.floor(index / 14) * 22 - 160,
      ]),
    ),
  )
  const html = await site.text('/map')
  expect(rowsOf(html)).toHaveLength(100)
  expect(html).toContain('Shows the 100 places with the most launches.')
  expect(Buffer.byteLength(html)).toBeLessThan(150_000)
})

test('the map is there in Korean, empty, and before the first run', async () => {
  const answer = await fetch(`${site.url}/map`, { headers: { 'accept-language': 'ko' } })
  expect(await answer.text()).toContain('<title>Mahia Peninsula: 발사 1건</title>')
  await database.pool.query('truncate rocket_launches')
  expect(await site.text('/map')).toContain('No upcoming launch is stored')
  await database.pool.query('alter table rocket_launches rename to away')
  expect((await site.get('/map')).status).toBe(200)
  await database.pool.query('alter table away rename to rocket_launches')
})

test('the page of a launch links to the launches from its location', async () => {
  expect(await site.text('/launches/id-A')).toContain('href="/?location=Cape+Canaveral+SFS%2C+FL%2C+USA"')
})

describe.skipIf(BROWSER === undefined)('in a browser', () => {
  const browser = useBrowser()
  const MEDIUM = { viewport: { width: 1024, height: 800 }, colorScheme: 'light' } as const
  const SMALL = { viewport: { width: 641, height: 800 }, colorScheme: 'dark' } as const
  const screens = (['390-light', '1440-light', '1440-dark'] as const).map((size) => [size, SIZES[size]] as const)

  test.each([...screens, ['1024', MEDIUM] as const, ['641', SMALL] as const])(
    'meets WCAG 2.2 AA and fits the width on %s',
    async (size, options) => {
      const context = await browser.newContext({ ...options, bypassCSP: true })
      const { page, complaints } = await newPage(context)
      await page.goto(`${site.url}/map`)
      await expectFit(page, `board-map-${size}`)
      const boxes = await Promise.all(
        (await page.locator('.point:visible circle').all()).map((one) => one.boundingBox()),
      )
      expect(boxes).toHaveLength(2)
      for (const box of boxes) expect(Math.min(box?.width ?? 0, box?.height ?? 0)).toBeGreaterThanOrEqual(24)
      expect(complaints).toEqual([])
      await context.close()
    },
  )

  test('without scripts a reader goes from the list to the map, a place, and a launch; also by keyboard', async () => {
    const context = await browser.newContext({ ...SIZES['1440-light'], javaScriptEnabled: false })
    const { page } = await newPage(context)
    await page.goto(site.url)
    await page.getByRole('link', { name: 'Map', exact: true }).click()
    await page.getByRole('link', { name: 'Mahia Peninsula: 1 launch' }).click()
    await page.waitForURL(/location=Mahia/)
    expect(await page.locator('.launch-name').allTextContents()).toEqual(['D'])
    await page.getByRole('link', { name: 'Map', exact: true }).click()
    await page.locator('.point:visible').focus()
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/\?location=Mahia/)
    await page.getByRole('link', { name: 'D', exact: true }).click()
    await page.waitForURL(/launches\/id-D/)
    await context.close()
  })
})
