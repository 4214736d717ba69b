import { commandFor } from '../command-for.ts'
import type { Check } from '../commands.ts'
import { humanDuration } from '../duration.ts'
import { findDeadJobs } from '../metadata/jobs.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { listPools, type PoolListing } from '../operations/pools.ts'
import { type Executing, lateReason, listLate } from './alive.ts'
import { hasLoaded, listTakers, namesOf, type Taker } from './takes-up.ts'

/** Processes, runs and pools, as the database tells of them. @param here ids of the dags whose code is here */
export async function checkRuns(db: Metadata, here: readonly string[]): Promise<Check[]> {
  const takers = await listTakers(db)
  const late = await listLate(db)
  const dead = await findDeadJobs(db, 0)
  const { rows } = await db.query<Unfinished>(UNFINISHED, [dead.map(({ job_id }) => job_id)])
  return [
    ...judgeProcesses(takers, late),
    ...judgeLoaded(takers, here),
    ...dead
      .filter(({ job_id }) => !late.some((one) => one.job_id === job_id))
      .map(
        ({ reason }): Check => ({
          name: 'processes',
          level: 'warn',
          message: `${reason}; what it owned is taken over by the next process to start: ${commandFor('start')}`,
        }),
      ),
    ...judgeRuns(rows, takers, here),
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

function judgeProcesses(takers: readonly Taker[], late: readonly Executing[]): Check[] {
  const name = 'processes'
  // Where another one's heartbeats are committed, the database writes.
  const level = takers.length > 0 ? 'warn' : 'fail'
  const ofLate = late.map((one): Check => ({ name, level, message: lateReason(one) }))
  if (takers.length > 0) return [{ name, level: 'ok', message: `runs are taken up by ${namesOf(takers)}` }, ...ofLate]
  if (ofLate.length > 0) return ofLate
  return [{ name, level: 'warn', message: `no process takes up runs; start one with ${commandFor('start')}` }]
}

/** A dag that was added after the start of every process: neither its schedule nor a run by hand is executed. */
function judgeLoaded(takers: readonly Taker[], here: readonly string[]): Check[] {
  const missing = takers.length === 0 ? [] : here.filter((id) => !takers.some((one) => hasLoaded(one, id)))
  if (missing.length === 0) return []
  const message = `no running process has loaded ${missing.join(', ')}; restart ${namesOf(takers)}`
  return [{ name: 'processes', level: 'warn', message }]
}

/** With room for it a run starts within a second or so; after this long it never will. */
const STUCK_MS = 10 * 60_000

function judgeRuns(unfinished: readonly Unfinished[], takers: readonly Taker[], here: readonly string[]): Check[] {
  const isExecuted = takers.length > 0
  const stuck = unfinished.flatMap((dag): Check[] => {
    const { dag_id, queued, running, orphaned, max_active_runs, waiting_ms } = dag
    const waiting = `${queued} of ${dag_id} wait${queued === 1 ? 's' : ''}, for ${humanDuration(waiting_ms)}`
    const fail = (message: string): Check => ({ name: 'runs', level: 'fail', message })
    const start = commandFor('start')
    const isLoaded = takers.some((one) => hasLoaded(one, dag_id))
    if (!isLoaded && !here.includes(dag_id) && queued > 0) {
      const cancel = commandFor(`runs cancel ${dag_id} RUN`)
      return [fail(`${waiting}, and its folder is not in PIPELINES_DIR: put it back, or end each with ${cancel}`)]
    }
    if (!isExecuted && orphaned > 0) return [fail(`${orphaned} of ${dag_id} lost the process; ${start} takes it up`)]
    if (!isExecuted && queued > 0) return [fail(`${waiting}, and no process takes them up: start one with ${start}`)]
    if (!isLoaded && queued > 0)
      return [fail(`${waiting}, and no running process has loaded that dag: restart ${namesOf(takers)}`)]
    if (queued === 0 || running >= max_active_runs || waiting_ms < STUCK_MS) return []
    return [fail(`${waiting}, though there is room; look at the log of ${namesOf(takers)}`)]
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
    message: `nothing in pool ${pool} can start; ${commandFor(`pools set ${pool} 1`)}`,
  }
}
