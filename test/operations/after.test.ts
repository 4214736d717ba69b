import format from 'pg-format'
import { expect, onTestFinished, test } from 'vitest'
import { type Dag, type DagOptions, dag } from '../../src/dag/dag.ts'
import { openPool } from '../../src/db/pool.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import { After } from '../../src/operations/after.ts'
import { deleteDag, deleteRun } from '../../src/operations/delete.ts'
import { readRuns, readWholeRun } from '../../src/operations/list-runs.ts'
import { clear, mark } from '../../src/operations/operate.ts'
import { setPaused } from '../../src/operations/pause.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { insertJob } from '../../src/processes/jobs.ts'
import { address } from '../support/address.ts'
import { useDatabase } from '../support/database.ts'
import { aRun } from '../support/factories.ts'
import { openTestRunner, silent, uniqueId, until } from '../support/runner.ts'
import { openScheduler, SetClock } from '../support/scheduling.ts'

const database = useDatabase()

type Sources = NonNullable<DagOptions<never, never>['after']>

const follower = (after: Sources, schedule: string | null = null, id = uniqueId('follower')) =>
  dag(id, { after, schedule }, ({ task }) => task('only', { run: () => {} }))

const source = () =>
  dag(uniqueId('source'), {}, ({ task }) => {
    const load = task('load', { run: () => {} })
    task('report', { upstream: { load }, run: () => {} })
  })

const openAfter = (db: Metadata, dags: readonly Dag[]) => new After({ db, dags, log: silent })

/** A process that has registered these dags. */
async function open(...dags: Dag[]) {
  const db = openMetadata(database.pool, 'metadata')
  const after = openAfter(db, dags)
  onTestFinished(() => after.stop())
  await after.check()
  const runsOf = ({ id }: Dag) => readRuns(db, { dagId: id, limit: 100 })
  const counts = (given: readonly Dag[]) => Promise.all(given.map(async (one) => (await runsOf(one)).length))
  /** The number of runs that a check queues, of each of these dags. The queued runs then succeed. */
  const started = async (...given: Dag[]) => {
    const before = await counts(given)
    await after.check()
    const now = await counts(given)
    await succeedQueued(db, given)
    return now.map((count, index) => count - (before[index] ?? 0))
  }
  /** Stores a run that has just succeeded. */
  const succeed = ({ id }: Dag, runId = uniqueId('run')) =>
    aRun(db, { dagId: id, runId, tasks: { load: 'success', report: 'success' } })
  return { db, after, succeed, runsOf, started }
}

async function succeedQueued(db: Metadata, dags: readonly Dag[]): Promise<void> {
  await db.query(
    `update metadata.dag_run set state = 'success', started_at = now(), ended_at = now()
     where state = 'queued' and dag_id = any($1)`,
    [dags.map(({ id }) => id)],
  )
}

test('a dag starts once when all of its sources have succeeded since its last run', async () => {
  const [a, b] = [source(), source()]
  const both = follower([a, b.id])
  const { succeed, started, runsOf } = await open(a, b, both)
  expect(await started(both)).toEqual([0])
  await succeed(a)
  await succeed(a)
  expect(await started(both)).toEqual([0])
  await succeed(b)
  expect(await started(both)).toEqual([1])
  expect(await started(both)).toEqual([0])
  await succeed(b)
  expect(await started(both)).toEqual([0])
  await succeed(a)
  expect(await started(both)).toEqual([1])
  const runs = await runsOf(both)
  expect(runs.map(({ run_id, run_type }) => [run_id, run_type])).toEqual(
    Array(2).fill([expect.stringMatching(/^after__\d{4}-.*Z_[0-9a-f]{8}$/), 'asset_triggered']),
  )
})

