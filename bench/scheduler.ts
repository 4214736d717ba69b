import { type Dag, dag } from '#src/dag/dag.ts'
import type { Database } from '#src/db/pool.ts'
import { openLog } from '#src/log.ts'
import { migrateMetadata } from '#src/maintenance/schema.ts'
import { type Metadata, openMetadata } from '#src/metadata/metadata.ts'
import { After } from '#src/operations/after.ts'
import { Scheduler } from '#src/scheduler/scheduler.ts'
import { report, timed, withServer } from './measure.ts'

const DAGS = 1_000
const FIRST = Date.parse('2026-03-05T12:00:00Z')

/**
 * 1,000 dags due in the same minute: the time from the scheduler's check until all runs are committed. Then 200 dags that
 * follow other dags with a long history: the time of the check of each second.
 */
export async function bench(): Promise<void> {
  await withServer(async (_, pool) => {
    await migrateMetadata(pool, 'metadata')
    await sameMinute(pool, 'one schedule', () => '* * * * *', 'UTC')
    const own = (n: number) => `*/${(n % 29) + 1} * * * *`
    await sameMinute(pool, '29 schedules, a zone with summer time', own, 'Europe/Berlin')
    await afterOthers(pool)
  })
}

async function sameMinute(pool: Database, what: string, schedule: (n: number) => string, timezone: string) {
  const dags = Array.from({ length: DAGS }, (_, n) => dueDag(`${what.slice(0, 2)}-${n}`, schedule(n), timezone))
  const db = openMetadata(pool, 'metadata')
  const log = openLog({ level: 'silent', format: 'json', scrub: (text) => text })
  let now = FIRST - 1_000
  const scheduler = new Scheduler({ db, dags, log, clock: { now: () => new Date(now) } })
  await scheduler.check()
  for (const which of ['first', 'second', 'third']) {
    now = FIRST + (which === 'first' ? 0 : which === 'second' ? 3_600_000 : 7_200_000)
    const ms = await timed(() => scheduler.check())
    const { rows } = await pool.query<{ runs: number }>(
      'select count(*)::int as runs from metadata.dag_run where dag_id = any($1) and logical_date = $2',
      [dags.map(({ id }) => id), new Date(now)],
    )
    const runs = rows[0]?.runs ?? 0
    report(`${what}: ${which} minute, ${runs} runs`, `${ms.toFixed(0)} ms`, ms / 1_000, 1, 'at most')
    if (runs !== DAGS) throw new Error(`${runs} runs instead of ${DAGS}`)
  }
}

const SOURCES = 20
const FOLLOWERS = 200

/** Each dag follows three of 20 others. */
async function afterOthers(pool: Database): Promise<void> {
  const db = openMetadata(pool, 'metadata')
  const log = openLog({ level: 'silent', format: 'json', scrub: (text) => text })
  const idOf = (n: number) => `source-${n % SOURCES}`
  const followers = Array.from({ length: FOLLOWERS }, (_, n) => {
    const after = [idOf(n), idOf(n + 1), { dag: idOf(n + 2), task: 'load' }]
    return dag(`follower-${n}`, { after }, ({ task }) => task('only', { run: () => {} }))
  })
  for (let n = 0; n < SOURCES; n++) await pool.query('insert into metadata.dag (dag_id) values ($1)', [idOf(n)])
  await succeed(db, 10_000, 'source-%', '30 days')
  const after = new After({ db, dags: followers, log })
  await after.check()
  const check = (what: string, limit: number) => reportCheck(db, after, what, limit)
  await check('200,000 earlier runs of the sources, nothing new', 100)
  await succeed(db, 1)
  await check('each source has succeeded', 5_000)
  await check('nothing new', 100)
  await succeed(db, 1_000, 'source-%0')
  await check('some sources have succeeded 1,000 times, the others not', 100)
  await succeed(db, 1)
  await check('the others too', 60_000)
  await check('nothing new', 100)
  await after.stop()
}

/** Stores runs of each of these sources that succeeded in the time before now. */
async function succeed(db: Metadata, each: number, like = 'source-%', within = '0 s'): Promise<void> {
  await db.query(
    `with version as (
       insert into metadata.dag_version as v (dag_id, hash, graph) select dag_id, 'placed', '[]' from metadata.dag
       where dag_id like $3 on conflict (dag_id, hash) do update set hash = v.hash returning dag_id, dag_version_id
     ), run as (
       insert into metadata.dag_run (dag_id, run_id, run_type, state, logical_date, data_interval_start,
         data_interval_end, dag_version_id, started_at, ended_at)
       select dag_id, gen_random_uuid(), 'manual', 'success', at, at, at, dag_version_id, at, at
       from version cross join lateral (
         select clock_timestamp() - $2::interval * random() as at from generate_series(1, $1) n) t
       returning dag_run_id, ended_at
     )
     insert into metadata.task_instance (dag_run_id, task_id, state, try_number, started_at, ended_at)
     select dag_run_id, 'load', 'success', 1, ended_at, ended_at from run`,
    [each, within, like],
  )
  await db.query('analyze metadata.dag_run, metadata.task_instance')
}

async function reportCheck(db: Metadata, after: After, what: string, atMost: number): Promise<void> {
  const count = async () => {
    const { rows } = await db.query<{ n: number }>(
      `select count(*)::int as n from metadata.dag_run where dag_id like 'follower-%'`,
    )
    return rows[0]?.n ?? 0
  }
  const before = await count()
  const ms = await timed(() => after.check())
  const started = (await count()) - before
  await db.query(
    `update metadata.dag_run set state = 'success', started_at = now(), ended_at = now() where state = 'queued'`,
  )
  report(
    `${FOLLOWERS} dags after others: ${what}: ${started} runs`,
    `${ms.toFixed(0)} ms`,
    ms / 1_000,
    atMost / 1_000,
    'at most',
  )
}

function dueDag(id: string, schedule: string, timezone: string): Dag {
  return dag(id, { schedule, timezone, catchup: 'latest' }, ({ task }) => {
    const first = task('first', { run: () => {} })
    const second = task('second', { upstream: { first }, run: () => {} })
    task('third', { upstream: { second }, run: () => {} })
  })
}
