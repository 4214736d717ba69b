import { beforeEach, expect, test } from 'vitest'
import { listLaunches } from '../../../../pipelines/launches/read-launches.ts'
import { createLaunchDatabase, useDatabase } from '../../../support/database.ts'
import { launchAt, withId } from '../../../support/launches.ts'
import { store, useBoard } from './board-site.ts'

const NOW = new Date('2026-11-21T12:00:00Z')
const database = useDatabase(createLaunchDatabase)
const site = useBoard(database, () => NOW)
beforeEach(() => database.pool.query('truncate rocket_launches, rocket_launch_changes'))

const put = (...launches: unknown[]) => store(database.pool, launches, NOW)

test('the terminal lists launches in the order of the board', async () => {
  await put(
    launchAt('A month', '2026-12-01T00:00:00Z', 7),
    launchAt('A time', '2026-12-05T10:00:00Z'),
    launchAt('Its day', '2026-12-05T00:00:00Z', 5),
    launchAt('Its hour', '2026-12-05T10:00:00Z', 2),
  )
  const wanted = { now: NOW, past: false, search: '', provider: '', limit: 9 }
  const listed = (await listLaunches(database.pool, wanted)).map(({ name }) => name)
  const { launches } = (await (await site.get('/launches.json')).json()) as { launches: { name: string }[] }
  expect(listed).toEqual(['A time', 'Its hour', 'Its day', 'A month'])
  expect(launches.map(({ name }) => name)).toEqual(listed)
})

test.each([
  [1, 4, 0],
  [2, 3, 2],
])('a countdown to precision %i has %i units; ±1 h is there %i times', async (precision, units, margins) => {
  await put(launchAt('Next', '2026-11-23T10:00:00Z', precision))
  const html = await site.text('/')
  expect([html.match(/class="t-part"/g)?.length, html.match(/±1 h/g)?.length ?? 0]).toEqual([units, margins])
})

test('the countdown of a launch on hold stands still, and its announced time is shown', async () => {
  const at = '2026-11-23T10:00:00Z'
  await put({ ...launchAt('Held', at), ...status(5) })
  const html = await site.text('/')
  expect(html).not.toContain('data-countdown')
  expect(html).toMatch(/<p class="when large"><time[^>]*>Mon 23 Nov 2026, 10:00/)
  await put({ ...launchAt('Held', at), ...status(1) })
  expect(await site.text('/')).toContain('data-countdown')
})

test('says how many launches match, and subscribes to their calendar', async () => {
  await put(launchAt('One', '2026-11-23T10:00:00Z'), launchAt('Two', '2026-11-24T10:00:00Z'))
  expect(await site.text('/')).toMatch(/id="part-count"[^>]*>2 launches</)
  const html = await site.text('/?q=two')
  expect(html).toMatch(/id="part-count"[^>]*>1 launch</)
  expect(html).toContain(`href="${site.url.replace('http', 'webcal')}/launches.ics?q=two"`)
})

const place = (name: string) => ({ pad: { name: 'Pad', location: { name } } })
const status = (id: number) => ({ status: withId(id) })
const rocket = (name: string) => ({ rocket: { configuration: { full_name: name } } })
const orbit = (name: string) => ({ mission: { name: 'M', type: 'T', description: '', orbit: { name } } })
const seedFilters = () =>
  put(
    launchAt('A', '2026-11-23T10:00:00Z', 1, { ...place('Vandenberg SFB, CA, USA'), ...orbit('Polar Orbit') }),
    launchAt('B', '2026-11-24T10:00:00Z', 5, { ...place('Cape Canaveral SFS, FL, USA'), ...status(8) }),
    launchAt('C', '2026-11-25T10:00:00Z', 1, {
      ...place('Guiana Space Centre, French Guiana'),
      ...status(8),
      ...rocket('Vega C'),
    }),
  )
const names = async (query: string) => {
  const { launches } = (await (await site.get(`/launches.json${query}`)).json()) as { launches: { name: string }[] }
  return launches.map(({ name }) => name).join('')
}