test('a dag that cannot be stored is logged once for each reason, and does not delay the others', async () => {
  const [a, bad] = [source(), follower([uniqueId('source')])]
  const good = follower([a])
  const { db, succeed, runsOf } = await open()
  const errors: unknown[] = []
  const log = {
    ...silent,
    error: (fields: { dag_id: string; err: Error }) => errors.push([fields.dag_id, fields.err.message]),
  }
  const after = new After({ db, dags: [bad, good], log: log as never })
  const refuse = (name: string) =>
    db.query(format('alter table metadata.dag_after add constraint %I check (dag_id <> %L)', name, bad.id))
  onTestFinished(async () => void (await db.query('alter table metadata.dag_after drop constraint if exists second')))
  await refuse('first')
  for (let check = 0; check < 3; check++) await after.check()
  await succeed(a)
  await refuse('second')
  await db.query('alter table metadata.dag_after drop constraint first')
  for (let check = 0; check < 3; check++) await after.check()
  expect(errors).toEqual([
    [bad.id, expect.stringContaining('"first"')],
    [bad.id, expect.stringContaining('"second"')],
  ])
  expect(await runsOf(good)).toHaveLength(1)
})

test('a run follows a limited number of successes, and the others of that time start no further run', async () => {
  const a = source()
  const next = follower([a])
  const { db, succeed, started, runsOf } = await open(a, next)
  await succeed(a)
  await db.query(
    `insert into metadata.dag_run (dag_id, run_id, run_type, state, dag_version_id, logical_date, data_interval_start,
       data_interval_end, conf, queued_at, started_at, ended_at)
     select dag_id, 'many_' || n, run_type, state, dag_version_id, logical_date, data_interval_start,
       data_interval_end, conf, queued_at, started_at, ended_at
     from metadata.dag_run, generate_series(1, 10000) n where dag_id = $1`,
    [a.id],
  )
  expect(await started(next)).toEqual([1])
  expect(await started(next)).toEqual([0])
  expect(await runsOf(next)).toHaveLength(1)
})

test('with any, one source is enough', async () => {
  const [a, b] = [source(), source()]
  const either = follower({ any: [a, b] })
  const { succeed, started } = await open(a, b, either)
  await succeed(b)
  expect(await started(either)).toEqual([1])
  await succeed(a)
  await succeed(b)
  expect(await started(either)).toEqual([1])
  expect(await started(either)).toEqual([0])
})

test('a run of a source that failed, or that has not ended, does not count', async () => {
  const a = source()
  const one = follower([a])
  const { db, started } = await open(a, one)
  await aRun(db, { dagId: a.id, state: 'failed', tasks: { load: 'success' } })
  await aRun(db, { dagId: a.id, runId: 'running', state: 'running', tasks: { load: 'success' } })
  expect(await started(one)).toEqual([0])
})

test('a task of a source counts once it has succeeded, whatever becomes of its run', async () => {
  const a = source()
  const one = follower([{ dag: a, task: 'load' }])
  const { db, started } = await open(a, one)
  const id = await aRun(db, { dagId: a.id, state: 'running', tasks: { load: 'running', report: 'none' } })
  expect(await started(one)).toEqual([0])
  await db.query(
    `update metadata.task_instance set state = 'success', ended_at = now() where dag_run_id = $1 and task_id = 'load'`,
    [id],
  )
  expect(await started(one)).toEqual([1])
  await db.query(`update metadata.dag_run set state = 'failed', ended_at = now() where dag_run_id = $1`, [id])
  await aRun(db, { dagId: a.id, runId: 'skipped', tasks: { load: 'skipped', report: 'success' } })
  expect(await started(one)).toEqual([0])
  await aRun(db, { dagId: a.id, runId: 'failed', state: 'failed', tasks: { load: 'success', report: 'failed' } })
  expect(await started(one)).toEqual([1])
})

test('a run that succeeds again after a clear or a mark counts again; its task counts if it ran again', async () => {
  const a = source()
  const [whole, load] = [follower([a]), follower([{ dag: a, task: 'load' }])]
  const { started } = await open(a, whole, load)
  const own = await openTestRunner(database, [a])
  const { run_id: runId } = await own.run(a)
  expect(await started(whole, load)).toEqual([1, 1])
  const succeedsAgain = async () => {
    await own.runner.claim({ dagIds: [a.id], onlyBegun: false })
    await until(async () => (await readRuns(own.metadata, { dagId: a.id, limit: 1 }))[0]?.state === 'success')
  }
  await clear(own.metadata, { dagId: a.id, runId }, { taskIds: ['report'] })
  expect(await started(whole, load)).toEqual([0, 0])
  await succeedsAgain()
  expect(await started(whole, load)).toEqual([1, 0])
  await clear(own.metadata, { dagId: a.id, runId }, { taskIds: ['load'] })
  await succeedsAgain()
  expect(await started(whole, load)).toEqual([1, 1])
  await mark(own.metadata, a, runId, 'report', 'success')
  await succeedsAgain()
  expect(await started(whole, load)).toEqual([1, 0])
})

