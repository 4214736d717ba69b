import { setTimeout as delay } from 'node:timers/promises'
import type { Dag } from '../dag/dag.ts'
import type { DagRunState } from '../dag/state.ts'
import { UsageError } from '../errors.ts'
import { queueRuns } from '../metadata/dag-runs.ts'
import { registerDag } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { newRunId } from '../runner/run-id.ts'
import { type Tick, take } from '../scheduler/due.ts'
import { openTimetable } from '../scheduler/timetable.ts'
import { endBackfills, findRuns, openBackfill, type Reprocess, readBackfill, withdrawRuns } from './open-backfill.ts'
import { clear } from './operate.ts'

export interface BackfillRange {
  /** The first and the last instant whose ticks are run; no later than now, which the caller sees to. */
  from: Date
  to: Date
  /** Of the ticks that have a run already: leave all, or do those again that failed, or all that ended. */
  reprocess: Reprocess
}

export interface BackfillOptions extends BackfillRange {
  /** Runs of the backfill that wait or run at once; never more than the dag has room for. */
  maxActiveRuns: number
  /** Stops it: what nobody has begun is taken back, and the same backfill goes on from there when asked for again. */
  signal: AbortSignal
  onProgress?(progress: BackfillProgress): void
}

export interface PlannedTick extends Tick {
  /** `create` a run, `clear` the one of an earlier backfill, or `skip`. */
  action: 'create' | 'clear' | 'skip'
  runId: string
  runType: 'backfill'
  /** Of the run it has: a backfill's, else the scheduled one. */
  state: DagRunState | undefined
}

export interface BackfillProgress {
  /** In its range; of these so many are dealt with, skipped ones among them; so many runs are under way. */
  ticks: number
  done: number
  active: number
}

export interface BackfillEnd extends BackfillProgress {
  /** `cancelled` by `endBackfills`, from wherever; `interrupted` by the signal. */
  ended: 'done' | 'cancelled' | 'interrupted'
}

/** More are a mistake, or several backfills. */
export const MOST_TICKS = 100_000
const PLANNED_AT_ONCE = 500
const POLL_MS = 200

/**
 * Runs the ticks of a range, oldest first, by queueing runs of type `backfill` for whoever executes, as long as its dag
 * has room: a scheduled run that waits goes first. Killed, it goes on with the next call for the same range. Resolves
 * when the last run has ended. Throws UsageError for a dag without a schedule, an
 * end before the beginning, or too many ticks.
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
      await withdrawRuns(db, backfillId)
      return { ...progress, ended: isOpen ? 'interrupted' : 'cancelled' }
    }
    if (next === ticks.length && active === 0) {
      await endBackfills(db, dag.id, backfillId)
      return { ...progress, ended: 'done' }
    }
    const room = Math.max(0, Math.min(maxActiveRuns - active, free))
    // Also without room: ticks that are skipped need none.
    const ahead = ticks.slice(next, next + PLANNED_AT_ONCE)
    const chosen = upTo(room, await plan(db, dag.id, ahead, reprocess, begunAt))
    const of = (action: string) => chosen.filter((one) => one.action === action)
    await queueRuns(
      db,
      of('create').map((one) => ({ ...one, dagId: dag.id, dagVersionId })),
    )
    for (const { runId } of of('clear')) await clear(db, { dagId: dag.id, runId }, {})
    next += chosen.length
    if (chosen.length === 0 || of('skip').length < chosen.length) await delay(POLL_MS, null, { signal }).catch(() => {})
  }
}

/** What `backfill` would do, tick by tick; changes nothing. Throws as it does. */
export async function planBackfill(db: Metadata, dag: Dag, range: BackfillRange): Promise<PlannedTick[]> {
  return await plan(db, dag.id, ticksOf(dag, range), range.reprocess, null)
}

function ticksOf({ id, schedule, timezone }: Dag, { from, to }: BackfillRange): Tick[] {
  if (schedule === null) throw new UsageError(`Dag '${id}' has no schedule, so no ticks to run; trigger it instead`)
  if (from > to) throw new UsageError('The end of a backfill lies before its beginning; swap them')
  const { ticks, next } = take(openTimetable(schedule, timezone), from.getTime() - 1, to.getTime(), MOST_TICKS)
  if (next > to.getTime()) return ticks
  throw new UsageError(`Over ${MOST_TICKS} ticks of '${id}' lie there; take a shorter time`)
}

/** A run that ended since `begunAt` was done by this very backfill. */
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

/** As many as there is room for, and what is skipped on the way. */
function upTo(room: number, planned: readonly PlannedTick[]): PlannedTick[] {
  let left = room
  const end = planned.findIndex(({ action }) => action !== 'skip' && --left < 0)
  return planned.slice(0, end === -1 ? planned.length : end)
}
