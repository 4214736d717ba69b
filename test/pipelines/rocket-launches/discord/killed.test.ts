import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { Announcing } from '../../../support/announcing.ts'
import { type Ended, startNode } from '../../../support/cli.ts'

const channel = Announcing.use()

/** The reminder of `c` is due at this tick; `c` has no card yet. */
const TICK = new Date('2026-11-21T09:30:00Z')

/**
 * A card and a reminder are posted. The next run must edit both, post the hold with its slip, and post the card of another
 * launch with its reminder.
 */
async function prepare(): Promise<void> {
  const { pool } = channel.database
  await channel.forget()
  await pool.query('delete from rocket_launches')
  channel.discord.messages.splice(0)
  channel.discord.requests.splice(0)
  channel.env = { DISCORD_VOLUME: 'full' }
  await channel.store('a', 'Falcon 9 | Nearest', '2026-11-22T08:00:00Z')
  for (const before of [150, 90]) {
    channel.now = new Date(TICK.getTime() - before * 60_000)
    await channel.notify()
  }
  channel.now = TICK
  await channel.change({ net: '2026-11-22T08:45:00Z', statusId: 5 })
  await channel.store('c', 'Electron | Soon', '2026-11-22T09:30:00Z')
}

/** The messages on the channel, and the notices that they hold. */
const MESSAGES = ['a card', 'a T-24h#0', 'a hold:1', 'c card']
const WANTED = [...MESSAGES, 'a slip:1 in a hold:1', 'c T-24h#0 in c card']

interface Row {
  launch_id: string
  kind: string
  subject: string
  state: string
  attempts: number
  outbox_id: number
  merged_into: number | null
}

async function rows(): Promise<Row[]> {
  return (await channel.outbox()) as unknown as Row[]
}

/** The attempts of each message, in the order in which they were decided. */
async function attempts(): Promise<number[]> {
  return (await rows()).filter((row) => row.merged_into === null).map((row) => row.attempts)
}

/** The messages on the channel: `Electron | Soon card`, `Electron | Soon notice`. */
function onChannel(): string[] {
  return channel.discord.messages.map(
    ({ embeds }) => `${embeds?.[0]?.title} ${embeds?.[0]?.author === undefined ? 'notice' : 'card'}`,
  )
}

const count = (of: string) => onChannel().filter((message) => message === of).length

/** At most one message is unknown (the one in flight when the process died); every other one is there exactly once. */
async function expectTruth(mostUnknown = 1): Promise<void> {
  const all = await rows()
  const nameOf = ({ launch_id, subject }: Row) => `${launch_id} ${subject}`
  const subjects = all.map((row) => {
    const holder = all.find(({ outbox_id }) => outbox_id === row.merged_into)
    return holder ? `${nameOf(row)} in ${nameOf(holder)}` : nameOf(row)
  })
  expect(subjects.sort()).toEqual([...WANTED].sort())
  const unknown = all.filter(({ state }) => state !== 'sent')
  expect(unknown.map(({ state }) => state)).toEqual(unknown.map(() => 'unknown'))
  expect(unknown.length).toBeLessThanOrEqual(mostUnknown)
  expect(count('Falcon 9 | Nearest card')).toBe(1)
  expect(count('Electron | Soon card')).toBeLessThanOrEqual(1)
  const posted = channel.discord.messages.length
  expect([posted >= MESSAGES.length - unknown.length, posted <= MESSAGES.length]).toEqual([true, true])
  expect(count('Falcon 9 | Nearest notice')).toBeLessThanOrEqual(2)
  const [card, reminder] = channel.discord.messages
  expect(card?.embeds?.[0]?.description).toContain('On hold')
  expect(reminder?.embeds?.[0]?.description).toMatch(/T-1 day.*\nwas ~~<t:\d+:F>~~, now <t:\d+:F>/)
}