test('the run has the newest logical date of the runs that it follows, and an interval that covers theirs', async () => {
  const [a, b] = [source(), source()]
  const both = follower([a, b])
  const { db, succeed, started, runsOf } = await open(a, b, both)
  const ids = [await succeed(a), await succeed(a), await succeed(b)]
  for (const [index, id] of ids.entries())
    await db.query(
      `update metadata.dag_run set data_interval_start = '2026-01-01'::timestamptz + $2 * interval '1 day',
         logical_date = '2026-01-02'::timestamptz + $2 * interval '1 day',
         data_interval_end = '2026-01-02'::timestamptz + $2 * interval '1 day' where dag_run_id = $1`,
      [id, index],
    )
  expect(await started(both)).toEqual([1])
  const [run] = await runsOf(both)
  expect([run?.data_interval_start, run?.data_interval_end, run?.logical_date]).toEqual(
    ['2026-01-01', '2026-01-04', '2026-01-04'].map((date) => new Date(`${date}T00:00:00Z`)),
  )
})

test('beside a schedule: neither a tick nor a manual run uses up a success, and the ticks go on', async () => {
  const [a, b] = [source(), source()]
  const both = follower([a, b], '@hourly')
  const { db, succeed, started, runsOf } = await open(a, b, both)
  const clock = new SetClock('2026-03-05T10:30:00Z')
  const scheduler = openScheduler(db, clock, [both])
  await scheduler.check()
  await succeed(a)
  clock.set('2026-03-05T11:00:00Z')
  await scheduler.check()
  await enqueue(db, both, { logicalDate: new Date() })
  await succeedQueued(db, [both])
  await succeed(b)
  expect(await started(both)).toEqual([1])
  clock.set('2026-03-05T12:00:00Z')
  await scheduler.check()
  const kinds = (await runsOf(both)).map(({ run_id }) => run_id.split('__')[0])
  expect(kinds).toEqual(['scheduled', 'after', 'manual', 'scheduled'])
})

test.each(['', ', even if its transaction is hidden'])(
  'a success that is committed late, with an earlier end than one that was counted, is not lost%s',
  async (hidden) => {
    const [a, b] = [source(), source()]
    const either = follower({ any: [a, b] })
    const { db, succeed, runsOf } = await open(a, b, either)
    const after = openAfter(hidden === '' ? db : await openAsOtherRole(db), [either])
    const started = async () => {
      const before = (await runsOf(either)).length
      await after.check()
      await succeedQueued(db, [either])
      return (await runsOf(either)).length - before
    }
    const id = await aRun(db, { dagId: a.id, state: 'running' })
    const slow = await database.pool.connect()
    onTestFinished(() => slow.release(true))
    await slow.query('begin')
    await slow.query(`update metadata.dag_run set state = 'success', ended_at = now() where dag_run_id = $1`, [id])
    for (let n = 0; n < 2; n++) {
      await succeed(b)
      expect(await started()).toBe(1)
    }
    await slow.query('commit')
    expect(await started()).toBe(1)
    expect(await started()).toBe(0)
  },
)

/** A role that may use the tables, but does not see what other roles do. */
async function openAsOtherRole(db: Metadata): Promise<Metadata> {
  const role = uniqueId('role').replace('-', '_')
  await db.query(`create role ${role} login password 'of-a-test'`)
  await db.query(`grant usage on schema metadata to ${role}`)
  await db.query(`grant all on all tables in schema metadata to ${role}`)
  const url = new URL(address(database.connectionString, { password: 'of-a-test' }))
  url.username = role
  const pool = openPool(url.href)
  onTestFinished(async () => {
    await pool.end()
    await db.query(`drop owned by ${role}`)
    await db.query(`drop role ${role}`)
  })
  return openMetadata(pool, 'metadata')
}

