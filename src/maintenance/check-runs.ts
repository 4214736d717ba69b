import type { Check } from '../commands.ts'
import { humanDuration } from '../duration.ts'
import { findDeadJobs } from '../metadata/jobs.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { listPools, type PoolListing } from '../operations/pools.ts'
import { type Executing, lateReason, listExecuting, listLate } from './alive.ts'

/** Processes, runs and pools, as the database tells of them. */
export async function checkRuns(db: Metadata): Promise<Check[]> {
  const executing = await listExecuting(db)
  const late = await listLate(db)
  const dead = await findDeadJobs(db, 0)
  const { rows } = await db.query<Unfinished>(UNFINISHED, [dead.map(({ job_id }) => job_id)])
  return [
    ...judgeProcesses(executing, late),
    ...dead
      .filter(({ job_id }) => !late.some((one) => one.job_id === job_id))
      .map(
        ({ reason }): Check => ({
          name: 'processes',
          level: 'warn',
          message: `${reason}; what it owned is taken over by the next process to start: npm start`,
        }),
      ),
    ...judgeRuns(rows, executing.length > 0),
    judgePools(await listPools(db)),
  ]
}

/** The runs of a dag that have not ended. */
export interface Unfinished {
  dag_id: string
  running: number
  queued: number
  /** Running ones whose owner is dead. */
  orphaned: number
  max_active_runs: number
  /** Of the oldest queued one. */
  waiting_ms: number
}

const UNFINISHED = `
select r.dag_id, d.max_active_runs, count(*) filter (where r.state = 'running')::int as running,
  count(*) filter (where r.state = 'queued')::int as queued,
  count(*) filter (where r.job_id = any($1::bigint[]))::int as orphaned,
  coalesce(extract(epoch from now() - min(r.queued_at) filter (where r.state = 'queued')) * 1000, 0)::float8 as waiting_ms
from metadata.dag_run r join metadata.dag d using (dag_id)
where r.state in ('queued', 'running') group by r.dag_id, d.max_active_runs order by r.dag_id`

function judgeProcesses(executing: readonly Executing[], late: readonly Executing[]): Check[] {
  const name = 'processes'
  const names = executing.map(({ kind, pid, hostname }) => `${kind} (process ${pid} on ${hostname})`)
  // Where another one's heartbeats are committed, the database writes.
  const level = names.length > 0 ? 'warn' : 'fail'
  const ofLate = late.map((one): Check => ({ name, level, message: lateReason(one) }))
  if (names.length > 0) return [{ name, level: 'ok', message: `runs are taken up by ${names.join(', ')}` }, ...ofLate]
  if (ofLate.length > 0) return ofLate
  return [{ name, level: 'warn', message: 'no process takes up runs; start one with npm start' }]
}

/** With room for it a run starts within a second or so; after this long it never will. */
const STUCK_MS = 10 * 60_000

/** @param isExecuted whether a live process takes up runs */
function judgeRuns(unfinished: readonly Unfinished[], isExecuted: boolean): Check[] {
  const stuck = unfinished.flatMap((dag): Check[] => {
    const { dag_id, queued, running, orphaned, max_active_runs, waiting_ms } = dag
    const waiting = `${queued} of ${dag_id} wait${queued === 1 ? 's' : ''}, for ${humanDuration(waiting_ms)}`
    const fail = (message: string): Check => ({ name: 'runs', level: 'fail', message })
    if (!isExecuted && orphaned > 0) return [fail(`${orphaned} of ${dag_id} lost the process; npm start takes it up`)]
    if (!isExecuted && queued > 0) return [fail(`${waiting}, and no process takes them up: start one with npm start`)]
    if (queued === 0 || running >= max_active_runs || waiting_ms < STUCK_MS) return []
    return [fail(`${waiting}, though there is room; is it in the PIPELINES_DIR of a running process?`)]
  })
  if (stuck.length > 0) return stuck
  const running = unfinished.reduce((sum, dag) => sum + dag.running, 0)
  const queued = unfinished.reduce((sum, dag) => sum + dag.queued, 0)
  return [{ name: 'runs', level: 'ok', message: `${running} running, ${queued} queued` }]
}

function judgePools(pools: readonly PoolListing[]): Check {
  const told = pools.map(({ pool, slots, used }) => `${pool} ${Math.max(0, slots - used)} of ${slots} free`).join(', ')
  const shut = pools.find(({ slots }) => slots === 0)
  if (shut === undefined) return { name: 'pools', level: 'ok', message: told || 'none is set' }
  const { pool } = shut
  return {
    name: 'pools',
    level: 'warn',
    message: `nothing in pool ${pool} can start; npm run cli -- pools set ${pool} 1`,
  }
}
