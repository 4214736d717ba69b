import { afterEach, describe, expect, test } from 'vitest'
import { type DiscordServer, startDiscord } from '../../pipelines/rocket-launches/stand-ins/discord-server.ts'
import { discordFailures } from '../../src/callbacks/discord.ts'
import { dag } from '../../src/dag/dag.ts'
import { useDatabase } from '../support/database.ts'
import { openTestRunner, testResources, uniqueId } from '../support/runner.ts'

const database = useDatabase()
let discord: DiscordServer

afterEach(async () => {
  await discord.close()
})

/**
 * Runs a dag of two tasks once for each of the given endings.
 *
 * @param before called before each run with its index
 */
async function runs(
  endings: ('good' | 'bad')[],
  address: string | undefined,
  before: (n: number) => void = () => {},
): Promise<string[]> {
  const left = [...endings]
  const defined = dag(uniqueId('told'), { ...discordFailures('OPS_WEBHOOK_URL') }, ({ task }) => {
    const load = task('load_data', {
      run: () => {
        if (left.shift() === 'bad') throw new Error('the *source* said no @everyone')
      },
    })
    task('after', { upstream: { load }, run: () => {} })
  })
  const resources = { ...testResources(database), settingsOf: () => ({ OPS_WEBHOOK_URL: address }) }
  const own = await openTestRunner(database, [defined], { resources })
  const states: string[] = []
  for (const n of endings.keys()) {
    before(n)
    states.push((await own.run(defined)).state)
  }
  return states
}

describe('discordFailures', () => {
  test('posts the failed task with try and reason, and once when a run succeeds again', async () => {
    discord = await startDiscord()
    expect(await runs(['good', 'bad', 'good', 'good'], discord.webhookUrl)).toEqual([
      'success',
      'failed',
      'success',
      'success',
    ])
    const told = discord.messages.map(({ embeds }) => embeds?.[0])
    expect(told).toHaveLength(2)
    expect(told[0]?.title).toMatch(/^told.* failed$/)
    expect(told[0]?.fields).toEqual([
      { name: 'load\\_data · try 1', value: expect.stringContaining('the \\*source\\* said no') },
    ])
    expect(told[1]?.title).toMatch(/^told.* succeeds again$/)
    expect(discord.messages.flatMap(({ pinged }) => pinged)).toEqual([])
    expect(discord.violations).toEqual([])
  })

  test('in a forum the notices of a dag are in one thread; a deleted or locked thread is replaced', async () => {
    discord = await startDiscord({ forum: () => ({}) })
    const closing = ['none', 'none', 'deleted', 'locked'] as const
    const told = await runs(['bad', 'good', 'bad', 'good'], discord.webhookUrl, (n) => {
      const thread = discord.threads.at(-1)
      if (thread) thread.deleted = closing[n] === 'deleted'
      if (thread) thread.locked = closing[n] === 'locked'
    })
    expect(told).toEqual(['failed', 'success', 'failed', 'success'])
    expect(discord.threads.map(({ name }) => name)).toEqual(Array(3).fill(expect.stringMatching(/^told/)))
    const [one, two, three] = discord.threads.map(({ id }) => id)
    expect(discord.messages.map(({ threadId }) => threadId)).toEqual([one, one, two, three])
    expect(discord.requests).toHaveLength(2 + 1 + 2 + 2)
    expect(discord.violations).toEqual([])
  })

  test('a deleted thread that the address names is not replaced', async () => {
    discord = await startDiscord({ forum: () => ({}) })
    expect(await runs(['bad'], `${discord.webhookUrl}?thread_id=12`)).toEqual(['failed'])
    expect([discord.threads, discord.messages, discord.requests.length]).toEqual([[], [], 1])
  })

  test('an unreachable Discord fails no run, and gets one request', async () => {
    discord = await startDiscord({
      intercept: (_request, response) => {
        response.writeHead(500).end()
        return true
      },
    })
    expect(await runs(['bad', 'good'], discord.webhookUrl)).toEqual(['failed', 'success'])
    expect(discord.requests).toHaveLength(2)
  })

  test('without an address nothing is sent', async () => {
    discord = await startDiscord()
    expect(await runs(['bad'], undefined)).toEqual(['failed'])
    expect(discord.requests).toHaveLength(0)
  })
})
