import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { openPool } from '../../src/db/pool.ts'
import { checkEngine } from '../../src/maintenance/check-engine.ts'
import { clean } from '../../src/maintenance/clean.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import { migrateEngine } from '../../src/worker/engine-schema.ts'
import { useDatabase } from '../support/database.ts'
import { aJob, aRun } from '../support/factories.ts'
import { until } from '../support/runner.ts'

const database = useDatabase()
let metadata: Metadata
beforeAll(async () => {
  metadata = openMetadata(database.pool, 'metadata')
  const pool = openPool(database.connectionString, { max: 2 })
  await migrateEngine(pool, 'engine', 'metadata').finally(() => pool.end())
})
afterEach(() =>
  database.pool.query(
    `truncate metadata.dag, metadata.dag_run, metadata.job cascade; truncate engine._private_jobs, engine._private_tasks`,
  ),
)

/** Tries of one run, each handed to the workers for so many minutes. */
async function place(dagId: string, minutes: Readonly<Record<string, number>>): Promise<number> {
  const tasks = Object.fromEntries(Object.keys(minutes).map((id) => [id, 'queued' as const]))
  const run = await aRun(metadata, { dagId, state: 'running', tasks })
  for (const [id, ago] of Object.entries(minutes))
    await database.pool.query(
      `update metadata.task_instance set try_number = 1, queued_at = now() - $3 * interval '1 min'
       where dag_run_id = $1 and task_id = $2`,
      [run, id, ago],
    )
  return run
}

async function addJob(run: number, taskId: string, tryNumber = 1): Promise<void> {
  const payload = JSON.stringify({ dagRunId: run, taskId, tryNumber })
  await database.pool.query(`select engine.add_job('rocket:hash', $1::json)`, [payload])
}

const set = (columns: string, taskId: string) =>
  database.pool.query(`update engine._private_jobs set ${columns} where payload ->> 'taskId' = $1`, [taskId])
const checks = async () =>
  (await checkEngine(metadata, 'engine', new Map())).map(({ name, level, message }) => [name, level, message])
const jobs = async () =>
  (await database.pool.query(`select payload ->> 'taskId' as id from engine._private_jobs order by 1`)).rows.map(
    ({ id }) => id,
  )
const cleaned = async (dryRun = false) =>
  (
    await clean(metadata, { olderThanMs: 1_000, dryRun, signal: new AbortController().signal, engineSchema: 'engine' })
  ).find(({ table }) => table === 'engine.jobs')

