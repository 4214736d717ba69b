import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type DiscordServer, startDiscord } from '../../pipelines/rocket-launches/stand-ins/discord-server.ts'
import { startLaunchLibrary } from '../../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import { address } from '../support/address.ts'
import { type Ended, runCli, startCli } from '../support/cli.ts'
import { createEmptyDatabase, type TestDatabase, useDatabase } from '../support/database.ts'
import { WITHIN } from '../support/within.ts'
import {
  cutShort,
  expectNoSecret,
  expectNothingRunning,
  PAGE,
  PIPELINES,
  raw,
  redirect,
  STACK,
  tablesHolding,
  withApi,
} from './support.ts'

const TOKEN = 'webhook-TOKEN_0123456789'
const KEY = 'api-KEY-0123456789'
const CLOSED = 'http://127.0.0.1:1'

const database = useDatabase(createEmptyDatabase)
let discord: DiscordServer
/** Launches that a good run stored and announced before the error. */
let before: Record<string, unknown>[]

const launches = async () =>
  (await database.pool.query('select xmin::text, * from rocket_launches order by id')).rows as Record<string, unknown>[]

const ENV = () => ({
  PIPELINES_DIR: PIPELINES,
  DATABASE_URL: database.connectionString,
  LAUNCH_LIBRARY_TOKEN: KEY,
  DISCORD_WEBHOOK_URL: discord.webhookUrl,
})
const run = (args: string[], env: Record<string, string>) =>
  runCli(['pipeline', 'rocket-launches', ...args], { env: { ...ENV(), ...env } })

beforeAll(async () => {
  discord = await startDiscord({ token: TOKEN })
  const library = await startLaunchLibrary()
  const { code } = await run([], { LAUNCH_LIBRARY_URL: library.url })
  await library.close()
  before = await launches()
  expect([code, before.length >= 30, discord.messages.length]).toEqual([0, true, 1])
  // Proves that the search would find a secret.
  expect(await tablesHolding(database.pool, ['fetch_and_store_data'])).toContain('metadata.task_instance')
})
afterAll(async () => {
  await discord.close()
})

/** Asserts one sentence on the task's line and at the end, no stack, no secret, and unchanged stored launches. */
async function expectOneSentence(ended: Ended, task: string, sentence: string): Promise<void> {
  const lines = ended.stdout.trimEnd().split('\n')
  const line = lines.find((line) => line.startsWith('✖ ') && line.includes(task)) ?? ''
  expect(line.endsWith(`  ${sentence}`)).toBe(true)
  expect(lines.at(-1)).toMatch(/^✖ run failed in /)
  expect(lines.at(-1)?.endsWith(`: ${task} failed: ${sentence}`)).toBe(true)
  expect([ended.code, ended.stderr]).toEqual([1, ''])
  expect(ended.stdout).not.toMatch(STACK)
  await expectUntouched(ended)
}

async function expectUntouched(ended: Ended): Promise<void> {
  await expectNoSecret([TOKEN, KEY, passwordOf(database)], ended, database.pool)
  await expectNothingRunning(database.pool)
  expect(await launches()).toEqual(before)
  expect(discord.requests).toHaveLength(1)
}

function passwordOf({ connectionString }: TestDatabase): string {
  const { password } = new URL(connectionString)
  expect(password.length).toBeGreaterThan(5)
  return password
}

/** The number of tries of each task in the newest run. */
async function tries(): Promise<Record<string, number>> {
  const { rows } = await database.pool.query(
    `select json_object_agg(task_id, try_number) as tries from metadata.task_instance
     where dag_run_id = (select max(dag_run_id) from metadata.dag_run)`,
  )
  return rows[0].tries
}

const UPCOMING = '/2.3.0/launches/upcoming/'

