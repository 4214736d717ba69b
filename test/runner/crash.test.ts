import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, expect, test } from 'vitest'
import type { Metadata } from '../../src/metadata/metadata.ts'
import type { Running } from '../support/cli.ts'
import { allEnded, crashDags, EFFECT_TABLE, feed, judgeCrashes, startWorker } from '../support/crash.ts'
import { useDatabase } from '../support/database.ts'
import { openTestRunner, until } from '../support/runner.ts'

/** `CRASHES=200 npx vitest run test/runner/crash.test.ts` for the long form. */
const CRASHES = Number(process.env.CRASHES ?? 10)

const database = useDatabase()

beforeAll(async () => {
  await database.pool.query(EFFECT_TABLE)
})

test(`kill -9 at ${CRASHES} random moments, two processes at work: every run ends, no finished try is repeated`, async () => {
  const dags = await crashDags()
  const { metadata } = await openTestRunner(database, dags)
  // The parent only queues runs: it must not count as a dead process.
  await metadata.query(`update metadata.job set state = 'success', ended_at = now()`)
  const workers = [startWorker(database.connectionString), startWorker(database.connectionString)]
  const killed = new Map<number, number>()
  let seed = 7
  for (let crash = 0; crash < CRASHES; crash++) {
    await until(() => areAtWork(metadata, workers))
    await feed(metadata, dags, 24)
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    await delay(seed % 600)
    const victim = workers[crash % 2]
    killed.set(victim?.process.pid ?? 0, Date.now())
    victim?.process.kill('SIGKILL')
    await victim?.ended
    workers[crash % 2] = startWorker(database.connectionString)
  }
  await allEnded(metadata, 120_000)
  await until(() => areAtWork(metadata, workers))
  for (const worker of workers) worker.process.kill('SIGTERM')
  const ends = await Promise.all(workers.map(({ ended }) => ended))

  const { rows } = await metadata.query<{ pid: number; ended_at: Date }>(
    `select pid, ended_at from metadata.job where state = 'failed'`,
  )
  const waits = rows.map(({ pid, ended_at }) => ended_at.getTime() - (killed.get(pid) ?? 0)).sort((a, b) => a - b)
  const p95 = waits[Math.floor(waits.length * 0.95)] ?? 0
  const verdict = await judgeCrashes(metadata)
  console.log(
    `${CRASHES} crashes: ${JSON.stringify(verdict)}; ${waits.length} found after ms: median ${waits[waits.length >> 1]}, p95 ${p95}`,
  )
  // 143: the last process got SIGTERM while it was still opening its databases.
  for (const { code, stderr } of ends) expect([[0, 143].includes(code ?? -1), stderr]).toEqual([true, ''])
  expect(verdict).toMatchObject({ running: 0, startedTwice: 0, afterSuccess: 0, successTwice: 0, unproven: 0 })
  expect(verdict).toMatchObject({ tooEarly: 0, notOneChild: 0 })
  expect(verdict.lostTries).toBeGreaterThan(0)
  expect(verdict.failed).toBeLessThan(verdict.runs / 10)
  // They are found by their free locks, because their leases expire only after 30 s.
  expect(p95).toBeLessThan(15_000)
}, 900_000)

async function areAtWork(metadata: Metadata, workers: readonly Running[]): Promise<boolean> {
  const { rowCount } = await metadata.query(
    `select from metadata.job where state = 'running' and backend_pid is not null and pid = any($1::int[])`,
    [workers.map(({ process: { pid } }) => pid)],
  )
  return rowCount === workers.length
}
