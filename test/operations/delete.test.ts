import { expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { readSchedules, registerDag } from '../../src/metadata/dags.ts'
import { clearRuns } from '../../src/operations/clear-runs.ts'
import { deleteDag, deleteRun } from '../../src/operations/delete.ts'
import { readRuns } from '../../src/operations/list-runs.ts'
import { openBackfill } from '../../src/operations/open-backfill.ts'
import { cancel } from '../../src/operations/operate.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { insertJob } from '../../src/processes/jobs.ts'
import { useDatabase } from '../support/database.ts'
import { aRun } from '../support/factories.ts'
import { deferred, openTestRunner, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()
const metadata = async () => (await openTestRunner(database, [])).metadata

async function rowsOf(table: string, dagId: string): Promise<number> {
  const { rows } = await (await metadata()).query<{ n: number }>(
    `select count(*)::int as n from metadata.${table} where dag_id = $1`,
    [dagId],
  )
  return rows[0]?.n ?? 0
}

test('a deleted dag leaves no rows: runs, logs, schedule, backfills and versions', async () => {
  const defined = dag(uniqueId('old'), { schedule: '@daily', maxActiveTasks: 2 }, ({ task }) => {
    task('a', { run: (_inputs, { log }) => log.info('hello') })
  })
  const own = await openTestRunner(database, [defined])
  await registerDag(own.metadata, defined, { since: new Date(0), now: new Date() })
  await own.run(defined)
  await enqueue(own.metadata, defined, { logicalDate: new Date() })
  const range = { from: new Date(0), to: new Date(1), reprocess: 'none' } as const
  await openBackfill(own.metadata, { dagId: defined.id, ...range })
  await own.metadata.query(`update metadata.job set dags = '{}'`)
  expect(await deleteDag(own.metadata, defined.id)).toEqual({ runs: 2, isLoaded: false })
  for (const table of ['dag', 'dag_version', 'dag_run', 'dag_schedule', 'backfill'])
    expect([table, await rowsOf(table, defined.id)]).toEqual([table, 0])
  const { rows } = await own.metadata.query('select pool from metadata.pool where pool = $1', [`dag:${defined.id}`])
  expect(rows).toEqual([])
  await expect(deleteDag(own.metadata, defined.id)).rejects.toThrow(`The database has no dag '${defined.id}'`)
})

test('a dag that a running process has loaded stays without runs, and the process can still queue runs of it', async () => {
  const defined = dag(uniqueId('loaded'), {}, ({ task }) => task('a', { run: () => {} }))
  const own = await openTestRunner(database, [defined])
  await own.run(defined)
  const jobId = await insertJob(own.metadata, 'start')
  await own.metadata.query('update metadata.job set dags = $2 where job_id = $1', [jobId, { [defined.id]: 'hash' }])
  expect(await deleteDag(own.metadata, defined.id)).toEqual({ runs: 1, isLoaded: true })
  expect([await rowsOf('dag_run', defined.id), await rowsOf('dag', defined.id)]).toEqual([0, 1])
  expect(await own.run(defined)).toMatchObject({ state: 'success' })
})

test('a running run, and a cancelled one whose task has not ended, are not deleted, nor is their dag', async () => {
  const [started, gate] = [deferred(), deferred()]
  const defined = dag(uniqueId('busy'), { maxActiveTasks: 1 }, ({ task }) => {
    task('a', {
      run: async () => {
        started.resolve()
        await gate.promise
      },
    })
  })
  const own = await openTestRunner(database, [defined])
  const { run, finished } = await own.runner.run(defined, { logicalDate: new Date() })
  await started.promise
  await aRun(own.metadata, { dagId: defined.id, runId: 'ended' })
  const key = { dagId: defined.id, runId: run.runId }
  const refusals = async () => {
    const refused = { code: 'run_in_use', message: expect.stringContaining(run.runId) }
    await expect(deleteRun(own.metadata, key)).rejects.toMatchObject(refused)
    await expect(deleteDag(own.metadata, defined.id)).rejects.toMatchObject(refused)
    expect(await rowsOf('dag_run', defined.id)).toBe(2)
  }
  await refusals()
  await cancel(own.metadata, key)
  own.runner.runChanged(run.dagRunId)
  await finished
  await refusals()
  gate.resolve()
  const slots = 'select from metadata.pool_slot where dag_run_id = $1'
  await until(async () => (await own.metadata.query(slots, [run.dagRunId])).rowCount === 0)
  expect(await deleteRun(own.metadata, key)).toBe(run.runId)
  await expect(deleteRun(own.metadata, key)).rejects.toThrow(`has no run '${run.runId}'`)
  expect(await rowsOf('dag_run', defined.id)).toBe(1)
})

test('the tick of a deleted scheduled run does not run again', async () => {
  const own = await metadata()
  const dagId = uniqueId('ticked')
  const id = await aRun(own, { dagId, runType: 'scheduled' })
  await own.query(`insert into metadata.dag_schedule values ($1, '@hourly', 'UTC', 'epoch')`, [dagId])
  const [run] = await readRuns(own, { dagId, limit: 1 })
  await deleteRun(own, { dagId, runId: 'latest' })
  const state = (await readSchedules(own, [dagId], new Date())).get(dagId)
  expect([run?.id, state?.last, state?.since]).toEqual([id, null, run?.logical_date])
})

test('a filter clears the ended runs that it matches, and counts them first', async () => {
  const own = await metadata()
  const dagId = uniqueId('many')
  const version = await registerDag(
    own,
    dag(dagId, {}, ({ task }) => [task('a', { run() {} }), task('b', { run() {} })]),
  )
  const place = async (runId: string, at: string, facts: Partial<Parameters<typeof aRun>[1]> = {}) => {
    const tasks = { a: 'success', b: 'failed' } as const
    const id = await aRun(own, { dagId, runId, dagVersionId: version, state: 'failed', tasks, ...facts })
    await own.query(
      `update metadata.dag_run set logical_date = $2, data_interval_start = $2, data_interval_end = $2
       where dag_run_id = $1`,
      [id, at],
    )
  }
  await place('early', '2026-01-01')
  await place('first', '2026-01-02')
  await place('fine', '2026-01-03', { state: 'success' })
  await place('last', '2026-01-04', { runType: 'backfill' })
  await place('queued', '2026-01-04', { state: 'queued', tasks: { a: 'none', b: 'none' } })
  const filter = { dagId, state: 'failed', since: new Date('2026-01-02'), until: new Date('2026-01-04') } as const
  const found = ['first', 'last'].map((runId) => ({ runId, taskIds: ['b'], error: null }))
  expect(await clearRuns(own, filter, { dryRun: true, onlyFailed: true })).toEqual(found)
  expect(await clearRuns(own, filter, { dryRun: true, onlyFailed: true })).toEqual(found)
  const ended = (await clearRuns(own, { dagId }, { dryRun: true })).map(({ runId }) => runId)
  expect(ended).toEqual(['early', 'first', 'fine', 'last'])
  expect(await clearRuns(own, { ...filter, runType: 'backfill' }, { dryRun: true })).toMatchObject([{ runId: 'last' }])
  expect(await clearRuns(own, filter, { dryRun: false, onlyFailed: true })).toEqual(found)
  expect(await clearRuns(own, filter, { dryRun: false, onlyFailed: true })).toEqual([])
  const states = (await readRuns(own, { dagId, limit: 9 })).map(({ run_id, state }) => [run_id, state])
  expect(Object.fromEntries(states)).toEqual({
    early: 'failed',
    first: 'queued',
    fine: 'success',
    last: 'queued',
    queued: 'queued',
  })
})

test('a deleted parent leaves the runs that it started, without their link to it', async () => {
  const child = dag(uniqueId('child'), {}, ({ task }) => task('a', { run: () => {} }))
  const parent = dag(uniqueId('parent'), {}, ({ task }) => task.triggerRun('load', { dag: child }))
  const own = await openTestRunner(database, [child, parent])
  const { run_id: runId, children } = await own.run(parent)
  expect(children).toMatchObject([{ dag_id: child.id, task_id: 'load', state: 'queued' }])
  const shown = async () => (await readRuns(own.metadata, { dagId: child.id, limit: 1 }))[0]
  expect(await shown()).toMatchObject({ parent: { dag_id: parent.id, run_id: runId, state: 'success' } })
  await deleteRun(own.metadata, { dagId: parent.id, runId })
  expect(await shown()).toMatchObject({ run_id: children[0]?.run_id, parent: null })
})
