import type { ServerResponse } from 'node:http'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Facts } from '../../../../pipelines/rocket-launches/discord/card-facts.ts'
import type { NoticeFacts } from '../../../../pipelines/rocket-launches/discord/notices.ts'
import type { OutboxState } from '../../../../pipelines/rocket-launches/discord/outbox.ts'
import { Announcing, NOW } from '../../../support/announcing.ts'

const channel = Announcing.use()

const MINUTE = 60_000
const LAUNCHES = ['a', 'b', 'c']

/** How Discord answers, and whether it executed the request before answering. */
const MOODS: Record<string, { done: boolean; answer: (response: ServerResponse) => unknown }> = {
  'a 500': { done: false, answer: (response) => response.writeHead(500).end() },
  'a 500 after executing the request': { done: true, answer: (response) => response.writeHead(500).end() },
  'a reset': { done: false, answer: (response) => response.destroy() },
  'a reset after executing the request': { done: true, answer: (response) => response.destroy() },
  'a broken 200': { done: true, answer: (response) => response.writeHead(200).end('{"id": "1') },
  'a short wait': { done: false, answer: (response) => response.writeHead(429, { 'retry-after': '30' }).end() },
  'a long wait': { done: false, answer: (response) => response.writeHead(429, { 'retry-after': '600' }).end() },
  'a ban': { done: false, answer: (response) => response.writeHead(429).end() },
  'a refusal': { done: false, answer: (response) => response.writeHead(403).end() },
}

type Event =
  | { kind: 'move'; launch: string; minutes: number }
  | { kind: 'status'; launch: string; id: number }
  | { kind: 'vanish'; launch: string }
  | { kind: 'come back'; launch: string }
  | { kind: 'run'; after: number; mood: string | undefined }
  | { kind: 'killed run'; after: number; awaits: number }

const launch = fc.constantFrom(...LAUNCHES)
const after = fc.constantFrom(1, 5, 5, 5, 15, 55, 600)
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant('move'), launch, minutes: fc.constantFrom(-200, -30, -5, 5, 20, 90, 200, 3000) }),
  fc.record({ kind: fc.constant('status'), launch, id: fc.constantFrom(1, 1, 2, 3, 4, 5, 6, 7, 8) }),
  fc.record({ kind: fc.constant('vanish'), launch }),
  fc.record({ kind: fc.constant('come back'), launch }),
  { weight: 5, arbitrary: run(fc.constant(undefined)) },
  { weight: 2, arbitrary: run(fc.constantFrom(...Object.keys(MOODS))) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('killed run'), after, awaits: fc.integer({ min: 1, max: 45 }) }),
  },
) as fc.Arbitrary<Event>

function run(mood: fc.Arbitrary<string | undefined>) {
  return fc.record({ kind: fc.constant('run'), after, mood })
}

test('after any sequence of events, a channel shows the current facts, without duplicates', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 5, maxLength: 40 }), async (events) => {
      await begin()
      for (const one of events) await happen(one)
      await end()
    }),
    { numRuns: 40 },
  )
}, 180_000)

async function begin(): Promise<void> {
  await channel.forget()
  await channel.database.pool.query('truncate rocket_launches, rocket_launch_changes')
  channel.discord.messages.splice(0)
  channel.discord.violations.splice(0)
  channel.now = NOW
  channel.env = { DISCORD_VOLUME: 'full' }
  for (const [index, id] of LAUNCHES.entries()) {
    await channel.store(id, `Launch ${id}`, new Date(NOW.getTime() + (70 + 800 * index) * MINUTE).toISOString())
  }
}

async function happen(event: Event): Promise<void> {
  const { pool } = channel.database
  switch (event.kind) {
    case 'move':
      await pool.query(
        `with moved as (
           update rocket_launches set net = net + $2 * interval '1 minute' where launch_id = $1 returning net
         )
         insert into rocket_launch_changes (launch_id, field, new, seen_at) select $1, 'net', net::text, $3 from moved`,
        [event.launch, event.minutes, channel.now],
      )
      return
    case 'status':
      await pool.query('update rocket_launches set status_id = $2 where launch_id = $1', [event.launch, event.id])
      return
    case 'vanish':
    case 'come back':
      await pool.query('update rocket_launches set vanished_at = $2 where launch_id = $1', [
        event.launch,
        event.kind === 'vanish' ? channel.now : null,
      ])
      return
    default:
      await runOnce(event)
  }
}

