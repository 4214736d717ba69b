import { type AddressInfo, createServer, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openLaunchLibrary } from '../../../pipelines/launches/launch-library/launch-library.ts'
import { parseLaunch } from '../../../pipelines/launches/parse-launch.ts'
import { type Http, openHttp } from '../../../src/connectors/http.ts'
import { TminusError } from '../../../src/errors.ts'
import type { Answers } from '../../support/fuzzed-answer.ts'
import { CONNECTIONS } from '../../support/fuzzed-connection.ts'
import { CONTENTS } from '../../support/fuzzed-content.ts'
import { FULL, Random, SEED } from '../../support/random.ts'

const ANSWERS: Answers = { ...CONNECTIONS, ...CONTENTS }
const KINDS = Object.keys(ANSWERS)
const COUNT = FULL ? 2_000 : KINDS.length * 10
/** What the real budget waits at most. */
const HOUR_MS = 3_600_000
const TOKEN = 'k3y-0123456789abcdef'
const MOST = { maxBytes: 400_000 }
const IMPATIENT = { ...MOST, connectTimeoutMs: 1_000, idleTimeoutMs: 400, timeoutMs: 800 }

/** A server that gives the n-th of ANSWERS; n is in the path. */
const open = new Set<Socket>()
const asked = new Map<number, number>()
const server = createServer((socket) => {
  open.add(socket)
  socket.on('error', () => {})
  socket.on('close', () => open.delete(socket))
  socket.on('data', (data) => {
    const target = /^GET (\S+) HTTP/.exec(data.toString('latin1'))?.[1] ?? ''
    const number = Number(/^\/case-(\d+)\//.exec(target)?.[1])
    const time = asked.get(number) ?? 0
    asked.set(number, time + 1)
    const [, answer] = ANSWERS[KINDS[number % KINDS.length] as string] as Answers[string]
    answer(socket, { origin, target, time, token: TOKEN, random: new Random(SEED * 100_003 + number) })
  })
})

let origin: string
const connector = openHttp({ userAgent: 'tminus-test/1' })
/** The real one, with less patience where the answer may never end. */
function httpFor(codes: readonly string[]): Http {
  const limits = codes.includes('http_timeout') ? IMPATIENT : MOST
  return {
    ...connector,
    get: (url, options) => connector.get(url, { ...options, ...limits }),
    getJson: (url, options) => connector.getJson(url, { ...options, ...limits }),
  }
}

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  await connector.close()
  for (const socket of open) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})

test(`${COUNT} damaged answers end with the list or with an error that explains why (seed ${SEED})`, {
  timeout: 300_000,
}, async () => {
  const ends = new Map<string, number>()
  const wrong: string[] = []
  let next = 0
  const worker = async () => {
    for (let number = next++; number < COUNT; number = next++) {
      const kind = KINDS[number % KINDS.length] as string
      const codes = ANSWERS[kind]?.[0] ?? []
      const end = await read(number, httpFor(codes))
      const code = end instanceof TminusError ? end.code : 'read'
      ends.set(code, (ends.get(code) ?? 0) + 1)
      const reason = wrongWith(codes, end)
      if (reason !== undefined) wrong.push(`case ${number}, ${kind}: ${reason}`)
    }
  }
  await Promise.all(Array.from({ length: 20 }, worker))
  console.log(`${COUNT} answers of ${KINDS.length} kinds:`, Object.fromEntries(ends))
  expect(wrong).toEqual([])
})

/** What was thrown, or undefined. */
async function read(number: number, http: Http): Promise<unknown> {
  const budget = {
    take: async () => {},
    recordRefusal: async (waitMs = 0) => new Date(Date.now() + Math.min(waitMs, HOUR_MS)),
  }
  const baseUrl = `${origin}/case-${number}/2.3.0`
  const { signal } = new AbortController()
  try {
    for await (const page of openLaunchLibrary({ http, baseUrl, token: TOKEN, signal, budget }).upcoming())
      for (const launch of page.results) parseLaunch('2.3.0', launch)
    return undefined
  } catch (error) {
    return error
  }
}

function wrongWith(codes: readonly string[], end: unknown): string | undefined {
  if (codes.length === 0) return end === undefined ? undefined : inspect(end)
  if (!(end instanceof TminusError)) return `ended without a TminusError: ${inspect(end)}`
  if (!codes.includes(end.code)) return `ended as ${end.code}: ${end.message}`
  // With its causes, fields and stack, as a log shows it.
  if (inspect(end, { depth: 9, showHidden: true }).includes(TOKEN)) return `reveals the key: ${inspect(end)}`
  return /^[^\n\0]{10,400}$/u.test(end.message) ? undefined : `is no sentence: ${end.message}`
}
