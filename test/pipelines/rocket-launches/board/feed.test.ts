import { beforeEach, expect, test } from 'vitest'
import { createLaunchDatabase, useDatabase } from '../../../support/database.ts'
import { launch230 } from '../../../support/launches.ts'
import { BROWSER, openBrowser } from '../../../web/browser.ts'
import { store, useBoard } from './board-site.ts'

const NOW = new Date('2026-11-21T12:00:00Z')
const database = useDatabase(createLaunchDatabase)
const site = useBoard(database, () => NOW)
beforeEach(() => database.pool.query('truncate rocket_launches, rocket_launch_changes'))

/** Stores a launch at T-0 `day` of November, as a read `minutes` after NOW. */
const put = (day: number, minutes: number, changes: Record<string, unknown> = {}) => {
  const at = new Date(NOW.getTime() + minutes * 60_000)
  const net = `2026-11-${day}T10:00:00Z`
  const times = { net, window_start: net, window_end: net, last_updated: at.toISOString() }
  return store(database.pool, [launch230({ id: 'one', name: 'Falcon | One', ...times, ...changes })], at)
}
const tags = (text: string, tag: string) =>
  [...text.matchAll(new RegExp(`<${tag}[^>]*>([^<]*)</${tag}>`, 'g'))].map(([, value]) => value)

test('each change of a launch is an entry, newest first, that keeps its id', async () => {
  await put(23, 0)
  await put(24, 1)
  const before = await site.text('/launches.atom')
  await put(25, 2)
  const answer = await site.get('/launches.atom')
  const text = await answer.text()
  expect(answer.headers.get('content-type')).toBe('application/atom+xml; charset=utf-8')
  expect(tags(text, 'updated')).toEqual(['12:02', '12:02', '12:01'].map((time) => `2026-11-21T${time}:00.000Z`))
  expect(tags(text, 'title')).toEqual(['Changes of rocket launches', ...Array(2).fill('Falcon | One: time')])
  expect(tags(text, 'content')[0]).toBe('time: 2026-11-24 10:00Z → 2026-11-25 10:00Z (24 h later)')
  const [feed, newer, older] = tags(text, 'id')
  expect(tags(before, 'id')).toEqual([feed, older])
  expect(new Set([feed, newer, older]).size).toBe(3)
  for (const id of tags(text, 'id'))
    expect(id).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(text).toContain(`<link rel="alternate" type="text/html" href="${site.url}/launches/one"/>`)
  expect(text).toContain(`<link rel="self" type="application/atom+xml" href="${site.url}/launches.atom"/>`)
})

test('an unchanged feed is an empty 304, also before the first launch', async () => {
  for (const store of [async () => {}, () => put(23, 0).then(() => put(24, 1))]) {
    await store()
    const etag = (await site.get('/launches.atom')).headers.get('etag') ?? ''
    const again = await fetch(`${site.url}/launches.atom`, { headers: { 'if-none-match': etag } })
    expect([again.status, await again.text()]).toEqual([304, ''])
  }
})

test('the board names its feed', async () => {
  expect(await site.text('/')).toContain(
    '<link rel="alternate" type="application/atom+xml" href="/launches.atom" title="Changes of launches"/>',
  )
})

test.skipIf(BROWSER === undefined)('is well-formed with any text in a launch', async () => {
  await put(23, 0)
  const evil = `]]></title><script>&\u0007\uFFFE"'ö🚀`
  await put(24, 1, { name: evil, launch_service_provider: { id: 9, name: evil } })
  const browser = await openBrowser()
  try {
    const page = await browser.newPage()
    const found = await page.evaluate(
      `(() => { const feed = new DOMParser().parseFromString(${JSON.stringify(await site.text('/launches.atom'))}, 'application/xml')
        return [feed.querySelectorAll('parsererror').length, feed.querySelectorAll('feed > entry > title').length, feed.querySelector('entry > title').textContent] })()`,
    )
    expect(found).toEqual([0, 1, expect.stringContaining(']]></title><script>&')])
  } finally {
    await browser.close()
  }
})
