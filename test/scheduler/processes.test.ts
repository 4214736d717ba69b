import { expect, test } from 'vitest'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { useDatabase } from '../support/database.ts'
import { FULL } from '../support/random.ts'
import { CONTINUOUS_PIPELINES, percentile, readTicks, runSchedulers } from '../support/scheduler-processes.ts'

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

test('two processes, one of which is killed repeatedly, never run a continuous dag twice at once', async () => {
  const { kills } = await runSchedulers(database.connectionString, FOR_MS, KILL_EVERY_MS, CONTINUOUS_PIPELINES)
  const { rows: runs } = await openMetadata(database.pool, 'metadata').query<{
    state: string
    queuedAfterMs: number | null
    startedAfterMs: number | null
  }>(
    `select state::text, 1000 * extract(epoch from queued_at - lag(ended_at) over w)::float8 as "queuedAfterMs",
       1000 * extract(epoch from started_at - lag(started_at) over w)::float8 as "startedAfterMs"
     from metadata.dag_run where dag_id = 'always' window w as (order by dag_run_id) order by dag_run_id`,
  )
  const waits = runs.slice(1).map(({ queuedAfterMs }) => queuedAfterMs ?? -1)
  expect(waits.filter((ms) => ms < 0)).toEqual([])
  expect(runs.slice(1).filter(({ startedAfterMs }) => (startedAfterMs ?? 1_000) < 1_000)).toEqual([])
  expect(new Set(runs.slice(0, -1).map(({ state }) => state))).toEqual(new Set(['success', 'failed']))
  expect(runs.length).toBeGreaterThan(4)
  expect(kills).toBeGreaterThan(0)
  const sorted = waits.sort((a, b) => a - b)
  const [p50, p95] = [0.5, 0.95].map((part) => percentile(sorted, part).toFixed(0))
  console.log(`${runs.length} runs, ${kills} kills; queued after the end of the last run: p50 ${p50}, p95 ${p95} ms`)
}, 300_000)
