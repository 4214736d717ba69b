import { type ChildProcess, spawn } from 'node:child_process'
import type { ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openLaunchLibrary } from '../../../pipelines/launches/launch-library/launch-library.ts'
import { type BudgetOptions, openBudget, QuotaExhausted } from '../../../pipelines/launches/launch-library/quota.ts'
import {
  type LaunchLibraryOptions,
  startLaunchLibrary,
} from '../../../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import { type Http, openHttp } from '../../../src/connectors/http.ts'
import { openPool } from '../../../src/db/pool.ts'
import { createLaunchDatabase, useDatabase } from '../../support/database.ts'

const HOUR = 3_600_000
const START = Date.parse('2026-11-21T09:00:00Z')
const THROTTLE = '/api-throttle/'

const database = useDatabase(createLaunchDatabase)
/** Of the tasks and of the server alike. */
let clock = START
const now = () => new Date(clock)
/** Everything that was logged. */
let logged = ''
const keep = (message: string, fields?: unknown) => {
  logged += `${message} ${JSON.stringify(fields)}\n`
}
const log = { debug: keep, info: keep, warn: keep, error: keep }
const http = openHttp({ userAgent: 'tminus-test/1' })
const closing: (() => unknown)[] = []

afterAll(async () => {
  await http.close()
})
beforeEach(async () => {
  clock = START
  logged = ''
  await database.pool.query('delete from launch_library_quota')
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** A server with a quota of 15 an hour by our clock, and what asks it. `calls` are those that cost something. */
async function serve(options: LaunchLibraryOptions = {}) {
  const quota = { limit: 15, windowSeconds: 3600, now, ...options.quota }
  const server = await startLaunchLibrary({ now, launches: () => [], ...options, quota })
  closing.push(server.close)
  const complete = (given: Partial<BudgetOptions>): BudgetOptions => {
    const { signal } = new AbortController()
    return { db: database.pool, http, baseUrl: server.url, token: undefined, signal, now, log, ...given }
  }
  const budget = (given: Partial<BudgetOptions> = {}) => openBudget(complete(given))
  const library = (given: Partial<BudgetOptions> = {}) =>
    openLaunchLibrary({ ...complete(given), budget: budget(given) })
  const asked = (isThrottle: boolean) => server.requests.filter(({ path }) => path.endsWith(THROTTLE) === isThrottle)
  return { ...server, budget, library, calls: () => asked(false).length, throttled: () => asked(true).length }
}

/** Takes calls, one a millisecond, until one is refused; how many there were, and the refusal. */
async function spend(call: () => Promise<unknown>): Promise<{ calls: number; spent: QuotaExhausted }> {
  for (let calls = 0; calls < 1_000; calls++) {
    const spent = await call().then(
      () => undefined,
      (error: unknown) => error,
    )
    if (spent instanceof QuotaExhausted) return { calls, spent }
    if (spent !== undefined) throw spent
    clock += 1
  }
  throw new Error('no call was refused')
}

/** How many calls it gives, up to `most`. */
async function taken(take: () => Promise<void>, most: number): Promise<number> {
  for (let calls = 0; calls < most; calls++) {
    const refused = await take().catch((error: unknown) => error)
    if (refused !== undefined) return calls
  }
  return most
}

describe('a budget', () => {
  test('allows the calls beyond the reserve, then reports how long to wait', async () => {
    const server = await serve()
    const { calls, spent } = await spend(server.library().previous)
    expect(calls).toBe(12)
    expect(spent).toMatchObject({
      code: 'launch_library_throttled',
      retryable: true,
      until: new Date(START + HOUR + 1_000),
    })
    expect(spent.cause).toBeUndefined()
    expect(spent.message).toBe(
      'The quota of Launch Library is used up; wait until 2026-11-21T10:00:01Z, or set LAUNCH_LIBRARY_TOKEN',
    )
    expect([server.calls(), server.throttled()]).toEqual([12, 2])
    clock = spent.until.getTime()
    expect(await spend(server.library().previous)).toMatchObject({ calls: 12 })
    // The throttle may have missed the calls just made; a second later it cannot have.
    clock += 1_000
    const { calls: urgent } = await spend(server.library({ reserve: 0 }).previous)
    expect(urgent).toBe(3)
  })

  /** The server counts by the real clock. Reads once a second; returns the seconds that were allowed. */
  async function readAfterJump(jump: number, { pauseMs, seconds }: { pauseMs: number; seconds: number }) {
    let real = START
    const server = await serve({ quota: { limit: 15, windowSeconds: 3600, now: () => new Date(real) } })
    const library = server.library()
    expect(await spend(library.previous)).toMatchObject({ calls: 12 })
    clock += pauseMs + jump
    real += pauseMs
    const allowed: number[] = []
    for (let second = 0; second < seconds; second++) {
      const refusal = await library.previous().catch((error: unknown) => error)
      if (!(refusal instanceof QuotaExhausted)) allowed.push(second)
      clock += 1_000
      real += 1_000
    }
    return allowed
  }

  test('does not stop reading for an hour if the clock is set back by one', async () => {
    const [first] = await readAfterJump(-HOUR, { pauseMs: HOUR - 5_000, seconds: 320 })
    // The next report shows that the server does not count those calls any more; it is due after 5 minutes.
    expect(first).toBeLessThanOrEqual(310)
  })

  test('does not allow the calls twice if the clock is set ahead by an hour', async () => {
    expect(await readAfterJump(HOUR, { pauseMs: 1_000, seconds: 20 })).toEqual([])
  })

  test('counts the calls of all processes: together they never exceed the quota', async () => {
    const server = await serve()
    const other = openPool(database.connectionString)
    closing.push(() => other.end())
    const libraries = [server.library(), server.library({ db: other }), server.library({ db: other, reserve: 6 })]
    for (let hour = 0; hour < 4; hour++) {
      const all = libraries.flatMap(({ previous }) => Array.from({ length: 8 }, () => previous()))
      const failed = (await Promise.allSettled(all)).flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
      expect(failed).toHaveLength(12)
      for (const error of failed) expect(error).toBeInstanceOf(QuotaExhausted)
      // Refused by ourselves, all of them: the server was not asked.
      expect(failed.filter((error: QuotaExhausted) => error.cause !== undefined)).toEqual([])
      clock = Math.max(...failed.map((error: QuotaExhausted) => error.until.getTime()))
    }
    expect(server.calls()).toBe(48)
  })

  test('counts the calls of other programs at this address', async () => {
    const server = await serve()
    for (let call = 0; call < 9; call++) await fetch(`${server.url}/launches/`)
    clock += 10_000
    expect((await spend(server.library().previous)).calls).toBe(3)
    clock += 1_000
    const { calls, spent } = await spend(server.library().previous)
    expect([calls, spent.until.getTime() - clock]).toEqual([0, 300_000])
    clock = START + HOUR + 1_000
    expect((await spend(server.library().previous)).calls).toBe(9)
  })

  test('counts the call of a killed process until a report corrects it', async () => {
    const server = await serve()
    const { take, left } = server.budget()
    await take()
    expect(await left()).toEqual({ calls: 11, until: undefined, limit: 15, windowSeconds: 3600 })
    clock += 300_000
    expect((await left()).calls).toBe(12)
  })

  test('reports what is left', async () => {
    const server = await serve()
    const { left } = server.budget()
    const bounds = { limit: 15, windowSeconds: 3600 }
    expect(await left()).toEqual({ calls: 12, until: undefined, ...bounds })
    await spend(server.library().previous)
    expect(await left()).toEqual({ calls: 0, until: new Date(START + HOUR + 1_000), ...bounds })
    expect(await server.budget({ reserve: 0 }).left()).toMatchObject({ calls: 0, until: new Date(START + 1_011) })
    clock += 1_000
    expect(await server.budget({ reserve: 0 }).left()).toMatchObject({ calls: 3, until: undefined })
  })

  test('with a window of seconds is not slowed down by margins', async () => {
    const server = await serve({ quota: { limit: 5, windowSeconds: 3 } })
    const { calls, spent } = await spend(server.library().previous)
    expect([calls, spent.until.getTime()]).toEqual([4, START + 3_300])
  })

  test('differs per key, and stores neither key nor address', async () => {
    const server = await serve({ quota: { limit: 15, windowSeconds: 3600, limitWithToken: 30, now } })
    const token = 's3cret-k3y-of-mine'
    expect((await spend(server.library({ token }).previous)).calls).toBe(27)
    expect((await spend(server.library({ token: 'another' }).previous)).calls).toBe(27)
    const { calls, spent } = await spend(server.library().previous)
    expect([calls, spent.message.includes('set LAUNCH_LIBRARY_TOKEN')]).toEqual([12, true])
    expect(String((await spend(server.library({ token }).previous)).spent)).not.toContain('LAUNCH_LIBRARY_TOKEN')
    const { rows } = await database.pool.query('select caller, row.*::text as text from launch_library_quota row')
    expect(rows).toHaveLength(3)
    const { host } = new URL(server.url)
    expect(rows.map(({ caller }) => caller)).toContain(host)
    expect(JSON.stringify(rows).replaceAll(host, '') + logged).not.toMatch(/s3cret|another|127\.0\.0\.1|ident/)
  })

  test('holds no lock while it waits for an answer', async () => {
    const looks: Promise<unknown>[] = []
    const server = await serve({
      intercept(_, response) {
        const look = database.pool.query('select from launch_library_quota for update nowait')
        looks.push(look)
        const answer = () => response.end(JSON.stringify({ results: [] }))
        look.then(answer, answer)
        return true
      },
    })
    await server.library().previous()
    expect([server.calls(), server.throttled()]).toEqual([1, 1])
    for (const look of looks) expect((await look) as object).toMatchObject({ rowCount: 1 })
  })
})

describe('processes', () => {
  const SCRIPT = fileURLToPath(new URL('../../fixtures/spend-quota.ts', import.meta.url))
  const LIMIT = 15
  const WINDOW_MS = 2_000

  function start(url: string): { child: ChildProcess; output: () => string } {
    const args = ['--conditions=tminus-source', '--import', 'tsx', SCRIPT, database.connectionString, url]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (data) => {
      output += data
    })
    closing.push(() => child.kill('SIGKILL'))
    return { child, output: () => output }
  }

  test('share one quota, even if one of them is killed', async () => {
    const arrivals: number[] = []
    const server = await startLaunchLibrary({
      launches: () => [],
      quota: { limit: LIMIT, windowSeconds: WINDOW_MS / 1_000 },
      intercept: (_request, _response, { path }) => {
        if (!path.endsWith(THROTTLE)) arrivals.push(performance.now())
        return false
      },
    })
    closing.push(server.close)
    const called = ({ output }: { output: () => string }) => expect.poll(output).toContain('called')
    const processes = [start(server.url), start(server.url)]
    await Promise.all(processes.map(called))
    processes[0]?.child.kill('SIGKILL')
    processes.push(start(server.url))
    await Promise.all(processes.map(called))
    await expect.poll(() => arrivals.length).toBeGreaterThan(30)
    for (const { output } of processes) expect(output()).not.toContain('refused')
    const within = arrivals.map((at) => arrivals.filter((one) => one > at - WINDOW_MS && one <= at).length)
    expect(Math.max(...within)).toBeLessThanOrEqual(LIMIT)
    expect(Math.max(...within)).toBeGreaterThan(LIMIT / 2)
  })
})

describe('the throttle', () => {
  const answering = (answer: (response: ServerResponse) => void): LaunchLibraryOptions => ({
    intercept(_, response, { path }) {
      if (path.endsWith(THROTTLE)) answer(response)
      return path.endsWith(THROTTLE)
    },
  })
  const throttle = {
    your_request_limit: 10,
    limit_frequency_secs: 60,
    current_use: 4,
    next_use_secs: -3,
    ident: '8.8.8.8',
  }

  test.each([
    ['404', (response: ServerResponse) => response.writeHead(404).end('{"detail":"Not found."}')],
    ['HTML', (response: ServerResponse) => response.end('<html>')],
    ['nothing', (response: ServerResponse) => response.destroy()],
    ['a redirect', (response: ServerResponse) => response.writeHead(301, { location: 'http://evil.example' }).end()],
    [
      'a long text',
      (response: ServerResponse) => response.end(JSON.stringify({ ...throttle, text: 'x'.repeat(70_000) })),
    ],
    ['no limit', (response: ServerResponse) => response.end(JSON.stringify({ ...throttle, your_request_limit: 0 }))],
    ['no use', (response: ServerResponse) => response.end(JSON.stringify({ ...throttle, current_use: null }))],
    ['two of them', (response: ServerResponse) => response.end(JSON.stringify([throttle, throttle]))],
  ])('that answers %s is no error, leaves the limit unknown, and is not asked for 5 minutes', async (_, answer) => {
    const server = await serve({ ...answering(answer), quota: { limit: 1_000, windowSeconds: 3600 } })
    const { take, left } = server.budget()
    expect(await taken(take, 30)).toBe(30)
    expect(await left()).toEqual({ calls: undefined, until: undefined, limit: undefined, windowSeconds: undefined })
    expect(server.throttled()).toBe(1)
    clock += 300_000
    await take()
    expect(server.throttled()).toBe(2)
    expect(logged).not.toMatch(/8\.8\.8\.8|evil/)
  })

  test('that never answers delays a call by 5 seconds', async () => {
    const server = await serve(answering(() => {}))
    await server.budget().take()
    expect([server.throttled(), logged.includes('http_timeout')]).toEqual([1, true])
  })

  test('does not delay the end of the task', async () => {
    const server = await serve(answering(() => {}))
    const ending = new AbortController()
    const taking = server.budget({ signal: ending.signal }).take()
    await expect.poll(server.throttled).toBe(1)
    ending.abort()
    await expect(taking).rejects.toMatchObject({ code: 'http_aborted' })
  })

  test.each([
    ['an object', throttle],
    ['an array of one', [throttle]],
    ['no word of the next', { ...throttle, next_use_secs: null }],
  ])('that answers %s is used', async (_, answer) => {
    const server = await serve(answering((response) => void response.end(JSON.stringify(answer))))
    expect(await server.budget().left()).toEqual({ calls: 4, until: undefined, limit: 10, windowSeconds: 60 })
    expect(await taken(server.budget().take, 30)).toBe(4)
  })

  test.each([
    ['https://ll.thespacedevs.com/2.3.0', undefined, 12],
    ['https://lldev.thespacedevs.com/2.2.0', undefined, 12],
    ['https://ll.thespacedevs.com/2.3.0', 'k3y', 30],
    ['https://thespacedevs.com.example/2.3.0', undefined, 30],
    ['https://notthespacedevs.com/2.3.0', undefined, 30],
  ])('of %s (key: %s) without an answer: %i of 30 calls', async (baseUrl, token, expected) => {
    const server = await serve(answering((response) => void response.writeHead(503).end()))
    // The real client, sent to the loopback server instead.
    const redirected = (url: string | URL) => server.url.replace(/\/2\.3\.0$/, '') + new URL(url).pathname
    const there: Http = {
      ...http,
      get: (url, options) => http.get(redirected(url), options),
      getJson: (url, options) => http.getJson(redirected(url), options),
    }
    expect(await taken(server.budget({ baseUrl, token, http: there }).take, 30)).toBe(expected)
  })
})

describe('a 429', () => {
  /** Every list is refused, and the throttle does not answer. */
  const refusing = (headers: Record<string, string>, detail?: string): LaunchLibraryOptions => ({
    intercept(_, response, { path }) {
      const isThrottle = path.endsWith(THROTTLE)
      response.writeHead(isThrottle ? 404 : 429, isThrottle ? {} : headers).end(JSON.stringify({ detail }))
      return true
    },
  })

  test.each([
    ['a Retry-After', { 'retry-after': '40' }, undefined, 41_000],
    ['a sentence', {}, 'Request was throttled. Expected available in 625 seconds.', 626_000],
    ['neither', {}, undefined, HOUR + 1_000],
  ])('with %s: no process calls before that time', async (_, headers, detail, wait) => {
    const server = await serve(refusing(headers, detail))
    const { spent } = await spend(server.library().previous)
    expect(spent.until).toEqual(new Date(START + wait))
    expect(spent.cause).toMatchObject({ fields: { status: 429 } })
    clock = START + wait - 1
    const { calls, spent: still } = await spend(server.library().previous)
    expect([calls, still.until, still.cause]).toEqual([0, spent.until, undefined])
    expect([server.calls(), await server.budget().left()]).toEqual([
      1,
      expect.objectContaining({ calls: 0, until: spent.until }),
    ])
    clock = START + wait
    await expect(server.library().previous()).rejects.toMatchObject({ cause: { fields: { status: 429 } } })
    expect(server.calls()).toBe(2)
  })

  test('by a clock years ahead (CLOCK) blocks only processes with that clock', async () => {
    const refused = await serve(refusing({ 'retry-after': '40' }))
    clock = START + 10 * 365 * 24 * HOUR
    const ahead = (await spend(refused.library().previous)).spent
    expect(ahead.until).toEqual(new Date(clock + 41_000))
    expect(await refused.budget().left()).toMatchObject({ calls: 0, until: ahead.until })
    clock = START
    expect(await refused.budget().left()).toMatchObject({ calls: undefined, until: undefined })
    await refused.budget().take()
  })

  test('that other callers caused is followed by a report', async () => {
    const server = await serve()
    await server.library().previous()
    for (let call = 0; call < 14; call++) await fetch(`${server.url}/launches/`)
    clock += 60_000
    const { spent } = await spend(server.library().previous)
    expect(spent.cause).toMatchObject({ fields: { status: 429, retryAfterMs: HOUR - 60_000 } })
    expect(spent.until).toEqual(new Date(START + HOUR + 1_000))
    clock = spent.until.getTime()
    expect((await spend(server.library().previous)).spent.cause).toBeUndefined()
  })
})
