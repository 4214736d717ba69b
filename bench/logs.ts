import type { Database } from '#src/db/pool.ts'
import { openLog } from '#src/log.ts'
import { clean } from '#src/maintenance/clean.ts'
import { migrateMetadata } from '#src/maintenance/schema.ts'
import { type Metadata, openMetadata } from '#src/metadata/metadata.ts'
import { readLogs } from '#src/operations/logs.ts'
import type { JobContext } from '#src/runner/process.ts'
import { Writer } from '#src/runner/writer.ts'
import { median, timed, withServer } from './measure.ts'

const [RUNS, TASKS, LINES] = [250, 4, 1_000]
const TOTAL = RUNS * TASKS * LINES

/** What 1,000,000 log lines of about 100 characters cost: time to write, read and delete; bytes of table, index and WAL. */
export async function bench(): Promise<void> {
  await withServer(async (_, pool) => {
    await migrateMetadata(pool, 'metadata')
    const db = openMetadata(pool, 'metadata')
    await fill(pool)
    const before = await walPosition(pool)
    say('write', await timed(() => writeLines(db)))
    await pool.query('vacuum analyze metadata.task_log')
    const { rows } = await pool.query(
      `select count(*)::int as lines, avg(length(message))::float8 as characters,
         pg_table_size('metadata.task_log') as table, pg_indexes_size('metadata.task_log') as index,
         pg_current_wal_lsn() - $1::pg_lsn as wal from metadata.task_log`,
      [before],
    )
    console.log(rows[0])
    const took: number[] = []
    for (let n = 1; n <= 50; n++)
      took.push(await timed(() => readLogs(db, { dagId: 'dag', runId: `run_${n}` }, 't1', { tryNumber: 1 })))
    say(`read one try of ${LINES} lines, median`, median(took))
    await cleanAll(db)
  })
}

/** As many tries at once as CONCURRENCY allows by default. Waits for each write, so that no line is dropped. */
async function writeLines(db: Metadata): Promise<void> {
  const log = openLog({ level: 'silent', format: 'json', scrub: (text) => text })
  const writer = new Writer({ db, job: { id: 1 }, log } as unknown as JobContext)
  for (let run = 1; run <= RUNS; run++) {
    for (let task = 1; task <= TASKS; task++) {
      const lines = writer.openLog({ dagRunId: run, taskId: `t${task}`, tryNumber: 1 }, () => {})
      for (let n = 0; n < LINES; n++)
        lines.add({ loggedAt: new Date(), level: 'info', message: text(run, n), fields: undefined }, (same) => same)
    }
    await writer.drained()
  }
}

const text = (run: number, n: number) =>
  `GET https://api.example.com/v2/orders?page=${n}&size=200 answered 200 in ${(run * 7 + n) % 900} ms: 200 rows, ${n * 200} so far`

async function cleanAll(db: Metadata): Promise<void> {
  const options = { olderThanMs: 3_600_000, dryRun: false, signal: new AbortController().signal }
  say(`db clean of ${RUNS - 1} runs with ${TOTAL - TASKS * LINES} lines`, await timed(() => clean(db, options)))
  const { rows } = await db.query(
    `select count(*)::int as lines, pg_table_size('metadata.task_log') as table, pg_indexes_size('metadata.task_log') as index
     from metadata.task_log`,
  )
  console.log(rows[0])
}

async function walPosition(pool: Database): Promise<string> {
  const { rows } = await pool.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
  return rows[0]?.lsn ?? ''
}

const say = (what: string, ms: number) => console.log(`${what}: ${ms.toFixed(1)} ms`)

async function fill(pool: Database): Promise<void> {
  const statements = [
    `insert into metadata.dag (dag_id) values ('dag')`,
    `insert into metadata.dag_version (dag_id, hash, graph) values ('dag', 'h', '[]')`,
    `insert into metadata.job (kind, state, hostname, pid, started_at) values ('start', 'running', 'h', 1, now())`,
    `insert into metadata.dag_run (dag_id, run_id, run_type, state, logical_date, data_interval_start, data_interval_end,
       dag_version_id, job_id, queued_at, started_at, ended_at)
     select 'dag', 'run_' || n, 'scheduled', 'success', at, at, at, 1, 1, at, at, at
     from generate_series(1, ${RUNS}) n, lateral (select now() - (${RUNS} + 1 - n) * interval '1 day' as at) t`,
    `insert into metadata.task_instance (dag_run_id, task_id, state, try_number, started_at, ended_at)
     select dag_run_id, 't' || i, 'success', 1, ended_at, ended_at from metadata.dag_run, generate_series(1, ${TASKS}) i`,
    'vacuum analyze',
  ]
  for (const statement of statements) await pool.query(statement)
}