async function runOnce(event: Event & { kind: 'run' | 'killed run' }): Promise<void> {
  await pass(event.after)
  const before = channel.discord.messages.length
  const nets = await netsNow()
  const scheduledFor = channel.now
  if (event.kind === 'killed run') await channel.mortal(event.awaits, { scheduledFor })
  else {
    const mood = event.mood === undefined ? undefined : MOODS[event.mood]
    if (mood)
      channel[mood.done ? 'interceptAnswer' : 'intercept'] = (_request, response) =>
        Boolean(mood.answer(response)) || true
    await channel.notify({ scheduledFor }).catch(() => {})
    channel.intercept = undefined
    channel.interceptAnswer = undefined
  }
  for (const { embeds } of channel.discord.messages.slice(before)) {
    const reminds = /\bT-\d/.test(embeds?.[0]?.description ?? '')
    if (reminds) expect(nets.get(embeds?.[0]?.title ?? '')).toBeGreaterThan(channel.now.getTime())
  }
  await expectTruth()
}

/** Moves the pipeline's clock and the times in the outbox. */
async function pass(minutes: number): Promise<void> {
  channel.now = new Date(channel.now.getTime() + minutes * MINUTE)
  await channel.age(`${minutes} minutes`)
}

async function netsNow(): Promise<Map<string, number>> {
  const { rows } = await channel.database.pool.query<{ name: string; net: Date }>(
    'select name, net from rocket_launches',
  )
  return new Map(rows.map(({ name, net }) => [name, net.getTime()]))
}

interface Row {
  kind: string
  state: OutboxState
  facts: Facts & NoticeFacts
  facts_hash: string
  wanted_hash: string
  message_id: string | null
  attempts: number
  merged_into: number | null
}

async function expectTruth(): Promise<void> {
  const rows = (await channel.outbox()) as unknown as Row[]
  const { messages, violations } = channel.discord
  expect(violations).toEqual([])
  const ids = rows.flatMap(({ message_id }) => message_id ?? [])
  expect(new Set(ids).size).toBe(ids.length)
  // A message without a row was posted by a request whose answer got lost: at most one for each attempt.
  const orphans = messages.filter(({ id }) => !ids.includes(id))
  const tries = rows.reduce((sum, { attempts, message_id }) => sum + attempts - (message_id === null ? 0 : 1), 0)
  expect(orphans.length).toBeLessThanOrEqual(tries)
  const notices = rows.filter(({ kind }) => kind !== 'card')
  const lost = notices.filter(({ state }) => state === 'unknown' || state === 'sending').length
  const sent = notices.filter(({ state, merged_into }) => state === 'sent' && merged_into === null).length
  const standing = messages.filter(({ embeds }) => embeds?.[0]?.author === undefined).length
  expect([standing >= sent, standing <= sent + lost]).toEqual([true, true])
  for (const { kind, facts, message_id } of rows) {
    const message = messages.find(({ id }) => id === message_id)
    if (kind !== 'slip' || message === undefined) continue
    const [was, net] = [Date.parse(facts.was?.net ?? ''), Date.parse(facts.net)]
    const text = message.embeds?.[0]?.description ?? ''
    expect(net === was).toBe(false)
    if (/postponed/i.test(text)) expect(net).toBeGreaterThan(was)
    if (/forward/i.test(text)) expect(net).toBeLessThan(was)
  }
}

/** Discord works again: every sent card shows the current facts, and then nothing more is sent. */
async function end(): Promise<void> {
  for (let more = 0; more < 3; more += 1) {
    await pass(11)
    await channel.notify({ scheduledFor: channel.now }).catch(() => {})
    await expectTruth()
  }
  const rows = (await channel.outbox()) as unknown as Row[]
  expect(rows.filter(({ state }) => state === 'pending' || state === 'sending')).toEqual([])
  for (const { kind, state, facts_hash, wanted_hash } of rows)
    if (kind === 'card' && state === 'sent') expect(facts_hash).toBe(wanted_hash)
  const requests = channel.discord.requests.length
  await channel.notify({ scheduledFor: channel.now })
  expect(channel.discord.requests).toHaveLength(requests)
}
