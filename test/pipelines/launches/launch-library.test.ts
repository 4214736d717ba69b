import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { upcomingUrl } from '../../../pipelines/launches/launch-library/addresses.ts'
import { openLaunchLibrary, type Page } from '../../../pipelines/launches/launch-library/launch-library.ts'
import { QuotaExhausted } from '../../../pipelines/launches/launch-library/quota.ts'
import { settings } from '../../../pipelines/rocket-launches/settings.ts'
import { startLaunchLibrary } from '../../../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import { openHttp } from '../../../src/connectors/http.ts'
import { TminusError } from '../../../src/errors.ts'
import { type Handler, sendJson, startHttpServer } from '../../support/http-server.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** Allows every call and records refusals. */
function openEnded() {
  const refusals: (number | undefined)[] = []
  const budget = {
    take: async () => {},
    recordRefusal: async (retryAfterMs: number | undefined) => {
      refusals.push(retryAfterMs)
      return new Date('2026-11-21T08:00:00.400Z')
    },
  }
  return { budget, refusals }
}

async function serve(handler: Handler, version = '2.3.0') {
  const server = await startHttpServer(handler)
  const http = openHttp({ userAgent: 'tminus-test/1' })
  closing.push(
    () => http.close(),
    () => server.close(),
  )
  const { budget, refusals } = openEnded()
  const library = (token?: string, other: Partial<typeof budget> = {}) => {
    const baseUrl = `${server.origin}/${version}`
    const { signal } = new AbortController()
    return openLaunchLibrary({ http, baseUrl, token, signal, budget: { ...budget, ...other } })
  }
  const read = async (token?: string): Promise<Page[]> => {
    const pages: Page[] = []
    for await (const page of library(token).upcoming()) pages.push(page)
    return pages
  }
  return { ...server, library, read, refusals }
}

async function failing(handler: Handler, token?: string): Promise<TminusError> {
  const { read } = await serve(handler)
  const error = await read(token).catch((thrown: unknown) => thrown)
  if (!(error instanceof TminusError)) throw new Error(`a TminusError was expected, not ${error}`)
  return error
}

