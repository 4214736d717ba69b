import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { type Running, startCli } from '../support/cli.ts'
import { allEnded, CRASH_PIPELINES, crashDags, EFFECT_TABLE, feed, judgeCrashes } from '../support/crash.ts'
import { useDatabase } from '../support/database.ts'
import { until } from '../support/runner.ts'

/** `WORKER_CRASHES=100 npx vitest run test/e2e/workers-crash.test.ts` for the long form. */
const CRASHES = Number(process.env.WORKER_CRASHES ?? 8)

const database = useDatabase()

test(`kill -9 at ${CRASHES} moments, of an owner or a worker in turn: every run ends, no finished try is repeated`, async () => {
  const metadata = openMetadata(database.pool, 'metadata')
  await migrateMetadata(database.pool, 'metadata')
  await database.pool.query(EFFECT_TABLE)
  const dags = await crashDags()
  const settings = { DATABASE_URL: database.connectionString, PIPELINES_DIR: CRASH_PIPELINES, LOG_LEVEL: 'warn' }
  const start = (verb: string): Running =>
    startCli([verb], { env: { ...settings, EXECUTOR: 'distributed', CONCURRENCY: '4', WEB_PORT: '0' } })
  const verbs = ['scheduler', 'worker', 'scheduler', 'worker'] as const
  const processes = verbs.map(start)
  for (let crash = 0; crash < CRASHES; crash++) {
    await until(async () => {
      const pids = processes.map(({ process }) => process.pid)
      const alive = `select from metadata.job where state = 'running' and backend_pid is not null and pid = any($1::int[])`
      return (await metadata.query(alive, [pids])).rowCount === processes.length
    })
    await feed(metadata, dags, 20)
    await delay(100 + ((crash * 337) % 500))
    const victim = crash % processes.length
    processes[victim]?.process.kill('SIGKILL')
    await processes[victim]?.ended
    processes[victim] = start(verbs[victim] ?? '')
  }
  await allEnded(metadata, 120_000)
  for (const { process } of processes) process.kill('SIGTERM')
  const codes = await Promise.all(processes.map(async ({ ended }) => (await ended).code))
  const verdict = await judgeCrashes(metadata)
  console.log(`${CRASHES} crashes: ${JSON.stringify(verdict)}`)
  expect(verdict).toMatchObject({
    failed: 0,
    running: 0,
    startedTwice: 0,
    afterSuccess: 0,
    successTwice: 0,
    unproven: 0,
    tooEarly: 0,
    notOneChild: 0,
  })
  // 143: the last process got SIGTERM while it was still opening its databases.
  expect(codes.filter((code) => code !== 0 && code !== 143)).toEqual([])
  const left = await database.pool.query(
    `select (select count(*)::int from metadata.task_report) as reports, (select count(*)::int from metadata.pool_slot) as slots`,
  )
  expect(left.rows).toEqual([{ reports: 0, slots: 0 }])
}, 600_000)
