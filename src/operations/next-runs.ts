import type { Dag } from '../dag/dag.ts'
import { readSchedules, type ScheduleState } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { due, sinceOf } from '../scheduler/due.ts'
import { CONTINUOUS, timetableOf } from '../timetable.ts'

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
  const scheduled = dags.filter(({ schedule }) => schedule !== null).map(({ id }) => id)
  const states = await readSchedules(db, scheduled, now)
  return new Map(dags.map((dag) => [dag.id, nextRuns(dag, states.get(dag.id), now, count)]))
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