describe('db check', () => {
  test('without work it names the schema and warns that no worker is alive', async () => {
    expect(await checks()).toEqual([
      ['engine', 'ok', 'schema "engine" is up to date'],
      ['workers', 'warn', 'no worker is alive; start one with npm run worker'],
      ['tries', 'ok', 'no try waits for a worker'],
    ])
  })

  test('tries that wait while no worker is alive are a failure', async () => {
    await addJob(await place('rocket', { a: 2 }), 'a')
    expect(await checks()).toEqual([
      ['engine', 'ok', 'schema "engine" is up to date'],
      ['workers', 'fail', 'no worker is alive; start one with npm run worker'],
      ['tries', 'ok', '1 try of rocket waits for a worker, for 2 min'],
    ])
  })

  test('a try without its job, a job that fails and a job that a dead worker locked are reported', async () => {
    await place('gone', { a: 1, b: 1 })
    await addJob(await place('failing', { c: 1 }), 'c')
    await set(`attempts = 3, last_error = 'no such table'`, 'c')
    await addJob(await place('locked', { d: 30 }), 'd')
    await set(`locked_by = 'dead', locked_at = now() - interval '10 min'`, 'd')
    expect((await checks()).slice(2)).toEqual([
      ['tries', 'warn', '1 try of failing: workers could not start it, and try again; the last error: no such table'],
      [
        'tries',
        'fail',
        '2 tries of gone wait without a job, so no worker starts it; run npm run cli -- tasks clear gone RUN TASK',
      ],
      [
        'tries',
        'warn',
        '1 try of locked: a worker that has ended locked the job; run npm run cli -- db clean --older-than 30d',
      ],
    ])
  })

  test('tables that are missing, old, or of another runner are reported', async () => {
    const pool = openPool(database.connectionString, { max: 2 })
    await migrateEngine(pool, 'old', 'metadata').finally(() => pool.end())
    await database.pool.query('delete from old.migrations where id > 17')
    const of = async (schema: string, db = metadata) =>
      (await checkEngine(db, schema, new Map())).map(({ level, message }) => [level, message])
    expect(await of('missing')).toEqual([
      ['fail', `schema "missing" lacks graphile-worker's tables; run npm run cli -- db migrate`],
    ])
    expect(await of('old')).toEqual([['fail', 'schema "old" is at revision 17 of 19; run npm run cli -- db migrate']])
    expect(await of('old', openMetadata(database.pool, 'other'))).toEqual([
      [
        'fail',
        expect.stringMatching(/^schema "old" holds tables of another T-minus .*; set WORKER_SCHEMA to another$/),
      ],
    ])
  })

  test('it warns when half of the ids are used up, until db clean has reset them', async () => {
    await addJob(await place('rocket', { a: 1 }), 'a')
    await database.pool.query(`select setval(pg_get_serial_sequence('engine._private_tasks', 'id'), 1500000000)`)
    expect((await checks())[0]).toEqual([
      'engine',
      'warn',
      'schema "engine" has used 69 % of its ids; run npm run cli -- db clean --older-than 30d before they run out',
    ])
    expect(await cleaned()).toMatchObject({ error: null })
    expect((await checks())[0]).toEqual(['engine', 'ok', 'schema "engine" is up to date'])
    await database.pool.query(`select engine.add_job('another:hash')`)
    expect(await jobs()).toEqual(['a', null])
  })
})

describe('db clean', () => {
  test('deletes jobs whose try no longer waits, keeps the others, and unlocks those of dead workers', async () => {
    const run = await place('rocket', { waits: 1, moved: 1, taken: 1, stale: 1 })
    for (const id of ['waits', 'taken', 'stale', 'deleted']) await addJob(run, id)
    await addJob(run, 'moved', 0)
    const worker = await aJob(metadata, { kind: 'worker' })
    await database.pool.query(`update metadata.job set engine_id = 'alive' where job_id = $1`, [worker])
    await set(`locked_by = 'alive', locked_at = now() - interval '1 hour'`, 'taken')
    await set(`locked_by = 'dead', locked_at = now() - interval '1 hour'`, 'stale')
    await database.pool.query(
      `update metadata.task_instance set state = 'running', job_id = ${worker}, started_at = now() where task_id = 'taken'`,
    )
    expect(await cleaned(true)).toEqual({ table: 'engine.jobs', rows: 2, error: null })
    expect(await jobs()).toHaveLength(5)
    expect(await cleaned()).toEqual({ table: 'engine.jobs', rows: 2, error: null })
    expect(await jobs()).toEqual(['stale', 'taken', 'waits'])
    const { rows } = await database.pool.query('select locked_by from engine._private_jobs where locked_by is not null')
    expect(rows).toEqual([{ locked_by: 'alive' }])
  })

  test('a write that adds a job while the ids are reset keeps its id, so the next one gets its job too', async () => {
    const run = await place('rocket', { a: 1, b: 1 })
    const add = `select engine.add_job($1, json_build_object('dagRunId', ${run}, 'taskId', $2::text, 'tryNumber', 1))`
    await database.pool.query(add, ['zero:hash', 'a'])
    await cleaned()
    const tx = await database.pool.connect()
    await tx.query('begin')
    await tx.query(add, ['one:hash', 'a'])
    let isDone = false
    const cleaning = cleaned().finally(() => {
      isDone = true
    })
    const waiting = `select from pg_locks where not granted and relation = 'engine._private_tasks'::regclass`
    await until(async () => isDone || (await database.pool.query(waiting)).rows.length > 0)
    await tx.query('commit')
    tx.release()
    expect(await cleaning).toMatchObject({ error: null })
    await database.pool.query(add, ['two:hash', 'b'])
    expect(await jobs()).toEqual(['a', 'a', 'b'])
  })
})