describe('the list', () => {
  test.each([
    ['2.0.0', '/2.0.0/launch/upcoming/'],
    ['2.2.0', '/2.2.0/launch/upcoming/'],
    ['2.3.0', '/2.3.0/launches/upcoming/'],
    ['2.4.0', '/2.4.0/launches/detailed/', 'limit=100&upcoming_with_recent=true'],
    ['api/ll/2.4.0', '/api/ll/2.4.0/launches/detailed/', 'limit=100&upcoming_with_recent=true'],
  ])('of %s is read to its last page', async (version, path, query = 'limit=100&mode=detailed') => {
    const ids = Array.from({ length: 25 }, (_, id) => ({ id }))
    const server = await serve((request, response) => {
      const url = new URL(request.url ?? '', `http://${request.headers.host}`)
      const offset = Number(url.searchParams.get('offset') ?? 0)
      const next = offset + 10 < ids.length ? `${url.origin}${url.pathname}?limit=10&offset=${offset + 10}` : null
      sendJson(response, { count: 25, next, previous: null, results: ids.slice(offset, offset + 10) })
    }, version)
    const pages = await server.read('k3y')
    expect(pages.map(({ results }) => results.length)).toEqual([10, 10, 5])
    expect(pages.flatMap(({ results }) => results)).toEqual(ids)
    expect(pages[0]?.count).toBe(25)
    expect(server.requests.map(({ url }) => url)).toEqual([
      `${path}?${query}`,
      `${path}?limit=10&offset=10`,
      `${path}?limit=10&offset=20`,
    ])
    expect(server.requests[0]?.headers).toMatchObject({ authorization: 'Token k3y', 'user-agent': 'tminus-test/1' })
  })

  test('is read a page at a time', async () => {
    const server = await serve((_, response) => sendJson(response, { results: [1], next: '?offset=1' }))
    for await (const page of server.library().upcoming()) {
      expect(page).toEqual({ results: [1], count: null, last: false })
      break
    }
    expect(server.requests).toHaveLength(1)
    expect(server.requests[0]?.headers.authorization).toBeUndefined()
  })

  test.each([
    ['another host', 'https://cache.example/2.3.0/launches/upcoming/?offset=1'],
    ['http without the port', 'http://127.0.0.1/2.3.0/launches/upcoming/?offset=1'],
    ['another port, without the slash', 'http://127.0.0.1:1/2.3.0/launches/upcoming?offset=1'],
    ['a user and a password', 'http://user:secret@127.0.0.1/2.3.0/launches/upcoming/?offset=1'],
    ['nothing but the query', '?offset=1'],
  ])('whose next link names %s is requested at the configured address', async (_, next) => {
    const server = await serve(({ url }, response) =>
      sendJson(response, url?.includes('offset=1') ? { next: null, results: [2] } : { next, results: [1] }),
    )
    expect(await server.read('k3y')).toMatchObject([
      { results: [1], last: false },
      { results: [2], last: true },
    ])
    expect(server.requests.map(({ url }) => url)).toEqual([
      '/2.3.0/launches/upcoming/?limit=100&mode=detailed',
      '/2.3.0/launches/upcoming/?offset=1',
    ])
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Token k3y', 'Token k3y'])
  })

  test('returns the first page before a wrong next link fails', async () => {
    const server = await serve((_, response) => sendJson(response, { count: 2, next: '/elsewhere/', results: [1] }))
    const list = server.library().upcoming()
    expect((await list.next()).value).toMatchObject({ results: [1], last: false })
    await expect(list.next()).rejects.toMatchObject({ code: 'launch_library_next' })
  })

  test.each([
    ['the same launches', ['a', 'b'], '?offset=3'],
    ['the same launches in another order', ['b', 'a'], '?offset=3'],
    ['some of the same launches, at the end', ['a', 'b'], null],
    ['one of the same launches, and another page', ['b'], '?offset=3'],
  ])('whose next page has %s ends', async (_, ids, next) => {
    const error = await failing(({ url }, response) => {
      const [results, following] = url?.includes('offset') ? [ids, next] : [['a', 'b', 'c'], '?offset=2']
      sendJson(response, { next: following, results: results.map((id) => ({ id })) })
    })
    expect(error).toMatchObject({ code: 'launch_library_endless', retryable: false, fields: { pages: 2 } })
  })

  test('may repeat the last launch on a last page of one', async () => {
    const server = await serve(({ url }, response) => {
      const isLast = url?.includes('offset')
      sendJson(response, {
        next: isLast ? null : '?offset=2',
        results: isLast ? [{ id: 'b' }] : [{ id: 'a' }, { id: 'b' }],
      })
    })
    expect(await server.read()).toHaveLength(2)
  })

  test.each([
    ['another path', '/2.3.0/launches/previous/?offset=100'],
    ['another path upwards', '../../2.3.0/astronauts/'],
    ['nowhere', 'http://['],
  ])('with a next link to %s is not followed', async (_, next) => {
    const error = await failing((_, response) => sendJson(response, { count: 2, next, results: [{}] }))
    expect(error).toMatchObject({ code: 'launch_library_next', retryable: false })
    expect(error.message).toMatch(/has another path, so it is not followed; check LAUNCH_LIBRARY_URL$/)
    expect(error.message).not.toContain('evil')
  })

  test('that repeats a page, or never ends, fails', async () => {
    const same = await failing((_, response) => sendJson(response, { next: '?offset=5', results: [] }))
    expect(same).toMatchObject({ code: 'launch_library_endless', retryable: false, fields: { pages: 2 } })
    let page = 0
    const endless = await failing((_, response) => sendJson(response, { next: `?offset=${++page}`, results: [] }))
    expect(endless).toMatchObject({ code: 'launch_library_endless', fields: { pages: 100 } })
    expect(page).toBe(100)
  })
})

