import { setTimeout as delay } from 'node:timers/promises'
import type { Dag } from '../dag/dag.ts'
import type { DagRunState } from '../dag/state.ts'
import { UsageError } from '../errors.ts'
import { insertRuns, newRunId } from '../metadata/dag-runs.ts'
import { registerDag } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { type Tick, ticksBetween } from '../scheduler/due.ts'
import { CONTINUOUS, timetableOf } from '../timetable.ts'
import {
  deleteUnstartedRuns,
  endBackfills,
  findRuns,
  openBackfill,
  type Reprocess,
  readBackfill,
} from './open-backfill.ts'
import { clear } from './operate.ts'

export interface BackfillRange {
  /** The range of logical dates, both ends included. The caller ensures that the range does not end in the future. */
  from: Date
  to: Date
  /** The existing runs of the range that run again: `none`, failed runs, or all ended runs. */
  reprocess: Reprocess
}

export interface BackfillOptions extends BackfillRange {
  /** Maximum number of the backfill's queued and running runs. The dag's own limit also applies. */
  maxActiveRuns: number
  /** Interrupts the backfill: runs that have not started are deleted. The next call for the same range resumes it. */
  signal: AbortSignal
  onProgress?(progress: BackfillProgress): void
}

export interface PlannedTick extends Tick {
  /** `create` a run, `clear` the run of an earlier backfill, or `skip` the tick. */
  action: 'create' | 'clear' | 'skip'
  runId: string
  runType: 'backfill'
  /** The state of the tick's existing run: the backfill's run, or else the scheduled run. */
  state: DagRunState | undefined
}

export interface BackfillProgress {
  /** Ticks in the range. */
  ticks: number
  /** Finished ticks, including skipped ones. */
  done: number
  /** Queued and running runs. */
  active: number
}

export interface BackfillEnd extends BackfillProgress {
  /** `cancelled` by `endBackfills` in any process; `interrupted` by the signal. */
  ended: 'done' | 'cancelled' | 'interrupted'
}

/** The limit for one backfill. */
export const MOST_TICKS = 100_000
const PLANNED_AT_ONCE = 500
const POLL_MS = 200

/**
 * Runs the ticks of a range, oldest first: queues runs of type `backfill` while the dag's `max_active_runs` allows it.
 * Any process that executes runs may run them; waiting scheduled runs go first. After a kill, the next call for the
 * same range resumes the backfill. Resolves when the last run has ended. Throws UsageError for a dag without a
 * schedule, an end before the start, or too many ticks.
 */
export async function backfill(db: Metadata, dag: Dag, options: BackfillOptions): Promise<BackfillEnd> {
  const { maxActiveRuns, reprocess, signal, onProgress } = options
  const ticks = ticksOf(dag, options)
  const dagVersionId = await registerDag(db, dag)
  const { backfillId, begunAt } = await openBackfill(db, { dagId: dag.id, ...options })
  for (let next = 0; ; ) {
    const { isOpen, active, free } = await readBackfill(db, backfillId)
    const progress = { ticks: ticks.length, done: Math.max(0, next - active), active }
    onProgress?.(progress)
    if (!isOpen || signal.aborted) {
      await deleteUnstartedRuns(db, backfillId)
      return { ...progress, ended: isOpen ? 'interrupted' : 'cancelled' }
    }
    if (next === ticks.length && active === 0) {
      await endBackfills(db, dag.id, backfillId)
      return { ...progress, ended: 'done' }
    }
    const room = Math.max(0, Math.min(maxActiveRuns - active, free))
    // Plans even if no run can start now, because skipped ticks need no run.
    const ahead = ticks.slice(next, next + PLANNED_AT_ONCE)
    const chosen = upTo(room, await plan(db, dag.id, ahead, reprocess, begunAt))
    const of = (action: string) => chosen.filter((one) => one.action === action)
    await insertRuns(
      db,
      null,
      of('create').map((one) => ({ ...one, dagId: dag.id, dagVersionId, conf: {} })),
    )
    for (const { runId } of of('clear')) await clear(db, { dagId: dag.id, runId }, {})
    next += chosen.length
    if (chosen.length === 0 || of('skip').length < chosen.length) await delay(POLL_MS, null, { signal }).catch(() => {})
  }
}

/** Returns for each tick the action that `backfill` would take. Changes nothing. Throws the same errors. */
export async function planBackfill(db: Metadata, dag: Dag, range: BackfillRange): Promise<PlannedTick[]> {
  return await plan(db, dag.id, ticksOf(dag, range), range.reprocess, null)
}

function ticksOf(dag: Dag, { from, to }: BackfillRange): Tick[] {
  if (dag.schedule === null)
    throw new UsageError(`Dag '${dag.id}' has no schedule, so it has no ticks; trigger it instead`)
  if (dag.schedule === CONTINUOUS)
    throw new UsageError(`Dag '${dag.id}' runs continuously, so it has no ticks; trigger it instead`)
  if (from > to) throw new UsageError('The end of the backfill is before its start; swap them')
  const { ticks, next } = ticksBetween(timetableOf(dag), from.getTime() - 1, to.getTime(), MOST_TICKS)
  if (next > to.getTime()) return ticks
  throw new UsageError(`The range has more than ${MOST_TICKS} ticks of '${dag.id}'; choose a shorter one`)
}

/** A run that ended after `begunAt` was executed by this backfill, so it is not repeated. */
async function plan(db: Metadata, dagId: string, ticks: Tick[], reprocess: Reprocess, begunAt: Date | null) {
  const idsOf = ({ logicalDate }: Tick) =>
    [newRunId('backfill', logicalDate), newRunId('scheduled', logicalDate)] as const
  const known = new Map((await findRuns(db, dagId, ticks.flatMap(idsOf))).map((run) => [run.runId, run]))
  return ticks.map((tick): PlannedTick => {
    const [runId, scheduledId] = idsOf(tick)
    const run = known.get(runId) ?? known.get(scheduledId)
    const isAgain =
      run?.endedAt && (begunAt === null || run.endedAt < begunAt) && [run.state, 'completed'].includes(reprocess)
    const action = run === undefined ? 'create' : !isAgain ? 'skip' : run.runId === runId ? 'clear' : 'create'
    return { ...tick, action, runId, runType: 'backfill', state: run?.state }
  })
}

/** The first ticks of the plan that need at most `room` runs. Skipped ticks need no run. */
function upTo(room: number, planned: readonly PlannedTick[]): PlannedTick[] {
  let left = room
  const end = planned.findIndex(({ action }) => action !== 'skip' && --left < 0)
  return planned.slice(0, end === -1 ? planned.length : end)
}
