import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { clean } from '../../src/maintenance/clean.ts'
import { readStatus } from '../../src/maintenance/status.ts'
import { listTables, TABLES } from '../../src/maintenance/tables.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import { listRuns, showRun } from '../../src/operations/list-runs.ts'
import { useDatabase } from '../support/database.ts'

const database = useDatabase()
let metadata: Metadata
beforeAll(async () => {
  metadata = openMetadata(database.pool, 'metadata')
})
afterEach(() => database.pool.query('truncate metadata.dag, metadata.dag_run, metadata.job, metadata.backfill cascade'))

const DAY_MS = 86_400_000
const signal = new AbortController().signal
const older = (days: number, options = {}) =>
  clean(metadata, { olderThanMs: days * DAY_MS, dryRun: false, signal, ...options })
const rowsOf = (cleaned: Awaited<ReturnType<typeof older>>) =>
  Object.fromEntries(cleaned.map(({ table, rows, error }) => [table, error ?? rows]))

/** Stores one run a day for `days` days until yesterday, each with two task instances, a try, a log line and an output. */
async function placeRuns(dagId: string, days: number): Promise<void> {
  await database.pool.query(
    `with d as (insert into metadata.dag (dag_id) values ('${dagId}')),
     v as (insert into metadata.dag_version (dag_id, hash, graph)
       values ('${dagId}', 'h', '[{"id":"a","upstream":{},"triggerRule":"all_success"},{"id":"b","upstream":{},"triggerRule":"all_success"}]')
       returning dag_version_id),
     r as (insert into metadata.dag_run (dag_id, run_id, run_type, state, logical_date, data_interval_start,
         data_interval_end, dag_version_id, queued_at, started_at, ended_at)
       select '${dagId}', 'run_' || day, 'manual', 'success', at, at, at, dag_version_id, at, at, at
       from v, generate_series(${days}, 1, -1) day, lateral (select now() - day * interval '1 day' as at) t
       returning dag_run_id, ended_at),
     t as (insert into metadata.task_instance (dag_run_id, task_id, state, try_number, started_at, ended_at)
       select dag_run_id, task_id, 'success', 1, ended_at, ended_at from r, unnest('{a,b}'::text[]) task_id
       returning dag_run_id, task_id, ended_at),
     l as (insert into metadata.task_log (dag_run_id, task_id, try_number, logged_at, level, message)
       select dag_run_id, task_id, 1, ended_at, 'info', 'hello' from t)
     insert into metadata.xcom (dag_run_id, task_id, value) select dag_run_id, task_id, '1' from t`,
  )
}

async function runsLeft(dagId: string): Promise<string[]> {
  return (await listRuns(metadata, dagId, 10_000)).map(({ run_id }) => run_id)
}

