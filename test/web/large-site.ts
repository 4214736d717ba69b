import { type Dag, dag } from '../../src/dag/dag.ts'
import { registerDag } from '../../src/metadata/dags.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import type { TestDatabase } from '../support/database.ts'
import { aRun } from '../support/factories.ts'

/** A graph of `count` tasks: `extract`, then all the parts downstream of it, then `report` downstream of all parts. */
export function largeDag(id: string, count: number, nameOf: (n: number) => string): Dag {
  return dag(id, { description: `${count} tasks`, schedule: '@daily' }, ({ task }) => {
    const extract = task('extract', { run: () => {} })
    const parts = Array.from({ length: count - 2 }, (_, n) => {
      return task(nameOf(n), { upstream: { extract }, run: () => {} })
    })
    task('report', { upstream: Object.fromEntries(parts.map((part) => [part.id, part])), run: () => {} })
  })
}

export const SHORT = (n: number) => `load_partition_${String(n).padStart(4, '0')}`
export const LONG = (n: number) => `${SHORT(n)}_${'of_the_warehouse_'.repeat(13)}`.slice(0, 240)

/** Has a secret that `openSite` knows at the place where a text of 300 characters is cut. */
const CUT_SECRET = `${'x'.repeat(293)}s3cr3t-value ${'<"&> '.repeat(100)}`

/**
 * Stores three runs of the dag without the limits of today, as older versions did: 1 % of the tasks failed, with
 * reasons and errors of 5 MB, hundreds of tries, long logs and outputs.
 */
export async function placeRuns(database: TestDatabase, large: Dag): Promise<void> {
  const db = openMetadata(database.pool, 'metadata')
  const version = await registerDag(db, large)
  for (let n = 1; n <= 3; n++) await placeRun(db, large, version, n)
  await database.pool.query('analyze metadata.task_instance')
}

async function placeRun(db: Metadata, { id, graph }: Dag, version: number, n: number): Promise<void> {
  const run = await aRun(db, {
    dagId: id,
    runId: `scheduled__2026-01-0${n}T00:00:00.000Z`,
    runType: 'scheduled',
    state: 'failed',
    dagVersionId: version,
    conf: { list: Array(60_000).fill('"<&>"') },
    reason: long(`${id} failed`),
  })
  await db.query(
    `insert into metadata.task_instance (dag_run_id, task_id, state, try_number, failures, reason, error, started_at, ended_at)
     select $1, t, case when n % 100 = 7 then 'failed' else 'success' end, 1, 0,
       case when n = 7 then $3 when n % 100 = 7 then $4 end, case when n = 7 then $3 end,
       now() - interval '1 hour' + n * interval '100 ms', now() - interval '30 minutes' + n * interval '100 ms'
     from unnest($2::text[]) with ordinality u (t, n)`,
    [run, graph.taskIds, long('Invalid line:'), CUT_SECRET],
  )
  const task = graph.taskIds[6]
  await db.query(`update metadata.task_instance set try_number = 400 where dag_run_id = $1 and task_id = $2`, [
    run,
    task,
  ])
  await db.query(
    `insert into metadata.task_instance_history (dag_run_id, task_id, try_number, state, reason, error, started_at, ended_at)
     select $1, $2, n, 'failed', $3, $3, now() - interval '1 hour' + n * interval '1 s', now() - interval '1 hour' + n * interval '2 s'
     from generate_series(1, 400) n`,
    [run, task, '"<&>" '.repeat(20_000)],
  )
  await db.query(
    `insert into metadata.task_log (dag_run_id, task_id, try_number, logged_at, level, message, fields)
     select $1, $2, t, now(), 'info', 'line ' || n || ' of ' || t || ' ' || $3, jsonb_build_object('quoted', $3::text)
     from generate_series(1, 1000) n, unnest('{1,400}'::int[]) t`,
    [run, task, '"<&>" '.repeat(1_000)],
  )
  await db.query(`insert into metadata.xcom (dag_run_id, task_id, value) select $1, $2, to_jsonb($3::text)`, [
    run,
    graph.taskIds[1],
    '"<&>" '.repeat(150_000),
  ])
}

function long(text: string): string {
  return `${text} ${'"0,0,0" <b> '.repeat(420_000)}`
}

/** Fills the other lists with more rows than a page can show. */
export async function placeLists(database: TestDatabase): Promise<void> {
  const { pool } = database
  await pool.query(`insert into metadata.pool (pool, slots, description) select 'pool_' || n, 1, repeat('"<&>" ', 2000)
    from generate_series(1, 1000) n`)
  await pool.query(`insert into metadata.job (kind, hostname, pid, reason, state, ended_at) select 'worker', repeat('h', 250), n,
    repeat('"<&>" ', 20000), 'failed', now() from generate_series(1, 200) n`)
}
