import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openPool } from '../../src/db/pool.ts'
import { type Running, runCli, startCli } from '../support/cli.ts'
import { type TestDatabase, withDatabase } from '../support/database.ts'
import { openPooler, PGBOUNCER, type Pooler } from '../support/pgbouncer.ts'
import { WITHIN } from '../support/within.ts'
import { expectNothingRunning, withStandIns } from './support.ts'

const SIZE = 5

/** Log lines of a process at level warn or above. */
function troubles(running: Running): string[] {
  const lines = running.stdout().split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line)).flatMap(({ level, msg }) => (level >= 40 ? [msg as string] : []))
}

async function isUp(running: Running): Promise<void> {
  await vi.waitFor(() => expect(running.stdout()).toContain('"scheduled"'), WITHIN)
}

async function activeRuns({ pool }: TestDatabase): Promise<number> {
  const { rowCount } = await pool.query(`select from metadata.dag_run where state in ('queued', 'running')`)
  return rowCount as number
}

/** What clients left in the `SIZE` server sessions behind the pooler; every session is checked. */
async function leftBehind(url: string): Promise<object[]> {
  const pool = openPool(url, { max: SIZE })
  const clients = await Promise.all(Array.from({ length: SIZE }, () => pool.connect()))
  const found = await Promise.all(
    clients.map(async (client) => {
      await client.query('begin')
      const { rows } = await client.query(
        `select (select array_agg(name) from pg_prepared_statements) as statements,
           (select array_agg(channel) from pg_listening_channels() as channel) as channels,
           (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
           current_setting('enable_seqscan') as seqscan, current_setting('idle_session_timeout') as idle`,
      )
      return rows[0]
    }),
  )
  for (const client of clients) {
    await client.query('rollback')
    client.release()
  }
  await pool.end()
  return found
}

const CLEAN = { statements: null, channels: null, locks: 0, seqscan: 'on', idle: '0' }

/** A `start`, and beside it the whole pipeline, twice. */
async function runBeside(database: TestDatabase, env: Record<string, string>): Promise<string[]> {
  let found: string[] = []
  await withStandIns(async ({ discord, env: standIns }) => {
    const all = { ...env, ...standIns, LOG_LEVEL: 'info' }
    const running = startCli(['start'], { env: all })
    await isUp(running)
    for (let run = 0; run < 2; run += 1) {
      const { code, stderr } = await runCli(['pipeline', 'rocket-launches'], { env: all })
      expect(code, stderr).toBe(0)
    }
    expect(discord.messages).toHaveLength(1)
    expect(discord.violations).toEqual([])
    // The run that `start` queued itself waits for those two, because the dag allows one active run.
    await vi.waitFor(async () => expect(await activeRuns(database)).toBe(0), WITHIN)
    running.process.kill('SIGTERM')
    expect((await running.ended).code).toBe(0)
    await expectNothingRunning(database.pool)
    found = troubles(running)
  })
  return found
}

describe.skipIf(PGBOUNCER === undefined)('behind PgBouncer (skipped where it is not installed)', () => {
  let session: Pooler
  let transaction: Pooler
  beforeAll(async () => {
    session = await openPooler({ mode: 'session' })
    transaction = await openPooler({ mode: 'transaction', size: SIZE })
  })
  afterAll(async () => {
    await session.close()
    await transaction.close()
  })

  test('in session mode everything works as without a pooler', () =>
    withDatabase(async (database) => {
      const env = { DATABASE_URL: session.through(database.connectionString) }
      expect(await runBeside(database, env)).toEqual([])
      expect((await runCli(['db', 'check'], { env })).stdout).not.toContain('DIRECT_DATABASE_URL')
    }))

  test('in transaction mode everything works with DIRECT_DATABASE_URL, and nothing is left in its sessions', () =>
    withDatabase(async (database) => {
      const url = transaction.through(database.connectionString)
      const env = { DATABASE_URL: url, DIRECT_DATABASE_URL: database.connectionString }
      expect(await runBeside(database, env)).toEqual([])
      for (const one of await leftBehind(url)) expect(one).toEqual(CLEAN)
      const { code, stdout } = await runCli(['db', 'check'], { env })
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^ok +pooler .*DIRECT_DATABASE_URL/m)])
    }))

  test('in transaction mode without it everything works too, start and db check say what to set, nothing is left', () =>
    withDatabase(async (database) => {
      const url = transaction.through(database.connectionString)
      const env = { DATABASE_URL: url }
      const said = expect.stringMatching(/^DATABASE_URL leads to a pooler in transaction mode.*DIRECT_DATABASE_URL/)
      expect(await runBeside(database, env)).toEqual([said])
      for (const one of await leftBehind(url)) expect(one).toEqual(CLEAN)
      const { code, stdout } = await runCli(['db', 'check', '-o', 'json'], { env })
      expect(code).toBe(0)
      expect(JSON.parse(stdout)).toContainEqual({ name: 'pooler', level: 'warn', message: said })
    }))

  test.each(['with', 'without'])(
    'in transaction mode %s DIRECT_DATABASE_URL a triggered run is taken up at once',
    (how) =>
      withDatabase(async (database) => {
        const direct = how === 'with' ? { DIRECT_DATABASE_URL: database.connectionString } : {}
        const env = { DATABASE_URL: transaction.through(database.connectionString), ...direct }
        const running = startCli(['start'], { env })
        await vi.waitFor(() => expect(running.stdout()).toContain('page'), WITHIN)
        const { code, stderr } = await runCli(['dags', 'trigger', 'chain', '--wait'], { env })
        expect(code, stderr).toBe(0)
        running.process.kill('SIGTERM')
        expect((await running.ended).code).toBe(0)
      }),
  )

  test('DIRECT_DATABASE_URL must name the same database, and the server itself', () =>
    withDatabase(async (database) =>
      withDatabase(async (other) => {
        const url = transaction.through(database.connectionString)
        const elsewhere = { DATABASE_URL: url, DIRECT_DATABASE_URL: other.connectionString }
        const wrong = await runCli(['pipeline', 'chain'], { env: elsewhere })
        expect(wrong.code).toBe(2)
        expect(wrong.stderr).toMatch(/DIRECT_DATABASE_URL and DATABASE_URL lead to different databases/)
        expect((await runCli(['db', 'check'], { env: elsewhere })).stdout).toMatch(
          /^fail +connection .*different databases/m,
        )
        const pooled = { DATABASE_URL: url, DIRECT_DATABASE_URL: url }
        expect(await runCli(['pipeline', 'chain'], { env: pooled })).toMatchObject({ code: 0 })
        expect((await runCli(['db', 'check'], { env: pooled })).stdout).toMatch(
          /^warn +pooler .*DIRECT_DATABASE_URL leads to a pooler/m,
        )
      }),
    ))
})