test('successes before the registration, before a change of after, and while it was absent do not count', async () => {
  const [a, b] = [source(), source()]
  const id = uniqueId('follower')
  const { succeed, runsOf } = await open(a, b)
  /** The number of runs after a process has opened the dag. Its first check registers the dag. */
  const runsAfterOpening = async (one: Dag) => {
    await open(one)
    await succeedQueued(openMetadata(database.pool, 'metadata'), [one])
    return (await runsOf(one)).length
  }
  await succeed(a)
  expect(await runsAfterOpening(follower([a], null, id))).toBe(0)
  await succeed(a)
  await succeed(b)
  const changed = follower([a, b], null, id)
  expect(await runsAfterOpening(changed)).toBe(0)
  await succeed(a)
  expect(await runsAfterOpening(changed)).toBe(0)
  await succeed(b)
  // A restart changes nothing.
  expect(await runsAfterOpening(changed)).toBe(1)
  await succeed(a)
  await open(dag(id, {}, () => {}))
  await succeed(b)
  expect(await runsAfterOpening(changed)).toBe(1)
})

test('a process with an older version of a dag, without after, does not stop the runs of the newer one', async () => {
  const a = source()
  const one = follower([a])
  const { db, after, succeed, started } = await open(a, one)
  const older = openAfter(db, [a, dag(one.id, {}, ({ task }) => task('only', { run: () => {} }))])
  await older.check()
  await after.check()
  await succeed(a)
  expect(await started(one)).toEqual([1])
})

test('a paused dag does not start, and the successes of the pause do not count afterwards', async () => {
  const [a, b] = [source(), source()]
  const both = follower([a, b])
  const { db, succeed, started } = await open(a, b, both)
  await setPaused(db, both.id, true, new Date())
  await succeed(a)
  await succeed(b)
  expect(await started(both)).toEqual([0])
  await setPaused(db, both.id, false, new Date())
  expect(await started(both)).toEqual([0])
  await succeed(a)
  // It is not paused, so this skips nothing.
  await setPaused(db, both.id, false, new Date())
  await succeed(b)
  expect(await started(both)).toEqual([1])
})

test('while its last run is queued, a dag gets no other one; the success counts when that run has started', async () => {
  const a = source()
  const one = follower([a])
  const { db, after, succeed, started, runsOf } = await open(a, one)
  await succeed(a)
  await after.check()
  for (let n = 0; n < 3; n++) await succeed(a)
  await after.check()
  expect((await runsOf(one)).map(({ state }) => state)).toEqual(['queued'])
  await succeedQueued(db, [one])
  expect(await started(one)).toEqual([1])
  expect(await started(one)).toEqual([0])
})

test('several processes that check at once start one run of each of 20 dags', async () => {
  const a = source()
  const followers = Array.from({ length: 20 }, () => follower([a]))
  const { db, succeed, runsOf } = await open(a, ...followers)
  const processes = Array.from({ length: 4 }, () => openAfter(db, followers))
  await Promise.all(processes.map((one) => one.check()))
  for (let round = 1; round <= 3; round++) {
    await succeed(a)
    // A process skips a dag that another one has locked, so the last check starts nothing.
    for (let n = 0; n < 2; n++) await Promise.all(processes.map((one) => one.check()))
    expect(await Promise.all(followers.map(async (one) => (await runsOf(one)).length))).toEqual(Array(20).fill(round))
    await succeedQueued(db, followers)
  }
})

test('a process that dies after any statement leaves all or nothing, and another one starts the run', async () => {
  const a = source()
  const one = follower([a])
  const { db, succeed, started, runsOf } = await open(a, one)
  await succeed(a)
  let dies = 0
  for (; dies < 20 && (await runsOf(one)).length === 0; dies++) {
    let left = dies
    const mortal: Metadata = {
      ...db,
      transaction: (work) =>
        db.transaction((tx) => {
          const query = (async (...given: Parameters<Metadata['query']>) => {
            if (left-- === 0) throw new Error('killed')
            return await tx.query(...given)
          }) as Metadata['query']
          return work({ ...tx, query })
        }),
    }
    await openAfter(mortal, [one]).check()
  }
  expect(dies).toBe(5)
  expect(await started(one)).toEqual([0])
})

