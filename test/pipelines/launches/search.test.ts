import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { fold } from '../../../pipelines/launches/fold.ts'
import { findLaunches, listLaunches } from '../../../pipelines/launches/read-launches.ts'
import { createLaunchDatabase, useDatabase } from '../../support/database.ts'
import { launch230 } from '../../support/launches.ts'
import { store, useBoard } from '../rocket-launches/board/board-site.ts'

const NOW = new Date('2026-01-15T00:00:00Z')
const database = useDatabase(createLaunchDatabase)
beforeAll(async () => {
  await store(
    database.pool,
    [
      launch230({ id: 'composed', name: 'Electron | Kinéis 1' }),
      launch230({ id: 'decomposed', name: 'Electron | Kinéis 2'.normalize('NFD') }),
      launch230({ id: 'letters', name: 'Straße | Łódź', launch_service_provider: { name: 'Ørsted Işık' } }),
      launch230({ id: 'wild', name: '100 % | a_b\\c' }),
    ],
    NOW,
  )
})
const site = useBoard(database, () => NOW)

const ids = (launches: readonly { launch_id: string | null }[]) => launches.map(({ launch_id }) => launch_id)
const list = async (search: string, provider = '') =>
  ids(await listLaunches(database.pool, { now: NOW, past: false, search, provider, limit: 9 })).sort()
const page = async (query: string) =>
  ids(
    ((await (await site.get(`/launches.json?${query}`)).json()) as { launches: { launch_id: string }[] }).launches,
  ).sort()

describe('a search finds', () => {
  test.each([
    ['kineis', ['composed', 'decomposed']],
    ['KINÉIS', ['composed', 'decomposed']],
    ['Kinéis'.normalize('NFD'), ['composed', 'decomposed']],
    ['electron kineis 2', ['decomposed']],
    ['strasse lodz', ['letters']],
    ['STRASSE', ['letters']],
    ['orsted isik', ['letters']],
    ['ØRSTED IŞIK', ['letters']],
    ['%', ['wild']],
    ['％', ['wild']],
    ['_', ['wild']],
    ['\\', ['wild']],
    ['zzz', []],
    ['', ['composed', 'decomposed', 'letters', 'wild']],
    ['\u0301', ['composed', 'decomposed', 'letters', 'wild']],
  ])('%j: %j', async (search, expected) => {
    expect(await list(search)).toEqual(expected)
    expect(await page(new URLSearchParams({ q: search }).toString())).toEqual(expected)
  })

  test('a provider by a part of its name on the command line, and by its full name on the board', async () => {
    expect(await list('', 'orsted')).toEqual(['letters'])
    expect(await page(new URLSearchParams({ provider: 'ørsted işık'.normalize('NFD') }).toString())).toEqual([
      'letters',
    ])
    expect(await page('provider=orsted')).toEqual([])
  })

  test('one launch by words of its name, or by its full name', async () => {
    expect(ids(await findLaunches(database.pool, 'kineis', NOW)).sort()).toEqual(['composed', 'decomposed'])
    expect(ids(await findLaunches(database.pool, 'strasse | lodz', NOW))).toEqual(['letters'])
    expect(ids(await findLaunches(database.pool, 'a_b\\c', NOW))).toEqual(['wild'])
    expect(await findLaunches(database.pool, 'no such', NOW)).toEqual([])
  })
})

test('SQL and TypeScript fold alike, and folding again changes nothing', async () => {
  const letters = fc.oneof(
    fc.constantFrom(...'ßøłđðħıŧŋςæœþẞØŁĐÐĦIİŦŊΣÆŒÞéÉé½ﬁ％²Åñüçšžğşőûệ\u0301\u0308 -|\'"'),
    fc.integer({ min: 0x20, max: 0x17f }).map((code) => String.fromCharCode(code)),
    fc.constantFrom(...'한국어日本語がЖйΩάשلم🚀'),
  )
  const texts = fc.sample(fc.string({ unit: letters, maxLength: 12 }), 3_000)
  const { rows } = await database.pool.query<{ folded: string }>(
    'select launch_fold(word) as folded from unnest($1::text[]) with ordinality as given (word, place) order by place',
    [texts],
  )
  for (const [index, text] of texts.entries()) {
    expect([text, fold(text)]).toEqual([text, rows[index]?.folded])
    expect(fold(fold(text))).toBe(fold(text))
    expect(fold(text.normalize('NFD'))).toBe(fold(text.normalize('NFC')))
  }
})
