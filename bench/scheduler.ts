import { type Dag, dag } from '#src/dag/dag.ts'
import type { Database } from '#src/db/pool.ts'
import { openLog } from '#src/log.ts'
import { migrateMetadata } from '#src/maintenance/schema.ts'
import { openMetadata } from '#src/metadata/metadata.ts'
import { Scheduler } from '#src/scheduler/scheduler.ts'
import { report, timed, withServer } from './measure.ts'

const DAGS = 1_000
const FIRST = Date.parse('2026-03-05T12:00:00Z')

/** 1,000 dags due in the same minute: the time from the scheduler's check until all runs are committed. */
export async function bench(): Promise<void> {
  await withServer(async (_, pool) => {
    await migrateMetadata(pool, 'metadata')
    await sameMinute(pool, 'one schedule', () => '* * * * *', 'UTC')
    const own = (n: number) => `*/${(n % 29) + 1} * * * *`
    await sameMinute(pool, '29 schedules, a zone with summer time', own, 'Europe/Berlin')
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

function dueDag(id: string, schedule: string, timezone: string): Dag {
  return dag(id, { schedule, timezone, catchup: 'latest' }, ({ task }) => {
    const first = task('first', { run: () => {} })
    const second = task('second', { upstream: { first }, run: () => {} })
    task('third', { upstream: { second }, run: () => {} })
  })
}
