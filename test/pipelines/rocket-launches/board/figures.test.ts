import { beforeAll, describe, expect, test } from 'vitest'
import { FIGURES_EN } from '../../../../pipelines/launches/words/figures-en.ts'
import { FIGURES_KO } from '../../../../pipelines/launches/words/figures-ko.ts'
import { createLaunchDatabase, useDatabase } from '../../../support/database.ts'
import { aLaunch } from '../../../support/factories.ts'
import { openBoard, useBoard } from './board-site.ts'

const NOW = new Date('2026-11-21T12:00:00Z')
const HEAD = 'launches,success,partial,failure,open'

describe('figures of past launches', () => {
  const database = useDatabase(createLaunchDatabase)
  beforeAll(async () => {
    const put = (launch_id: string, net: string, status_id: number, more: object = {}) =>
      aLaunch(database.pool, {
        launch_id,
        name: launch_id,
        net,
        status_id,
        rocket: 'Falcon 9',
        first_seen_at: '2026-10-01T00:00:00Z',
        ...more,
      })
    await put('success', '2026-11-01T10:00:00Z', 3)
    await put('partial', '2026-10-31T23:59:59Z', 7)
    await put('failure', '2026-11-02T10:00:00Z', 4, { rocket: '=1+1<b>', provider: 'Rocket Lab' })
    await put('deployed', '2026-11-21T11:00:00Z', 9)
    await put('silent', '2026-11-03T10:00:00Z', 8)
    await put('vanished', '2026-11-04T10:00:00Z', 3, { vanished_at: '2026-11-05T00:00:00Z' })
    await put('history', '2025-12-01T00:00:00Z', 3, { provider: null, rocket: null })
    await put('old', '2023-11-30T23:59:59Z', 3)
    await put('planned', '2026-12-01T10:00:00Z', 1)
    await database.pool.query(
      `insert into rocket_launch_changes (launch_id, field, old, new, seen_at) values
         ('success', 'net', '2026-11-01T06:00:00Z', '2026-11-01T08:00:00Z', '2026-10-30T00:00:00Z'),
         ('success', 'net', '2026-11-01T08:00:00Z', '2026-11-01T10:00:00Z', '2026-10-31T00:00:00Z'),
         ('planned', 'net', '2026-11-30T10:00:00Z', '2026-12-01T10:00:00Z', '2026-11-01T00:00:00Z'),
         ('failure', 'net', '2026-11-30T00:00:00Z', '2026-12-31T00:00:00Z', '2026-10-03T00:00:00Z'),
         ('failure', 'net_precision', '7', '1', '2026-10-03T00:00:00Z'),
         ('failure', 'net', '2026-11-02T09:50:00Z', '2026-11-02T10:00:00Z', '2026-10-04T00:00:00Z'),
         ('failure', 'net', '2026-11-03T10:00:00Z', '2026-11-02T10:00:00Z', '2026-10-05T00:00:00Z'),
         ('failure', 'net', '-271821-04-20T00:00:00Z', '2026-11-02T10:00:00Z', '2026-10-06T00:00:00Z'),
         ('history', 'net', '2025-11-01T00:00:00Z', '2025-12-01T00:00:00Z', '2026-10-06T00:00:00Z')`,
    )
  })
  const site = useBoard(database, () => NOW)

  const names = async (query: string) => {
    const { launches } = (await (await site.get(`/launches.json${query}`)).json()) as { launches: { name: string }[] }
    return launches.map(({ name }) => name).sort()
  }
  const csv = async (path: string) => (await site.text(`/figures/${path}`)).split('\r\n').slice(0, -1)

  test('an address selects past launches by outcome, alone or with a search', async () => {
    expect(await names('?show=past&status=failure')).toEqual(['failure'])
    expect(await names('?show=past&status=partial')).toEqual(['partial'])
    expect(await names('?show=past&status=success')).toEqual(['history', 'old', 'success', 'vanished'])
    expect(await names('?show=past&status=deployed')).toEqual(['deployed'])
    expect(await names('?show=past&status=success&q=old')).toEqual(['old'])
  })

  test('each month counts the flown launches by outcome, also months without a launch', async () => {
    const months = await csv('months.csv')
    expect(months[0]).toBe(`month,${HEAD}`)
    expect(months[1]).toBe('2025-12,1,1,0,0,0')
    expect(months.slice(-3)).toEqual(['2026-09,0,0,0,0,0', '2026-10,1,0,1,0,0', '2026-11,3,1,0,1,1'])
    expect(months).toHaveLength(1 + 12)
    expect(await csv('months.csv?years=5')).toHaveLength(1 + 37)
  })

  test('rockets and providers have the most flown first, and text that a spreadsheet would run is quoted', async () => {
    expect(await csv('rockets.csv')).toEqual([
      `rocket,${HEAD}`,
      'Falcon 9,3,1,1,0,1',
      ',1,1,0,0,0',
      "'=1+1<b>,1,0,0,1,0",
    ])
    expect(await csv('providers.csv')).toEqual([
      `provider,${HEAD}`,
      'SpaceX,3,1,1,0,1',
      ',1,1,0,0,0',
      'Rocket Lab,1,0,0,1,0',
    ])
  })

  test('a slip is later by at least 15 minutes with the same precision, of a launch seen before T-0', async () => {
    expect(await csv('slips.csv')).toEqual([
      'provider,launches,slipped,slips,median_delay_seconds,longest_delay_seconds',
      'SpaceX,5,2,3,50400,86400',
      'Rocket Lab,1,0,0,,',
    ])
  })

  test('the page has every chart as SVG and as a table, without scripts or inline styles', async () => {
    const page = await site.text('/figures')
    const main = page.slice(page.indexOf('<main'), page.indexOf('</main>'))
    expect(main).toContain('Launches per month by outcome, 5 in all')
    expect(main).toContain('2026-11: Success 1, Failure 1, No outcome yet 1')
    expect(main.match(/<table/g)).toHaveLength(4)
    expect(main.match(/class="share-bar"/g)).toHaveLength(3 + 3 + 2)
    expect(main).toContain('50.0 %')
    expect(main).toContain('=1+1&lt;b&gt;')
    expect(main).not.toMatch(/ style=|<script|<b>/)
    for (const name of ['months', 'rockets', 'providers', 'slips'])
      expect(main).toContain(`/figures/${name}.csv?years=3`)
  })

  test('a rocket and a provider link to the list of their past launches, an unknown one does not', async () => {
    const page = await site.text('/figures')
    const main = page.slice(page.indexOf('<main'), page.indexOf('</main>'))
    const links = [...main.matchAll(/<th scope="row"><a href="([^"]*)">(.*?)<\/a>/g)]
    expect(links.map(([, href, text]) => [text, href?.replaceAll('&amp;', '&')])).toEqual([
      ['Falcon 9', '/?show=past&rocket=Falcon+9'],
      ['=1+1&lt;b&gt;', '/?show=past&rocket=%3D1%2B1%3Cb%3E'],
      ['SpaceX', '/?show=past&provider=SpaceX'],
      ['Rocket Lab', '/?show=past&provider=Rocket+Lab'],
      ['SpaceX', '/?show=past&provider=SpaceX'],
      ['Rocket Lab', '/?show=past&provider=Rocket+Lab'],
    ])
    expect(await names('?show=past&rocket=%3D1%2B1%3Cb%3E')).toEqual(['failure'])
  })

  test('an unknown period is three years, and an unknown file is not found', async () => {
    expect(await csv('months.csv?years=999999')).toEqual(await csv('months.csv?years=3'))
    for (const name of ['none', 'constructor']) expect((await site.get(`/figures/${name}.csv`)).status).toBe(404)
  })

  test('an unchanged file is answered with 304', async () => {
    const first = await site.get('/figures/slips.csv')
    const etag = first.headers.get('etag') ?? ''
    const again = await fetch(`${site.url}/figures/slips.csv`, { headers: { 'if-none-match': etag } })
    expect([first.headers.get('content-type'), again.status]).toEqual(['text/csv; charset=utf-8', 304])
  })

  test('no English text of the figures is left on a Korean page', async () => {
    const texts = (words: object): string[] =>
      Object.values(words).flatMap((one) => (typeof one === 'string' ? one : typeof one === 'object' ? texts(one) : []))
    const same = new Set(texts(FIGURES_KO))
    const page = await (await fetch(`${site.url}/figures`, { headers: { 'accept-language': 'ko' } })).text()
    const main = page.slice(page.indexOf('<main'), page.indexOf('</main>'))
    expect(texts(FIGURES_EN).filter((text) => !same.has(text) && main.includes(`>${text}<`))).toEqual([])
    for (const text of ['월별 발사 수', '14시간', '2023년 12월 이후']) expect(main).toContain(text)
  })
})

describe('figures without launches', () => {
  const database = useDatabase()
  test('the page says what to do, and a CSV has only its head', async () => {
    const site = await openBoard(database.pool, () => NOW)
    expect(await site.text('/figures')).toMatch(/pipeline launch-history[\s\S]*No launch was seen before its T-0 yet/)
    expect(await site.text('/figures/months.csv')).toBe(`month,${HEAD}\r\n`)
    await site.close()
  })
})
