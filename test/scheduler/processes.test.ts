import { expect, test } from 'vitest'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { useDatabase } from '../support/database.ts'
import { FULL } from '../support/random.ts'
import { percentile, readTicks, runSchedulers } from '../support/scheduler-processes.ts'

const database = useDatabase()

/** FUZZ=full: three minutes, a kill every ten seconds. */
const [FOR_MS, KILL_EVERY_MS] = FULL ? [180_000, 10_000] : [12_000, 4_000]

test('two processes, one of which is killed repeatedly, run every tick once', async () => {
  const schedules = await runSchedulers(database.connectionString, FOR_MS, KILL_EVERY_MS)
  const ticks = await readTicks(openMetadata(database.pool, 'metadata'), schedules)
  expect(ticks.map(({ dagId, missing, double }) => [dagId, missing, double])).toEqual([
    ['one', 0, 0],
    ['three', 0, 0],
    ['two', 0, 0],
  ])
  expect(schedules.kills).toBeGreaterThan(0)
  const delays = ticks.flatMap((one) => one.delays).sort((a, b) => a - b)
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((part) => percentile(delays, part).toFixed(0))
  console.log(
    `${delays.length} ticks, ${schedules.kills} kills; start after the tick: p50 ${p50}, p95 ${p95}, p99 ${p99} ms`,
  )
}, 300_000)
