import { beforeAll, expect, test } from 'vitest'
import { enqueue } from '../../src/operations/trigger.ts'
import { allEnded, crashDags, EFFECT_TABLE, judgeCrashes, startWorker } from '../support/crash.ts'
import { useDatabase } from '../support/database.ts'
import { openTestRunner } from '../support/runner.ts'

const database = useDatabase()

beforeAll(async () => {
  await database.pool.query(EFFECT_TABLE)
})

test('two processes started at the same instant on the same queued run execute it once', async () => {
  // Each of their tasks is one task instance with one try.
  const dags = (await crashDags()).filter(({ id }) => id.startsWith('random-'))
  const { metadata } = await openTestRunner(database, dags)
  await metadata.query(`update metadata.job set state = 'success', ended_at = now()`)
  for (const dag of dags) await enqueue(metadata, dag, { logicalDate: new Date() })
  const workers = [startWorker(database.connectionString), startWorker(database.connectionString)]
  await allEnded(metadata, 60_000)
  for (const { process } of workers) process.kill('SIGTERM')
  await Promise.all(workers.map(({ ended }) => ended))
  const { rows } = await metadata.query<{ tasks: number; begun: number; tries: number }>(`select
    (select count(*)::int from metadata.task_instance where state = 'success') as tasks,
    (select count(*)::int from effect where what = 'begun') as begun,
    (select max(try_number) from metadata.task_instance) as tries`)
  const tasks = dags.reduce((sum, dag) => sum + dag.tasks.size, 0)
  expect(rows).toEqual([{ tasks, begun: tasks, tries: 1 }])
  expect(await judgeCrashes(metadata)).toMatchObject({ failed: 0, startedTwice: 0, successTwice: 0 })
})