test('deleting the run of a source, or the run that it started, starts nothing', async () => {
  const a = source()
  const one = follower([a])
  const { db, succeed, started, runsOf } = await open(a, one)
  await succeed(a, 'deleted-later')
  await succeed(a, 'kept')
  expect(await started(one)).toEqual([1])
  const [run] = await runsOf(one)
  await deleteRun(db, { dagId: a.id, runId: 'deleted-later' })
  expect((await readWholeRun(db, one.id, 'latest'))?.after.map(({ run_id }) => run_id)).toEqual(['kept'])
  await deleteRun(db, { dagId: one.id, runId: run?.run_id ?? '' })
  expect(await started(one)).toEqual([0])
  expect((await readWholeRun(db, a.id, 'kept'))?.followers).toEqual([])
})

test('a deleted dag whose code is loaded starts anew: earlier successes do not count', async () => {
  const [a, b] = [source(), source()]
  const both = follower([a, b])
  const { db, succeed, started } = await open(a, b, both)
  const jobId = await insertJob(db, 'start')
  await db.query('update metadata.job set dags = $2 where job_id = $1', [jobId, { [both.id]: 'h', [a.id]: 'h' }])
  await succeed(a)
  await deleteDag(db, both.id)
  await succeed(b)
  expect(await started(both)).toEqual([0])
  await succeed(a)
  await deleteDag(db, a.id)
  expect(await started(both)).toEqual([0])
  await succeed(a)
  expect(await started(both)).toEqual([1])
  await db.query(`update metadata.job set dags = '{}'`)
  await deleteDag(db, both.id)
  const left =
    'select from metadata.dag_after_success where dag_id = $1 union all select from metadata.dag_after where dag_id = $1'
  expect((await db.query(left, [both.id])).rowCount).toBe(0)
})

test('a clock that was set back loses no success and counts none twice', async () => {
  const a = source()
  const one = follower([a])
  const { db, succeed, started } = await open(a, one)
  await succeed(a)
  expect(await started(one)).toEqual([1])
  // As if the runs had been stored a day later, and the clock had been set back then.
  for (const change of [
    `dag_run set ended_at = ended_at + interval '1 day' where dag_id = '${a.id}'`,
    `dag_after_success set ended_at = ended_at + interval '1 day' where dag_id = '${one.id}'`,
    `dag_after set since = since + interval '1 day' where dag_id = '${one.id}'`,
  ])
    await db.query(`update metadata.${change}`)
  expect(await started(one)).toEqual([0])
  await succeed(a)
  expect(await started(one)).toEqual([1])
  expect(await started(one)).toEqual([0])
})

test('the started run and the runs that it follows link to each other', async () => {
  const [a, b] = [source(), source()]
  const both = follower([a, { dag: b, task: 'load' }])
  const { db, succeed, started } = await open(a, b, both)
  await succeed(a, 'first')
  await succeed(a, 'second')
  await succeed(b, 'third')
  expect(await started(both)).toEqual([1])
  const run = await readWholeRun(db, both.id, 'latest')
  expect(run).toMatchObject({ children: [], followers: [] })
  expect(run?.after).toEqual([
    { dag_id: b.id, run_id: 'third', task_id: 'load', state: 'success' },
    { dag_id: a.id, run_id: 'second', task_id: null, state: 'success' },
    { dag_id: a.id, run_id: 'first', task_id: null, state: 'success' },
  ])
  const link = { dag_id: both.id, run_id: run?.run.run_id, state: 'success' }
  for (const [dagId, runId, task_id] of [
    [a.id, 'first', null],
    [b.id, 'third', 'load'],
  ] as const)
    expect(await readWholeRun(db, dagId, runId)).toMatchObject({ after: [], followers: [{ ...link, task_id }] })
})
