import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Dag } from '../../src/dag/dag.ts'
import { openPool } from '../../src/db/pool.ts'
import { loadDags } from '../../src/load-dags.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { showRun } from '../../src/operations/list-runs.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { type Running, runCli, startCli } from '../support/cli.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { openPooler, PGBOUNCER, type Pooler } from '../support/pgbouncer.ts'
import { until } from '../support/runner.ts'

const PIPELINES = fileURLToPath(new URL('../fixtures/worker-pipelines', import.meta.url))
const SIZE = 6

describe.skipIf(PGBOUNCER === undefined)('workers behind PgBouncer (skipped where it is not installed)', () => {
  let session: Pooler
  let transaction: Pooler
  let database: TestDatabase
  let processes: Running[] = []

  beforeAll(async () => {
    session = await openPooler({ mode: 'session', size: 60 })
    transaction = await openPooler({ mode: 'transaction', size: SIZE })
  })
  afterAll(async () => {
    await session.close()
    await transaction.close()
  })
  beforeEach(async () => {
    database = await createDatabase()
  })
  afterEach(async () => {
    for (const { process } of processes) process.kill('SIGKILL')
    await Promise.all(processes.map(({ ended }) => ended))
    processes = []
    await database.drop()
  })

  async function start(verb: 'scheduler' | 'worker', env: Record<string, string>): Promise<Running> {
    const running = startCli([verb], { env: { ...env, PIPELINES_DIR: PIPELINES, EXECUTOR: 'distributed' } })
    processes.push(running)
    await until(() => running.stdout().includes(verb === 'worker' ? 'executing tasks' : 'health at'))
    return running
  }

  /** Runs five chains, one after the other. Returns how long each took, ms. One of its three tasks is isolated. */
  async function runChains(): Promise<number[]> {
    const metadata = openMetadata(database.pool, 'metadata')
    const { dags } = await loadDags(PIPELINES)
    const took: number[] = []
    for (let round = 0; round < 5; round += 1) {
      const logicalDate = new Date(Date.UTC(2026, 0, 1 + round))
      const { runId } = await enqueue(metadata, dags.get('chain') as Dag, { logicalDate })
      await until(async () => (await showRun(metadata, 'chain', runId))?.state === 'success')
      const { rows } = await database.pool.query<{ ms: number }>(
        `select (extract(epoch from ended_at - queued_at) * 1000)::float8 as ms from metadata.dag_run where run_id = $1`,
        [runId],
      )
      took.push(rows[0]?.ms ?? Number.NaN)
    }
    return took
  }

  async function stop(): Promise<void> {
    for (const { process } of processes.toReversed()) process.kill('SIGTERM')
    for (const { ended } of processes) expect((await ended).code).toBe(0)
    processes = []
  }

  /** Channels that clients left in the server sessions behind the pooler; every session is checked. */
  async function channelsLeft(url: string): Promise<unknown[]> {
    const pool = openPool(url, { max: SIZE })
    const clients = await Promise.all(Array.from({ length: SIZE }, () => pool.connect()))
    for (const client of clients) await client.query('begin')
    const found = await Promise.all(clients.map((client) => client.query('select pg_listening_channels() as channel')))
    for (const client of clients) client.release(true)
    await pool.end()
    return found.flatMap(({ rows }) => rows)
  }

  const median = (values: number[]) => values.toSorted((a, b) => a - b)[2] as number

  test('in session mode they work as without a pooler', async () => {
    const env = { DATABASE_URL: session.through(database.connectionString) }
    const running = [await start('scheduler', env), await start('worker', env)]
    const took = await runChains()
    console.log(`session mode: chains took ${took.map(Math.round).join(', ')} ms`)
    expect(median(took)).toBeLessThan(2_000)
    for (const one of running) expect(one.stdout()).not.toContain('pooler')
    await stop()
  })

  test('in transaction mode with DIRECT_DATABASE_URL they do, too', async () => {
    const url = transaction.through(database.connectionString)
    const env = { DATABASE_URL: url, DIRECT_DATABASE_URL: database.connectionString }
    const running = [await start('scheduler', env), await start('worker', env)]
    const took = await runChains()
    console.log(`transaction mode, direct: chains took ${took.map(Math.round).join(', ')} ms`)
    expect(median(took)).toBeLessThan(2_000)
    for (const one of running) expect(one.stdout()).not.toContain('pooler')
    await stop()
    expect(await channelsLeft(url)).toEqual([])
  })

  test('in transaction mode without it they look for tries once a second, and leave no LISTEN behind', async () => {
    const url = transaction.through(database.connectionString)
    const env = { DATABASE_URL: url }
    const running = [await start('scheduler', env), await start('worker', env)]
    const took = await runChains()
    console.log(`transaction mode: chains took ${took.map(Math.round).join(', ')} ms`)
    expect(median(took)).toBeLessThan(8_000)
    for (const one of running) expect(one.stdout()).toContain('DATABASE_URL leads to a pooler in transaction mode')
    const { stdout } = await runCli(['db', 'check'], {
      env: { ...env, PIPELINES_DIR: PIPELINES, EXECUTOR: 'distributed' },
    })
    expect(stdout).toMatch(/^warn +pooler /m)
    expect(stdout).toMatch(/^ok +workers /m)
    await stop()
    expect(await channelsLeft(url)).toEqual([])
  })
})