describe('a permanent error fails at once, without a retry', () => {
  test.each([
    [
      'HTML',
      raw(200, 'text/html', '<!doctype html><p>Sign in'),
      '@ answered with a web page (HTML) instead of JSON; check LAUNCH_LIBRARY_URL',
    ],
    [
      'cut JSON, complete by its length',
      raw(200, 'application/json', PAGE.slice(0, -20)),
      'The answer of @ is invalid JSON; check LAUNCH_LIBRARY_URL',
    ],
    [
      'results missing',
      raw(200, 'application/json', '{"count":3}'),
      'The answer of @ is not a list of launches (results: Invalid input: expected array, received undefined); check LAUNCH_LIBRARY_URL',
    ],
    [
      '404',
      raw(404, 'application/json', '{"detail":"Not found."}'),
      '@ answered 404 Not Found ("Not found."); check LAUNCH_LIBRARY_URL',
    ],
    [
      '401',
      raw(401, 'application/json', `{"detail":"Invalid token ${KEY}."}`),
      'Launch Library rejected the key (401); check LAUNCH_LIBRARY_TOKEN',
    ],
    [
      'an endless redirect',
      redirect,
      '@ answered 301 Moved Permanently, a redirect to http://@, which is not followed; check LAUNCH_LIBRARY_URL',
    ],
  ])('%s', async (_, answer, sentence) => {
    await withApi(answer, async (api) => {
      const ended = await run([], { LAUNCH_LIBRARY_URL: `${api.origin}/2.3.0` })
      const place = api.origin.slice('http://'.length) + UPCOMING
      await expectOneSentence(ended, 'fetch_and_store_data', sentence.replaceAll('@', place))
      const calls = api.requests.filter(({ url }) => !url?.endsWith('/api-throttle/'))
      expect(calls).toHaveLength(1)
      // The stored launches are still checked.
      expect(await tries()).toEqual({ initialize_schema: 1, fetch_and_store_data: 1, notify_discord: 1 })
    })
  })

  test('LOG_LEVEL=debug shows the stack, but no secret', async () => {
    await withApi(raw(401, 'application/json', '{}'), async (api) => {
      const ended = await run([], { LAUNCH_LIBRARY_URL: `${api.origin}/2.3.0`, LOG_LEVEL: 'debug' })
      expect(ended.stdout).toMatch(STACK)
      await expectUntouched(ended)
    })
  })

  test.each([
    [
      'a deleted webhook',
      { other: true, token: TOKEN },
      "the webhook no longer exists, or its address is incomplete (Discord's code 10015); copy its address again or create a new webhook, then set DISCORD_WEBHOOK_URL",
    ],
    [
      'a wrong token',
      { other: false, token: 'wrong-TOKEN_9876543210' },
      "the webhook's token is wrong (Discord's code 50027); copy the webhook's address again and set DISCORD_WEBHOOK_URL",
    ],
  ])('%s', async (_, { other, token }, sentence) => {
    const library = await startLaunchLibrary({ launches: () => [] })
    const elsewhere = await startDiscord({ webhookId: '77' })
    const webhook = `${new URL(elsewhere.webhookUrl).origin}/api/webhooks/${other ? 78 : 77}/${token}`
    const ended = await run([], { LAUNCH_LIBRARY_URL: library.url, DISCORD_WEBHOOK_URL: webhook })
    await Promise.all([library.close(), elsewhere.close()])
    await expectOneSentence(ended, 'notify_discord', sentence)
    await expectNoSecret([token], ended, database.pool)
    expect([elsewhere.requests.length, await tries()]).toEqual([1, expect.objectContaining({ notify_discord: 1 })])
  })
})