describe('clean', () => {
  test('deletes older runs in batches with all their rows, and nothing younger', async () => {
    await placeRuns('a', 1_200)
    await placeRuns('b', 20)
    const would = rowsOf(await older(30, { dryRun: true }))
    expect(await runsLeft('a')).toHaveLength(1_200)
    const told: number[] = []
    expect(rowsOf(await older(30, { onProgress: (runs: number) => told.push(runs) }))).toEqual(would)
    expect(would).toEqual({ dag_run: 1_171, job: 0, backfill: 0 })
    expect(told.slice(0, 3)).toEqual([500, 1_000, 1_171])
    expect(await runsLeft('a')).toEqual(Array.from({ length: 29 }, (_, index) => `run_${index + 1}`))
    expect(await runsLeft('b')).toHaveLength(20)
    for (const table of ['task_instance', 'task_log', 'xcom']) {
      const { rows } = await database.pool.query(`select count(*) as n from metadata.${table}`)
      expect([table, rows]).toEqual([table, [{ n: 98 }]])
    }
    expect(rowsOf(await older(30))).toEqual({ dag_run: 0, job: 0, backfill: 0 })
  })

  test("keeps a dag's latest run, latest successful run, latest scheduled run and all unfinished runs", async () => {
    await placeRuns('a', 100)
    await database.pool.query(`update metadata.dag_run set state = 'failed' where run_id not in ('run_70', 'run_90')`)
    await database.pool.query(`update metadata.dag_run set run_type = 'scheduled' where run_id in ('run_80', 'run_95')`)
    await database.pool.query(
      `update metadata.dag_run set state = 'queued', started_at = null, ended_at = null where run_id = 'run_60'`,
    )
    expect(rowsOf(await older(0))).toMatchObject({ dag_run: 96 })
    expect(await runsLeft('a')).toEqual(['run_1', 'run_60', 'run_70', 'run_80'])
  })

  test('skips rows that another transaction is changing', async () => {
    await placeRuns('a', 10)
    await metadata.transaction(async (tx) => {
      await tx.query(`select from metadata.dag_run where run_id = 'run_5' for no key update`)
      expect(rowsOf(await older(2))).toMatchObject({ dag_run: 9 - 1 })
    })
    expect(await runsLeft('a')).toEqual(['run_1', 'run_5'])
  })

  test('deletes jobs that ended long ago, even if a run that they owned is kept', async () => {
    await placeRuns('a', 60)
    await database.pool.query(
      `insert into metadata.job (kind, state, hostname, pid, started_at, heartbeat_at, ended_at)
       select 'pipeline', 'success', 'h', 1, at, at, at
       from generate_series(60, 1, -1) day, lateral (select now() - day * interval '1 day' as at) t
       union all select 'start', 'running', 'h', 2, now() - interval '90 days', now(), null`,
    )
    await database.pool.query('update metadata.dag_run set job_id = (select min(job_id) from metadata.job)')
    expect(rowsOf(await older(30))).toMatchObject({ dag_run: 31, job: 31 })
    const { rows } = await database.pool.query('select state, count(*) as n from metadata.job group by 1 order by 1')
    expect(rows).toEqual([
      { state: 'running', n: 1 },
      { state: 'success', n: 29 },
    ])
  })

  test('continues with the other tables if one fails', async () => {
    await placeRuns('a', 3)
    await database.pool.query('create table public.mine (id bigint references metadata.dag_run)')
    await database.pool.query('insert into public.mine select dag_run_id from metadata.dag_run')
    const cleaned = rowsOf(await older(1))
    await database.pool.query('drop table public.mine')
    expect(cleaned).toEqual({ dag_run: expect.stringMatching(/violates foreign key.*"mine"/), job: 0, backfill: 0 })
    expect(await runsLeft('a')).toHaveLength(3)
  })

  test('stops between two batches on abort', async () => {
    await placeRuns('a', 1_200)
    const stop = new AbortController()
    const cleaned = await older(1, { signal: stop.signal, onProgress: () => stop.abort() })
    expect(rowsOf(cleaned)).toMatchObject({ dag_run: 500 })
    expect(await runsLeft('a')).toHaveLength(700)
  })
})

describe('with a million task instances, no table is read completely', () => {
  /** The query plans if sequential scans cost more than any index. */
  function explaining(): { db: Metadata; plans: string[] } {
    const plans: string[] = []
    const query = async (statement: string | { text: string; values?: unknown[] }, values?: unknown[]) => {
      const [text, given] = typeof statement === 'string' ? [statement, values] : [statement.text, statement.values]
      await metadata.transaction(async (tx) => {
        await tx.query('set local enable_seqscan = off')
        const { rows } = await tx.query(`explain ${text}`, given)
        plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'))
      })
      return await metadata.query(text, given)
    }
    return { db: { ...metadata, query: query as Metadata['query'] }, plans }
  }

  test('dags runs, runs show, db clean and db status use indexes', async () => {
    await placeRuns('a', 600)
    await placeRuns('b', 600)
    await database.pool.query('analyze')
    const { db, plans } = explaining()
    await listRuns(db, 'a', 25)
    await showRun(db, 'a', 'latest')
    await showRun(db, 'a', 'run_300')
    await readStatus(db)
    await clean(db, { olderThanMs: 30 * DAY_MS, dryRun: true, signal })
    await clean(db, { olderThanMs: 30 * DAY_MS, dryRun: false, signal })
    const whole = plans.filter((plan) => /Seq Scan on (dag_run|task_instance|job)\b/.test(plan))
    expect(whole).toEqual([])
    expect(plans.length).toBeGreaterThan(10)
  })
})

test('TABLES lists every table of the schema, so that db reset recognises foreign tables', async () => {
  const strange = (await listTables(metadata)).filter(({ table }) => !TABLES.has(table))
  expect(strange).toEqual([])
})
