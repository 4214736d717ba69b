import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Dag } from '../../src/dag/dag.ts'
import { loadDags } from '../../src/load-dags.ts'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { type Running, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { until } from '../support/runner.ts'

const PIPELINES = fileURLToPath(new URL('../fixtures/careless-pipelines', import.meta.url))

/** `CRASHES=100 npx vitest run test/e2e/crashing.test.ts` for the long form. */
const ROUNDS = Number(process.env.CRASHES ?? 4)
const INNOCENT = 4

const database = useDatabase()

test(`${ROUNDS} rounds of a dag that kills its process beside innocent ones: no innocent task fails`, async () => {
  const metadata = openMetadata(database.pool, 'metadata')
  await migrateMetadata(database.pool, 'metadata')
  const { dags } = await loadDags(PIPELINES)
  const queue = (dagId: string, conf = {}) =>
    enqueue(metadata, dags.get(dagId) as Dag, { logicalDate: new Date(), conf })
  const env = {
    DATABASE_URL: database.connectionString,
    PIPELINES_DIR: PIPELINES,
    LOG_LEVEL: 'error',
    CONCURRENCY: '8',
  }
  const start = () => startCli(['scheduler'], { env: { ...env, ISOLATION: process.env.ISOLATION } })
  let [worker, deaths]: [Running, number] = [start(), 0]
  for (let round = 0; round < ROUNDS; round++) {
    for (let one = 0; one < INNOCENT; one++) await queue('innocent')
    await queue('crashing', { afterMs: (round * 37) % 250 })
    await until(async () => {
      if (worker.process.exitCode !== null || worker.process.signalCode !== null) {
        deaths++
        worker = start()
      }
      const open = `select from metadata.dag_run where state in ('queued', 'running')`
      return (await metadata.query(open)).rowCount === 0
    }, 120_000)
  }
  worker.process.kill('SIGTERM')
  await worker.ended
  const { rows } = await metadata.query(
    `select dag_id, count(*)::int as tasks, count(*) filter (where t.state = 'failed')::int as failed,
       sum(t.lost)::int as charges, sum(t.try_number - 1)::int as repeated
     from metadata.task_instance t join metadata.dag_run using (dag_run_id) group by 1 order by 1 desc`,
  )
  console.log(`${ROUNDS} rounds, ${deaths} deaths of the process: ${JSON.stringify(rows)}`)
  expect(deaths).toBeGreaterThanOrEqual(ROUNDS)
  expect(rows).toMatchObject([
    { dag_id: 'innocent', tasks: 2 * INNOCENT * ROUNDS, failed: 0 },
    { dag_id: 'crashing', tasks: ROUNDS, failed: ROUNDS },
  ])
}, 3_600_000)
