import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { loadDags } from '../../src/load-dags.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { After } from '../../src/operations/after.ts'
import { useDatabase } from '../support/database.ts'
import { FULL } from '../support/random.ts'
import { silent } from '../support/runner.ts'
import { runSchedulers } from '../support/scheduler-processes.ts'

const PIPELINES = fileURLToPath(new URL('../fixtures/after-pipelines', import.meta.url))
/** FUZZ=full: two minutes, a kill every five seconds. */
const [FOR_MS, KILL_EVERY_MS] = FULL ? [120_000, 5_000] : [12_000, 3_000]

const database = useDatabase()

test('two processes, one of which is killed repeatedly, count every success once', async () => {
  const { kills } = await runSchedulers(database.connectionString, FOR_MS, KILL_EVERY_MS, PIPELINES)
  const db = openMetadata(database.pool, 'metadata')
  const { dags } = await loadDags(PIPELINES)
  // The last successes were stored after the last check.
  await db.query(`update metadata.dag_run set state = 'failed', ended_at = now(), job_id = null where ended_at is null`)
  const after = new After({ db, dags: dags.values(), log: silent })
  await after.check()
  await after.stop()
  const followed = `(values ('either', 'orders', ''), ('either', 'prices', ''), ('both', 'orders', ''), ('both', 'prices', 'load'),
    ('chained', 'either', '')) as f (dag_id, source, task_id)`
  const { rows } = await db.query<Record<string, number | string>>(
    `select f.dag_id || ' ' || f.source as pair, count(*)::int as successes,
       count(*) filter (where counted = 0 and f.dag_id <> 'both')::int as lost,
       count(*) filter (where counted > 1)::int as twice
     from ${followed} join metadata.dag_run r on r.dag_id = f.source
     left join metadata.task_instance t on t.dag_run_id = r.dag_run_id and t.task_id = f.task_id
     cross join lateral (select count(*) as counted from metadata.dag_after_success s
       where s.dag_run_id = r.dag_run_id and s.dag_id = f.dag_id and s.task_id = f.task_id) c
     where case when f.task_id = '' then r.state else t.state end = 'success'
       -- A process registers its dags before it queues their first runs, but another dag may be first.
       and r.ended_at > (select min(ended_at) from metadata.dag_after_success) group by 1 order by 1`,
  )
  for (const { pair, lost, twice, successes } of rows) {
    expect([pair, lost, twice]).toEqual([pair, 0, 0])
    expect(successes).toBeGreaterThan(3)
  }
  expect(rows).toHaveLength(5)
  const { rows: wrong } = await db.query(
    `select r.run_id from metadata.dag_run r cross join lateral (
       select count(distinct o.dag_id) as sources from metadata.dag_after_success s
       join metadata.dag_run o on o.dag_run_id = s.dag_run_id where s.started_run_id = r.dag_run_id) s
     where r.dag_id in ('both', 'either', 'chained') and sources < case when r.dag_id = 'both' then 2 else 1 end`,
  )
  expect(wrong).toEqual([])
  expect(kills).toBeGreaterThan(0)
  console.log(`${kills} kills; successes: ${rows.map(({ pair, successes }) => `${pair} ${successes}`).join(', ')}`)
}, 300_000)
