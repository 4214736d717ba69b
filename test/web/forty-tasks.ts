import { type Dag, dag } from '../../src/dag/dag.ts'
import { registerDag } from '../../src/metadata/dags.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import type { TestDatabase } from '../support/database.ts'
import { aRun } from '../support/factories.ts'

const run = () => {}
const SOURCES = ['orders', 'customers', 'invoices', 'shipments', 'returns', 'web_sessions', 'stock_levels', 'prices']

/** 40 tasks: five for each of eight sources, side by side, between `extract_…` and `publish_…`. */
export function fortyTasks(id: string): Dag {
  return dag(id, { description: 'Loads eight sources into the warehouse', schedule: '@hourly' }, ({ task }) => {
    for (const [at, source] of SOURCES.entries()) {
      const extract = task(`extract_${source}`, { run })
      const clean = task(`clean_${source}`, { upstream: { extract }, run })
      const load = task(`load_${source}_into_the_warehouse_of_the_region_emea`, { upstream: { clean }, run })
      const check = task(`check_${source}`, {
        upstream: { clean, load },
        triggerRule: at === 2 ? 'all_done' : 'all_success',
        run,
      })
      task(`publish_${source}`, { upstream: { extract, check }, run })
    }
  })
}

/** 60 hourly runs, each seventh of them failed. Returns their ids, oldest first. */
export async function placeSixtyRuns(database: TestDatabase, forty: Dag): Promise<number[]> {
  const db = openMetadata(database.pool, 'metadata')
  const version = await registerDag(db, forty)
  const ids: number[] = []
  for (let n = 0; n < 60; n++) ids.push(await placeRun(db, forty, version, n))
  return ids
}

async function placeRun(db: Metadata, forty: Dag, dagVersionId: number, n: number): Promise<number> {
  const at = new Date(Date.UTC(2026, 0, 5 + Math.floor(n / 24), n % 24))
  const failed = n % 7 === 3
  const runId = n % 20 === 5 ? `backfill-of-the-third-quarter-${n}` : `scheduled__${at.toISOString()}`
  const facts = {
    dagId: forty.id,
    runId,
    runType: 'scheduled',
    state: failed ? 'failed' : 'success',
    dagVersionId,
  } as const
  const id = await aRun(db, { ...facts, reason: failed ? 'check_orders failed: 3 of 400 rows have no price' : null })
  await db.query(
    `update metadata.dag_run set logical_date = $2, queued_at = $2, started_at = $2,
       ended_at = $2::timestamptz + interval '1 s' * (60 + 17 * ($1::int % 11)) where dag_run_id = $1`,
    [id, at],
  )
  await db.query(
    `insert into metadata.task_instance (dag_run_id, task_id, state, try_number, reason, error, started_at, ended_at)
     select $1, t, case when $3 and t = 'check_orders' then 'failed' when $3 and t = 'publish_orders' then 'upstream_failed'
         when n % 13 = $4 % 13 then 'skipped' else 'success' end, 1,
       case when $3 and t = 'check_orders' then '3 of 400 rows have no price' end,
       case when $3 and t = 'check_orders' then 'Error: 3 of 400 rows have no price' end,
       $5::timestamptz + interval '1 s' * n, $5::timestamptz + interval '1 s' * (n + 4)
     from unnest($2::text[]) with ordinality u (t, n)`,
    [id, forty.graph.taskIds, failed, n, at],
  )
  return id
}