describe('a transient error is retried', () => {
  test.each([
    ['a closed port', undefined, 'Nothing listens at 127.0.0.1:1 (connection refused); check LAUNCH_LIBRARY_URL'],
    ['a 500', raw(500, 'text/html', '<h1>Server Error</h1>'), '@ answered 500 Internal Server Error; try again later'],
    ['a body shorter than announced', cutShort, 'The answer of @ was cut short; try again'],
  ])('%s', async (_, answer, sentence) => {
    const work = async (origin: string) => {
      const env = { LAUNCH_LIBRARY_URL: `${origin}/2.3.0` }
      const reason = sentence.replace('@', origin.slice('http://'.length) + UPCOMING)
      await expectOneSentence(await run(['--no-retry'], env), 'fetch_and_store_data', reason)
      await expectRetry(env, 'fetch_and_store_data', reason)
    }
    if (answer === undefined) await work(CLOSED)
    else await withApi(answer, (api) => work(api.origin))
  })

  test('a Discord that refuses the connection', async () => {
    const library = await startLaunchLibrary({ launches: () => [] })
    const token = 'elsewhere-TOKEN_0123456789'
    const env = { LAUNCH_LIBRARY_URL: library.url, DISCORD_WEBHOOK_URL: `${CLOSED}/api/webhooks/79/${token}` }
    const reason = 'Discord cannot be reached (connection refused); check the network and DISCORD_WEBHOOK_URL'
    const ended = await run(['--no-retry'], env)
    await expectOneSentence(ended, 'notify_discord', reason)
    await expectNoSecret([token], ended, database.pool)
    await expectRetry(env, 'notify_discord', reason)
    await library.close()
  })

  /** It prints when it tries again; Ctrl-C then ends it at once. */
  async function expectRetry(env: Record<string, string>, task: string, reason: string): Promise<void> {
    const running = startCli(['pipeline', 'rocket-launches'], { env: { ...ENV(), ...env } })
    const waiting = `retrying in 30 s (2 of 4): ${reason}\n`
    await vi.waitFor(() => expect(running.stdout()).toContain(waiting), WITHIN)
    expect(running.stdout()).toMatch(new RegExp(`^↻ ${task} +up_for_retry `, 'm'))
    running.process.kill('SIGINT')
    const ended = await running.ended
    expect([ended.code, ended.stderr]).toEqual([130, ''])
    expect(ended.stdout.trimEnd().split('\n').at(-1)).toMatch(/^✖ run failed in .*interrupted$/)
    expect(ended.stdout).not.toMatch(STACK)
    await expectUntouched(ended)
    const { rows } = await database.pool.query('select state from metadata.dag_run order by dag_run_id desc limit 1')
    expect(rows).toEqual([{ state: 'failed' }])
  }
})

describe('settings and databases', () => {
  test.each([
    [
      'a malformed webhook',
      2,
      { DISCORD_WEBHOOK_URL: `https://discord.example/api/webhooks/1/${TOKEN}` },
      /^✖ Wrong setting: DISCORD_WEBHOOK_URL is not a Discord webhook address: .*\n$/,
    ],
    [
      'a wrong password',
      2,
      () => ({ DATABASE_URL: address(database.connectionString, { password: KEY }) }),
      /^✖ DATABASE_URL: the server at \S+ rejected the password of user "\w+"; check user and password, and whether it has expired\n$/,
    ],
    [
      'an unreachable database',
      1,
      { DATABASE_URL: `postgresql://u:${KEY}@127.0.0.1:1/d` },
      /^✖ DATABASE_URL: nothing listens at 127\.0\.0\.1:1; start Postgres there or check host and port\n$/,
    ],
    [
      'an unreachable database of the runner',
      1,
      { METADATA_DATABASE_URL: `postgresql://u:${KEY}@127.0.0.1:1/d` },
      /^✖ METADATA_DATABASE_URL: nothing listens at 127\.0\.0\.1:1; .*\n$/,
    ],
  ])('%s: exit %i', async (_, code, env, says) => {
    const ended = await run([], { LAUNCH_LIBRARY_URL: `${CLOSED}/2.3.0`, ...(typeof env === 'function' ? env() : env) })
    expect(ended.stderr).toMatch(says)
    expect([ended.code, ended.stdout]).toEqual([code, ''])
    await expectUntouched(ended)
  })
})
