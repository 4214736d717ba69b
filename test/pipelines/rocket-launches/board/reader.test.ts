import { beforeAll, describe, expect, test } from 'vitest'
import { BOARD_EN } from '../../../../pipelines/launches/words/board-en.ts'
import { BOARD_KO } from '../../../../pipelines/launches/words/board-ko.ts'
import { migrateMetadata } from '../../../../src/maintenance/schema.ts'
import { createLaunchDatabase, useDatabase } from '../../../support/database.ts'
import { aLaunch } from '../../../support/factories.ts'
import { useBoard } from './board-site.ts'

const NOW = new Date('2026-11-21T05:00:00Z')

describe('the language of the board', () => {
  const database = useDatabase(createLaunchDatabase)
  beforeAll(async () => {
    await migrateMetadata(database.pool, 'metadata')
    await aLaunch(database.pool, { launch_id: 'a', name: 'Nuri | Satellite', net: '2026-11-23T10:00:00Z' })
    await aLaunch(database.pool, { launch_id: 'b', name: 'Later', net: '2026-12-31T00:00:00Z', net_precision: 7 })
    await database.pool.query(
      `insert into rocket_launch_changes (launch_id, field, old, new, seen_at) values
         ('a', 'net', '2026-11-22T10:00:00Z', '2026-11-23T10:00:00Z', '2026-11-20T00:00:00Z'),
         ('a', 'status_id', '8', '1', '2026-11-20T00:00:00Z')`,
    )
  })
  const site = useBoard(database, () => NOW)

  const page = (path: string, languages?: string) =>
    fetch(`${site.url}${path}`, { headers: languages === undefined ? {} : { 'accept-language': languages } })

  test.each([
    [undefined, 'en'],
    ['*', 'en'],
    ['ko', 'ko'],
    ['ko-KR,ko;q=0.9,en-US;q=0.8', 'ko'],
    ['KO-kr', 'ko'],
    ['en-US,en;q=0.9,ko;q=0.8', 'en'],
    ['fr-FR,ko;q=0.2', 'ko'],
    ['ko;q=0, de', 'en'],
    ['ko;q=x,,;;', 'ko'],
    ['de,__proto__', 'en'],
  ])('of Accept-Language %j is %s', async (languages, expected) => {
    for (const path of ['/', '/launches/a']) {
      const answer = await page(path, languages)
      expect([answer.status, answer.headers.get('vary')]).toEqual([200, expect.stringMatching(/accept-language/i)])
      expect(await answer.text()).toContain(`<html lang="${expected}"`)
    }
  })

  test('Korean covers lists, countdown, coarse dates and the page of a launch', async () => {
    const list = await (await page('/', 'ko')).text()
    for (const text of [
      '다음 발사',
      '예정된 발사',
      '2026년 12월 이후',
      '발사 확정',
      '2일 후',
      '11월 23일',
      '2026년 11월',
    ])
      expect(list).toContain(text)
    expect(await (await page('/?q=none', 'ko')).text()).toContain('조건에 맞는 예정 발사가 없습니다')
    const launch = await (await page('/launches/a', 'ko')).text()
    for (const text of ['Discord 메시지', '개요', '발사 기관', '1번 연기', '1일 늦어짐', '잠정 일정 → 발사 확정'])
      expect(launch).toContain(text)
    expect(launch).toMatch(/class="axis-text"[^>]*>11월 2\d일</)
  })

  test('no English text of the board is left on a Korean page', async () => {
    const texts = (words: object): string[] =>
      Object.values(words).flatMap((one) => (typeof one === 'string' ? one : typeof one === 'object' ? texts(one) : []))
    const korean = new Set(texts(BOARD_KO))
    const english = texts(BOARD_EN).filter((text) => text.length > 3 && !korean.has(text))
    for (const path of ['/', '/launches/a', '/?show=past', '/?q=none']) {
      const html = await (await page(path, 'ko')).text()
      const main = html.slice(html.indexOf('<main'), html.indexOf('</main>'))
      expect(english.filter((text) => main.includes(`>${text}<`))).toEqual([])
    }
  })

  test('calendar and JSON are the same for every reader', async () => {
    for (const path of ['/launches.json', '/launches.ics']) {
      const [english, korean] = [await page(path, 'en'), await page(path, 'ko')]
      expect(korean.headers.get('etag')).toBe(english.headers.get('etag'))
      expect(await korean.text()).toBe(await english.text())
    }
  })
})
