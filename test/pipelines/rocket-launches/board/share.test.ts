import { afterAll, beforeAll, expect, test } from 'vitest'
import { initializeSchema } from '../../../../pipelines/launches/initialize-schema.ts'
import { sampleLaunches } from '../../../../pipelines/rocket-launches/demo/launches.ts'
import { openMetadata } from '../../../../src/metadata/metadata.ts'
import { createUser } from '../../../../src/web/auth/users.ts'
import { createDatabase, type TestDatabase } from '../../../support/database.ts'
import { quietLog } from '../../../support/quiet-log.ts'
import { type BoardSite, openBoard, store } from './board-site.ts'

const NOW = new Date('2026-03-14T09:26:53Z')
const PATH = `/launches/${encodeURIComponent('<"1">')}`

let database: TestDatabase
let site: BoardSite
beforeAll(async () => {
  database = await createDatabase()
  await initializeSchema({}, { db: database.pool, log: quietLog() })
  await store(database.pool, sampleLaunches(NOW, { origin: 'https://pictures.test' }), NOW)
  site = await openBoard(database.pool, () => NOW)
  await database.pool.query('delete from rocket_launches where net < $1', [NOW])
  await set(`launch_id = '<"1">', name = 'Falcon 9 | <script>"&', net = '2026-03-14T14:05:00Z', net_precision = 1,
    status_id = 1, provider = 'SpaceX', rocket = 'Falcon 9 "B5"', pad = 'SLC-40', location = 'Florida',
    image_url = 'https://pictures.test/a?b="c"', image_credit = 'A. Person'
    where id = (select id from rocket_launches where net > '${NOW.toISOString()}' order by net limit 1)`)
})
afterAll(async () => {
  await site?.close()
  await database?.drop()
})

const set = (text: string) => database.pool.query(`update rocket_launches set ${text}`)
const one = (text: string) => set(`${text} where launch_id = '<"1">'`)

/** The texts in the head of a page by name, as a browser reads them. */
async function headOf(path: string, of = site, headers: Record<string, string> = {}) {
  const html = await (await fetch(of.url + path, { headers })).text()
  const head = html.slice(0, html.indexOf('</head>'))
  const plain = (text = '') =>
    text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&')
  const metas = [...head.matchAll(/<meta (?:name|property)="([^"]+)" content="([^"]*)"/g)]
  const metaTexts = Object.fromEntries(metas.map(([, name, text]) => [name, plain(text)]))
  const canonical = plain(/<link rel="canonical" href="([^"]*)"/.exec(head)?.[1])
  return { ...metaTexts, title: plain(/<title>(.*)<\/title>/.exec(head)?.[1]), canonical } as Record<string, string>
}

test('the link preview of a launch has name, time in UTC, precision and picture', async () => {
  const head = await headOf(PATH)
  expect(head).toMatchObject({
    title: 'Falcon 9 | <script>"& · T-minus',
    description: '14 March 2026, 14:05 UTC, to the minute · Go for launch · SpaceX · Falcon 9 "B5" · SLC-40, Florida',
    'og:title': 'Falcon 9 | <script>"&',
    'og:image': 'https://pictures.test/a?b=%22c%22',
    'og:image:alt': 'Falcon 9 "B5" (picture: A. Person)',
    'og:url': site.url + PATH,
    canonical: site.url + PATH,
    'twitter:card': 'summary_large_image',
  })
  expect(head['og:description']).toBe(head.description)
})

test('the preview of a placeholder has the period, and no picture that is not https', async () => {
  await one(`net_precision = 7, image_url = 'http://pictures.test/a.png'`)
  const head = await headOf(PATH)
  expect(head.description).toMatch(/^NET March 2026 · Go for launch/)
  expect([head['og:image'], head['og:image:alt'], head['twitter:card']]).toEqual([undefined, undefined, 'summary'])
  await one(`net_precision = 2, image_url = 'javascript:alert(1)'`)
  expect(await headOf(PATH)).toMatchObject({ description: expect.stringContaining(', to the hour') })
  expect((await headOf(PATH))['og:image']).toBeUndefined()
})

test('the title of the board is the next launch, or the search', async () => {
  expect(await headOf('/')).toMatchObject({
    title: 'Next launch: Falcon 9 | <script>"& · T-minus',
    canonical: `${site.url}/`,
  })
  expect(await headOf('/?q=%22%3Cb&show=past&other=1')).toMatchObject({
    title: 'Past launches with “"<b” · T-minus',
    canonical: `${site.url}/?show=past&q=%22%3Cb`,
  })
})

test('a page has a canonical address only where its address is known', async () => {
  await createUser(openMetadata(database.pool, 'metadata'), 'vera', 'viewer', 'correct horse battery')
  const behind = await openBoard(database.pool, () => NOW, {}, { host: '127.0.0.1', trustProxy: true })
  const open = await openBoard(database.pool, () => NOW, {}, { host: '0.0.0.0', trustProxy: false })
  try {
    const login = async ({ url }: BoardSite) => {
      const body = new URLSearchParams({ name: 'vera', password: 'correct horse battery' })
      const { headers } = await fetch(`${url}/login`, { method: 'POST', body, redirect: 'manual' })
      return headers.get('set-cookie')?.split(';')[0] ?? ''
    }
    const cookie = await login(behind)
    const proxied = await headOf(PATH, behind, { cookie, 'x-forwarded-proto': 'https' })
    expect(proxied.canonical).toBe(behind.url.replace('http:', 'https:') + PATH)
    const local = { ...open, url: open.url.replace('0.0.0.0', '127.0.0.1') }
    const stranger = await headOf(PATH, local, { cookie: await login(local) })
    expect([stranger['og:title'], stranger.canonical, stranger['og:url']]).toEqual([
      'Falcon 9 | <script>"&',
      '',
      undefined,
    ])
  } finally {
    await Promise.all([behind.close(), open.close()])
  }
})
