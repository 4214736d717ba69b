import { commandFor } from '../command-for.ts'
import type { Check } from '../commands.ts'
import { humanDuration } from '../duration.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { blockedWords, codeDifference } from '../operations/list-jobs.ts'
import { listPools, type PoolListing } from '../operations/pools.ts'
import { countUnfinished, totals, type Unfinished } from '../operations/run-counts.ts'
import { findDeadJobs } from '../processes/jobs.ts'
import { type Executing, lateReason, listLate, nameOf, namesOf } from './alive.ts'
import { type ExecutingWithDags, hasLoaded, listExecutingWithDags } from './stays-queued.ts'
import { checkVersions } from './versions.ts'

/** Checks processes, runs and pools. @param here ids of the dags in PIPELINES_DIR */
export async function checkRuns(db: Metadata, here: readonly string[]): Promise<Check[]> {
  const executing = await listExecutingWithDags(db)
  const late = await listLate(db)
  const dead = await findDeadJobs(db, 0)
  const unfinished = await countUnfinished(
    db,
    dead.map(({ job_id }) => job_id),
  )
  return [
    ...judgeProcesses(executing, late),
    ...judgeLoaded(executing, here),
    ...processWarnings(executing),
    ...(await checkVersions(db)),
    ...dead
      .filter(({ job_id }) => !late.some((one) => one.job_id === job_id))
      .map(
        ({ reason }): Check => ({
          name: 'processes',
          level: 'warn',
          message: `${reason}; the next process to start takes over its runs: ${commandFor('start')}`,
        }),
      ),
    ...judgeRuns(unfinished, executing, here),
    judgePools(await listPools(db)),
  ]
}

function judgeProcesses(executing: readonly ExecutingWithDags[], late: readonly Executing[]): Check[] {
  const name = 'processes'
  // If the heartbeats of another process are committed, the database can write.
  const level = executing.length > 0 ? 'warn' : 'fail'
  const ofLate = late.map((one): Check => ({ name, level, message: lateReason(one) }))
  if (executing.length > 0)
    return [
      { name, level: 'ok', message: `${namesOf(executing)} ${executing.length === 1 ? 'executes' : 'execute'} runs` },
      ...ofLate,
    ]
  if (ofLate.length > 0) return ofLate
  return [{ name, level: 'warn', message: `no process is executing runs; start one with ${commandFor('start')}` }]
}

/**
 * Reports the dags that no process has loaded because they were added after the start. No process executes the runs of
 * such dags.
 */
function judgeLoaded(executing: readonly ExecutingWithDags[], here: readonly string[]): Check[] {
  const missing = executing.length === 0 ? [] : here.filter((id) => !executing.some((one) => hasLoaded(one, id)))
  if (missing.length === 0) return []
  const message = `no running process has loaded ${missing.join(', ')}; restart ${namesOf(executing)}`
  return [{ name: 'processes', level: 'warn', message }]
}

/** Warns if a process is blocked, or if processes have loaded different code. */
export function processWarnings(executing: readonly Executing[]): Check[] {
  const blocked = executing.map((one) => {
    const words = blockedWords(one)
    return words && `${nameOf(one)} has been ${words}`
  })
  const messages = [codeDifference(executing), ...blocked].filter((message) => message !== undefined)
  return messages.map((message) => ({ name: 'processes', level: 'warn', message }))
}

/** A run that may start normally starts within a second. After this time, something is wrong. */
const STUCK_MS = 10 * 60_000

function judgeRuns(
  unfinished: readonly Unfinished[],
  executing: readonly ExecutingWithDags[],
  here: readonly string[],
): Check[] {
  const isExecuted = executing.length > 0
  const stuck = unfinished.flatMap((dag): Check[] => {
    const { dag_id, queued, running, orphaned, max_active_runs, waiting_ms } = dag
    const waiting = `${queued} of ${dag_id} wait${queued === 1 ? 's' : ''}, for ${humanDuration(waiting_ms)}`
    const fail = (message: string): Check => ({ name: 'runs', level: 'fail', message })
    const start = commandFor('start')
    const isLoaded = executing.some((one) => hasLoaded(one, dag_id))
    if (!isLoaded && !here.includes(dag_id) && queued > 0) {
      const cancel = commandFor(`runs cancel ${dag_id} RUN`)
      return [fail(`${waiting}, and its folder is not in PIPELINES_DIR: restore it, or cancel each run with ${cancel}`)]
    }
    if (!isExecuted && orphaned > 0)
      return [fail(`the process of ${orphaned} running ${dag_id} died; start another one with ${start}`)]
    if (!isExecuted && queued > 0)
      return [fail(`${waiting}, and no process is executing runs: start one with ${start}`)]
    if (!isLoaded && queued > 0)
      return [fail(`${waiting}, and no running process has loaded that dag: restart ${namesOf(executing)}`)]
    if (queued === 0 || running >= max_active_runs || waiting_ms < STUCK_MS) return []
    return [fail(`${waiting}, although max_active_runs allows more runs; read the log of ${namesOf(executing)}`)]
  })
  if (stuck.length > 0) return stuck
  const { running, queued } = totals(unfinished)
  return [{ name: 'runs', level: 'ok', message: `${running} running, ${queued} queued` }]
}

function judgePools(pools: readonly PoolListing[]): Check {
  const free = pools.map(({ pool, slots, used }) => `${pool} ${Math.max(0, slots - used)} of ${slots} free`).join(', ')
  const closed = pools.find(({ slots }) => slots === 0)
  if (closed === undefined) return { name: 'pools', level: 'ok', message: free || 'there are no pools' }
  const { pool } = closed
  return {
    name: 'pools',
    level: 'warn',
    message: `pool ${pool} has 0 slots, so none of its tasks can start; run ${commandFor(`pools set ${pool} 1`)}`,
  }
}
