import { afterAll, beforeAll, expect, test } from 'vitest'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { DAGS_MARK, markReaders } from '../../src/web/live/marks.ts'
import { readDags } from '../../src/web/queries/dags.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'

/** The list of dags is checked once a second, so the check must be fast even with many stored runs. */
let database: TestDatabase
beforeAll(async () => {
  database = await createDatabase()
  await database.pool.query(`
    insert into metadata.dag (dag_id) select 'dag-' || n from generate_series(1, 1000) n;
    insert into metadata.dag_version (dag_id, hash, graph) select dag_id, '', '[]' from metadata.dag;
    insert into metadata.dag_run (dag_id, run_id, run_type, state, logical_date, data_interval_start, data_interval_end,
      dag_version_id, started_at, ended_at)
    select 'dag-' || n % 1000 + 1, 'r' || n, 'manual', 'success', now(), now(), now(), n % 1000 + 1, now(), now()
    from generate_series(1, 100000) n;
    insert into metadata.job (kind, hostname, pid) values ('start', 'here', 1);
    update metadata.dag_run set state = 'running', ended_at = null, job_id = 1 where dag_run_id % 1000 = 7;`)
  await database.pool.query('vacuum analyze metadata.dag_run, metadata.dag')
})
afterAll(async () => await database.drop())

const marks = () => markReaders(openMetadata(database.pool, 'metadata')).dags?.(['all', 'other'])
const change = async (text: string) => {
  const before = await marks()
  await database.pool.query(text)
  return (await marks())?.get('all') !== before?.get('all')
}

test('with 1,000 dags and 100,000 runs, the mark reads only the unfinished runs', async () => {
  const text = `explain (analyze, buffers, format json) ${DAGS_MARK}`
  const { rows } = await database.pool.query(text, [['all']])
  const plan = JSON.stringify(rows)
  const scanned = [...plan.matchAll(/"Node Type":"Seq Scan"[^{}]*?"Relation Name":"(\w+)"/g)].map(([, name]) => name)
  expect(scanned).toEqual(['dag'])
  expect(rows[0]['QUERY PLAN'][0].Plan['Shared Hit Blocks']).toBeLessThan(200)
})

test('the whole list has one mark, which changes with what the list shows', async () => {
  expect([...((await marks()) ?? [])].map(([key]) => key)).toEqual(['all'])
  expect(await change('select 1')).toBe(false)
  const run = `insert into metadata.dag_run (dag_id, run_id, run_type, state, logical_date, data_interval_start,
    data_interval_end, dag_version_id) select 'dag-2', 'new', 'manual', 'queued', now(), now(), now(), 2`
  expect(await change(run)).toBe(true)
  const begun = `update metadata.dag_run set state = 'running', job_id = 1, started_at = now() where run_id = 'new'`
  expect(await change(begun)).toBe(true)
  expect(await change(`update metadata.dag_run set state = 'failed', ended_at = now() where run_id = 'new'`)).toBe(true)
  expect(await change(`update metadata.dag set is_paused = true where dag_id = 'dag-3'`)).toBe(true)
  const swapped = `update metadata.dag set is_paused = dag_id = 'dag-4' where dag_id in ('dag-3', 'dag-4')`
  expect(await change(swapped)).toBe(true)
})

test('the list shows how many runs are unfinished', async () => {
  await database.pool.query(`update metadata.dag_run set state = 'queued', started_at = null where dag_run_id = 1007`)
  const wanted = { loaded: [], search: 'dag-8', after: '', limit: 1, runs: 25 }
  const [row] = await readDags(openMetadata(database.pool, 'metadata'), wanted)
  expect([row?.dag_id, row?.running, row?.queued, row?.runs.length]).toEqual(['dag-8', 99, 1, 25])
})