test.each([
  ['?country=USA', 'AB'],
  ['?country=CA', ''],
  ['?orbit=Polar+Orbit', 'A'],
  ['?status=tbc', 'BC'],
  ['?status=nothing', 'ABC'],
  ['?time=exact', 'AC'],
  ['?rocket=Vega+C', 'C'],
  ['?rocket=Vega', ''],
  ['?country=USA&status=tbc', 'B'],
  ['?location=Vandenberg+SFB,+CA,+USA', 'A'],
  ['?location=Vandenberg+SFB,+CA,+USA&location=Guiana+Space+Centre,+French+Guiana', 'AC'],
  ['?location=Vandenberg+SFB,+CA,+USA&status=tbc', ''],
  ['?location=Vandenberg', ''],
  ['?location=&location=%00', 'ABC'],
  ['?country=USA&status=tbc&time=exact', ''],
  ['?q=guiana&status=tbc&provider=SpaceX', 'C'],
])('filters by the address: %s', async (query, expected) => {
  await seedFilters()
  expect(await names(query)).toBe(expected)
})

test('a filter leads to the other values, counts what each leaves, and turns itself off', async () => {
  await seedFilters()
  const html = await site.text('/?country=USA&q=vandenberg')
  const chips = [...html.matchAll(/class="chip" href="([^"]*)"[^>]*>([^<]*)(?:<small> (\d+))?/g)]
  expect(chips.map(([, href, text, count]) => [text, href?.replaceAll('&amp;', '&'), count])).toEqual([
    ['SpaceX', '/?q=vandenberg&provider=SpaceX&country=USA', '1'],
    ['Falcon 9 Block 5', '/?q=vandenberg&rocket=Falcon+9+Block+5&country=USA', '1'],
    ['USA', '/?q=vandenberg', undefined],
    ['Polar Orbit', '/?q=vandenberg&country=USA&orbit=Polar+Orbit', '1'],
    ['Go', '/?q=vandenberg&country=USA&status=go', '1'],
    ['Exact time only', '/?q=vandenberg&country=USA&time=exact', undefined],
  ])
  const all = await site.text('/?country=USA')
  expect(all).toMatch(/>French Guiana<small> 1</)
  expect(all).toMatch(/>TBC<small> 1</)
  expect(all).toContain('<title>Upcoming launches (USA) · T-minus</title>')
})

test.each(['', 'show=past&'])(
  'each filter that is on is shown outside the closed filters, and can be turned off: %s',
  async (list) => {
    await seedFilters()
    const shown = async (query: string) => {
      const on = /<p class="filters-on">.*?<\/p>/s.exec(await site.text(query))?.[0] ?? ''
      return [...on.matchAll(/href="([^"]*)"[^>]*>([^<]*)/g)].map(([, href, text]) => [
        text?.trim(),
        href?.replaceAll('&amp;', '&'),
      ])
    }
    expect(await shown(`/?${list}q=x`)).toEqual([])
    expect(await shown(`/?${list}provider=SpaceX&status=tbc&time=exact`)).toEqual([
      ['Provider: SpaceX', `/?${list}status=tbc&time=exact`],
      ['Status: TBC', `/?${list}provider=SpaceX&time=exact`],
      ['Exact time only', `/?${list}provider=SpaceX&status=tbc`],
    ])
  },
)

test('a chosen location is a chip that turns itself off, and narrows the other filters', async () => {
  await seedFilters()
  const html = await site.text('/?location=Vandenberg+SFB,+CA,+USA&location=Guiana+Space+Centre,+French+Guiana')
  expect(html).toContain('<title>Upcoming launches (Vandenberg SFB, CA, USA, Guiana Space Centre, French Guiana)')
  expect(html).toMatch(/class="chip set" href="\/\?location=Guiana[^"&]*"[^>]*>Place: Vandenberg SFB, CA, USA/)
  expect(html).toMatch(/>USA<small> 1</)
  expect(html.match(/<input type="hidden" name="location"/g)).toHaveLength(2)
})