describe('one call', () => {
  const empty: Handler = (_, response) => sendJson(response, { count: 0, next: null, results: [] })
  const from = new Date('2026-01-01T00:00:00Z')
  const to = new Date('2026-02-01T12:30:00.5Z')

  test.each([
    ['2.0.0', '/2.0.0/launch/'],
    ['2.2.0', '/2.2.0/launch/'],
    ['2.3.0', '/2.3.0/launches/'],
  ])('requests previous launches, or launches by id, from %s', async (version, path) => {
    const server = await serve(empty, version)
    const library = server.library()
    expect(library.version).toBe(version)
    expect(await library.previous()).toEqual({ results: [], count: 0, last: true })
    await library.previous({ from, to, offset: 200 })
    expect(await library.byIds(['a', 'b'])).toEqual({ results: [], count: 0, last: true })
    expect(server.requests.map(({ url }) => decodeURIComponent(url ?? ''))).toEqual([
      `${path}previous/?limit=100&ordering=net`,
      `${path}previous/?limit=100&ordering=net&net__gte=2026-01-01T00:00:00.000Z&net__lte=2026-02-01T12:30:00.500Z&offset=200`,
      `${path}?limit=100&mode=detailed&id=a,b`,
    ])
  })

  test('uses filters for both with 2.4.0', async () => {
    const server = await serve(empty, 'api/ll/2.4.0')
    const library = server.library()
    expect(library.version).toBe('2.4.0')
    await library.previous({ from, to, offset: 200 })
    await library.byIds(['a', 'b'])
    await library.upcoming({ since: from }).next()
    const path = '/api/ll/2.4.0/launches/detailed/'
    expect(server.requests.map(({ url }) => decodeURIComponent(url ?? ''))).toEqual([
      `${path}?limit=100&previous=true&ordering=net&net__gte=2026-01-01T00:00:00.000Z&net__lte=2026-02-01T12:30:00.500Z&offset=200`,
      `${path}?limit=100&id=a,b`,
      `${path}?limit=100&upcoming_with_recent=true&last_updated__gte=2026-01-01T00:00:00.000Z`,
    ])
  })

  test('requests changes since a time if the API supports it', async () => {
    const server = await serve(empty)
    for await (const { last } of server.library().upcoming({ since: from })) expect(last).toBe(true)
    expect(decodeURIComponent(server.requests[0]?.url ?? '')).toBe(
      '/2.3.0/launches/upcoming/?limit=100&mode=detailed&last_updated__gte=2026-01-01T00:00:00.000Z',
    )
    const old = await serve(empty, '2.0.0')
    expect(() => old.library().upcoming({ since: from })).toThrow(RangeError)
  })

  test('with no id is not made; more than 100 ids are an error', async () => {
    const server = await serve(empty)
    expect((await server.library().byIds([])).results).toEqual([])
    await expect(server.library().byIds(Array.from({ length: 101 }, String))).rejects.toThrow(RangeError)
    expect(server.requests).toEqual([])
  })

  test('is not made if the budget refuses it', async () => {
    const server = await serve(empty)
    const spent = new QuotaExhausted(to, { token: false })
    const library = server.library('k3y', { take: () => Promise.reject(spent) })
    for (const call of [library.previous(), library.byIds(['a']), library.upcoming().next()])
      await expect(call).rejects.toBe(spent)
    expect(server.requests).toEqual([])
  })

  test('is counted for each page', async () => {
    let calls = 0
    const take = async () => void calls++
    const server = await serve(({ url }, response) =>
      sendJson(response, { results: [calls], next: url?.includes('offset=2') ? null : `?offset=${calls}` }),
    )
    for await (const { results } of server.library('k3y', { take }).upcoming()) expect(results).toEqual([calls])
    expect([calls, server.requests.length]).toEqual([3, 3])
  })

  test('never goes to another host with the key: neither by a redirect nor by a next link', async () => {
    const elsewhere = await serve(empty)
    const location = `${elsewhere.origin}/2.3.0/launches/previous/`
    const redirecting = await serve((_, response) => response.writeHead(302, { location }).end())
    await expect(redirecting.library('k3y').previous()).rejects.toMatchObject({
      code: 'http_redirect',
      retryable: false,
    })
    const leading = await serve((_, response) => sendJson(response, { results: [], next: `${location}other/` }))
    expect(await leading.library('k3y').previous()).toMatchObject({
      results: [],
      last: false,
      wrongNext: { code: 'launch_library_next', retryable: false },
    })
    expect(elsewhere.requests).toEqual([])
  })
})

describe('from the stand-in', () => {
  const launch = (id: string, net: string, more = {}) => ({ id, net, last_updated: net, ...more })
  const upcoming = [
    launch('next', '2026-11-22T00:00:00Z', { last_updated: '2026-11-21T08:00:00Z', vid_urls: [] }),
    launch('later', '2026-12-24T00:00:00Z', { last_updated: '2026-11-01T08:00:00Z', vidURLs: [] }),
  ]
  const archive = ['2024', '2025', '2026'].map((year) => launch(year, `${year}-05-01T00:00:00Z`))

  test.each(['2.0.0', '2.2.0', '2.3.0', '2.4.0'] as const)(
    'of %s launches come by list, by id, by net',
    async (version) => {
      const now = () => new Date('2026-11-21T09:00:00Z')
      const server = await startLaunchLibrary({ version, now, launches: () => upcoming, archive: () => archive })
      const http = openHttp({ userAgent: 'tminus-test/1' })
      closing.push(http.close, server.close)
      const { budget } = openEnded()
      const { signal } = new AbortController()
      const library = openLaunchLibrary({ http, baseUrl: server.url, token: undefined, signal, budget })
      const { value } = await library.upcoming().next()
      expect(value).toEqual({ results: upcoming, count: 2, last: true })
      const range = { from: new Date('2025-05-01T00:00:00Z'), to: now() }
      expect(await library.previous(range)).toEqual({ results: archive.slice(1), count: 2, last: true })
      expect((await library.byIds(['2024', 'next', 'unknown'])).results).toEqual([upcoming[0], archive[0]])
      if (version === '2.0.0') return
      const changed = await library.upcoming({ since: new Date('2026-11-20T00:00:00Z') }).next()
      expect(changed.value).toMatchObject({ results: [{ id: 'next' }] })
    },
  )
})