describe('killed', () => {
  it('a run that is killed at any await duplicates no message, and leaves at most one unknown', async () => {
    const seen = new Set<string>()
    for (let awaits = 1; ; awaits += 1) {
      await prepare()
      const survived = await channel.mortal(awaits, { scheduledFor: TICK })
      await channel.age()
      for (let run = 0; run < 3; run += 1) await channel.notify({ scheduledFor: TICK }).catch(() => {})
      await expectTruth()
      const requests = channel.discord.requests.length
      await channel.notify({ scheduledFor: TICK })
      expect(channel.discord.requests).toHaveLength(requests)
      for (const { state, subject } of await rows()) if (state === 'unknown') seen.add(subject)
      if (!survived) continue
      expect(awaits).toBeGreaterThan(40)
      // Each post was interrupted once between its claim and its record.
      expect([...seen].sort()).toEqual(['card', 'hold:1'])
      return
    }
  })

  it('several processes at once send each message exactly once', async () => {
    await prepare()
    const { pool, connectionString } = channel.database
    const gate = await pool.connect()
    await gate.query('select pg_advisory_lock(42)')
    const processes = Array.from({ length: 4 }, () =>
      startNode(['--input-type=module', '-e', PROCESS(connectionString)]),
    )
    await expect.poll(async () => (await waiting()).length).toBe(4)
    await gate.query('select pg_advisory_unlock(42)')
    gate.release()
    const ended: Ended[] = await Promise.all(processes.map((one) => one.ended))
    expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(ended.map(() => [0, '']))
    await expectTruth(0)
    expect(await attempts()).toEqual([2, 2, 1, 1])
    expect(channel.discord.requests).toHaveLength(6)
  })

  it('many runs at once send each message exactly once', async () => {
    for (let round = 0; round < 5; round += 1) {
      await prepare()
      const runs = () => Array.from({ length: 8 }, () => channel.notify({ scheduledFor: TICK }))
      await Promise.all(runs())
      await channel.notify({ scheduledFor: TICK })
      await expectTruth(0)
      expect(await attempts()).toEqual([2, 2, 1, 1])
    }
  })

  it('a process killed while Discord answers leaves an unknown post, and another sends the rest', async () => {
    await prepare()
    const answered = new Promise<void>((resolve) => {
      channel.interceptAnswer = (request) => {
        if (request.method === 'PATCH') return false
        resolve()
        return true
      }
    })
    const dying = startNode(['--input-type=module', '-e', PROCESS(channel.database.connectionString)])
    await answered
    dying.process.kill('SIGKILL')
    await once(dying.process, 'exit')
    channel.interceptAnswer = undefined
    expect(await channel.notify({ scheduledFor: TICK })).toMatchObject({ targets: [{ posted: 0, waiting: 2 }] })
    await channel.age()
    expect(await channel.notify({ scheduledFor: TICK })).toMatchObject({ targets: [{ posted: 1, waiting: 0 }] })
    await expectTruth()
  })
})

async function waiting(): Promise<unknown[]> {
  const { rows } = await channel.database.pool.query(
    `select from pg_locks where locktype = 'advisory' and objid = 42 and not granted
       and database = (select oid from pg_database where datname = current_database())`,
  )
  return rows
}

/** A separate process that waits for the lock and then runs the task three times. */
const PROCESS = (database: string) => `
  import { openPool } from '${new URL('../../../../src/db/pool.ts', import.meta.url)}'
  import { notifyDiscord } from '${new URL('../../../../pipelines/rocket-launches/notify-discord.ts', import.meta.url)}'
  import { settings } from '${new URL('../../../../pipelines/rocket-launches/settings.ts', import.meta.url)}'
  import { z } from '${new URL('../../../../node_modules/zod/index.js', import.meta.url)}'
  const db = openPool('${database}')
  const quiet = () => {}
  const context = {
    db, log: { debug: quiet, info: quiet, warn: quiet, error: quiet }, now: () => new Date('${TICK.toISOString()}'),
    signal: new AbortController().signal, runId: String(process.pid), runType: 'scheduled', logicalDate: new Date('${TICK.toISOString()}'),
    settings: z.object(settings).parse({ DISCORD_WEBHOOK_URL: '${channel.discord.webhookUrl}', DISCORD_VOLUME: 'full' }),
  }
  await db.query('select pg_advisory_lock_shared(42)')
  for (let run = 0; run < 3; run += 1) await notifyDiscord({}, context)
  await db.end()
`
