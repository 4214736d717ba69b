import type { Dag } from '../dag/dag.ts'
import { readSchedules, type ScheduleState } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { due, sinceOf } from '../scheduler/due.ts'
import { CONTINUOUS, timetableOf } from '../timetable.ts'
import { isAutomatic } from './after-words.ts'

/** What stands in place of the next run if no tick is known. */
export function noTickWords({ schedule }: Pick<Dag, 'schedule'>): string {
  return schedule === CONTINUOUS ? 'when the last run has ended' : 'no further tick'
}

/** The next scheduled runs of a dag; empty without a schedule. */
export interface NextRuns {
  paused: boolean
  /**
   * Logical dates, earliest first; empty while the dag is paused. A date before `now` is due but not queued yet, because
   * the scheduler is catching up or no scheduler runs.
   */
  next: Date[]
}

/** The next `count` scheduled runs of each dag, by dag id. */
export async function readNextRuns(
  db: Metadata,
  dags: readonly Dag[],
  now: Date,
  count = 1,
): Promise<Map<string, NextRuns>> {
  const automatic = dags.filter(isAutomatic).map(({ id }) => id)
  const states = await readSchedules(db, automatic, now)
  return new Map(dags.map((dag) => [dag.id, nextRuns(dag, states.get(dag.id), now, count)]))
}

export interface UpcomingRun {
  dagId: string
  /** Logical date. One before `now` is due but not queued yet. */
  at: Date
}

/**
 * The next scheduled run of each dag, earliest first: the first `count`. Otherwise a dag that runs every minute would hide
 * all others.
 */
export async function readUpcoming(
  db: Metadata,
  dags: readonly Dag[],
  now: Date,
  count: number,
): Promise<UpcomingRun[]> {
  const first = await readFirstRuns(db, dags, now)
  const earliest = [...first].sort(([, a], [, b]) => a.getTime() - b.getTime()).slice(0, count)
  return earliest.map(([{ id: dagId }, at]) => ({ dagId, at }))
}

/** The next scheduled run of each dag that has one. */
async function readFirstRuns(db: Metadata, dags: readonly Dag[], now: Date): Promise<Map<Dag, Date>> {
  const scheduled = dags.filter(({ schedule }) => schedule !== null)
  const states = await readSchedules(
    db,
    scheduled.map(({ id }) => id),
    now,
  )
  return new Map(scheduled.flatMap((dag) => firstRun(dag, states.get(dag.id), now).map((at) => [dag, at])))
}

/** A tick of a cron expression takes 0.1 ms to find. A page of a thousand dags keeps each until it is due. */
const kept = new WeakMap<Dag, { state: ScheduleState; next: Date[] }>()

function firstRun(dag: Dag, state: ScheduleState | undefined, now: Date): Date[] {
  const known = kept.get(dag)
  if (state && known && isSame(known.state, state) && (known.next[0] ?? now) > now) return known.next
  const { next } = nextRuns(dag, state, now, 1)
  if (state) kept.set(dag, { state, next })
  return next
}

function isSame(a: ScheduleState, b: ScheduleState): boolean {
  return a.paused === b.paused && Number(a.since) === Number(b.since) && Number(a.last) === Number(b.last)
}

/**
 * Returns the runs that a scheduler would queue if it started at `now`, then the later ones. Excludes missed ticks that
 * are not caught up, and ticks before the start date.
 *
 * @param state undefined if the database has no state of the dag: nothing ran yet, and it is not paused
 */
export function nextRuns(dag: Dag, state: ScheduleState | undefined, now: Date, count: number): NextRuns {
  const paused = state?.paused ?? false
  if (dag.schedule === null || paused) return { paused, next: [] }
  const timetable = timetableOf(dag)
  const since = state?.since ?? sinceOf(dag, now)
  const history = { last: state?.last?.getTime(), since: since.getTime(), startDate: dag.startDate?.getTime() }
  const { ticks, next } = due(timetable, dag.catchup, { ...history, seen: undefined }, now.getTime(), count)
  const found = ticks.map(({ logicalDate }) => logicalDate)
  for (let at = next; Number.isFinite(at) && found.length < count; at = timetable.next(at)) found.push(new Date(at))
  return { paused, next: found }
}