describe('a failure says what to do', () => {
  test.each<[string, unknown, RegExp]>([
    ['results missing', { detail: 'hello' }, /is not a list of launches \(results: .*\); check LAUNCH_LIBRARY_URL$/],
    ['results no list', { results: {} }, /is not a list of launches \(results: /],
    ['a list of something', [1], /is not a list of launches \(answer: /],
    ['a count of words', { results: [], count: 'many' }, /is not a list of launches \(count: /],
  ])('%s', async (_, answer, message) => {
    const error = await failing((_, response) => sendJson(response, answer))
    expect(error).toMatchObject({ code: 'launch_library_shape', retryable: false })
    expect(error.message).toMatch(message)
  })

  test('a web page', async () => {
    const error = await failing((_, response) => response.end('<html>'))
    expect(error.message).toMatch(/web page \(HTML\) instead of JSON; check LAUNCH_LIBRARY_URL$/)
    expect(error.retryable).toBe(false)
  })

  test.each([
    ['a Retry-After', { 'retry-after': '625' }, '{}', 625_000],
    ['a sentence', {}, '{"detail":"Request was throttled. Expected available in 625 seconds."}', 625_000],
    ['neither', {}, 'slow down', undefined],
  ])('the quota is used up, with %s', async (_, headers, body, retryAfterMs) => {
    const { read, refusals } = await serve((_, response) => response.writeHead(429, headers).end(body))
    const error = await read().catch((thrown: unknown) => thrown)
    expect(refusals).toEqual([retryAfterMs])
    expect(error).toBeInstanceOf(QuotaExhausted)
    expect(error).toMatchObject({
      code: 'launch_library_throttled',
      retryable: true,
      until: new Date('2026-11-21T08:00:00.400Z'),
      message: 'The quota of Launch Library is used up; wait until 2026-11-21T08:00:01Z, or set LAUNCH_LIBRARY_TOKEN',
    })
    await expect(read('k3y')).rejects.toThrow(/wait until 2026-11-21T08:00:01Z$/)
  })

  test('a wrong key', async () => {
    const error = await failing((_, response) => sendJson(response, { detail: 'Invalid token.' }, 401), 's3cret-key')
    expect(error).toMatchObject({ code: 'launch_library_key', retryable: false })
    expect(error.message).toBe('Launch Library rejected the key (401); check LAUNCH_LIBRARY_TOKEN')
    const without = await failing((_, response) => sendJson(response, {}, 403))
    expect(without.message).toContain('set LAUNCH_LIBRARY_TOKEN')
  })

  test('an address without version', () => {
    expect(() => upcomingUrl('https://ll.thespacedevs.com/')).toThrow(/2\.0\.0, 2\.2\.0, 2\.3\.0/)
  })
})

describe('the settings', () => {
  const Settings = z.object({
    LAUNCH_LIBRARY_URL: settings.LAUNCH_LIBRARY_URL,
    LAUNCH_LIBRARY_TOKEN: settings.LAUNCH_LIBRARY_TOKEN,
  })

  test('have a default and accept the address of the list', () => {
    expect(Settings.parse({})).toEqual({ LAUNCH_LIBRARY_URL: 'https://ll.thespacedevs.com/2.3.0' })
    for (const url of ['', '/', '/launches/', '/launches/detailed', '/launches/upcoming/'])
      expect(Settings.parse({ LAUNCH_LIBRARY_URL: `https://h/api/ll/2.4.0${url}` }).LAUNCH_LIBRARY_URL).toBe(
        'https://h/api/ll/2.4.0',
      )
    for (const url of ['http://h:1/2.0.0/', 'http://h:1/2.0.0', 'http://h:1/2.0.0/launch/upcoming/'])
      expect(Settings.parse({ LAUNCH_LIBRARY_URL: url }).LAUNCH_LIBRARY_URL).toBe('http://h:1/2.0.0')
  })

  test.each([
    ['nonsense', /http\(s\) address/],
    ['ftp://h/2.3.0', /http\(s\) address/],
    ['https://user:s3cret@h/2.3.0', /user name or password/],
    ['https://h/2.3.0?key=s3cret', /query/],
    ['https://h/2.1.0', /version/],
    ['https://h/', /version/],
    ['https://h/2.3.0/astronauts/', /must end with/],
  ])('refuse %s', (url, message) => {
    const result = Settings.safeParse({ LAUNCH_LIBRARY_URL: url })
    expect(result.error?.issues.map((issue) => issue.message)).toEqual([expect.stringMatching(message)])
    expect(result.error?.message).not.toContain('s3cret')
  })

  test('refuse a key that would break the header', () => {
    expect(Settings.safeParse({ LAUNCH_LIBRARY_TOKEN: 'a\r\nHost: b' }).success).toBe(false)
  })
})
