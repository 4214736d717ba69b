import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import type { Logger } from '../../src/log.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { Hono } from '../../src/web/index.ts'
import { Live } from '../../src/web/live/live.ts'
import { openWeb, type Web } from '../../src/web/server.ts'
import type { WebEnv } from '../../src/web/site.ts'
import { useDatabase } from '../support/database.ts'
import { silent } from '../support/runner.ts'
import { WITHIN } from '../support/within.ts'

/** The text that a stream has sent so far. */
function read(answer: Response): { text(): string; ended(): boolean; stop(): Promise<void> } {
  let text = ''
  let ended = false
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
  const decoder = new TextDecoder()
  void (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += decoder.decode(part.value)
    ended = true
  })().catch(() => {})
  return { text: () => text, ended: () => ended, stop: () => reader.cancel() }
}

describe('live events', () => {
  const marks = new Map([
    ['a', '1'],
    ['b', '1'],
  ])
  const asked: string[][] = []
  const readers = {
    thing: async (keys: readonly string[]) => {
      asked.push([...keys])
      return marks
    },
  }
  const signedIn = new Set(['hers', 'his', ''])
  const openSessions = async () => signedIn
  const open = (most?: number) => new Live({ readers, openSessions, log: silent, everyMs: 5, ...(most && { most }) })
  const of = (key: string, seen: string, session = '') => ({ kind: 'thing', key, seen, session })

  test('are sent once to followers with an old mark, and to the others when the mark changes', async () => {
    const live = open()
    const [old, present] = [read(live.follow(of('a', '0'))), read(live.follow(of('a', '1')))]
    await vi.waitFor(() => expect(old.text()).toContain('id: 1\nevent: changed'), WITHIN)
    expect(present.text()).not.toContain('changed')
    marks.set('a', '2')
    await vi.waitFor(() => expect(present.text()).toContain('id: 2'), WITHIN)
    await vi.waitFor(() => expect(old.text()).toContain('id: 2'), WITHIN)
    expect(old.text().match(/changed/g)).toHaveLength(2)
    live.close()
  })

  test('read each key once for all its followers, and stop when a follower leaves', async () => {
    const live = open()
    const many = Array.from({ length: 20 }, () => read(live.follow(of('b', ''))))
    await vi.waitFor(() => expect(many.every((one) => one.text().includes('changed'))).toBe(true), WITHIN)
    expect(asked.at(-1)).toEqual(['b'])
    for (const one of many) await one.stop()
    expect(live.followers).toBe(0)
    live.close()
  })

  test('end with their session before a further event; other followers get the event', async () => {
    const live = open()
    const [hers, his] = [read(live.follow(of('a', '2', 'hers'))), read(live.follow(of('a', '2', 'his')))]
    const looks = asked.length
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(looks + 1), WITHIN)
    signedIn.delete('hers')
    marks.set('a', '3')
    await vi.waitFor(() => expect([hers.ended(), his.text()]).toEqual([true, expect.stringContaining('id: 3')]), WITHIN)
    expect([hers.text(), his.ended(), live.followers]).toEqual(['retry: 2000\n\n', false, 1])
    live.close()
  })

  test('stay open while sessions cannot be read, and get no event until they can', async () => {
    let [isAway, tries] = [true, 0]
    const away = async () => {
      tries++
      if (isAway) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' })
      return signedIn
    }
    const live = new Live({ readers, openSessions: away, log: silent, everyMs: 5 })
    const stream = read(live.follow(of('b', '', 'his')))
    await vi.waitFor(() => expect(tries).toBeGreaterThan(3), WITHIN)
    expect([stream.ended(), stream.text()]).toEqual([false, 'retry: 2000\n\n'])
    isAway = false
    await vi.waitFor(() => expect(stream.text()).toContain('changed'), WITHIN)
    live.close()
  })

  test('end at once when the server stops, and are not sent after that', async () => {
    const live = open(2)
    const two = [read(live.follow(of('a', ''))), read(live.follow(of('b', '')))]
    expect(live.follow(of('a', '')).status).toBe(503)
    live.close()
    await vi.waitFor(() => expect(two.map((one) => one.ended())).toEqual([true, true]), WITHIN)
    expect(live.follow(of('a', '')).status).toBe(503)
  })
})

describe('boards', () => {
  const database = useDatabase()
  let web: Web
  const logged: unknown[] = []

  beforeAll(async () => {
    const board = new Hono<WebEnv>()
      .get('/', (c) => c.text(`${c.var.board.dagId} at '${c.var.board.base}', ${c.var.board.settings.WORD}`))
      .get('/things/:id', (c) => c.text(`thing ${c.req.param('id')}`))
      .get('/broken', () => {
        throw new Error('of the board')
      })
    const of = (id: string, load: () => Promise<unknown>) => dag(id, { board: load }, () => {})
    const dags = [
      of('a-broken', async () => await Promise.reject(new Error('does not load'))),
      of('b-none', async () => ({ default: 'no board' })),
      of('c-first', async () => ({ default: board })),
      of('d-second', async () => ({ default: board })),
    ]
    const log = {
      ...silent,
      info() {},
      warn() {},
      error: (...args: unknown[]) => logged.push(args),
    } as unknown as Logger
    web = await openWeb({
      metadata: openMetadata(database.pool, 'metadata'),
      db: database.pool,
      loaded: { dags: new Map(dags.map((one) => [one.id, one])), files: new Map(), importErrors: [] },
      web: { host: '127.0.0.1', port: 0, trustProxy: false },
      settingsOf: (dagId) => ({ WORD: `of ${dagId}` }),
      now: () => new Date(),
      scrub: (text) => text,
      log,
    })
  })
  afterAll(async () => {
    await web.close()
  })

  const get = async (path: string) => await (await fetch(web.url + path)).text()

  test('the first is mounted at the root and under its id, others under their id; one that fails to load stops no other', async () => {
    expect(await get('/')).toBe("c-first at '', of c-first")
    expect(await get('/c-first')).toBe("c-first at '', of c-first")
    expect(await get('/d-second')).toBe("d-second at '/d-second', of d-second")
    expect(await get('/things/1')).toBe('thing 1')
    expect(await get('/d-second/things/2')).toBe('thing 2')
    expect(logged).toHaveLength(2)
  })

  test('one that throws shows an error page; boards may show pictures from other sites', async () => {
    const answer = await fetch(`${web.url}/broken`)
    expect([answer.status, await answer.text()]).toEqual([500, expect.not.stringContaining('of the board')])
    const policy = (await fetch(web.url)).headers.get('content-security-policy')
    expect(policy).toContain("img-src 'self' https: data:")
    expect(policy).toContain("script-src 'self'")
  })

  test('the server closes while followers are connected', async () => {
    const following = await fetch(`${web.url}/live/dag/c-first`)
    const stream = read(following)
    await web.close()
    await vi.waitFor(() => expect(stream.ended()).toBe(true), WITHIN)
  })
})
